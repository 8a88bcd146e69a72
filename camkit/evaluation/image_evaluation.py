"""One image against the truth: each recipe's box, and what each map is worth at every threshold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from camkit.boxes import RegionChoice
from camkit.errors import CamkitError
from camkit.evaluation.center_crop import center_cropped, in_image
from camkit.evaluation.further import NOTHING, Further
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.protocols import EvaluationProtocol, truth_boxes
from camkit.metrics import EnergyPointingGame, MaxBoxAcc, MaxBoxAccV2, MaxBoxAccV3, PointingGame, PxAP
from camkit.metrics.pixels import Mask
from camkit.metrics.pointing import on_image, truth_masks
from camkit.metrics.regions import found_by, pixel_iou
from camkit.metrics.wsol import protocol_boxes, protocol_map
from camkit.recipe import Recipe

MapMeasure = MaxBoxAcc | MaxBoxAccV2 | MaxBoxAccV3 | PxAP | PointingGame | EnergyPointingGame


@dataclass(frozen=True)
class BoxEvaluation:
    """One box against the truth.

    Attributes
    ----------
    box : tuple of int or float
        ``x0, y0, x1, y1`` as the protocol gives it, or a file of boxes has it.
    iou : float
        With the ground-truth box that it meets best.
    share, truth_share : float
        Of the image that it covers, and that the image's largest ground-truth box does.
    ranked_iou : float or None
        The best of the first so many ranked boxes, where they are asked for.
    """

    box: tuple[float, ...]
    iou: float
    share: float
    truth_share: float
    ranked_iou: float | None = None


@dataclass(frozen=True)
class RegionsEvaluation:
    """The regions of one map against the truth.

    Attributes
    ----------
    regions : int
        How many there are.
    found, true : int or None
        How many true boxes they find, each one, of how many; None without boxes.
    iou : float or None
        Of their pixels and the mask; None without masks.
    """

    regions: int
    found: int | None = None
    true: int | None = None
    iou: float | None = None


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
    own_label : int or None
        The image's class as the data set numbers it.
    boxes : dict from recipe name to BoxEvaluation
    outcomes : dict from weighting to dict from measure to Tensor (1, columns)
        What the measures of maps keep of the image.
    prediction : ImagePrediction or None
        With the maps, where somebody takes them on before the next image comes.
    regions : mapping from recipe name to RegionsEvaluation
        Empty where they were not asked for.
    """

    image: str
    label: int | None
    predicted: torch.Tensor | None
    own_label: int | None
    boxes: dict[str, BoxEvaluation]
    outcomes: dict[str, dict[str, torch.Tensor]]
    prediction: ImagePrediction | None = None
    score: float | None = None
    regions: Mapping[str, RegionsEvaluation] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ImageEvaluator:
    """Evaluates one image after the other, in any number of threads.

    Attributes
    ----------
    protocol : EvaluationProtocol
    recipes : mapping from name to Recipe
    boxes : bool
        Whether there are boxes to judge by.
    measures : mapping from name to MapMeasure
        Those of maps. They are asked for outcomes and not changed.
    with_prediction : bool
        Leave the maps with each image.
    further : Further
    crop : tuple of int or None
        Height and width of the network's input, where the centre crop is evaluated.
    """

    protocol: EvaluationProtocol
    recipes: Mapping[str, Recipe]
    boxes: bool
    measures: Mapping[str, MapMeasure]
    with_prediction: bool = False
    further: Further = NOTHING
    crop: tuple[int, int] | None = None

    def __call__(self, prediction: ImagePrediction) -> ImageEvaluation:
        judged = prediction if self.crop is None else center_cropped(prediction, self.crop)
        boxes, outcomes = self._boxes(judged, prediction), _Outcomes(self.measures, judged)
        return ImageEvaluation(
            image=prediction.record.image,
            label=prediction.label,
            predicted=prediction.predicted,
            own_label=prediction.record.label,
            boxes=boxes,
            outcomes={weighting: outcomes.of(class_map) for weighting, class_map in judged.maps.items()},
            prediction=prediction if self.with_prediction else None,
            score=prediction.score,
            regions=self._regions(judged, outcomes),
        )

    def _boxes(self, judged: ImagePrediction, shown: ImagePrediction) -> dict[str, BoxEvaluation]:
        """All recipes' boxes against all ground-truth boxes at once; a crop's boxes as they lie in the image."""
        if not self.boxes:
            return {}
        found = self.protocol.boxes(judged, self.recipes)
        boxes, truth = torch.from_numpy(np.stack(list(found.values()))), self.protocol.truth(judged)
        best = self.protocol.iou(boxes, truth).amax(1)
        shares, truth_share = self.protocol.shares(boxes, judged), float(self.protocol.shares(truth, judged).amax())
        evaluations = {}
        for name, box, iou, share in zip(found, boxes.tolist(), best.tolist(), shares.tolist(), strict=True):
            place = tuple(box) if self.crop is None else in_image(tuple(box), shown, self.crop)
            ranked = self._ranked_iou(judged, self.recipes[name], truth) if self.further.ranked_boxes else None
            evaluations[name] = BoxEvaluation(place, iou, share, truth_share, ranked)
        return evaluations

    def _ranked_iou(self, prediction: ImagePrediction, recipe: Recipe, truth: torch.Tensor) -> float:
        boxes, _ = self.protocol.regions(prediction, recipe, RegionChoice(self.further.ranked_boxes))
        return float(self.protocol.iou(torch.from_numpy(boxes), truth).max()) if len(boxes) else 0.0

    def _regions(self, judged: ImagePrediction, outcomes: "_Outcomes") -> dict[str, RegionsEvaluation]:
        if self.further.regions is None:
            return {}
        evaluations = {}
        for name, recipe in self.recipes.items():
            boxes, pixels = self.protocol.regions(judged, recipe, self.further.regions)
            found, true, iou = None, None, None
            if self.boxes:
                truth = self.protocol.truth(judged)
                found, true = found_by(torch.from_numpy(boxes), truth, self.protocol.iou), len(truth)
            if outcomes.masked:
                iou = pixel_iou(pixels, *outcomes.on_image)
            evaluations[name] = RegionsEvaluation(len(boxes), found, true, iou)
        return evaluations


