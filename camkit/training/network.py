"""The network in training, as a method's step sees it: logits, features, class maps, inner layers, tails."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from camkit.cam import CAM, Fc, find_fc
from camkit.cam.forward import picking_up
from camkit.cam.trace import Place, tensors_in
from camkit.errors import CamkitError
from camkit.process_group import ProcessGroup
from camkit.training.frozen import frozen
from camkit.training.tail import Point, recorded, replayed


@dataclass(frozen=True, eq=False)
class Pass:
    """What one forward pass gave, with gradients.

    Attributes
    ----------
    images : Tensor (N, 3, H, W)
    logits : Tensor (N, K), float32
    features : Tensor (N, C, h, w), float32
        The last feature map, which class maps are made of.
    inner : dict of str to Tensor
        Outputs of the modules that were asked for, in the network's precision.
    points : dict of str to Point
        What `Network.tail` needs of them.
    """

    images: Tensor
    logits: Tensor
    features: Tensor
    points: dict[str, Point]

    @property
    def inner(self) -> dict[str, Tensor]:
        return {name: point.output for name, point in self.points.items()}


@dataclass(eq=False)
class Network:
    """A classifier in training.

    Attributes
    ----------
    model : nn.Module
    num_classes : int
    class_names : tuple of str or None
        Names of the classes.
    input_size : tuple of int
        Height and width that the head is searched with.
    group : ProcessGroup
    precision : {"fp32", "bf16"}
    label_smoothing : float
    places : mapping from str to tuple of str
        Where methods reach in, by method: the papers' places in the papers' backbones.
    modules : nn.ModuleDict
        What the method trains beside it.
    """

    model: nn.Module
    num_classes: int
    class_names: tuple[str, ...] | None
    input_size: tuple[int, int]
    group: ProcessGroup
    precision: str = "fp32"
    label_smoothing: float = 0.0
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modules: nn.ModuleDict = field(default_factory=nn.ModuleDict)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K), float32; float64 of a network in float64."""
        with self.autocast():
            logits: Tensor = self.model(images)
        return at_least_float32(logits)

    def forward(self, images: Tensor, at: Sequence[str] = ()) -> Pass:
        """One forward pass, with the features and the outputs of the modules named in `at`.

        Raises
        ------
        CamkitError
            The head cannot be found (`camkit inspect` tells why), or a name is none of the model's, or its module does
            not run exactly once.
        """
        places = self.cam.head.feature_map.places  # found before anything is recorded
        with recorded(self.model, at) as points:
            return Pass(images, *self._run(images, places), points)

    def tail(self, passed: Pass, at: str, inner: Tensor) -> Pass:
        """The layers after the module `at` once more, on another output of it; what ran before it is not run again.

        Parameters
        ----------
        passed : Pass
            By `forward`, with `at` among its names.
        at : str
        inner : Tensor
            Of the shape of ``passed.inner[at]``.
        """
        with replayed(self.model, at, passed.points[at], inner):
            return Pass(passed.images, *self._run(passed.images, self.cam.head.feature_map.places), {})

    def class_maps(self, features: Tensor, classes: Tensor) -> Tensor:
        """Signed class maps (N, h, w) of each image's class in `classes` (N,), with gradients to features and fc.

        Where a norm lies between pooling and fc, up to the norm's positive number for each image.
        """
        return torch.einsum("nc,nchw->nhw", self.fc.class_weights(classes), features.to(self.fc.weight.dtype))

    def head_logits(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, C, h, w) by pooling and fc alone, without dropout."""
        return self.fc.logits(self.cam.head.pooled(features.to(self.fc.weight.dtype)))

    def places_of(self, method: str, given: str = "", number: int = 1) -> tuple[str, ...]:
        """The modules at which a method reaches in: those in `given`, else the backbone's own places.

        Parameters
        ----------
        method : str
        given : str
            Names of modules with commas between them: the method's option ``at``.
        number : int
            How many the method needs.

        Raises
        ------
        CamkitError
            There are none, more or fewer, or one does not give a map of features exactly once in a forward pass.
        """
        names = tuple(name.strip() for name in given.split(",") if name.strip()) or self.places.get(method, ())
        what = "one module" if number == 1 else f"{number} modules"
        if len(names) != number:
            has = f"at={given!r} names {len(names)}" if names else "this network has no places of its own for it"
            example = ",".join(("layer3", "layer4", "layer2")[:number])
            raise CamkitError(
                f"{method} reaches in at {what}, and {has}: name {what} of the network's, such as "
                f"--method-option at={example}"
            )
        for name in names:
            try:
                self.channels_at(name)
            except CamkitError as error:
                raise CamkitError(f"{method}, at={','.join(names)}: {error}") from error
        return names

    def channels_at(self, name: str) -> int:
        """Channels of a module's output, a map of features (N, C, h, w)."""
        with frozen(self.model, []), torch.no_grad(), recorded(self.model, [name]) as points:
            parameter = next(self.model.parameters())
            self.model(torch.zeros(2, 3, *self.input_size, device=parameter.device, dtype=parameter.dtype))
        shape = points[name].output.shape
        if len(shape) != 4:
            raise CamkitError(f"the module {name!r} gives {tuple(shape[1:])}, no map of features: name another")
        return shape[1]

    @property
    def cam(self) -> CAM:
        """The head, found when first asked for."""
        return self._found[0]

    @property
    def fc(self) -> Fc:
        """The last linear layer; `CamkitError` where class maps are not made by one."""
        fc = self._found[1]
        if isinstance(fc, CamkitError):
            raise fc
        return fc

    @cached_property
    def _found(self) -> tuple[CAM, Fc | CamkitError]:
        """Both at once: what is found of the head are the weights that it has then, and fc is checked against them."""
        with frozen(self.model, []):
            cam = CAM(self.model, self.input_size)
            try:
                return cam, find_fc(cam.model, cam.head)
            except CamkitError as error:  # logits and features there are all the same
                return cam, error

    def smoothed(self, labels: Tensor) -> Tensor:
        """Labels, or probabilities, with ``--label-smoothing``."""
        return smoothed(labels, self.label_smoothing, self.num_classes)

    def autocast(self) -> AbstractContextManager[Any]:
        """``--precision``; modules of a method's own may run in it, too."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.group.device.type, torch.bfloat16)

    def _run(self, images: Tensor, places: Sequence[Place]) -> tuple[Tensor, Tensor]:
        """Logits, and features, which are picked up at `places`."""
        held: dict[Place, Tensor] = {}

        def keep(place: Place, tensors: Any) -> None:
            held[place] = list(tensors_in(tensors))[place.position].clone()  # the model may change it in place

        with ExitStack() as hooks:
            for place in places:
                hooks.enter_context(picking_up(self.model, place, partial(keep, place)))
            logits = self(images)
        feature_map, size = self.cam.head.feature_map, (images.shape[-2], images.shape[-1])
        features, _ = feature_map.decomposed([held[place] for place in places], size)
        return logits, at_least_float32(features)


def at_least_float32(tensor: Tensor) -> Tensor:
    """A tensor of half precision in float32."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def smoothed(labels: Tensor, share: float, num_classes: int) -> Tensor:
    """Labels (N,) or probabilities (N, K) with a share of each given to all classes alike (Szegedy et al. 2016)."""
    if share == 0:
        return labels
    probabilities = F.one_hot(labels, num_classes).float() if labels.ndim == 1 else labels
    return (1 - share) * probabilities + share / num_classes
