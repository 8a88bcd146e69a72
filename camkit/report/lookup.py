"""One map's boxes at every stop of the sliders, in as few bytes as they take; the page's script reads them back.

`decode` is the page's `boxesOf` once more, for tests.
"""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camkit.boxes.every_tau import boxes_over_tau
from camkit.report.rules import Sliders

SIDE = 32  # of the map that is drawn: its shape, not its numbers
GREY = 255  # levels of the wsol protocol's maps


@dataclass(frozen=True, eq=False)
class Lookup:
    """What the page holds of one map.

    Attributes
    ----------
    values : ndarray (levels,)
        Of `Sliders.levels`, on this map.
    starts : ndarray (B,)
        From which tau on each box holds.
    boxes : ndarray (B, 4)
    grey : bool
        The starts are grey levels, and tau is ``trunc(255 * tau)`` among them.
    """

    values: NDArray[np.float64]
    starts: NDArray[np.float64]
    boxes: NDArray[np.int64]
    grey: bool = False

    def at(self, taus: ArrayLike) -> NDArray[np.int64]:
        """The boxes (T, 4) at taus (T,): those of the sliders' stops are exact."""
        asked = np.asarray(taus, np.float64)
        asked = np.trunc(asked * GREY) if self.grey else asked
        return np.asarray(self.boxes[np.searchsorted(self.starts, asked, side="right") - 1])

    def as_json(self) -> dict[str, Any]:
        """Numbers as base64: float64 values, float32 or float64 starts, boxes as differences of few bytes."""
        single = self.starts.astype("<f4")
        short = bool((single.astype(np.float64) == self.starts).all())
        return {
            "values": _base64(self.values.astype("<f8")),
            "starts": _base64(single if short else self.starts.astype("<f8")),
            "single": short,
            "boxes": base64.b64encode(packed(self.boxes)).decode(),
            "grey": self.grey,
        }


def lookup_of(score_map: NDArray[Any], sliders: Sliders, offset: tuple[int, int] = (0, 0)) -> Lookup:
    """Of the score map that boxes are cut from; `offset`: x and y of its first pixel in the image."""
    values = sliders.values(score_map)
    found = boxes_over_tau(score_map)
    used = np.unique(found.index(sliders.taus(values)))
    boxes = found.boxes[used].astype(np.int64)
    empty = (boxes[:, 2] <= boxes[:, 0])[:, None]
    return Lookup(values, found.starts[used], np.where(empty, boxes, boxes + np.array([*offset, *offset])))


def lookup_of_levels(score_map: NDArray[np.float64], level_boxes: NDArray[np.int64], sliders: Sliders) -> Lookup:
    """Of the wsol protocol: a box for each of 256 grey levels."""
    changes = np.flatnonzero((np.diff(level_boxes, axis=0) != 0).any(1)) + 1
    starts = np.concatenate([[0], changes])
    floor = np.concatenate([[-np.inf], changes])  # below the first level there is none
    return Lookup(sliders.values(score_map), floor, level_boxes[starts], grey=True)


def drawn(score_map: NDArray[Any]) -> dict[str, Any]:
    """The map as the page draws it: its mean in at most `SIDE` x `SIDE` cells, in 256 steps from minimum to maximum."""
    values = np.asarray(score_map, np.float64)
    for axis in (0, 1):
        cells = min(SIDE, values.shape[axis])
        edges = np.arange(cells) * values.shape[axis] // cells
        sizes = np.diff(np.append(edges, values.shape[axis]))
        shape = (-1, 1) if axis == 0 else (1, -1)
        values = np.add.reduceat(values, edges, axis=axis) / sizes.reshape(shape)
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) * (255 / ((high - low) or 1.0)) + 0.5).astype(np.uint8)
    return {"height": grey.shape[0], "width": grey.shape[1], "grey": _base64(grey)}


def packed(boxes: NDArray[np.int64]) -> bytes:
    """Boxes as zigzag differences from the one before, seven bits a byte."""
    steps = np.diff(boxes, axis=0, prepend=np.zeros((1, 4), np.int64)).ravel()
    coded = bytearray()
    for step in ((steps << 1) ^ (steps >> 63)).tolist():
        while step > 127:
            coded.append(step & 127 | 128)
            step >>= 7  # noqa: PLW2901
        coded.append(step)
    return bytes(coded)


def decode(held: dict[str, Any]) -> Lookup:
    """What `Lookup.as_json` wrote."""
    steps, value, shift = [], 0, 0
    for byte in base64.b64decode(held["boxes"]):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            steps.append(value >> 1 ^ -(value & 1))
            value = shift = 0
    starts = np.frombuffer(base64.b64decode(held["starts"]), "<f4" if held["single"] else "<f8").astype(np.float64)
    values = np.frombuffer(base64.b64decode(held["values"]), "<f8")
    return Lookup(values, starts, np.array(steps, np.int64).reshape(-1, 4).cumsum(axis=0), held["grey"])


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
