"""What a classifier beside the model says of a data set's images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch.utils.data import BatchSampler

from camkit.cam.logits import logits_of
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit, Preprocess, Record, RecordDataset, read_batches
from camkit.errors import CamkitError
from camkit.evaluation.classes import ClassMatch, match_classes
from camkit.inference import Progress, no_progress, pick_device
from camkit.localization import Failure
from camkit.models import Classifier

TOP_K = 5  # the k of Top-k Cls and Loc beside 1
UNSEEN = "the classifier could not be shown the image: look whether the file can be read"


@dataclass(frozen=True, eq=False)
class PredictedClasses:
    """What a classifier says of a data set's images.

    Attributes
    ----------
    top : mapping from int to Tensor (k,)
        By the record's position: the likeliest classes, at most five, best first. Unreadable images are left out.
    match : ClassMatch
        Which of the classifier's classes the data set's are.
    k : int
    """

    top: Mapping[int, torch.Tensor]
    match: ClassMatch
    k: int

    def of(self, record: Record, index: int) -> tuple[int | None, torch.Tensor]:
        """The image's class in the classifier's numbers, and the likeliest; `CamkitError` where it was not shown it."""
        if index not in self.top:
            raise CamkitError(UNSEEN)
        return (None if record.label is None else self.match.numbers[record.label]), self.top[index]


def predict_classes(
    classifier: Classifier,
    dataset: AnnotatedSet,
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    progress: Progress = no_progress,
) -> PredictedClasses:
    """The classes that a classifier names, which need not have a head that maps can be made from.

    For Top-1 and Top-5 Loc with the classes of another classifier than the one that makes the maps (MinMaxCAM, Section
    4.3).

    Raises
    ------
    CamkitError
        The data set's classes are not the classifier's, or no image can be read.
    """
    match = match_classes(dataset, classifier, num_outputs(classifier, device))
    said = class_predictions(classifier, dataset, fit=fit, batch_size=batch_size, workers=workers, device=device,
                             max_pixels=max_pixels)  # fmt: skip
    found = enumerate(progress(said, len(dataset.records)))
    top = {index: classes for index, classes in found if not isinstance(classes, Failure)}
    if not top:
        raise CamkitError(f"{classifier.name} can say nothing of {dataset.name}: none of its images can be read")
    return PredictedClasses(top, match, len(next(iter(top.values()))))


def num_outputs(classifier: Classifier, device: str = "auto") -> int:
    """How many classes a classifier tells apart, as one blank image shows."""
    on = pick_device(device)
    with torch.inference_mode():
        return int(logits_of(classifier.model.to(on)(torch.zeros(1, 3, *classifier.input.size, device=on))).shape[1])


def class_predictions(
    classifier: Classifier,
    dataset: AnnotatedSet,
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    deaths: list[str] | None = None,
) -> Iterator[torch.Tensor | Failure]:
    """Of each image, in order, the likeliest classes (k,), at most five, best first; of one that cannot be read why.

    `deaths` gets a line for each process that died of reading.
    """
    on = pick_device(device)
    model = classifier.model.to(on)
    records = RecordDataset(dataset.records, Preprocess(classifier.input, fit), max_pixels, upright=dataset.upright,
                            filled=dataset.filled)  # fmt: skip
    order = BatchSampler(range(len(records)), batch_size, drop_last=False)
    for batches, failures in read_batches(records, order, workers, [] if deaths is None else deaths):
        found: dict[int, torch.Tensor | Failure]
        found = {sample.index: Failure(sample.name, UNSEEN) for sample in failures}
        for batch in batches:
            with torch.inference_mode():
                logits = logits_of(model(batch.input.to(on)))
            likeliest = logits.topk(min(TOP_K, logits.shape[1]), dim=1).indices.cpu()
            found |= {sample.index: classes for sample, classes in zip(batch.samples, likeliest, strict=True)}
        yield from (classes for _, classes in sorted(found.items(), key=lambda pair: pair[0]))
