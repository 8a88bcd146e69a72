"""From a model and images to class maps: one forward pass for any number of classes and weightings."""

from types import TracebackType
from typing import Any

import torch
from torch import nn

from camkit.cam.features import Classes, ClassMaps, Features
from camkit.cam.find import IMAGES, find_head
from camkit.cam.given import find_given
from camkit.cam.logits import Output, logits_of
from camkit.cam.trace import tensors_in
from camkit.errors import CamkitError, HeadNotFound


class CAM:
    """Class maps from any classifier whose logits are a linear function of pooled features.

    Parameters
    ----------
    model : nn.Module
        In eval mode. DataParallel, DistributedDataParallel and ``torch.compile`` wrappers are looked through: camkit
        runs the module inside. Nothing of the model is changed, and its hooks are gone when the block ends.
    input_size : tuple of int
        Height and width of the images that the head is searched with.
    head : dict, optional
        ``{"features": module name, "classifier": module name}`` to name the head instead of searching it.
    output : callable, optional
        Picks the logits out of what the model returns.

    Raises
    ------
    HeadNotFound
        If there is no pooled feature map, with the reason and a remedy.
    CamkitError
        If the model is in training mode.

    Examples
    --------
    >>> from camkit.models.tiny import TinyResNet
    >>> model = TinyResNet(num_classes=5).eval()
    >>> with CAM(model, input_size=(64, 64)) as cam:
    ...     out = cam(torch.rand(2, 3, 64, 64), weighting="signed")
    >>> out.maps.shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(
        self,
        model: nn.Module,
        input_size: tuple[int, int] = (224, 224),
        head: dict[str, str] | None = None,
        output: Output | None = None,
    ) -> None:
        self.model = unwrap(model)
        self.output = output
        if in_training(self.model):
            raise CamkitError("the model is in training mode, where dropout and batch norm differ: call .eval()")
        with torch.inference_mode(False), torch.compiler.set_stance("force_eager"):
            images = example_images(self.model, input_size)
            with torch.autocast(images.device.type, enabled=False):
                if head:
                    self.head = find_given(self.model, images, **head, output=output)
                else:
                    self.head = find_head(self.model, images, output)

    def __enter__(self) -> "CAM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Nothing is left to undo: hooks live for one forward pass each."""

    def features(self, images: torch.Tensor) -> Features:
        """One forward pass.

        Parameters
        ----------
        images : Tensor (N, channels, H, W)
            After the model's own preprocessing, on the model's device. Under ``torch.autocast`` the network runs in
            lower precision, the maps are made in float32 all the same.

        Raises
        ------
        CamkitError
            If the images lie on another device than the model.
        """
        with torch.no_grad():
            picked_up, logits = self._pass(images)
            with torch.autocast(images.device.type, enabled=False):
                features = self._feature_map(picked_up, images).float()
                return Features(
                    features, self.head.pooled(features), logits.float().reshape(len(logits), -1), self.head
                )

    def pooled(self, images: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) alone, in the network's own precision, with the gradient that goes to the images.

        Parameters and errors are those of `features`.
        """
        picked_up, _ = self._pass(images)
        return self.head.pooled(self._feature_map(picked_up, images))

    def _pass(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One forward pass: the tensor at the feature map's place, and the logits."""
        device = next((p.device for p in self.model.parameters()), images.device)
        if images.device != device:
            raise CamkitError(f"the images are on {images.device} and the model on {device}: move one with .to()")
        place = self.head.feature_map.place
        rerun = bool(self.head.feature_map.calls)
        held: list[torch.Tensor] = []

        def keep(tensors: Any) -> None:
            tensor = list(tensors_in(tensors))[place.position]
            held[:] = [tensor.clone() if rerun else tensor]  # the model may go on to change it in place

        module = self.model.get_submodule(place.module)
        if place.side == "input":
            handle = module.register_forward_pre_hook(lambda _m, a, k: keep((a, k)), with_kwargs=True)
        else:
            handle = module.register_forward_hook(lambda _m, _a, out: keep(out))
        try:
            with torch.compiler.set_stance("force_eager"):  # compiled parts would hide from the hook
                logits = logits_of(self.model(images), self.output)
        finally:
            handle.remove()
        return held[0], logits

    def _feature_map(self, picked_up: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        return self.head.feature_map.read(picked_up, (images.shape[-2], images.shape[-1]))

    def __call__(self, images: torch.Tensor, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """Class maps (N, K, h, w) of the wanted classes; see `Features.class_maps`."""
        return self.features(images).class_maps(classes, weighting)


def in_training(model: nn.Module) -> bool:
    """Whether the model, or a part of it that answers differently then, is in training mode."""
    fickle = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)
    return model.training or any(module.training for module in model.modules() if isinstance(module, fickle))


def unwrap(model: nn.Module) -> nn.Module:
    """The module inside DataParallel, DistributedDataParallel and torch.compile."""
    if isinstance(model, torch.jit.ScriptModule):
        raise HeadNotFound(
            "a ScriptModule hides its operations from hooks: load the Python model that it was made from"
        )
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return unwrap(model.module)
    inner = getattr(model, "_orig_mod", None)
    return unwrap(inner) if isinstance(inner, nn.Module) else model


def example_images(model: nn.Module, size: tuple[int, int]) -> torch.Tensor:
    """Two different images of noise, with the channels that the model's first convolution wants, or 3."""
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)

    def noise(channels: int) -> torch.Tensor:
        return torch.randn(IMAGES, channels, *size, generator=generator).to(parameter.device, parameter.dtype)

    if first is None or first.in_channels == 3:
        return noise(3)
    wanted = noise(first.in_channels)
    return wanted if runs(model, wanted) else noise(3)  # some fold pixels into channels before they convolve


@torch.no_grad()
def runs(model: nn.Module, images: torch.Tensor) -> bool:
    """Whether the model takes images of this shape."""
    try:
        model(images)
    except Exception:  # other people's networks fail in their own ways
        return False
    return True
