"""The images to fine-tune on, with features that are kept, and the sets that mini-batches are made of."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from camkit.data import AnnotatedSet, Fit, Preprocess, RecordDataset
from camkit.evaluation import match_classes
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.processes import Processes
from camkit.training.minmax.kept import KeptFeatures
from camkit.training.minmax.sets import SetBatch, SetSampler, complete_sets
from camkit.training.minmax.settings import MinMax, Schedule


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
        together: Processes,
        *,
        fit: Fit,
        workers: int,
        max_pixels: int,
        memory: float,
    ) -> None:
        records = [record for record in dataset.records if record.label is not None]
        self.failures: dict[str, Failure] = {}
        if together.first:
            self.failures = {problem: Failure("", problem) for problem in dataset.problems}
        for record in dataset.records:
            if record.label is None:
                self.failures[record.image] = Failure(record.image, "it has no class")
        self.match = match_classes(dataset, inference.classifier, inference.cam.head.num_classes)
        self.labels = torch.tensor([self.match.numbers[record.label or 0] for record in records])
        self.classes = self.labels.unique().to(inference.device)
        self.device, self.together = inference.device, together
        self.kept = KeptFeatures(inference.cam, len(records), memory, together.on_this_machine)
        preprocess = Preprocess(inference.classifier.input, fit)
        self.samples = RecordDataset(records, preprocess, max_pixels, upright=dataset.upright)
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
    sampler : SetSampler
    steps : int
        Mini-batches in all.
    """

    def __init__(self, images: LabelledImages, settings: MinMax, schedule: Schedule) -> None:
        self.images, labels, together = images, images.labels.tolist(), images.together
        self.sampler = SetSampler(
            labels, settings.sets, settings.set_size, schedule.seed, together.rank, together.count
        )
        every = schedule.epochs * len(self.sampler)
        self.epochs, self.steps = schedule.epochs, min(every, schedule.steps or every)

    def __iter__(self) -> Iterator[tuple[int, SetBatch]]:
        """Epoch and mini-batch, `steps` times."""
        loader = DataLoader(  # its processes end with the iteration
            self.images.samples,
            batch_sampler=self.sampler,
            num_workers=self.images.workers,
            persistent_workers=self.images.workers > 0,
            collate_fn=partial(complete_sets, set_size=self.sampler.set_size),
        )
        done = 0
        for epoch in range(self.epochs):
            self.sampler.epoch = epoch
            for batch in loader:
                for sample in batch.failures:
                    self.images.failures[sample.name] = Failure(sample.name, sample.error or "")
                yield epoch, batch
                done += 1
                if done == self.steps:
                    return

    def facts(self) -> dict[str, Any]:
        """For the record of a run."""
        return {
            "set_size": self.sampler.set_size,
            "sets": self.sampler.sets,
            "steps_an_epoch": len(self.sampler),
            "classes_with_fewer_images": {str(label): count for label, count in self.sampler.small.items()},
        }
