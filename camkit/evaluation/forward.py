"""Annotated images through a network, in order."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor, tensor

from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Fit, Preprocess, RecordDataset, Sample
from camkit.evaluation.classes import match_classes
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.threads import in_order

T = TypeVar("T")
Jobs = list[Callable[[], T | Failure]]


def forward_dataset(
    inference: Inference,
    dataset: AnnotatedSet,
    start: Callable[[Batch, Tensor], Jobs[T]],
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    keep_image: bool = False,
) -> Iterator[T | Failure]:
    """Forward passes of a data set, and what is made of each image; images that cannot be read are failures.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
    start : callable
        Takes a batch and the classes (n,) of its images as the model numbers them, 0 where an image has none; runs the
        network, and gives what is left to do for each image, which threads do.
    fit : {"stretch", "crop", "keep"}
        See `camkit.data.Preprocess`.
    batch_size, workers : int
        Images in a forward pass; processes that read images (0: this one).
    max_pixels : int
        Larger images are refused.
    keep_image : bool
        Keep the images themselves in the samples.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's.
    """
    numbers = match_classes(dataset, inference.classifier, inference.source.num_classes).numbers
    preprocess = Preprocess(inference.classifier.input, fit)
    images = RecordDataset(dataset.records, preprocess, max_pixels, keep_image, dataset.upright, dataset.filled)

    def with_classes(batch: Batch) -> Jobs[T]:
        own = [dataset.records[sample.index].label for sample in batch.samples]
        return start(batch, tensor([0 if label is None else numbers[label] for label in own]))

    chunks = inference.batches(images, batch_size, workers)
    yield from in_order(chunks, inference.halving(with_classes), _unreadable, ahead=inference.ahead)


def _unreadable(sample: Sample) -> Failure:
    """An image that cannot be read."""
    return Failure(sample.name, sample.error or "")
