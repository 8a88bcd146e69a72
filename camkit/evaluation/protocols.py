"""The two ways in which one fixed threshold becomes a box, and the box is held against the truth.

`paper`: on the original image, the region with the most pixels, half-open IoU. `wsol`: on the public evaluation's grid
of 224x224 and 256 grey levels, the region with the largest outer border, IoU with inclusive corners. Both also give the
boxes at every grey level, for the choice of a threshold.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.boxes import RegionChoice, above, boxes_of_regions, pixels_inside
from camkit.boxes.score_maps import is_constant
from camkit.boxes.tree import level_boxes
from camkit.errors import CamkitError
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.metrics.iou import IoU, half_open_iou, inclusive_iou
from camkit.metrics.localization import share_of_image
from camkit.metrics.pixels import Mask
from camkit.metrics.wsol import LEVELS, SIDE, clip_far_corner, protocol_boxes, protocol_map, quantise
from camkit.recipe import Recipe

Boxes = NDArray[np.int64]
Scores = NDArray[np.float64]


def truth_boxes(prediction: ImagePrediction) -> NDArray[np.float64]:
    """The image's ground-truth boxes (M, 4); `CamkitError` where it has none."""
    if not len(prediction.record.boxes):
        raise CamkitError("it has no box, and its localization cannot be judged")
    return prediction.record.boxes


class EvaluationProtocol(Protocol):
    """One of the two ways."""

    @property
    def iou(self) -> IoU: ...

    def check(self, recipe: Recipe) -> None:
        """`CamkitError` where the protocol leaves no choice and the recipe takes one."""

    def truth(self, prediction: ImagePrediction) -> torch.Tensor:
        """Ground-truth boxes (M, 4) as the boxes of the image are given."""

    def shares(self, boxes: torch.Tensor, prediction: ImagePrediction) -> torch.Tensor:
        """Share of the image that each of the boxes (N, 4) covers, (N,)."""

    def boxes(self, prediction: ImagePrediction, recipes: Mapping[str, Recipe]) -> dict[str, Boxes]:
        """Each recipe's box (4,)."""

    def regions(self, prediction: ImagePrediction, recipe: Recipe, choice: RegionChoice) -> tuple[Boxes, Mask]:
        """The boxes (B, 4) of the chosen regions under a recipe, the largest first, and their pixels in the image."""

    def levels(self, prediction: ImagePrediction, recipe: Recipe) -> tuple[Scores, Boxes]:
        """The score map (H, W), and the box at each of its 256 grey levels (256, 4)."""

    def whole(self, prediction: ImagePrediction) -> Boxes:
        """The box (1, 4) of all that the map covers."""

    def levels_of_maximum(self, prediction: ImagePrediction, recipe: Recipe, thetas: Scores) -> NDArray[np.int64]:
        """The grey levels of `levels` at which the map as it is reaches these shares of its maximum; -1 below all."""


