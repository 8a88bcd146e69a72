"""The two steps of a mini-batch on fc alone: stage I tells classes apart, stage II shapes the class maps."""

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
import torch.nn.functional as F

from camkit.cam import CAM, Fc, find_fc
from camkit.errors import CamkitError, Diverged
from camkit.process_group import ProcessGroup
from camkit.training.frozen import frozen
from camkit.training.minmax.losses import common_region_regularization, full_region_regularization, object_maps
from camkit.training.minmax.settings import Descent, MinMax


class PlainFeatures(NamedTuple):
    """Of images as they are: feature maps F (B, C, h, w), and f^o (B, C), as the model pools them."""

    features: torch.Tensor
    pooled: torch.Tensor


class Losses(NamedTuple):
    """Of one mini-batch, over all processes: scalars without a gradient."""

    crr: torch.Tensor
    frr: torch.Tensor
    total: torch.Tensor


def sgd(parameters: list[torch.nn.Parameter], descent: Descent) -> torch.optim.SGD:
    """For these parameters and no others."""
    momentum, decay = descent.momentum, descent.weight_decay
    return torch.optim.SGD(parameters, descent.lr, momentum, weight_decay=decay, nesterov=momentum > 0)


def descend(
    optimizer: torch.optim.SGD, gradients: Sequence[torch.Tensor], losses: dict[str, torch.Tensor], count: int
) -> list[torch.Tensor]:
    """One step of the optimizer along the mean gradient of all processes; returns the losses' means over them.

    Where no process has an image there is no step, and the losses are NaN.

    Raises
    ------
    Diverged
        A loss, the gradient or the step's outcome is NaN or infinite: then no process makes the step, and the optimizer
        is as it was, too.
    """
    parameters = optimizer.param_groups[0]["params"]
    group = ProcessGroup.current(gradients[0].device)
    means = group.mean([*gradients, *(loss.detach() for loss in losses.values())], count)
    if means is None:
        return [torch.full_like(loss, torch.nan) for loss in losses.values()]
    gradients, found = means[: len(parameters)], means[len(parameters) :]
    for name, loss in zip(losses, found, strict=True):
        if not loss.isfinite():
            raise Diverged(f"{name} is {loss.item()}: give a lower --lr, or lower weights of the losses")
    if not all(gradient.isfinite().all() for gradient in gradients):
        raise Diverged("the gradient holds NaN or infinite values: give a lower --lr, or lower weights of the losses")
    before = [(parameter.detach().clone(), parameter.grad) for parameter in parameters]
    state = deepcopy(optimizer.state_dict())
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    good = all(parameter.isfinite().all() for parameter in parameters)
    for parameter, (value, grad) in zip(parameters, before, strict=True):
        parameter.grad = grad
        if not good:
            parameter.data.copy_(value)
    if not good:
        optimizer.load_state_dict(state)
        raise Diverged("the step gives NaN or infinite weights: give a lower --lr")
    return found


