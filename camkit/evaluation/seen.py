"""What is seen of each annotated image: the maps of its own class, from a model's forward pass or from files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch

from camkit.boxes import Window
from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Record, Sample, read_size
from camkit.data.annotations import check_inside
from camkit.data.map_files import MapFolder
from camkit.errors import CamkitError
from camkit.evaluation.predictions import MOST, Predictions
from camkit.evaluation.walk import Jobs, walk
from camkit.inference import Inference, in_threads
from camkit.localization import Failure, window_of

CHUNK = 64  # maps that are read while as many are judged

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Seen:
    """One annotated image and the maps of its own class.

    Attributes
    ----------
    record : Record
        With a label.
    size : tuple of int
        Height and width of the image.
    window : tuple of float or None
        What of the image the maps cover; None for all of it.
    maps : dict from weighting to Tensor (h, w)
        Of another tool's maps there is one, under every weighting.
    label : int or None
        The image's class as the classifier numbers it; None where there is no classifier.
    predicted : Tensor (k,) or None
        The likeliest classes, best first.
    """

    record: Record
    size: tuple[int, int]
    window: Window | None
    maps: dict[str, torch.Tensor]
    label: int | None
    predicted: torch.Tensor | None


Judge = Callable[[Seen], T | Failure]


def seen_by(
    inference: Inference,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    judge: Judge[T],
    *,
    classes: Predictions | None = None,
    **reading: Any,
) -> Iterator[T | Failure]:
    """What `judge` makes of each image of a data set as a model sees it, in order.

    Parameters
    ----------
    inference : Inference
        One forward pass an image, whatever the number of weightings.
    dataset : AnnotatedSet
    weightings : sequence of str
    judge : callable
        Works in threads, beside the next forward pass.
    classes : Predictions, optional
        Another classifier's word on the classes; the maps are the model's.
    **reading
        As of `walk`.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's.
    """

    def start(batch: Batch, labels: torch.Tensor) -> Jobs[T]:
        features = inference.forward(batch)
        maps = {weighting: features.class_maps(labels, weighting).maps[:, 0].cpu() for weighting in weightings}
        top = features.top(MOST).cpu()

        def see(i: int, sample: Sample) -> T | Failure:
            assert sample.view is not None
            record = dataset.records[sample.index]
            its = {weighting: stack[i] for weighting, stack in maps.items()}
            try:
                said = (int(labels[i]), top[i]) if classes is None else classes.said(record, sample.index)
            except CamkitError as error:
                return Failure(sample.name, str(error))
            return _judged(Seen(record, sample.view.size, window_of(sample.view), its, *said), judge)

        return [partial(see, i, sample) for i, sample in enumerate(batch.samples)]

    yield from walk(inference, dataset, start, **reading)


def seen_in(
    maps: MapFolder,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    judge: Judge[T],
    *,
    classes: Predictions | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[T | Failure]:
    """What `judge` makes of each image of a data set with the map that another tool left of it, in order.

    A map is of the image's own class and covers the whole image, whatever the map's size. Of the image itself no more
    than its size is read, and not even that where the annotation states it; one of more than `max_pixels` is a failure.
    """

    def see(index: int) -> T | Failure:
        record = dataset.records[index]
        try:
            size = record.size or read_size(record.read(), record.image, dataset.upright)
            _check_pixels(size, max_pixels)
            check_inside(record.boxes.tolist(), size)
            own_map = torch.from_numpy(maps.read(record.image, record.label))
            said = (None, None) if classes is None else classes.said(record, index)
        except CamkitError as error:
            return Failure(record.image, str(error))
        return _judged(Seen(record, size, None, dict.fromkeys(weightings, own_map), *said), judge)

    n = len(dataset.records)
    starts = range(0, n, CHUNK)
    chunks: Iterator[list[Callable[[], T | Failure]]]
    chunks = ([partial(see, i) for i in range(start, min(start + CHUNK, n))] for start in starts)
    yield from in_threads(chunks, threads)


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    height, width = size
    if height * width > max_pixels:
        raise CamkitError(
            f"an image of {width} x {height} pixels, by its annotation or its file, and {max_pixels} are allowed: mend "
            "the size, or give --max-pixels"
        )


def _judged(seen: Seen, judge: Judge[T]) -> T | Failure:
    if seen.record.label is None:
        return Failure(seen.record.image, "it has no label, and no map is its own")
    try:
        return judge(seen)
    except CamkitError as error:
        return Failure(seen.record.image, str(error))
