"""Image processors of transformers, read as an `InputSpec`."""

from typing import Any

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec

INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
OTHERS = {0: "nearest", 1: "lanczos", 4: "box", 5: "hamming"}
WARPED = 384  # pixels from which on ConvNeXt's processor squashes the image instead of cropping it
READ = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_reduce_labels"}


def is_image_processor(thing: object) -> bool:
    """Whether this is an image processor of transformers, of any version; transformers is not imported for that."""
    return not isinstance(thing, type) and any(base.__name__ == "ImageProcessingMixin" for base in type(thing).__mro__)


def of_image_processor(processor: Any) -> InputSpec:
    """What the settings of an image processor say.

    Raises
    ------
    CamkitError
        They say what an `InputSpec` cannot.
    """
    name = type(processor).__name__
    said = [key for key, on in vars(processor).items() if key.startswith("do_") and on is True and key not in READ]
    if said:
        raise CamkitError(
            f"the {name} does more than resize, crop and normalise ({', '.join(said)}): give an input_spec"
        )
    if not getattr(processor, "do_resize", False):
        raise CamkitError(f"the {name} takes images in any size (do_resize is off): give an input_spec")
    size, resize = _sizes(processor, name)
    mean, std = _normalisation(processor)
    return InputSpec(size, resize, mean, std, _interpolation(processor, name))


def _sizes(processor: Any, name: str) -> tuple[tuple[int, int], int | tuple[int, int]]:
    """The input's size, and to what the image is resized before the crop."""
    height, width, shortest = (_of(processor.size, key) for key in ("height", "width", "shortest_edge"))
    if (longest := _of(processor.size, "longest_edge")) and not (height and width):
        raise CamkitError(f"the {name} limits the long side to {longest}, whatever the short one: give an input_spec")
    crop = getattr(processor, "crop_size", None) if getattr(processor, "do_center_crop", False) else None
    resize: int | tuple[int, int] = (height, width) if height and width else shortest
    if crop is not None:
        side = crop if isinstance(crop, int) else None
        return (side or _of(crop, "height"), side or _of(crop, "width")), resize
    if isinstance(resize, tuple):
        return resize, resize
    if not (share := getattr(processor, "crop_pct", None)):
        raise CamkitError(f"the {name} keeps each image's aspect and crops none: give an input_spec with one size")
    square = (shortest, shortest)
    return square, int(shortest / share) if shortest < WARPED else square


def _of(size: Any, key: str) -> Any:
    return size.get(key) if isinstance(size, dict) else getattr(size, key, None)


Channels = tuple[float, float, float]


def _normalisation(processor: Any) -> tuple[Channels, Channels]:
    """Mean and deviation of an image in [0, 1], whatever the processor makes of 0 to 255 before it takes them off."""
    scaled = 255 * (float(processor.rescale_factor) if getattr(processor, "do_rescale", False) else 1.0)
    scaled = 1.0 if abs(scaled - 1) < 1e-9 else scaled
    normal = getattr(processor, "do_normalize", False)
    mean = _channels(processor.image_mean) if normal else [0.0] * 3
    std = _channels(processor.image_std) if normal else [1.0] * 3
    if normal and getattr(processor, "include_top", False):  # EfficientNet's: once more, with a mean of 0
        std = [value**2 for value in std]
    below = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    (r, g, b), (red, green, blue) = mean, std
    return (
        ((r + below) / scaled, (g + below) / scaled, (b + below) / scaled),
        (red / scaled, green / scaled, blue / scaled),
    )


def _channels(value: Any) -> list[float]:
    channels = [float(value)] if isinstance(value, int | float) else [float(one) for one in value]
    if len(channels) not in (1, 3):
        raise CamkitError(
            f"a mean or deviation of {len(channels)} channels, and photographs have 3: give an input_spec"
        )
    return channels * 3 if len(channels) == 1 else channels


def _interpolation(processor: Any, name: str) -> str:
    number = getattr(processor, "resample", None)
    if number is None or int(number) not in INTERPOLATIONS:
        said = OTHERS.get(int(number), number) if number is not None else "nothing"
        raise CamkitError(f"the {name} interpolates by {said}, and camkit by bilinear or bicubic: give an input_spec")
    return INTERPOLATIONS[int(number)]
