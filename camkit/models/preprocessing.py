"""The preprocessing that others wrote down, as an `InputSpec`: image processors, transforms, configurations.

What is read is held against what the processor makes of two pictures, so that a step for which an `InputSpec` has no
word is refused and never left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from camkit.data import Preprocess
from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models.configurations import of_open_clip, of_timm
from camkit.models.image_processors import is_image_processor, of_image_processor
from camkit.models.messages import one_line
from camkit.models.transforms import is_transforms, of_transforms

SHAPES = ((300, 420), (350, 290))  # of the pictures
WAVE = 48.0  # pixels to a period of them: one pixel aside is up to 16 levels, and any interpolation shows them alike
MEAN_LEVELS, LARGEST_LEVELS = 0.5, 4.0  # of 255: Pillow's and torchvision's resizing differ by 0.15 and 1 at most
KINDS = "an image processor of transformers, transforms of torchvision, or a configuration of timm or open_clip"


def input_spec_of(processor: object) -> InputSpec:
    """What a network is shown by a preprocessing of another library.

    Parameters
    ----------
    processor : InputSpec, image processor, transforms or mapping
        An image processor of transformers, or a processor that has one; weights of torchvision, their
        ``transforms()``, or a `Compose` of resize, centre crop and normalisation; a data configuration or
        ``pretrained_cfg`` of timm, or a ``preprocess_cfg`` of open_clip.

    Raises
    ------
    CamkitError
        It is none of these, or does what an `InputSpec` cannot say.
    """
    if isinstance(processor, InputSpec):
        return processor
    if isinstance(processor, WeightsEnum):
        processor = processor.transforms()
    processor = getattr(processor, "image_processor", processor)
    processor = getattr(processor, "data_config", processor)  # of transformers' wrapper of timm
    if isinstance(processor, Mapping):
        return _of_mapping(processor)
    name = type(processor).__name__
    if is_image_processor(processor):
        return held(of_image_processor(processor), lambda image: _first_image(processor, image), name)
    if is_transforms(processor):
        return held(of_transforms(processor), processor, name)  # type: ignore[arg-type]
    raise CamkitError(f"a {name} is no preprocessing that camkit reads: give {KINDS}, or an input_spec")


def own_input_spec(model: nn.Module) -> InputSpec | None:
    """What the network itself says that it wants to be shown, None where it says nothing.

    Looked at are its attributes ``processor``, ``image_processor`` and ``transforms``, where they hold a preprocessing,
    timm's ``pretrained_cfg`` and open_clip's ``preprocess_cfg``.

    Raises
    ------
    CamkitError
        It says what an `InputSpec` cannot.
    """
    for name in ("processor", "image_processor", "transforms"):
        found = getattr(model, name, None)
        if is_image_processor(getattr(found, "image_processor", found)) or is_transforms(found):
            return input_spec_of(found)
    for name in ("pretrained_cfg", "preprocess_cfg"):
        found = getattr(model, name, None)
        if isinstance(found, Mapping) and "mean" in found:
            return input_spec_of(found)
    return None


def _of_mapping(config: Mapping[str, Any]) -> InputSpec:
    if "resize_mode" in config:
        return of_open_clip(config)
    if "input_size" in config:
        return of_timm(config)
    raise CamkitError(f"the configuration {config!r:.80} has no input_size (timm) or resize_mode (open_clip)")


def _first_image(processor: Any, image: Image.Image) -> Any:
    return processor(images=image, return_tensors="pt")["pixel_values"][0]


@torch.no_grad()
def held(spec: InputSpec, run: Callable[[Image.Image], Any], name: str) -> InputSpec:
    """The spec, where it makes of two pictures what `run` makes of them.

    Raises
    ------
    CamkitError
        It does not.
    """
    preprocess, std = Preprocess(spec, "crop"), torch.tensor(spec.std)[:, None, None]
    for shape in SHAPES:
        picture = waves(*shape)
        try:
            made = torch.as_tensor(run(Image.fromarray(picture.movedim(0, -1).numpy()))).float()
        except Exception as error:  # other people's preprocessing fails in its own ways
            raise CamkitError(f"the {name} fails on a picture of {shape[1]} x {shape[0]}: {one_line(error)}") from error
        wanted, _ = preprocess(picture)
        if made.shape != wanted.shape:
            raise CamkitError(
                f"the {name} makes {tuple(made.shape)} of a picture of {shape[1]} x {shape[0]}, and its settings say "
                f"{tuple(wanted.shape)}: give an input_spec"
            )
        levels = ((made - wanted) * std).abs() * 255
        if not (levels.mean() <= MEAN_LEVELS and levels.max() <= LARGEST_LEVELS):
            raise CamkitError(
                f"the {name} does more than resize, crop and normalise: its picture is {levels.mean():.1f} of 255 "
                "levels away from what its settings say; give an input_spec"
            )
    return spec


def waves(height: int, width: int) -> Tensor:
    """A picture (3, H, W), uint8, of waves that differ along both axes and between the colours."""
    y, x = torch.arange(height)[:, None], torch.arange(width)
    turn = 2 * torch.pi / WAVE
    planes = [
        torch.sin(turn * y) + torch.cos(turn * x),
        torch.cos(turn * (x + y)) * 2,
        torch.sin(turn * x / 2) * 2 + y * 0,
    ]
    return torch.stack([127.5 + 60 * plane for plane in planes]).round().to(torch.uint8)
