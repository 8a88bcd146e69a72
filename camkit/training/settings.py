"""Every setting of a training run, once: a field here is an option of `camkit train` and a key of its TOML file."""

import math
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from camkit.errors import CamkitError

SCHEDULES = ("multistep", "cosine", "one-cycle", "constant")
PRECISIONS = ("fp32", "bf16")
TRUNCATED = ("fail", "fill")
CRITERIA = ("top1_cls", "gt_loc", "top1_loc", "max_box_acc_v2")
LARGEST = 4096  # pixels along a side of the input


def _setting(default: Any, said: str, **more: Any) -> Any:
    """A field with what `--help` says of it; `same_result=True` where a run may be resumed with another value."""
    return field(default=default, metadata={"help": said, **more})


@dataclass(frozen=True)
class TrainSettings:
    """What a training run depends on; the run folder's ``config.toml`` holds it.

    Attributes
    ----------
    Each field's meaning is its ``metadata["help"]``, which ``camkit train --help`` prints.

    Raises
    ------
    CamkitError
        A value is of another type, out of range, or contradicts another.
    """

    dataset: str = _setting(MISSING, "Format of the data set, as for `camkit evaluate`.")
    root: str = _setting(MISSING, "Where the data set lies; for shapes, its settings.", same_result=True)
    backbone: str = _setting("resnet50", "The network, as --model takes it; its last layer is made for these classes.")
    pool: str = _setting(
        "gap", "gap, tap:THETA, max, lse:TEMPERATURE, wildcat:K+,K-,ALPHA[,M], weldon:K+[,K-] or maps:M."
    )
    weights: str = _setting("DEFAULT", "Where the weights start: DEFAULT (pretrained), none, or a file.")
    output_stride: int = _setting(0, "Pixels to one map position, 16 or 8; 0 is the backbone's own.")
    dilation: bool = _setting(True, "Dilate the layers behind a stride that --output-stride takes away.")

    method: str = _setting(
        "none",
        "none, has, adl, cutmix, minmax, acol, spg, eil, gain, danet, i2c, path/to/file.py:Name, or several with +.",
    )
    method_options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "One of the method's own settings, as KEY=VALUE; may be repeated."}
    )
    adl_at: tuple[str, ...] = _setting((), "Modules after which ADL goes; none: the paper's for the backbone.")

    split: str = _setting("train", "What is trained on.")
    val_split: str = _setting("val", "What is measured after an epoch; holdout:N keeps N images a class from training.")
    size: tuple[int, ...] = _setting((224,), "Side of the input in pixels; several share the epochs between them.")
    resize: int = _setting(256, "Side to which an image is resized before a random crop; 0 with --crop-scale.")
    crop_scale: float = _setting(0.0, "Smallest share of the area that a random resized crop takes; 0 is --resize.")
    flip: bool = _setting(True, "Mirror half of the images.")
    flip_vertical: bool = _setting(False, "Turn half of the images upside down.")
    jitter: float = _setting(0.0, "Strength of a change of brightness, contrast and saturation in half of the images.")
    truncated: str = _setting(
        "fail", "Damaged images: failures, or read as image viewers show them, and counted.", choices=TRUNCATED
    )  # fmt: skip
    cache: float = _setting(2.0, "Keep decoded images in memory where they take at most so many GiB.", same_result=True)

    epochs: int = _setting(50, "Times through the training images.")
    batch_size: int = _setting(0, "Images to one step, over all processes; 0: 32, or as the method's sets make.")
    accumulate: int = _setting(1, "Parts into which each process cuts its share of a batch, to save memory.")
    lr: float = _setting(1e-3, "Learning rate at its highest.")
    lr_new: float = _setting(10.0, "Times this for layers that do not start from pretrained weights.")
    momentum: float = _setting(0.9, "Of SGD with Nesterov's momentum.")
    weight_decay: float = _setting(5e-4, "Of SGD.")
    decay_norms: bool = _setting(True, "Decay norms and biases too.")
    schedule: str = _setting("multistep", "How the learning rate falls.", choices=SCHEDULES)
    milestones: tuple[int, ...] = _setting((), "Epochs after which multistep multiplies the learning rate by --gamma.")
    gamma: float = _setting(0.1, "Of multistep.")
    rise: float = _setting(0.3, "Share of all steps in which one-cycle's learning rate rises.")
    label_smoothing: float = _setting(0.0, "Share of each label that goes to all classes alike.")
    precision: str = _setting("fp32", "bf16: autocast, weights stay float32.", choices=PRECISIONS)
    seed: int = _setting(0, "Of the weights, the order and everything random.")

    val_every: int = _setting(1, "Epochs from one validation to the next; the last epoch has one in any case.")
    val_recipe: str = _setting("cam", "From map to box in validation.", choices=("cam", "nwc", "pas", "nwc+pas"))
    best: str = _setting("top1_cls", "What makes an epoch the best; all but top1_cls use val boxes.", choices=CRITERIA)
    pseudo_boxes: str = _setting("", "File of boxes in the place of the true ones of --val-split, for --best.")

    save_every: int = _setting(0, "Steps from one saved state to the next; 0: after each epoch.", same_result=True)
    device: str = _setting("auto", "auto, cpu, cuda.", same_result=True)
    workers: int = _setting(-1, "Processes that read images; -1: 0 on the CPU, 4 beside a GPU.", same_result=True)
    tensorboard: bool = _setting(False, "Log for TensorBoard, too.", same_result=True)

    def __post_init__(self) -> None:
        for one in fields(self):
            self._check_choice(one.name, one.metadata.get("choices"))
        for name in ("epochs", "accumulate", "val_every"):
            self._require(name, getattr(self, name) >= 1, "give 1 or more")
        for name, value in vars(self).items():
            self._require(name, not isinstance(value, float) or math.isfinite(value), "give a finite number")
        for name in ("lr", "lr_new", "gamma"):
            self._require(name, getattr(self, name) > 0, "give a number above 0")
        for name in ("seed", "batch_size", "weight_decay", "jitter", "save_every", "cache", "resize"):
            self._require(name, getattr(self, name) >= 0, "give 0 or more")
        for name in ("momentum", "rise", "crop_scale", "label_smoothing"):
            self._require(name, 0 <= getattr(self, name) < 1, "give a number from 0 to below 1")
        self._require("momentum", self.momentum > 0, "Nesterov's needs a number above 0")
        self._require("rise", self.rise > 0 or self.schedule != "one-cycle", "one-cycle needs a number above 0")
        self._require("output_stride", self.output_stride in (0, 8, 16), "give 8, 16, or 0")
        self._require("size", bool(self.size) and min(self.size) > 0, "give one side in pixels, or several")
        self._require("size", max(self.size) <= LARGEST, f"give up to {LARGEST} pixels")
        self._require("size", len(self.size) <= self.epochs, f"{len(self.size)} sizes need as many epochs")
        self._require("size", bool(self.crop_scale) or max(self.size) <= self.resize, "it is above --resize")
        self._require("pseudo_boxes", not self.pseudo_boxes or self.best != "top1_cls",
                      "--best top1_cls looks at no box: give gt_loc, top1_loc or max_box_acc_v2")  # fmt: skip
        self._require("milestones", list(self.milestones) == sorted(set(self.milestones)), "give epochs in order")
        self._require("milestones", not self.milestones or self.schedule == "multistep", "they are multistep's")

    def _require(self, name: str, holds: bool, remedy: str) -> None:
        if not holds:
            raise CamkitError(f"{option(name)} {written(getattr(self, name))}: {remedy}")

    def _check_choice(self, name: str, choices: tuple[str, ...] | None) -> None:
        if choices:
            self._require(name, getattr(self, name) in choices, f"choose one of {', '.join(choices)}")

    def size_of(self, epoch: int) -> int:
        """Side of the input in this epoch: each size has an equal share of the epochs."""
        return self.size[epoch * len(self.size) // self.epochs]


def option(name: str) -> str:
    """A field as the command line calls it."""
    return f"--{name.replace('_', '-')}"


def written(value: Any) -> str:
    """A value as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
