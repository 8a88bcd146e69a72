"""MinMaxCAM's settings, without torch: the command line reads them before anything is loaded."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from camkit.errors import CamkitError

Norm = Literal["mean", "sum"]
Mask = Literal["input", "features"]


@dataclass(frozen=True)
class MinMax:
    """What MinMaxCAM's second stage minimises, and on what.

    Attributes
    ----------
    crr, frr : float
        Weights of the two losses, lambda_1 and lambda_2 of Eq. 5.
    sets, set_size : int
        N sets of S images of one class make a mini-batch.
    norm : {"mean", "sum"}
        How the squared differences of channels are put together: their mean, as the published code does and the
        published loss weights (0 to 20) are meant, or their sum, as Eq. 2 and 3 are printed.
    mask : {"input", "features"}
        Whether the map multiplies the image, as the method wants it, or the feature map (Section 4.3, which shows why
        not).

    Raises
    ------
    CamkitError
        A value out of range.

    References
    ----------
    Wang, Oramas, Tuytelaars: MinMaxCAM, BMVC 2021.
    """

    crr: float = 1.0
    frr: float = 1.0
    sets: int = 12
    set_size: int = 5
    norm: Norm = "mean"
    mask: Mask = "input"

    def __post_init__(self) -> None:
        for name, value in (("crr", self.crr), ("frr", self.frr)):
            if not 0 <= value < math.inf:
                raise CamkitError(f"--{name} {value}: the weight of a loss must be 0 or more, and finite")
        if self.sets < 1:
            raise CamkitError(f"--sets {self.sets}: give 1 or more")
        if self.set_size < 2:
            raise CamkitError(f"--set-size {self.set_size}: CRR compares images of one class, give 2 or more")
        for name, choice, choices in (("norm", self.norm, Norm), ("mask", self.mask, Mask)):
            if choice not in get_args(choices):
                raise CamkitError(f"--{name} {choice!r}: choose {' or '.join(get_args(choices))}")


@dataclass(frozen=True)
class Schedule:
    """How long to fine-tune, and when to look.

    Attributes
    ----------
    epochs : int
        Times through the sets.
    steps : int or None
        At most so many mini-batches.
    val_every : int or None
        Mini-batches from one validation to the next, None for an epoch's.
    patience : int
        Validations without a gain after which to stop.
    seed : int
        Of the sets.
    """

    epochs: int = 10
    steps: int | None = None
    val_every: int | None = None
    patience: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "steps", "val_every", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CamkitError(f"--{name.replace('_', '-')} {value}: give 1 or more")


@dataclass(frozen=True)
class Descent:
    """SGD with Nesterov's momentum; the published code's settings, its factor of 10 for fc in the learning rate."""

    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise CamkitError(f"--lr {self.lr}: the learning rate must be above 0, and finite")
        if not 0 <= self.momentum < 1:
            raise CamkitError(f"--momentum {self.momentum}: give a number from 0 to below 1")
        if not 0 <= self.weight_decay < math.inf:
            raise CamkitError(f"--weight-decay {self.weight_decay}: give 0 or more, and finite")
