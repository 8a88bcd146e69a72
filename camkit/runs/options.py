"""What the commands that take annotated images and a classifier, or a folder of maps, have in common."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camkit.data import MAX_PIXELS, AnnotatedSet, FilledImages, Fit, Truncated, map_classes, read_dataset
from camkit.evaluation import EvaluationSource
from camkit.inference import Inference, Precision, Progress
from camkit.metrics.threshold_splits import REPORTED
from camkit.models import Classifier
from camkit.process_group import ALONE, ProcessGroup
from camkit.progress import progress_bar


@dataclass(frozen=True)
class RunOptions:
    """The options of such a command; its ``--help`` says what each means."""

    dataset: str
    root: Path
    split: str
    out: Path
    limit: int | None = None
    class_map: Path | None = None
    protocol: str = "paper"
    fit: Fit = "stretch"
    head: dict[str, str] | None = None
    batch_size: int = 16
    workers: int | None = None
    device: str = "auto"
    precision: Precision = "fp32"
    max_pixels: int = MAX_PIXELS
    truncated: Truncated = "fail"
    step: float = 0.001
    seed: int = 0
    resume: bool = False
    overwrite: bool = False
    show_progress: bool = False
    filled: FilledImages = field(default_factory=FilledImages)  # in this run
    group: ProcessGroup = ALONE

    def among(self, group: ProcessGroup) -> "RunOptions":
        """The options of one of several processes, which share the images out."""
        return replace(self, group=group, device=group.device_name(self.device),
                       show_progress=self.show_progress and group.is_main)  # fmt: skip

    def read(self, *more: str) -> list[AnnotatedSet]:
        """The annotated images of the split that is reported, and of more, with what the class map says of them."""
        return self.mapped(*(read_dataset(self.dataset, self.root, split) for split in (self.split, *more)))

    def mapped(self, *datasets: AnnotatedSet) -> list[AnnotatedSet]:
        """With what the class map says of them, and cut down to the limit."""
        mapped = list(datasets) if self.class_map is None else map_classes(self.class_map, *datasets)
        filled = self.filled if self.truncated == "fill" else None
        return [replace(dataset.evenly(self.limit), filled=filled) for dataset in mapped]

    def inference(self, classifier: Classifier) -> Inference:
        return Inference(classifier, self.device, self.precision, self.head)

    def num_workers(self, source: EvaluationSource) -> int:
        """Processes that read images, or threads that read maps."""
        on_gpu = isinstance(source, Inference) and source.device.type == "cuda"
        return (4 if on_gpu else 0) if self.workers is None else self.workers

    def measuring(self, source: EvaluationSource) -> dict[str, Any]:
        """What the library's `evaluate` and `calibrate` take of the options."""
        return {"protocol": self.protocol, **self.reading(source), "gather": self.group}

    def reading(self, source: EvaluationSource) -> dict[str, Any]:
        """How images go through a network, or maps are read."""
        return {"fit": self.fit, "batch_size": self.batch_size, "workers": self.num_workers(source),
                "max_pixels": self.max_pixels}  # fmt: skip

    def progress(self, what: str, unit: str = "image") -> Progress:
        return lambda results, n: iter(progress_bar(results, what=what, total=n, unit=unit, shown=self.show_progress))

    def split_of(self, chosen_on: str, dataset: AnnotatedSet) -> str:
        """What chose a threshold, "boxes of cub val", seen from the split that is reported."""
        own, reported = f" of {dataset.name} {dataset.split}", REPORTED.removeprefix("boxes")
        return f"{chosen_on.removesuffix(own)}{reported}" if chosen_on.endswith(own) else chosen_on

    def facts(self) -> dict[str, Any]:
        own = ("dataset", "split", "limit", "protocol", "fit", "precision", "max_pixels", "truncated", "step", "seed")
        class_map = None if self.class_map is None else str(self.class_map)
        return {"root": str(self.root), "class_map": class_map, **{name: getattr(self, name) for name in own}}
