"""What a network is worth after an epoch: classification, and localization where the images have boxes."""

from dataclasses import dataclass, replace

from torch import nn

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.models import Classifier
from camkit.recipe import Recipe
from camkit.training.distributed import Processes
from camkit.training.settings import TrainSettings

STEP = 0.01  # between MaxBoxAccV2's thresholds
FIGURES = ("gt_loc", "top1_loc", "max_box_acc_v2")


@dataclass(frozen=True, eq=False)
class Validation:
    """A split, and how it is measured.

    Attributes
    ----------
    data : AnnotatedSet
    settings : TrainSettings
    workers : int
    together : Processes
        Each measures its share of the images; the figures are of all.
    """

    data: AnnotatedSet
    settings: TrainSettings
    workers: int
    together: Processes

    def __post_init__(self) -> None:
        if len(self.data.records) < self.together.count:
            raise CamkitError(
                f"--val-split {self.data.split} has {len(self.data.records)} images for {self.together.count} "
                "processes: start fewer"
            )

    def __call__(self, classifier: Classifier) -> tuple[dict[str, float], list[str]]:
        """Measure a network, and leave it in training mode.

        Returns
        -------
        figures : dict from name to float
            Percentages: top1_cls, gt_loc, top1_loc, max_box_acc_v2.
        problems : list of str
            A line for each image that could not be judged.
        """
        model: nn.Module = classifier.model.eval()
        share = replace(self.data, records=self.data.records[self.together.rank :: self.together.count])
        inference = Inference(classifier, str(self.together.device), self.settings.precision)  # type: ignore[arg-type]
        recipe = self.settings.val_recipe
        recipes = {recipe: Recipe.named(recipe)}
        found = evaluate(
            inference, share, recipes, batch_size=self.settings.batch_size, workers=self.workers, step=STEP
        )
        model.train()
        located = found.localization[recipe]
        figures = {"top1_cls": found.classification["top1_cls"].value}
        problems = [f"{failure.image}: {failure.reason}" for failure in found.failures if failure.image]
        return figures | {name: located[name].value for name in FIGURES}, self.together.gathered(problems)
