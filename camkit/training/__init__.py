"""Training: methods, the loop that runs them, and fc fine-tuned with MinMaxCAM's losses."""

from camkit.training.finetune import Schedule, finetune_fc
from camkit.training.minmax import (
    MinMax,
    common_region_regularization,
    full_region_regularization,
    object_maps,
)
from camkit.training.stages import Descent, Diverged, Losses, Plain, StageOne, StageTwo
from camkit.training.trials import Finetuned, Trial

__all__ = [
    "Descent",
    "Diverged",
    "Finetuned",
    "Losses",
    "MinMax",
    "Plain",
    "Schedule",
    "StageOne",
    "StageTwo",
    "Trial",
    "common_region_regularization",
    "finetune_fc",
    "full_region_regularization",
    "object_maps",
]
