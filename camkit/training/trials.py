"""What fine-tuning with some settings led to, as tables."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import torch

from camkit.evaluation import Evaluation
from camkit.localization import Failure
from camkit.training.minmax_settings import MinMax

CRITERION = "max_box_acc_v2"
WEIGHTS = ("weight_crr", "weight_frr")


@dataclass(eq=False)
class Trial:
    """Fine-tuning with one pair of loss weights.

    Attributes
    ----------
    settings : MinMax
    rows : list of dict
        A row a step: step, epoch, cross_entropy, crr, frr, total, each before the step; at a validation also its
        figures, after it.
    state : dict from name to Tensor
        The best fc by validation, the last one without.
    step : int
        After which that was; 0 is the fc that training started from.
    found, last : Evaluation or None
        CAM with that fc, and with the one after the last step.
    stopped : str or None
        Why training ended before its time.
    """

    settings: MinMax
    state: dict[str, torch.Tensor]
    found: Evaluation | None
    last: Evaluation | None = None
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    stopped: str | None = None
    diverged: bool = False

    @property
    def weights(self) -> dict[str, float]:
        """Of the losses, as tables name them."""
        return dict(zip(WEIGHTS, (self.settings.crr, self.settings.frr), strict=True))

    @property
    def score(self) -> float:
        """MaxBoxAccV2 on the validation images."""
        return score(self.found) if self.found else float("nan")


@dataclass(frozen=True, eq=False)
class Finetuned:
    """What `finetune_fc` leaves; the classifier itself holds the chosen fc.

    Attributes
    ----------
    trials : list of Trial
        One a pair of loss weights, in the order given.
    chosen : Trial
    before : Evaluation or None
        CAM on the validation images with the fc that training started from.
    failures : list of Failure
        Images to train on that cannot be read or have no class.
    facts : dict
        Images, classes, and what became of classes with fewer than S images.
    """

    trials: list[Trial]
    chosen: Trial
    before: Evaluation | None
    failures: list[Failure]
    facts: dict[str, Any]

    def log(self) -> pd.DataFrame:
        """Every step of every trial."""
        return pd.DataFrame([{**trial.weights, **row} for trial in self.trials for row in trial.rows])

    def sweep(self) -> pd.DataFrame:
        """A row a pair of loss weights: the figures after its last step, and its best step; CAM's first, at step 0."""
        rows: list[dict[str, float]] = []
        if self.before is not None:
            rows.append({"steps": 0, **figures(self.before)})
        for trial in self.trials:
            last = figures(trial.last) if trial.last else {}
            best = {"best_step": trial.step, f"best_{CRITERION}": trial.score}
            rows.append({"steps": len(trial.rows), **last, **best, **trial.weights})
        table = pd.DataFrame(rows)
        return table[[*WEIGHTS, *(column for column in table if column not in WEIGHTS)]]


def score(found: Evaluation) -> float:
    """What is maximised."""
    return found.localization["cam"][CRITERION].value


def figures(found: Evaluation) -> dict[str, float]:
    """The figures of a validation that a table of steps or settings shows."""
    return {
        "max_box_acc_v2": score(found),
        "max_box_acc": found.localization["cam"]["max_box_acc"].value,
        "gt_loc": found.localization["cam"]["gt_loc"].value,
        "top1_cls": found.classification["top1_cls"].value,
        "coverage_excess": found.localization["cam"]["coverage_excess"].value,
    }


def metrics(found: Evaluation) -> dict[str, Any]:
    """Every figure with its interval, as it goes into metrics.json."""
    return {name: asdict(result) for name, result in {**found.classification, **found.localization["cam"]}.items()}
