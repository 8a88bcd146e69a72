"""One image against the truth: each recipe's box, and what each map is worth at every threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from camkit.errors import CamkitError
from camkit.evaluation.protocols import EvaluationProtocol, boxes_of
from camkit.evaluation.seen import Seen
from camkit.metrics import MaxBoxAcc, MaxBoxAccV2, PxAP
from camkit.metrics.wsol import protocol_boxes, protocol_map
from camkit.recipe import Recipe


@dataclass(frozen=True)
class JudgedBox:
    """One box against the truth.

    Attributes
    ----------
    box : tuple of int
        ``x0, y0, x1, y1`` as the protocol gives it.
    iou : float
        With the ground-truth box that it meets best.
    share, truth_share : float
        Of the image that it covers, and that that ground-truth box does.
    """

    box: tuple[int, ...]
    iou: float
    share: float
    truth_share: float


@dataclass(frozen=True, eq=False)
class Judged:
    """What one image leaves for the measures: no maps, so that memory does not grow with them.

    Attributes
    ----------
    image : str
    label : int or None
    predicted : Tensor (k,) or None
        As `Seen` has them.
    boxes : dict from recipe name to JudgedBox
    outcomes : dict from weighting to dict from measure to Tensor (1, columns)
        What MaxBoxAcc, MaxBoxAccV2 and PxAP keep of the image.
    """

    image: str
    label: int | None
    predicted: torch.Tensor | None
    boxes: dict[str, JudgedBox]
    outcomes: dict[str, dict[str, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges one image after the other, in any number of threads.

    Attributes
    ----------
    protocol : EvaluationProtocol
    recipes : mapping from name to Recipe
        Empty where there are no boxes to judge by.
    curves : mapping from name to MaxBoxAcc, MaxBoxAccV2 or PxAP
        The measures that try every threshold. They are asked for outcomes and not changed.
    """

    protocol: EvaluationProtocol
    recipes: Mapping[str, Recipe]
    curves: Mapping[str, MaxBoxAcc | MaxBoxAccV2 | PxAP]

    def __call__(self, seen: Seen) -> Judged:
        return Judged(
            image=seen.record.image,
            label=seen.label,
            predicted=seen.predicted,
            boxes=self._boxes(seen),
            outcomes={weighting: self._outcomes(seen, class_map) for weighting, class_map in seen.maps.items()},
        )

    def _boxes(self, seen: Seen) -> dict[str, JudgedBox]:
        """All recipes' boxes against all ground-truth boxes at once."""
        if not self.recipes:
            return {}
        found = self.protocol.boxes(seen, self.recipes)
        boxes, truth = torch.from_numpy(np.stack(list(found.values()))), self.protocol.truth(seen)
        best, met = self.protocol.iou(boxes, truth).max(1)
        shares, truth_shares = (self.protocol.shares(which, seen) for which in (boxes, truth))
        columns = boxes.tolist(), best.tolist(), shares.tolist(), truth_shares[met].tolist()
        return {
            name: JudgedBox(tuple(box), iou, share, truth_share)
            for name, box, iou, share, truth_share in zip(found, *columns, strict=True)
        }

    def _outcomes(self, seen: Seen, class_map: torch.Tensor) -> dict[str, torch.Tensor]:
        score_map = protocol_map(class_map, seen.size, seen.window)
        found = {}
        for name, measure in self.curves.items():
            if isinstance(measure, PxAP):
                if seen.record.read_mask is None:
                    raise CamkitError("it has no mask, and its localization cannot be judged")
                found[name] = measure.outcome(score_map, seen.record.read_mask())
            else:
                found[name] = measure.outcome(score_map, protocol_boxes(boxes_of(seen), seen.size))
        return found
