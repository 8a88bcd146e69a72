"""The images to fine-tune on: set by set, epoch by epoch, with features that are kept."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader

from camkit.data import AnnotatedSet, Fit, Preprocess, RecordDataset
from camkit.evaluation import class_numbers
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.training.averaging import process
from camkit.training.kept import KeptFeatures
from camkit.training.sets import SetBatch, SetSampler, complete_sets


class ImageSets:
    """The images to train on: sets of them, epoch by epoch, and their kept features."""

    def __init__(
        self,
        inference: Inference,
        dataset: AnnotatedSet,
        sets: int,
        set_size: int,
        *,
        seed: int,
        epochs: int,
        steps: int | None,
        fit: Fit,
        workers: int,
        max_pixels: int,
        memory: float,
    ) -> None:
        records = [record for record in dataset.records if record.label is not None]
        self.failures = {problem: Failure("", problem) for problem in dataset.problems}
        for record in dataset.records:
            if record.label is None:
                self.failures[record.image] = Failure(record.image, "it has no class")
        number = class_numbers(dataset, inference.cam.head.num_classes, inference.classifier.labels)
        self.labels = torch.tensor([number(record.label or 0) for record in records])
        self.sampler = SetSampler(self.labels.tolist(), sets, set_size, seed, *process())
        self.classes = self.labels.unique().to(inference.device)
        self.device = inference.device
        self.kept = KeptFeatures(inference.cam, len(records), memory)
        every = epochs * len(self.sampler)
        self.epochs, self.steps = epochs, min(every, steps or every)
        self.loader = DataLoader(
            RecordDataset(records, Preprocess(inference.classifier.input, fit), max_pixels, upright=dataset.upright),
            batch_sampler=self.sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=partial(complete_sets, set_size=set_size),
        )

    def __iter__(self) -> Iterator[tuple[int, SetBatch]]:
        """Epoch and mini-batch, `steps` times."""
        done = 0
        for epoch in range(self.epochs):
            self.sampler.epoch = epoch
            for batch in self.loader:
                for sample in batch.failures:
                    self.failures[sample.name] = Failure(sample.name, sample.error or "")
                yield epoch, batch
                done += 1
                if done == self.steps:
                    return

    def facts(self) -> dict[str, Any]:
        """For the record of a run."""
        small = {str(label): count for label, count in self.sampler.small.items()}
        return {
            "images": len(self.labels),
            "classes": len(self.classes),
            "classes_with_fewer_images_than_a_set": small,
            "steps_an_epoch": len(self.sampler),
            "feature_maps": self.kept.where,
        }