class _Outcomes:
    """What the measures of maps keep of one image; its truth is read once for all of its maps."""

    def __init__(self, measures: Mapping[str, MapMeasure], prediction: ImagePrediction) -> None:
        self.measures, self.prediction = measures, prediction

    @property
    def masked(self) -> bool:
        """Whether there is a mask to judge by."""
        return any(isinstance(measure, PxAP) for measure in self.measures.values())

    @cached_property
    def masks(self) -> tuple[Mask, Mask]:
        """The mask, and what is ignored."""
        if self.prediction.record.read_mask is None:
            raise CamkitError("it has no mask, and its localization cannot be judged")
        return self.prediction.record.read_mask()

    @cached_property
    def on_image(self) -> tuple[Mask, Mask]:
        """The same at the image's size: of masks where PxAP is measured, else of boxes."""
        return truth_masks(self.masks if self.masked else truth_boxes(self.prediction), self.prediction.size)

    @cached_property
    def boxes(self) -> torch.Tensor:
        """The true boxes on the protocol's grid."""
        return protocol_boxes(truth_boxes(self.prediction), self.prediction.size)

    def of(self, class_map: torch.Tensor) -> dict[str, torch.Tensor]:
        """By measure the row of one map."""
        size, window = self.prediction.size, self.prediction.window
        score_map, resized = protocol_map(class_map, size, window), None
        found = {}
        for name, measure in self.measures.items():
            if isinstance(measure, PxAP):
                found[name] = measure.outcome(score_map, self.masks)
            elif isinstance(measure, PointingGame | EnergyPointingGame):
                resized = on_image(class_map, size, window) if resized is None else resized
                found[name] = torch.tensor([[measure.outcome(resized, *self.on_image)]], dtype=torch.float64)
            else:
                found[name] = measure.outcome(score_map, self.boxes)
        return found
