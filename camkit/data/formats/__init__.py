"""Annotated data sets: one reader a format, all giving the same records."""

from camkit.data.formats.holdout import hold_out, read_splits
from camkit.data.formats.registry import READERS, read_dataset

__all__ = ["READERS", "hold_out", "read_dataset", "read_splits"]
