"""Training methods that the papers compare with, one file each."""

from camkit.training.methods.adl import AttentionDropout
from camkit.training.methods.cutmix import CutMix
from camkit.training.methods.has import HideAndSeek
from camkit.training.methods.method import Method
from camkit.training.methods.registry import METHODS, load_method

__all__ = ["METHODS", "AttentionDropout", "CutMix", "HideAndSeek", "Method", "load_method"]
