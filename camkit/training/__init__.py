"""Training: methods, the loop that runs them, and fc fine-tuned with MinMaxCAM's losses."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camkit.training.finetune import finetune_fc
    from camkit.training.minmax import common_region_regularization, full_region_regularization, object_maps
    from camkit.training.minmax_settings import Descent, MinMax, Schedule
    from camkit.training.run import TrainResult, train
    from camkit.training.settings import TrainSettings
    from camkit.training.stages import Diverged, Losses, Plain, StageOne, StageTwo
    from camkit.training.trials import Finetuned, Trial

# Loaded when first used: the command line lists the settings without loading torch.
MODULE_OF = {
    "Descent": "minmax_settings",
    "Diverged": "stages",
    "Finetuned": "trials",
    "Losses": "stages",
    "MinMax": "minmax_settings",
    "Plain": "stages",
    "Schedule": "minmax_settings",
    "StageOne": "stages",
    "StageTwo": "stages",
    "TrainResult": "run",
    "TrainSettings": "settings",
    "Trial": "trials",
    "common_region_regularization": "minmax",
    "finetune_fc": "finetune",
    "full_region_regularization": "minmax",
    "object_maps": "minmax",
    "train": "run",
}

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
    "TrainResult",
    "TrainSettings",
    "Trial",
    "common_region_regularization",
    "finetune_fc",
    "full_region_regularization",
    "object_maps",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module 'camkit.training' has no attribute {name!r}")
    return getattr(import_module(f"camkit.training.{MODULE_OF[name]}"), name)
