"""Transforms of torchvision, both versions, read as an `InputSpec`."""

from collections.abc import Iterable
from typing import Any

from camkit.errors import CamkitError
from camkit.input_spec import INTERPOLATIONS, InputSpec


def is_transforms(thing: object) -> bool:
    """Whether this is a transform of torchvision's or a sequence of steps, such as `Compose`."""
    return type(thing).__module__.startswith("torchvision.transforms")


def of_transforms(transforms: Any) -> InputSpec:
    """What the parameters of a resize, a centre crop and a normalisation say.

    Raises
    ------
    CamkitError
        One of them lacks, or says what an `InputSpec` cannot.
    """
    if hasattr(transforms, "resize_size"):  # of published weights
        crop, resize = _pair(transforms.crop_size), transforms.resize_size
        return _spec(crop, resize, transforms.mean, transforms.std, transforms.interpolation)
    steps = {type(step).__name__: step for step in _steps(transforms)}
    missing = [name for name in ("Resize", "Normalize") if name not in steps]
    if missing:
        raise CamkitError(f"the transforms have no {' and no '.join(missing)}: give an input_spec")
    resize, normal = steps["Resize"], steps["Normalize"]
    crop = steps["CenterCrop"].size if "CenterCrop" in steps else resize.size
    if "CenterCrop" not in steps and len(_list(crop)) == 1:
        raise CamkitError("the transforms keep each image's aspect and crop none: give an input_spec with one size")
    return _spec(_pair(crop), resize.size, normal.mean, normal.std, resize.interpolation)


def _steps(transforms: Any) -> Iterable[Any]:
    inner = getattr(transforms, "transforms", None)
    return inner if inner is not None else [transforms]


def _spec(size: tuple[int, int], resize: Any, mean: Any, std: Any, interpolation: Any) -> InputSpec:
    name = getattr(interpolation, "value", interpolation)
    if name not in INTERPOLATIONS:
        raise CamkitError(
            f"the transforms interpolate by {name}, and camkit by bilinear or bicubic: give an input_spec"
        )
    sides = _list(resize)
    return InputSpec(
        size,
        sides[0] if len(sides) == 1 else (sides[0], sides[1]),
        tuple(map(float, mean)),  # type: ignore[arg-type]
        tuple(map(float, std)),  # type: ignore[arg-type]
        name,
    )


def _list(value: Any) -> list[int]:
    return [int(value)] if isinstance(value, int) else [int(side) for side in value]


def _pair(value: Any) -> tuple[int, int]:
    sides = _list(value)
    return sides[0], sides[-1]