class StageOne:
    """Cross-entropy on fc's weight and bias, from pooled features that a frozen backbone gave.

    Parameters
    ----------
    fc : Fc
    classes : Tensor (k,), int64
        The classes that there are images of, ascending. Only they take part in the softmax: fc's rows for other classes
        have nothing to learn from.
    descent : Descent

    References
    ----------
    MinMaxCAM, Eq. 4, as a mean over images.
    """

    def __init__(self, fc: Fc, classes: torch.Tensor, descent: Descent) -> None:
        self.fc, self.classes = fc, classes
        self.optimizer = sgd(fc.parameters, descent)

    def step(self, pooled: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One step; the mean cross-entropy before it.

        A process without images gives empty ones; where none has any there is no step, and the answer is NaN.

        Parameters
        ----------
        pooled : Tensor (B, C)
        labels : Tensor (B,), int64
            As the model numbers classes.

        Raises
        ------
        Diverged
        """
        with torch.enable_grad():
            logits = self.fc.logits(pooled)[:, self.classes]
            loss = F.cross_entropy(logits, torch.searchsorted(self.classes, labels))
            gradients = torch.autograd.grad(loss, self.fc.parameters)
        return descend(self.optimizer, gradients, {"the cross-entropy": loss}, len(labels))[0]


class StageTwo:
    """A step on fc's weight alone along ``lambda_1 CRR + lambda_2 FRR``; every other byte of the model stays.

    Parameters
    ----------
    cam : CAM
        Of a model whose head is exact or folded, whatever it pools with.
    settings : MinMax
    descent : Descent

    Raises
    ------
    CamkitError
        If the head has no linear layer whose weight alone makes the class maps (see `camkit.cam.find_fc`).

    Examples
    --------
    >>> from camkit.models import TinyResNet
    >>> model = TinyResNet(num_classes=3, widths=(8, 8, 8), depth=1).eval()
    >>> stage = StageTwo(CAM(model, (32, 32)), MinMax(crr=1, frr=2, set_size=2))
    >>> losses = stage.step(torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 2, 2]))
    >>> torch.equal(losses.total, losses.crr + 2 * losses.frr)
    True

    References
    ----------
    MinMaxCAM, Eq. 5 and Section 3.4.
    """

    def __init__(self, cam: CAM, settings: MinMax, descent: Descent | None = None) -> None:
        self.cam, self.settings = cam, settings
        self.fc = find_fc(cam.model, cam.head)
        self.optimizer = sgd([self.fc.weight], descent or Descent())

    def plain(self, images: torch.Tensor) -> PlainFeatures:
        """Features of images (B, 3, H, W) as they are, without a gradient."""
        with frozen(self.cam.model, []):
            found = self.cam.features(images)
        return PlainFeatures(found.features.to(self.fc.weight.dtype), found.pooled.to(self.fc.weight.dtype))

    def losses(self, images: torch.Tensor, labels: torch.Tensor, plain: PlainFeatures) -> Losses:
        """CRR, FRR and their weighted sum, with the gradient to fc's weight.

        Parameters
        ----------
        images : Tensor (N * S, 3, H, W)
            The model's input, set by set.
        labels : Tensor (N * S,), int64
            As the model numbers classes, the same S times.
        plain : PlainFeatures
            Of these images.

        Raises
        ------
        CamkitError
            The images are no whole sets of one class each.
        Diverged
            fc or a class map holds NaN or infinite values.
        """
        size = self.settings.set_size
        sets = labels.reshape(-1, size) if len(labels) % size == 0 else labels[:, None]
        if sets.shape[1] != size or (sets != sets[:, :1]).any():
            raise CamkitError(f"a mini-batch must hold sets of {size} images of one class, one set after the other")
        weights = self.fc.class_weights(labels)
        if not weights.isfinite().all():
            raise Diverged(f"{self.fc.name} holds NaN or infinite weights: give a lower --lr")
        try:
            maps = object_maps(plain.features, weights)
        except CamkitError as error:
            raise Diverged(f"{error}; in training, give a lower --lr") from None
        seen = self._features_through(maps, images, plain.features)
        f, plain_f = (tensor.unflatten(0, (-1, size)) for tensor in (seen, plain.pooled))
        crr = common_region_regularization(f, self.settings.norm)
        frr = full_region_regularization(f, plain_f, self.settings.norm)
        return Losses(crr, frr, self.settings.crr * crr + self.settings.frr * frr)

    def _features_through(self, maps: torch.Tensor, images: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Pooled features f (B, C) of what the maps let through."""
        if self.settings.mask == "features":
            return self.cam.head.pooled(features * maps)
        maps = F.interpolate(maps, images.shape[-2:], mode="bilinear", align_corners=False)
        return self.cam.pooled(images * maps.to(images.dtype))

    def step(self, images: torch.Tensor, labels: torch.Tensor, plain: PlainFeatures | None = None) -> Losses:
        """One step; the losses before it.

        Parameters
        ----------
        images, labels
            See `losses`. A process without a set gives empty ones; where none has any there is no step, and losses are
            NaN.
        plain : PlainFeatures, optional
            Where the backbone is frozen throughout, the images' features can be kept from one epoch to the next; by
            default they are computed.

        Raises
        ------
        Diverged
            A loss, the gradient or the step's outcome is NaN or infinite: model and optimizer are as they were.
        """
        weight, failed = self.fc.weight, None
        losses, gradient = Losses(*torch.zeros(3).to(weight)), torch.zeros_like(weight)
        with frozen(self.cam.model, [weight]), torch.enable_grad():
            if len(images):
                try:
                    losses = self.losses(images, labels, self.plain(images) if plain is None else plain)
                    (gradient,) = torch.autograd.grad(losses.total, weight)
                except Diverged as error:  # the other processes learn of it from the mean, and none waits
                    failed, losses = error, Losses(*torch.full((3,), torch.nan).to(weight))
        named = dict(zip(("CRR", "FRR", "the loss"), losses, strict=True))
        try:
            return Losses(*descend(self.optimizer, [gradient], named, len(images) // self.settings.set_size))
        except Diverged as error:
            raise failed or error from None
