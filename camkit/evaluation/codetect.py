"""Maps of a set of images at once: where those of one class vary together (DDT), without a weight of the class."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from camkit.boxes import Threshold
from camkit.cam import Features, Moments
from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Preprocess, Record, RecordDataset, Sample
from camkit.errors import CamkitError
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.recipe import Recipe
from camkit.threads import in_order

ABOVE_ZERO = Recipe("signed", Threshold(0.0, 0.0, "max"), "none")
"""What is positive is the object."""


@dataclass(frozen=True, eq=False)
class CoDetected:
    """What one image has of its class's direction.

    Attributes
    ----------
    index : int
        Position of the record in the data set.
    record : Record
    size : tuple of int
        Height and width of the image, in pixels.
    map : Tensor (h, w), float32
    box : tuple of int
        Round the largest region above 0, in the image's pixels, half open; ``0, 0, 0, 0`` where there is none.
    share : float
        Of the variance of the class's features that its direction has, in [0, 1].
    """

    index: int
    record: Record
    size: tuple[int, int]
    map: torch.Tensor
    box: tuple[int, int, int, int]
    share: float


def codetect(
    inference: Inference,
    dataset: AnnotatedSet,
    *,
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[CoDetected | Failure]:
    """Each image's map by the first principal direction of its class's features, class by class.

    Images are stretched to the input, so that maps cover them whole, and go through the network twice: memory does not
    grow with their number. The classes of the data set need not be the network's.

    Parameters
    ----------
    inference : Inference
        With a head of its own, whose features are taken.
    dataset : AnnotatedSet
        Labels say which images belong together; no box is looked at.
    batch_size, workers, max_pixels
        See `camkit.Localizer`.

    Yields
    ------
    CoDetected or Failure

    Raises
    ------
    CamkitError
        The network has no features to take.
    """
    assert inference.cam is not None  # refused before anything is read
    yield from (Failure("", problem) for problem in dataset.problems)
    sets: dict[int, list[int]] = {}
    for index, record in enumerate(dataset.records):
        if record.label is None:
            yield Failure(record.image, "it has no label, and belongs to no set")
        else:
            sets.setdefault(record.label, []).append(index)
    for label in sorted(sets):
        own = replace(dataset, records=[dataset.records[index] for index in sets[label]])
        through = partial(_features, inference, own, batch_size=batch_size, workers=workers, max_pixels=max_pixels)
        moments = Moments()
        for _ in through(moments.add):
            pass  # failures are told by the second pass
        try:
            direction = moments.direction()
        except CamkitError as error:
            yield from (Failure(record.image, str(error)) for record in own.records)
            continue
        for found in through(direction.maps):
            if isinstance(found, Failure):
                yield found
            else:
                yield replace(found, index=sets[label][found.index], share=direction.share)


def _features(
    inference: Inference,
    dataset: AnnotatedSet,
    take: Callable[[torch.Tensor], torch.Tensor | None],
    *,
    batch_size: int,
    workers: int,
    max_pixels: int,
) -> Iterator[CoDetected | Failure]:
    """What `take` makes of the features (n, C, h, w) of each batch, image by image; nothing of those it keeps."""
    images = RecordDataset(dataset.records, Preprocess(inference.classifier.input, "stretch"), max_pixels,
                           upright=dataset.upright, filled=dataset.filled)  # fmt: skip

    def start(batch: Batch) -> list[Callable[[], CoDetected | Failure]]:
        prediction = inference.forward(batch)
        assert isinstance(prediction, Features)  # a head of its own was asked for
        good = prediction.features.isfinite().flatten(1).all(1)
        made = take(prediction.features[good]) if bool(good.any()) else None
        maps = iter([None] * int(good.sum()) if made is None else made.cpu())
        return [
            partial(_found, dataset.records[sample.index], sample, next(maps)) if fine
            else partial(Failure, sample.name, "its features are NaN or infinite")
            for sample, fine in zip(batch.samples, good.tolist(), strict=True)
        ]  # fmt: skip

    yield from in_order(inference.batches(images, batch_size, workers), start, _unreadable, ahead=inference.ahead)


def _found(record: Record, sample: Sample, one: torch.Tensor | None) -> CoDetected | Failure:
    """The box of a map; of an image that was only added to its class's sum, that it could be read."""
    assert sample.view is not None
    size = sample.view.size
    if one is None:
        return CoDetected(sample.index, record, size, torch.empty(0), (0, 0, 0, 0), 0.0)
    boxes, _ = ABOVE_ZERO.boxes(ABOVE_ZERO.score_maps(one[None], size))
    x0, y0, x1, y1 = boxes[0].tolist()
    return CoDetected(sample.index, record, size, one, (x0, y0, x1, y1), 0.0)


def _unreadable(sample: Sample) -> CoDetected | Failure:
    return Failure(sample.name, sample.error or "")
