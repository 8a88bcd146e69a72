"""One image against the truth: each recipe's box, and what each map is worth at every threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.evaluation.protocols import EvaluationProtocol
from camkit.evaluation.seen import Seen
from camkit.metrics import MaxBoxAcc, MaxBoxAccV2, PxAP
from camkit.metrics.wsol import protocol_boxes, protocol_map
from camkit.recipe import Recipe, Weighting


@dataclass(frozen=True, eq=False)
class Judged:
    """What one image leaves for the measures: no maps, so that memory does not grow with the images.

    Attributes
    ----------
    image : str
    size : tuple of int
        Height and width of the image, or of the protocol's grid.
    label : int or None
    predicted : Tensor (k,) or None
        As `Seen` has them.
    truth : Tensor (M, 4)
        Ground-truth boxes as the protocol has them.
    boxes : dict from recipe name to ndarray (4,)
    outcomes : dict from weighting to dict from measure to Tensor (1, columns)
        What MaxBoxAcc, MaxBoxAccV2 and PxAP keep of the image.
    """

    image: str
    size: tuple[int, int]
    label: int | None
    predicted: torch.Tensor | None
    truth: torch.Tensor
    boxes: dict[str, NDArray[np.int64]]
    outcomes: dict[Weighting, dict[str, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges one image after the other, in any number of threads.

    Attributes
    ----------
    protocol : EvaluationProtocol
    recipes : mapping from name to Recipe
    curves : mapping from name to MaxBoxAcc, MaxBoxAccV2 or PxAP
        The measures that try every threshold. They are asked for outcomes and not changed.
    """

    protocol: EvaluationProtocol
    recipes: Mapping[str, Recipe]
    curves: Mapping[str, MaxBoxAcc | MaxBoxAccV2 | PxAP]

    def __call__(self, seen: Seen) -> Judged:
        return Judged(
            image=seen.record.image,
            size=self.protocol.size(seen),
            label=seen.label,
            predicted=seen.predicted,
            truth=self.protocol.truth(seen),
            boxes=self.protocol.boxes(seen, self.recipes),
            outcomes={weighting: self._outcomes(seen, class_map) for weighting, class_map in seen.maps.items()},
        )

    def _outcomes(self, seen: Seen, class_map: torch.Tensor) -> dict[str, torch.Tensor]:
        score_map = protocol_map(class_map, seen.size, seen.window)
        truth = protocol_boxes(seen.record.boxes, seen.size)
        found = {}
        for name, measure in self.curves.items():
            if isinstance(measure, PxAP):
                if seen.record.read_mask is not None:
                    found[name] = measure.outcome(score_map, seen.record.read_mask())
            else:
                found[name] = measure.outcome(score_map, truth)
        return found
