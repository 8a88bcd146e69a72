"""Annotated data sets: one reader a format, all giving the same records."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camkit.data.formats.auto import Found, find_format
    from camkit.data.formats.holdout import hold_out, read_splits
    from camkit.data.formats.read import read_dataset
    from camkit.data.formats.registry import READERS, Format

# Loaded when first used: the command line looks at formats without loading torch.
MODULE_OF = {
    "READERS": "registry",
    "Format": "registry",
    "Found": "auto",
    "find_format": "auto",
    "hold_out": "holdout",
    "read_dataset": "read",
    "read_splits": "holdout",
}

__all__ = ["READERS", "Format", "Found", "find_format", "hold_out", "read_dataset", "read_splits"]


def __getattr__(name: str) -> Any:
    if name in MODULE_OF:
        return getattr(import_module(f"{__name__}.{MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
