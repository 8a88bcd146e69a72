"""From a model and images to class maps: one forward pass for any number of classes and weightings."""

import copy
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch import nn

from camkit.cam.attention_map import AttentionMap
from camkit.cam.class_maps import ClassMaps
from camkit.cam.current import plain_weights, refuse_stale_answer
from camkit.cam.features import Features
from camkit.cam.find import find_head
from camkit.cam.find_attention import Blocks
from camkit.cam.forward import ANEW, eager, forward, one_line
from camkit.cam.given import find_given
from camkit.cam.head import Head
from camkit.cam.logits import Output, logits_of, one_row_an_image
from camkit.cam.prediction import Classes, Prediction
from camkit.cam.walk import IMAGES
from camkit.errors import CamkitError, HeadNotFound

Forward = Callable[..., tuple[list[torch.Tensor], Any]]  # as `camkit.cam.forward.forward` takes and gives


class CAM:
    """Class maps from any classifier whose logits are a linear function of pooled features.

    Parameters
    ----------
    model : nn.Module
        In eval mode. DataParallel, DistributedDataParallel and ``torch.compile`` wrappers are looked through: camkit
        runs the module inside. Nothing of the model is changed, and its hooks are gone when a pass ends. Several
        threads may use one extractor, or several of one model.

        The model may be trained or moved in between: class weights that are its parameters as they stand (`head.kind`
        "exact" above all) are read at each use. Weights that were computed of more than one parameter are held against
        the logits of the pass, and refused where they miss them.
    input_size : tuple of int
        Height and width of the images that the head is searched with.
    head : dict, optional
        ``{"features": module name, "classifier": module name}`` to name the head instead of searching it.
    output : callable, optional
        Picks the logits out of what the model returns.
    token_blocks : int, "all" or None
        Of a head that weighs positions by attention: through how many of the network's last blocks the maps follow what
        attention takes from the patches. None: the last one, or all of those in which the class token alone asks.

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
        token_blocks: Blocks = None,
    ) -> None:
        self.model = unwrap(model)
        self.output, self.token_blocks = output, token_blocks
        self._forward: Forward = forward
        self._others: dict[tuple[int, int], CAM] = {}  # for images of other sizes
        check_blocks(token_blocks, head)
        refuse_training(self.model)
        self._fickle = [module for module in self.model.modules() if isinstance(module, FICKLE)]
        with torch.inference_mode(False), eager():
            images = example_images(self.model, input_size)
            self.channels = images.shape[1]
            with torch.autocast(images.device.type, enabled=False):
                if head:
                    self.head = find_given(self.model, images, **head, output=output)
                else:
                    self.head = find_head(self.model, images, output, token_blocks)
            self._plain = plain_weights(self.model, self.head)
            if self._plain is not None:
                self.head = self._plain.read(self.model, self.head)

    def __enter__(self) -> "CAM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Nothing is left to undo: hooks live for one forward pass each."""

    def on(self, model: nn.Module, run: Forward = forward) -> "CAM":
        """The same head on another network with the same modules, function and class weights.

        Parameters
        ----------
        model : nn.Module
            In eval mode.
        run : callable
            Passes images through it, as `camkit.cam.forward.forward` does.
        """
        other = copy.copy(self)
        other.model, other._forward, other._others = model, run, {}
        other._fickle = [module for module in model.modules() if isinstance(module, FICKLE)]
        return other

    @property
    def kind(self) -> str:
        """How the maps come about: a key of `camkit.cam.head.MEANING`."""
        return self.head.kind

    @property
    def completeness(self) -> float:
        """How far maps and offset missed the logits when the head was found, as a share of their range."""
        return self.head.completeness

    @property
    def num_classes(self) -> int:
        return self.head.num_classes

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of a class map at the input size."""
        return self.head.map_size

    def predict(self, images: torch.Tensor) -> Prediction:
        """As a map source: `features`."""
        return self.features(images)

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
            If the images lie on another device than the model, the model is in training mode, or it fails.
        """
        with torch.no_grad():
            if self._plain is not None:
                self.head = self._plain.read(self.model, self.head)
            head = self._head_for(images)  # another thread may read it anew meanwhile
            picked_up, said = self._pass(head, images)
            with torch.autocast(images.device.type, enabled=False):
                found, rest = self._decomposed(head, picked_up, images)
                features, rest = found.float(), None if rest is None else rest.float()
                pooled, eps = head.pooled(features), precision(*picked_up, said)
                logits = said.float()
                if head.returns_activated:
                    logits = head.logits(pooled if rest is None else pooled + rest).float()
                    refuse_stale_answer(head.answer(logits), said.float(), eps)
                return Features(features, pooled, logits, head, eps, rest)

    def pooled(self, images: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) alone, in the network's own precision, with the gradient that goes to the images.

        Parameters and errors are those of `features`.
        """
        head = self._head_for(images)
        picked_up, _ = self._pass(head, images)
        return head.pooled(self._decomposed(head, picked_up, images)[0])

    def _head_for(self, images: torch.Tensor) -> Head:
        """The head; one that attends is searched again for images of another size, which is written into its record."""
        size = (images.shape[-2], images.shape[-1])
        if not isinstance(self.head.feature_map, AttentionMap) or size == self.head.feature_map.image_size:
            return self.head
        if size not in self._others:
            self._others[size] = CAM(self.model, size, output=self.output, token_blocks=self.token_blocks)
        other = self._others[size]
        if other._plain is not None:
            other.head = other._plain.read(self.model, other.head)
        return other.head

    def _pass(self, head: Head, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """One forward pass: the tensors at the feature map's places, and what the model says, (N, K)."""
        if self.model.training or any(module.training for module in self._fickle):
            refuse_training(self.model)
        device = next((p.device for p in self.model.parameters()), images.device)
        if images.device != device:
            raise CamkitError(f"the images are on {images.device} and the model on {device}: move one with .to()")
        picked_up, returned = self._forward(self.model, images, head.feature_map.places, head.feature_map.copies)
        return picked_up, one_row_an_image(logits_of(returned, self.output, head.output), len(images))

    def _decomposed(
        self, head: Head, picked_up: list[torch.Tensor], images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        try:
            return head.feature_map.decomposed(picked_up, (images.shape[-2], images.shape[-1]))
        except (RuntimeError, IndexError) as error:
            raise CamkitError(f"the feature map cannot be read ({one_line(error)}); {ANEW}") from error

    def __call__(self, images: torch.Tensor, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """Class maps (N, K, h, w) of the wanted classes; see `Features.class_maps`."""
        return self.features(images).class_maps(classes, weighting)


def check_blocks(token_blocks: Blocks, head: dict[str, str] | None) -> None:
    """Refuse what is no number of blocks, and one of a head that is named."""
    number = type(token_blocks) is int and token_blocks >= 1
    if token_blocks is not None and (head or not (number or token_blocks == "all")):
        raise CamkitError(f"token_blocks={token_blocks!r}: give 1 or more, or 'all', of a head that is searched")


# modules that answer differently in training mode
FICKLE = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)


def refuse_training(model: nn.Module) -> None:
    """Refuse a model that is in training mode, or a part of which is that answers differently then."""
    if not (model.training or any(module.training for module in model.modules() if isinstance(module, FICKLE))):
        return
    if isinstance(model, torch.fx.GraphModule) and hasattr(model, "_guards_fn"):
        raise HeadNotFound(
            "an exported program (torch.export) has no eval mode to be set: load the Python model that it was made of"
        )
    raise CamkitError("the model is in training mode, where dropout and batch norm differ: call .eval()")


def precision(*tensors: torch.Tensor) -> float:
    """The coarsest rounding, relative to a number, in which a pass made these tensors."""
    kinds = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    device = tensors[0].device.type
    if torch.is_autocast_enabled(device):
        kinds.append(torch.get_autocast_dtype(device))
    eps = max(torch.finfo(kind).eps for kind in kinds)
    tensor_cores = device == "cuda" and (torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
    return max(eps, 2.0**-10) if tensor_cores else eps


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

    photographs = noise(3)
    if first is None or first.in_channels == 3 or runs(model, photographs):
        return photographs  # some fold pixels into channels before they convolve, or make grey of colours
    return noise(first.in_channels)


@torch.no_grad()
def runs(model: nn.Module, images: torch.Tensor) -> bool:
    """Whether the model takes images of this shape."""
    try:
        model(images)
    except Exception:  # other people's networks fail in their own ways
        return False
    return True