class Paper:
    """As the papers write it."""

    iou = staticmethod(half_open_iou)

    def check(self, recipe: Recipe) -> None:
        pass

    def truth(self, prediction: ImagePrediction) -> torch.Tensor:
        return torch.from_numpy(truth_boxes(prediction))

    def shares(self, boxes: torch.Tensor, prediction: ImagePrediction) -> torch.Tensor:
        return share_of_image(boxes, prediction.size)

    def boxes(self, prediction: ImagePrediction, recipes: Mapping[str, Recipe]) -> dict[str, Boxes]:
        score_maps: dict[tuple[str, str, str], torch.Tensor] = {}
        found = {}
        for name, recipe in recipes.items():
            key = recipe.weighting, recipe.normalization, recipe.interpolation
            if key not in score_maps:
                score_maps[key] = recipe.score_maps(
                    prediction.maps[recipe.weighting][None], prediction.size, prediction.window
                )
            boxes, _ = recipe.boxes(score_maps[key])
            found[name] = self._in_image(boxes, prediction)[0]
        return found

    def regions(self, prediction: ImagePrediction, recipe: Recipe, choice: RegionChoice) -> tuple[Boxes, Mask]:
        size, window = prediction.size, prediction.window
        score_map = recipe.score_maps(prediction.maps[recipe.weighting], size, window).numpy()
        numbered = choice.numbered(above(score_map, float(recipe.tau(score_map))), size)
        boxes = np.array(boxes_of_regions(numbered), np.int64).reshape(-1, 4)
        pixels = np.zeros(size, bool)
        pixels[... if window is None else pixels_inside(window, size)] = numbered > 0
        return self._in_image(boxes, prediction), pixels

    def levels(self, prediction: ImagePrediction, recipe: Recipe) -> tuple[Scores, Boxes]:
        score_map = recipe.score_maps(prediction.maps[recipe.weighting], prediction.size, prediction.window).numpy()
        boxes = level_boxes(quantise(score_map.astype(np.float64)), "pixels").astype(np.int64)
        return score_map, self._in_image(boxes, prediction)

    def whole(self, prediction: ImagePrediction) -> Boxes:
        height, width = prediction.size
        if prediction.window is not None:
            rows, columns = pixels_inside(prediction.window, prediction.size)
            return np.array([[columns.start, rows.start, columns.stop, rows.stop]])
        return np.array([[0, 0, width, height]])

    def levels_of_maximum(self, prediction: ImagePrediction, recipe: Recipe, thetas: Scores) -> NDArray[np.int64]:
        as_it_is = replace(recipe, normalization="none")
        raw = as_it_is.score_maps(prediction.maps[recipe.weighting], prediction.size, prediction.window)
        low, high = float(raw.min()), float(raw.max())
        if bool(is_constant(raw)):
            return np.where(thetas * high < high, -1, LEVELS - 1)
        cuts = (thetas * high - low) / (high - low) * (LEVELS - 1)
        return np.clip(np.floor(cuts), -1, LEVELS - 1).astype(np.int64)

    @staticmethod
    def _in_image(boxes: Boxes, prediction: ImagePrediction) -> Boxes:
        """From the part of the image that the map covers to the image."""
        if prediction.window is None:
            return boxes
        rows, columns = pixels_inside(prediction.window, prediction.size)
        empty = (boxes[:, 2] <= boxes[:, 0])[:, None]
        return np.where(empty, boxes, boxes + np.array([columns.start, rows.start] * 2))


class Wsol:
    """As the public WSOL evaluation has it (Choe et al. 2020), at one threshold."""

    iou = staticmethod(inclusive_iou)

    def check(self, recipe: Recipe) -> None:
        if recipe.normalization != "minmax":
            raise CamkitError("the wsol protocol normalises maps by their minimum and maximum: leave out --normalize")

    def truth(self, prediction: ImagePrediction) -> torch.Tensor:
        return protocol_boxes(truth_boxes(prediction), prediction.size)

    def shares(self, boxes: torch.Tensor, prediction: ImagePrediction) -> torch.Tensor:  # noqa: ARG002 - the grid is every image's
        return share_of_image(boxes + torch.tensor([0, 0, 1, 1]), (SIDE, SIDE))

    def boxes(self, prediction: ImagePrediction, recipes: Mapping[str, Recipe]) -> dict[str, Boxes]:
        levels: dict[str, tuple[Scores, Boxes]] = {}
        found = {}
        for name, recipe in recipes.items():
            if recipe.weighting not in levels:
                levels[recipe.weighting] = self.levels(prediction, recipe)
            score_map, boxes = levels[recipe.weighting]
            found[name] = boxes[int(recipe.tau(score_map) * (LEVELS - 1))]
        return found

    def regions(self, *_: Any) -> tuple[Boxes, Mask]:
        raise CamkitError("the wsol protocol has one box an image at a fixed threshold: several are paper's")

    def levels(self, prediction: ImagePrediction, recipe: Recipe) -> tuple[Scores, Boxes]:
        score_map = protocol_map(prediction.maps[recipe.weighting], prediction.size, prediction.window)
        return score_map, clip_far_corner(level_boxes(quantise(score_map), "border")).numpy().astype(np.int64)

    def whole(self, prediction: ImagePrediction) -> Boxes:  # noqa: ARG002 - the grid is every image's
        return np.array([[0, 0, SIDE - 1, SIDE - 1]])

    def levels_of_maximum(self, *_: Any) -> NDArray[np.int64]:
        raise CamkitError("the wsol protocol normalises maps, and has no maximum of the map as it is: take minmax")


PROTOCOLS: dict[str, EvaluationProtocol] = {"paper": Paper(), "wsol": Wsol()}


def protocol_named(name: str) -> EvaluationProtocol:
    """One of `PROTOCOLS`; `CamkitError` for another name."""
    if name not in PROTOCOLS:
        raise CamkitError(f"protocol is {name!r}: give one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
