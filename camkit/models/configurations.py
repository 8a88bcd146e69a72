"""Preprocessing as timm and open_clip write it down: a mapping of sizes, mean, deviation and interpolation."""

from collections.abc import Mapping
from typing import Any

from camkit.errors import CamkitError
from camkit.input_spec import INTERPOLATIONS, InputSpec


def of_timm(config: Mapping[str, Any]) -> InputSpec:
    """From a data configuration or a ``pretrained_cfg`` of timm's.

    Raises
    ------
    CamkitError
        It pads images, or interpolates in a way that an `InputSpec` has no name for.
    """
    _, height, width = config["input_size"]
    share, mode = config.get("crop_pct") or 1.0, config.get("crop_mode") or "center"
    resize: int | tuple[int, int] = int(min(height, width) / share)
    if mode == "squash":
        resize = (int(height / share), int(width / share))
    elif mode != "center":
        raise CamkitError(f"crop_mode {mode!r:.40} of timm pads or keeps the image's aspect: give an input_spec")
    return InputSpec((height, width), resize, config["mean"], config["std"], _interpolation(config))


def of_open_clip(config: Mapping[str, Any]) -> InputSpec:
    """From a ``preprocess_cfg`` of open_clip's.

    Raises
    ------
    CamkitError
        It pads images, or interpolates in a way that an `InputSpec` has no name for.
    """
    size = config["size"]
    height, width = size if isinstance(size, list | tuple) else (size, size)
    modes: dict[str, int | tuple[int, int]] = {"shortest": min(height, width), "squash": (height, width)}
    mode = config["resize_mode"]
    if mode not in modes or (mode == "shortest" and height != width):
        raise CamkitError(f"resize_mode {mode!r:.40} of open_clip pads the image: give an input_spec")
    return InputSpec((height, width), modes[mode], config["mean"], config["std"], _interpolation(config))


def _interpolation(config: Mapping[str, Any]) -> str:
    name = str(config.get("interpolation") or "bicubic")
    if name not in INTERPOLATIONS:
        raise CamkitError(
            f"interpolation {name!r:.40} is none of camkit's, {' and '.join(INTERPOLATIONS)}: give an input_spec"
        )
    return name
