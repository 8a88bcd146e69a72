"""A data set's classes and a model's: which is which, and what a classifier beside the model says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from camkit.cam.logits import logits_of
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit, Preprocess, Record, RecordDataset, collate
from camkit.errors import CamkitError
from camkit.inference import Progress, pick_device, unwatched
from camkit.models import Classifier

IMAGENET_CLASSES = 1000
MOST = 5  # the k of Top-k Cls and Loc beside 1


def class_numbers(dataset: AnnotatedSet, num_classes: int, names: Sequence[str] | None = None) -> Callable[[int], int]:
    """From the data set's labels to the model's classes.

    ImageNet's numbers where the model has its 1,000 classes and the data set states them; by name where the model has
    a class of every name in the data set; else the same numbers.

    Parameters
    ----------
    dataset : AnnotatedSet
    num_classes : int
        Of the model.
    names : sequence of str, optional
        The model's class names.

    Raises
    ------
    CamkitError
        A label has no class in the model, or names and numbers both disagree, so that none is known to be right.
    """
    if dataset.imagenet_labels is not None and num_classes == IMAGENET_CLASSES:
        return dataset.imagenet_labels.__getitem__
    if names is not None and dataset.labels is not None:
        numbers = {name: number for number, name in enumerate(names)}
        if set(dataset.labels) <= set(numbers):
            return [numbers[name] for name in dataset.labels].__getitem__
        if len(dataset.labels) != num_classes:
            stranger = next(name for name in dataset.labels if name not in numbers)
            raise CamkitError(
                f"{dataset.name} has {len(dataset.labels)} classes and the model {num_classes}, and none of them "
                f"is called {stranger!r}: give the model's names, its numbers as labels, or a model of these classes"
            )
    highest = max((record.label or 0 for record in dataset.records), default=0)
    if highest >= num_classes:
        raise CamkitError(
            f"{dataset.name} has a class {highest} and the model {num_classes} classes: "
            "evaluate a model that was trained on these classes"
        )
    return lambda label: label


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier says of a data set's images.

    Attributes
    ----------
    top : mapping from int to Tensor (k,)
        By the record's position: the likeliest classes, at most five, best first. Unreadable images are left out.
    number : callable
        From the data set's labels to the classifier's classes.
    k : int
    """

    top: Mapping[int, torch.Tensor]
    number: Callable[[int], int]
    k: int

    def said(self, record: Record, index: int) -> tuple[int | None, torch.Tensor]:
        """The image's class in the classifier's numbers, and the likeliest; `CamkitError` where it was not shown it."""
        if index not in self.top:
            raise CamkitError("the classifier could not be shown the image: look whether the file can be read")
        return (None if record.label is None else self.number(record.label)), self.top[index]


def predicted_classes(
    classifier: Classifier,
    dataset: AnnotatedSet,
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    progress: Progress = unwatched,
) -> Predictions:
    """The classes that a classifier names, which need not have a head that maps can be made from.

    For Top-1 and Top-5 Loc with the classes of another classifier than the one that makes the maps (MinMaxCAM, Section
    4.3).

    Raises
    ------
    CamkitError
        The data set's classes are not the classifier's, or no image can be read.
    """
    on = pick_device(device)
    model = classifier.model.to(on)
    records = RecordDataset(dataset.records, Preprocess(classifier.input, fit), max_pixels, upright=dataset.upright,
                            truncated=dataset.truncated)  # fmt: skip
    top: dict[int, torch.Tensor] = {}
    num_classes = 0
    loader = DataLoader(records, batch_size, num_workers=workers, collate_fn=collate)
    with torch.inference_mode():
        for batches, _ in progress(iter(loader), len(loader)):
            for batch in batches:
                logits = logits_of(model(batch.input.to(on)))
                num_classes = logits.shape[1]
                likeliest = logits.topk(min(MOST, num_classes), dim=1).indices.cpu()
                top |= {sample.index: classes for sample, classes in zip(batch.samples, likeliest, strict=True)}
    if not top:
        raise CamkitError(f"{classifier.name} can say nothing of {dataset.name}: none of its images can be read")
    return Predictions(top, class_numbers(dataset, num_classes, classifier.labels), min(MOST, num_classes))
