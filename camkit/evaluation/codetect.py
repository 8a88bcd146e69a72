"""Maps of a set of images at once: where those of one class vary together (DDT), without a weight of the class."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch

from camkit.cam import Features, Moments
from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Preprocess, Record, RecordDataset, Sample
from camkit.errors import CamkitError
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.threads import in_order

Found = tuple[Record, torch.Tensor]


def codetect(
    inference: Inference,
    dataset: AnnotatedSet,
    *,
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Found | Failure]:
    """Each image's map (h, w) by the first principal direction of its class's features, class by class.

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
    (Record, Tensor) or Failure

    Raises
    ------
    CamkitError
        The network has no features to take.
    """
    assert inference.cam is not None  # refused before anything is read
    yield from (Failure("", problem) for problem in dataset.problems)
    for record in dataset.records:
        if record.label is None:
            yield Failure(record.image, "it has no label, and belongs to no set")
    for label in sorted({record.label for record in dataset.records if record.label is not None}):
        own = replace(dataset, records=[record for record in dataset.records if record.label == label])
        through = partial(_features, inference, own, batch_size=batch_size, workers=workers, max_pixels=max_pixels)
        moments = Moments()
        for seen in through(moments.add):
            del seen  # failures are told by the second pass
        try:
            direction = moments.direction()
        except CamkitError as error:
            yield from (Failure(record.image, str(error)) for record in own.records)
            continue
        yield from through(direction.maps)


def _features(
    inference: Inference,
    dataset: AnnotatedSet,
    take: Callable[[torch.Tensor], torch.Tensor | None],
    *,
    batch_size: int,
    workers: int,
    max_pixels: int,
) -> Iterator[Found | Failure]:
    """What `take` makes of the features (n, C, h, w) of each batch, image by image; nothing of those it keeps."""
    images = RecordDataset(dataset.records, Preprocess(inference.classifier.input, "stretch"), max_pixels,
                           upright=dataset.upright, filled=dataset.filled)  # fmt: skip

    def start(batch: Batch) -> list[Callable[[], Found | Failure]]:
        prediction = inference.forward(batch)
        assert isinstance(prediction, Features)  # a head of its own was asked for
        good = prediction.features.isfinite().flatten(1).all(1)
        made = take(prediction.features[good]) if bool(good.any()) else None
        maps = iter(torch.zeros(int(good.sum()), 1, 1) if made is None else made.cpu())
        return [
            partial(_found, dataset.records[sample.index], next(maps)) if fine
            else partial(Failure, sample.name, "its features are NaN or infinite")
            for sample, fine in zip(batch.samples, good.tolist(), strict=True)
        ]  # fmt: skip

    yield from in_order(inference.batches(images, batch_size, workers), start, _unreadable)


def _found(record: Record, one: torch.Tensor) -> Found | Failure:
    return record, one


def _unreadable(sample: Sample) -> Found | Failure:
    return Failure(sample.name, sample.error or "")
