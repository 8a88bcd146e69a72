"""What a network is worth after an epoch: classification, and localization where the images have boxes."""

from dataclasses import dataclass, replace

import torch

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation import evaluate, predict_classes
from camkit.inference import Inference
from camkit.metrics import TopKCls
from camkit.models import Classifier
from camkit.process_group import ProcessGroup
from camkit.recipe import Recipe
from camkit.training.settings import TrainSettings

STEP = 0.01  # between MaxBoxAccV2's thresholds
FIGURES = ("gt_loc", "top1_loc", "max_box_acc_v2")

Measured = tuple[dict[str, float], list[str]]


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
            Percentages: top1_cls, and where there are boxes gt_loc, top1_loc, max_box_acc_v2.
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
        figures = {"top1_cls": found.classification["top1_cls"].value} | {name: located[name].value for name in FIGURES}
        return figures, [f"{failure.image}: {failure.reason}" for failure in found.failures]

    def _classified(self, classifier: Classifier) -> Measured:
        share = replace(self.data, records=self.data.records[self.group.rank :: self.group.world_size])
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
