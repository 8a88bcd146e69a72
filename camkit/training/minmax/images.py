"""The images to fine-tune on, with features that are kept, and the sets that mini-batches are made of."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader

from camkit.data import AnnotatedSet, Fit, Preprocess, RecordDataset, Sample, quiet_worker
from camkit.evaluation import match_classes
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.process_group import ProcessGroup
from camkit.training.minmax.kept import KeptFeatures
from camkit.training.minmax.settings import MinMax, Schedule
from camkit.training.sets import ClassSets, share_of_batch


class SetBatch(NamedTuple):
    """Images of whole sets, (B, 3, H, W), their numbers, and the samples that could not be read."""

    images: torch.Tensor
    indices: list[int]
    failures: list[Sample]


def complete_sets(samples: Sequence[Sample], set_size: int) -> SetBatch:
    """A DataLoader's ``collate_fn``: where an image cannot be read, others of its set come again in its place."""
    chosen: list[Sample] = []
    for start in range(0, len(samples), set_size):
        read = [sample for sample in samples[start : start + set_size] if sample.input is not None]
        chosen += islice(cycle(read), set_size)  # none of a set that cannot be read at all
    inputs = [sample.input for sample in chosen if sample.input is not None]
    images = torch.stack(inputs) if inputs else torch.empty(0, 3, 1, 1)
    return SetBatch(images, [s.index for s in chosen], [s for s in samples if s.input is None])


class LabelledImages:
    """The images to fine-tune on, and all that stays of them from one trial to the next.

    Attributes
    ----------
    labels : Tensor (n,), int64
        As the model numbers classes.
    classes : Tensor (k,), int64
        Those that there are images of, ascending.
    match : ClassMatch
        How the model's numbers came about.
    kept : KeptFeatures
    failures : dict from name to Failure
        Images that cannot be read, as they are found, and those without a class.
    """

    def __init__(
        self,
        inference: Inference,
        dataset: AnnotatedSet,
        group: ProcessGroup,
        *,
        fit: Fit,
        workers: int,
        max_pixels: int,
        memory: float,
    ) -> None:
        records = [record for record in dataset.records if record.label is not None]
        self.failures: dict[str, Failure] = {}
        if group.is_main:
            self.failures = {problem: Failure("", problem) for problem in dataset.problems}
        for record in dataset.records:
            if record.label is None:
                self.failures[record.image] = Failure(record.image, "it has no class")
        self.match = match_classes(dataset, inference.classifier, inference.cam.head.num_classes)
        self.labels = torch.tensor([self.match.numbers[record.label or 0] for record in records])
        self.classes = self.labels.unique().to(inference.device)
        self.device, self.group = inference.device, group
        self.kept = KeptFeatures(inference.cam, len(records), memory, group.local_world_size)
        preprocess = Preprocess(inference.classifier.input, fit)
        self.samples = RecordDataset(records, preprocess, max_pixels, upright=dataset.upright,
                                     filled=dataset.filled)  # fmt: skip
        self.workers = workers

    def sets(self, settings: MinMax, schedule: Schedule) -> "ImageSets":
        """The mini-batches that these settings ask for."""
        return ImageSets(self, settings, schedule)

    def facts(self, failures: Sequence[Failure]) -> dict[str, Any]:
        """For the record of a run, given what failed in all processes."""
        unread = {failure.image for failure in failures}
        names = [record.image for record in self.samples.records]
        seen = {label for label, name in zip(self.labels.tolist(), names, strict=True) if name not in unread}
        return {
            "images": len(self.labels),
            "classes": len(self.classes),
            "class_match": self.match.facts(),
            "classes_without_a_readable_image": sorted(set(self.labels.tolist()) - seen),
            "feature_maps": self.kept.where,
        }


class ImageSets:
    """Mini-batches of sets of images, epoch by epoch.

    Attributes
    ----------
    class_sets : ClassSets
    steps : int
        Mini-batches in all.
    """

    def __init__(self, images: LabelledImages, settings: MinMax, schedule: Schedule) -> None:
        self.images = images
        self.class_sets = ClassSets(images.labels.tolist(), settings.sets, settings.set_size, schedule.seed)
        every = schedule.epochs * len(self.class_sets)
        self.epochs, self.steps = schedule.epochs, min(every, schedule.steps or every)

    def __iter__(self) -> Iterator[tuple[int, SetBatch]]:
        """Epoch and mini-batch, `steps` times: this process's sets of it, perhaps none."""
        group = self.images.group
        batches = ((epoch, batch) for epoch in range(self.epochs) for batch in self.class_sets.batches(epoch))
        order = [
            (epoch, share_of_batch(batch, group.rank, group.world_size)) for epoch, batch in islice(batches, self.steps)
        ]
        loader = DataLoader(  # its processes end with the iteration
            self.images.samples,
            batch_sampler=[indices for _, indices in order],
            num_workers=self.images.workers,
            collate_fn=partial(complete_sets, set_size=self.class_sets.set_size),
            worker_init_fn=quiet_worker,
        )
        for (epoch, _), batch in zip(order, loader, strict=True):
            for sample in batch.failures:
                self.images.failures[sample.name] = Failure(sample.name, sample.error or "")
            yield epoch, batch

    def facts(self) -> dict[str, Any]:
        """For the record of a run."""
        return {
            "set_size": self.class_sets.set_size,
            "sets": self.class_sets.sets,
            "steps_an_epoch": len(self.class_sets),
            "classes_with_fewer_images": {str(label): count for label, count in self.class_sets.small.items()},
        }
