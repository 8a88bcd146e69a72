"""Training methods that the papers compare with, one file each."""

from camkit.errors import Diverged
from camkit.training.method import Method
from camkit.training.methods.acol import ACoL
from camkit.training.methods.adl import AttentionDropout
from camkit.training.methods.combined import Combined
from camkit.training.methods.cutmix import CutMix
from camkit.training.methods.danet import DANet
from camkit.training.methods.eil import EIL
from camkit.training.methods.gain import GAIN
from camkit.training.methods.has import HideAndSeek
from camkit.training.methods.i2c import I2C
from camkit.training.methods.registry import METHODS, load_method
from camkit.training.methods.spg import SPG
from camkit.training.network import Network, Pass
from camkit.training.tree import ClassTree, read_tree

__all__ = [
    "EIL",
    "GAIN",
    "I2C",
    "METHODS",
    "SPG",
    "ACoL",
    "AttentionDropout",
    "ClassTree",
    "Combined",
    "CutMix",
    "DANet",
    "Diverged",
    "HideAndSeek",
    "Method",
    "Network",
    "Pass",
    "load_method",
    "read_tree",
]
