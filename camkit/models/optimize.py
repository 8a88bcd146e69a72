"""A network made faster with the same answer: a copy of it, held against the network itself before it is used."""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from camkit.cam import CAM, MapSource, Prediction
from camkit.cam.features import Features
from camkit.cam.forward import called, eager, forward, one_line, picking_up
from camkit.cam.trace import Place, tensors_in
from camkit.models.folding import convolutions, fold_batch_norms

ALLOWED = 1e-5  # of the logits' range
NOTHING = "it has no batch norm to fold, and no convolutions to lay out anew"


@dataclass(frozen=True)
class Outcome:
    """What became of the wish for a faster network.

    Attributes
    ----------
    folded : int
        Batch norms that were folded into convolutions.
    deviation : float or None
        By how much the copy's logits miss the network's on the first batch, over their range.
    reason : str
        Why the network was left as it is; "" where the copy is used.
    """

    folded: int = 0
    deviation: float | None = None
    reason: str = ""


class Optimized:
    """Predictions by a faster copy of a network, where its answer stays the same.

    The copy has its batch norms folded into convolutions and its weights in channels_last layout, and is compiled where
    that is asked for. On the first batch it is held against the network: its logits must agree to 1e-5 of their range,
    and maps and offset must add up to them as before. Else the network itself goes on, and `outcome` says why. Nothing
    of the network is changed; where its weights are, the copy is made anew, as PyTorch tells: what is written through
    ``tensor.data`` it does not.

    Parameters
    ----------
    source : MapSource
        Only a network's own head (`CAM`) can do with a copy.
    fold : bool
        Whether to fold and lay out anew.
    compiled : bool
        Whether to compile, with ``torch.compile``.
    backend : str
        Of ``torch.compile``.
    """

    def __init__(self, source: MapSource, *, fold: bool, compiled: bool, backend: str = "inductor") -> None:
        self.source, self.fold, self.compiled, self.backend = source, fold, compiled, backend
        self.outcome: Outcome | None = None  # None before the first batch
        self._faster: CAM | None = None
        self._state: list[tuple[int, int]] = []

    def predict(self, images: torch.Tensor) -> Prediction:
        """One forward pass; the first of all is made twice."""
        if not isinstance(self.source, CAM):
            self.outcome = Outcome(reason=f"maps by {self.source.kind} look into the network itself")
            return self.source.predict(images)
        state = state_of(self.source.model)
        if self.outcome is None or state != self._state:
            self._state, self._faster = state, None
            return self._first(self.source, images)
        return (self._faster or self.source).predict(images)

    def _first(self, source: CAM, images: torch.Tensor) -> Prediction:
        said = source.features(images)
        try:
            faster, folded = self._copy(source, images)
            if faster is None:
                self.outcome = Outcome(reason=NOTHING)
                return said
            found = faster.features(images)
            deviation, reason = held_against(said, found)
        except Exception as error:  # other people's networks cannot be copied in their own ways
            self.outcome = Outcome(reason=f"no faster copy of it can be made ({one_line(error)})")
            return said
        self.outcome = Outcome(folded, deviation, reason)
        if reason:
            return said
        self._faster = faster
        return found

    def _copy(self, source: CAM, images: torch.Tensor) -> tuple[CAM | None, int]:
        """The faster copy's maps, and how many batch norms were folded; None where there is nothing to do."""
        model, folded = copy.deepcopy(source.model), 0
        if self.fold:
            with eager():
                folded = fold_batch_norms(model, images[:1])
            if not folded and not self.compiled and len(list(convolutions(model))) < 2:
                return None, 0
            model = model.to(memory_format=torch.channels_last)
        if not self.compiled:
            return source.on(model), folded
        feature_map = source.head.feature_map
        run = CompiledPass(model, feature_map.places, copies=feature_map.copies, backend=self.backend)
        return source.on(model, run), folded


def state_of(model: nn.Module) -> list[tuple[int, int]]:
    """Changes when a weight of the model does."""
    tensors = (*model.parameters(), *model.buffers())
    return [(id(tensor), -1 if tensor.is_inference() else tensor._version) for tensor in tensors]


@torch.no_grad()
def held_against(said: Features, found: Features) -> tuple[float | None, str]:
    """By how much the copy misses the network's logits, and why it cannot be used; "" where it can."""
    numbers = said.logits.isfinite()
    if not numbers.any() or not torch.equal(numbers, found.logits.isfinite()):
        return None, "its first batch gives logits that are no numbers"
    logits = said.logits[numbers]
    spread = float(logits.amax() - logits.amin()) or float(logits.abs().amax())
    deviation = float((found.logits - said.logits)[numbers].abs().amax()) / (spread or 1.0)
    if not deviation <= ALLOWED:
        return deviation, f"its logits would change by {deviation:.1e} of their range, and {ALLOWED:g} is allowed"
    before, after = ((missed(one) / (spread or 1.0)) for one in (said, found))
    if not after <= before + ALLOWED:
        return deviation, f"its maps would miss the logits by {after:.1e} of their range instead of {before:.1e}"
    return deviation, ""


def missed(of: Features) -> float:
    """By how much what the head makes of the pooled features misses the logits."""
    vector = of.pooled if of.rest is None else of.pooled + of.rest
    difference = (of.head.logits(vector).float() - of.logits).abs()
    return float(difference[difference.isfinite()].amax())


class CompiledPass:
    """`camkit.cam.forward.forward` of one network at fixed places, by ``torch.compile``.

    Parameters
    ----------
    model : nn.Module
        Gets hooks that last as long as this: it is a copy of ours.
    places : sequence of Place
    copies : bool
        See `forward`.
    backend : str
    """

    def __init__(self, model: nn.Module, places: Sequence[Place], *, copies: bool, backend: str) -> None:
        self.places = tuple(places)
        held: dict[int, torch.Tensor] = {}

        def keeper(number: int, position: int) -> Callable[[Any], None]:
            def keep(tensors: Any) -> None:
                tensor = list(tensors_in(tensors))[position]
                held[number] = tensor.clone() if copies else tensor

            return keep

        self._hooks = ExitStack()
        for number, place in enumerate(self.places):
            self._hooks.enter_context(picking_up(model, place, keeper(number, place.position)))

        def run(images: torch.Tensor) -> tuple[list[torch.Tensor], Any]:
            returned = model(images)
            return [held[number] for number in range(len(self.places))], returned

        self.compiled = torch.compile(run, backend=backend)

    def __call__(
        self, model: nn.Module, images: torch.Tensor, places: Sequence[Place], copy: bool = False
    ) -> tuple[list[torch.Tensor], Any]:
        """See `forward`; images of a size at which the head was searched anew pass uncompiled."""
        if tuple(places) != self.places:
            return forward(model, images, places, copy)
        picked_up, returned = called(self.compiled, images)
        return picked_up, returned
