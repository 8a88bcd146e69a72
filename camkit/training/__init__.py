"""Training: methods, the loop that runs them, and fc fine-tuned with MinMaxCAM's losses."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from camkit.errors import Diverged

if TYPE_CHECKING:
    from camkit.training.minmax.finetune import finetune_fc
    from camkit.training.minmax.losses import common_region_regularization, full_region_regularization, object_maps
    from camkit.training.minmax.settings import Descent, MinMax, Schedule
    from camkit.training.minmax.stages import Losses, PlainFeatures, StageOne, StageTwo
    from camkit.training.minmax.trials import Finetuned, Trial
    from camkit.training.run import TrainResult, train
    from camkit.training.settings import TrainSettings

# Loaded when first used: the command line lists the settings without loading torch.
MODULE_OF = {
    "Descent": "minmax.settings",
    "Finetuned": "minmax.trials",
    "Losses": "minmax.stages",
    "MinMax": "minmax.settings",
    "PlainFeatures": "minmax.stages",
    "Schedule": "minmax.settings",
    "StageOne": "minmax.stages",
    "StageTwo": "minmax.stages",
    "TrainResult": "run",
    "TrainSettings": "settings",
    "Trial": "minmax.trials",
    "common_region_regularization": "minmax.losses",
    "finetune_fc": "minmax.finetune",
    "full_region_regularization": "minmax.losses",
    "object_maps": "minmax.losses",
    "train": "run",
}

__all__ = [
    "Descent",
    "Diverged",
    "Finetuned",
    "Losses",
    "MinMax",
    "PlainFeatures",
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
