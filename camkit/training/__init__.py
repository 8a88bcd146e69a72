"""Training: methods, and the loop that runs them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camkit.training.run import TrainResult, train
    from camkit.training.settings import TrainSettings

# Loaded when first used: the command line lists the settings without loading torch.
MODULE_OF = {"TrainResult": "run", "TrainSettings": "settings", "train": "run"}

__all__ = ["TrainResult", "TrainSettings", "train"]


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module 'camkit.training' has no attribute {name!r}")
    return getattr(import_module(f"camkit.training.{MODULE_OF[name]}"), name)
