"""What fine-tuning with some settings led to, as tables."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import torch

from camkit.evaluation import Evaluation
from camkit.localization import Failure
from camkit.training.minmax.settings import MinMax

CRITERION = "max_box_acc_v2"
TRIED = ("weight_crr", "weight_frr", "set_size")  # what may differ from one trial to the next, as tables name it
STEP = ("step", "epoch", "cross_entropy", "crr", "frr", "total")


@dataclass(eq=False)
class Trial:
    """Fine-tuning with one pair of loss weights and one size of sets.

    Attributes
    ----------
    settings : MinMax
    sets : dict
        What the mini-batches are made of, and what became of classes with fewer than S images.
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
    sets: dict[str, Any]
    state: dict[str, torch.Tensor]
    found: Evaluation | None
    last: Evaluation | None = None
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    stopped: str | None = None
    diverged: bool = False

    @property
    def tried(self) -> dict[str, float]:
        """What sets this trial apart, as tables name it."""
        return dict(zip(TRIED, (self.settings.crr, self.settings.frr, self.settings.set_size), strict=True))

    @property
    def name(self) -> str:
        """For a user to read."""
        return f"crr {self.settings.crr:g}, frr {self.settings.frr:g}, S {self.settings.set_size}"

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
        In the order given.
    chosen : Trial
    before : Evaluation or None
        CAM on the validation images with the fc that training started from.
    failures : list of Failure
        Images to train on that cannot be read or have no class, then those to choose on that could not be judged.
    facts : dict
        Images, classes, and where feature maps were kept.
    """

    trials: list[Trial]
    chosen: Trial
    before: Evaluation | None
    failures: list[Failure]
    facts: dict[str, Any]

    def log(self) -> pd.DataFrame:
        """Every step of every trial."""
        rows = [{**trial.tried, **row} for trial in self.trials for row in trial.rows]
        return pd.DataFrame(rows, columns=None if rows else [*TRIED, *STEP])

    def sweep(self) -> pd.DataFrame:
        """A row a trial: the figures after its last step, and its best step; CAM's first, at step 0."""
        rows: list[dict[str, float]] = []
        if self.before is not None:
            rows.append({"steps": 0, **figures(self.before)})
        for trial in self.trials:
            last = figures(trial.last) if trial.last else {}
            best = {"best_step": trial.step, f"best_{CRITERION}": trial.score}
            rows.append({"steps": len(trial.rows), **last, **best, **trial.tried})
        table = pd.DataFrame(rows).astype({"set_size": "Int64"})
        return table[[*TRIED, *(column for column in table if column not in TRIED)]]


def score(found: Evaluation) -> float:
    """What is maximised."""
    return found.localization["cam"][CRITERION].value


def figures(found: Evaluation) -> dict[str, float]:
    """The figures of a validation that a table of steps or settings shows, the score with its interval."""
    cam = found.localization["cam"]
    return {
        CRITERION: score(found),
        f"{CRITERION}_low": cam[CRITERION].low,
        f"{CRITERION}_high": cam[CRITERION].high,
        "max_box_acc": cam["max_box_acc"].value,
        "gt_loc": cam["gt_loc"].value,
        "top1_cls": found.classification["top1_cls"].value,
        "coverage_excess": cam["coverage_excess"].value,
    }


def metrics(found: Evaluation) -> dict[str, Any]:
    """Every figure with its interval, as it goes into metrics.json."""
    return {name: asdict(result) for name, result in {**found.classification, **found.localization["cam"]}.items()}
