"""One image against the truth: each recipe's box, and what each map is worth at every threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from camkit.errors import CamkitError
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.protocols import EvaluationProtocol, truth_boxes
from camkit.metrics import MaxBoxAcc, MaxBoxAccV2, PxAP
from camkit.metrics.wsol import protocol_boxes, protocol_map
from camkit.recipe import Recipe


@dataclass(frozen=True)
class BoxEvaluation:
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
class ImageEvaluation:
    """What one image leaves for the measures: no maps, so that memory does not grow with them.

    Attributes
    ----------
    image : str
    label : int or None
    predicted : Tensor (k,) or None
    score : float or None
        As `ImagePrediction` has them.
    boxes : dict from recipe name to BoxEvaluation
    outcomes : dict from weighting to dict from measure to Tensor (1, columns)
        What MaxBoxAcc, MaxBoxAccV2 and PxAP keep of the image.
    prediction : ImagePrediction or None
        With the maps, where somebody takes them on before the next image comes.
    """

    image: str
    label: int | None
    predicted: torch.Tensor | None
    boxes: dict[str, BoxEvaluation]
    outcomes: dict[str, dict[str, torch.Tensor]]
    prediction: ImagePrediction | None = None
    score: float | None = None


@dataclass(frozen=True, eq=False)
class ImageEvaluator:
    """Evaluates one image after the other, in any number of threads.

    Attributes
    ----------
    protocol : EvaluationProtocol
    recipes : mapping from name to Recipe
        Empty where there are no boxes to judge by.
    curves : mapping from name to MaxBoxAcc, MaxBoxAccV2 or PxAP
        The measures that try every threshold. They are asked for outcomes and not changed.
    with_prediction : bool
        Leave the maps with each image.
    """

    protocol: EvaluationProtocol
    recipes: Mapping[str, Recipe]
    curves: Mapping[str, MaxBoxAcc | MaxBoxAccV2 | PxAP]
    with_prediction: bool = False

    def __call__(self, prediction: ImagePrediction) -> ImageEvaluation:
        return ImageEvaluation(
            image=prediction.record.image,
            label=prediction.label,
            predicted=prediction.predicted,
            boxes=self._boxes(prediction),
            outcomes={
                weighting: self._outcomes(prediction, class_map) for weighting, class_map in prediction.maps.items()
            },
            prediction=prediction if self.with_prediction else None,
            score=prediction.score,
        )

    def _boxes(self, prediction: ImagePrediction) -> dict[str, BoxEvaluation]:
        """All recipes' boxes against all ground-truth boxes at once."""
        if not self.recipes:
            return {}
        found = self.protocol.boxes(prediction, self.recipes)
        boxes, truth = torch.from_numpy(np.stack(list(found.values()))), self.protocol.truth(prediction)
        best, met = self.protocol.iou(boxes, truth).max(1)
        shares, truth_shares = (self.protocol.shares(which, prediction) for which in (boxes, truth))
        columns = boxes.tolist(), best.tolist(), shares.tolist(), truth_shares[met].tolist()
        return {
            name: BoxEvaluation(tuple(box), iou, share, truth_share)
            for name, box, iou, share, truth_share in zip(found, *columns, strict=True)
        }

    def _outcomes(self, prediction: ImagePrediction, class_map: torch.Tensor) -> dict[str, torch.Tensor]:
        score_map = protocol_map(class_map, prediction.size, prediction.window)
        found = {}
        for name, measure in self.curves.items():
            if isinstance(measure, PxAP):
                if prediction.record.read_mask is None:
                    raise CamkitError("it has no mask, and its localization cannot be judged")
                found[name] = measure.outcome(score_map, prediction.record.read_mask())
            else:
                found[name] = measure.outcome(score_map, protocol_boxes(truth_boxes(prediction), prediction.size))
        return found
