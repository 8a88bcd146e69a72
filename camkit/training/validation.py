"""What a network is worth after an epoch: classification, and localization where the images have boxes."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation import evaluate, predict_classes
from camkit.evaluation.pseudo_boxes import BASED_ON_MAPS, with_boxes_of
from camkit.inference import Inference
from camkit.metrics import TopKCls
from camkit.metrics.threshold_splits import BOXES
from camkit.models import Classifier
from camkit.process_group import ProcessGroup
from camkit.recipe import Recipe
from camkit.training.settings import TrainSettings

STEP = 0.01  # between MaxBoxAccV2's thresholds
FIGURES = ("gt_loc", "top1_loc", "max_box_acc_v2")
PSEUDO = "pseudo_"  # before the names of figures by pseudo boxes

Measured = tuple[dict[str, float], list[str]]


def criterion(settings: TrainSettings) -> str:
    """The figure that makes an epoch the best, as the log calls it."""
    return f"{PSEUDO if settings.pseudo_boxes else ''}{settings.best}"


def chosen_by(settings: TrainSettings, val: AnnotatedSet) -> str:
    """Which supervision chooses the best epoch: "boxes of cub val"."""
    boxes = f"pseudo boxes ({settings.pseudo_boxes})" if settings.pseudo_boxes else BOXES
    return f"{'labels' if settings.best == 'top1_cls' else boxes} of {val.name} {val.split}"


def with_validation_boxes(val: AnnotatedSet, settings: TrainSettings) -> tuple[AnnotatedSet, list[str]]:
    """What is measured after an epoch, and a line for each image that has no pseudo box, where those are asked for.

    Raises
    ------
    CamkitError
        There is no such file, it has no box for any image, or the boxes would be of the trained network's own maps.
    """
    if not settings.pseudo_boxes:
        return val, []
    if settings.pseudo_boxes in BASED_ON_MAPS:
        raise CamkitError(f"--pseudo-boxes {settings.pseudo_boxes}: such boxes are of the trained network's own maps, "
                          "and other ones after each epoch: give a file, such as the pseudo_boxes.csv that camkit "
                          "calibrate --pseudo-boxes writes with another network")  # fmt: skip
    judged, without = with_boxes_of(Path(settings.pseudo_boxes), val)
    return judged, [f"{one.image}: {one.reason}" for one in without]


@dataclass(frozen=True, eq=False)
class Validation:
    """A split, and how it is measured.

    Attributes
    ----------
    data : AnnotatedSet
    settings : TrainSettings
    workers : int
    group : ProcessGroup
        Each measures its share of the images; the figures are of all.
    """

    data: AnnotatedSet
    settings: TrainSettings
    workers: int
    group: ProcessGroup

    def __post_init__(self) -> None:
        split = f"--val-split {self.data.split}"
        if len(self.data.records) < self.group.world_size:
            raise CamkitError(
                f"{split}: {len(self.data.records)} images for {self.group.world_size} processes: start fewer"
            )
        if not self.data.has_boxes and self.settings.best != "top1_cls":
            raise CamkitError(f"--best {self.settings.best}: {split} has no boxes; take top1_cls or another split")

    def __call__(self, classifier: Classifier) -> Measured:
        """Measure a network, and leave it in training mode.

        Returns
        -------
        figures : dict from name to float
            Percentages: top1_cls, and where there are boxes gt_loc, top1_loc, max_box_acc_v2, of pseudo boxes with
            pseudo_ before these names.
        problems : list of str
            A line for each image that could not be judged.
        """
        model = classifier.model
        model.eval()
        measured = self._located(classifier) if self.data.has_boxes else self._classified(classifier)
        model.train()
        return measured

    def _located(self, classifier: Classifier) -> Measured:
        inference = Inference(classifier, str(self.group.device), self.settings.precision)  # type: ignore[arg-type]
        recipe, batch_size = self.settings.val_recipe, self.settings.batch_size
        recipes = {recipe: Recipe.named(recipe)}
        data = replace(self.data, problems=[])
        found = evaluate(inference, data, recipes, batch_size=batch_size, workers=self.workers, step=STEP,
                         group=self.group)  # fmt: skip
        located = found.localization[recipe]
        kind = PSEUDO if self.settings.pseudo_boxes else ""
        figures = {"top1_cls": found.classification["top1_cls"].value}
        figures |= {f"{kind}{name}": located[name].value for name in FIGURES}
        return figures, [f"{failure.image}: {failure.reason}" for failure in found.failures]

    def _classified(self, classifier: Classifier) -> Measured:
        share = self.data.some(range(self.group.rank, len(self.data.records), self.group.world_size))
        found = predict_classes(
            classifier,
            share,
            batch_size=self.settings.batch_size,
            workers=self.workers,
            device=str(self.group.device),
        )
        top1 = TopKCls(1)
        for index, classes in found.top.items():
            top1.update(classes[None], torch.tensor([share.records[index].label]))
        unread = [record.image for index, record in enumerate(share.records) if index not in found.top]
        problems = self.group.all_gather([f"{image}: cannot be read" for image in unread])
        return {"top1_cls": float(top1.compute())}, problems
