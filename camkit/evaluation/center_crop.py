"""Evaluation on the centre crop, as PSOL, GC-Net and Rethinking CAM's code have it: nothing lies outside."""

from dataclasses import replace
from functools import partial

import numpy as np

from camkit.boxes import Window
from camkit.data import Record
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.metrics.pixels import Mask

Size = tuple[int, int]


def center_cropped(prediction: ImagePrediction, size: Size) -> ImagePrediction:
    """The prediction as that of another image, the crop, of `size` (height, width) of the network's input.

    True boxes are clipped to the crop, and those outside are gone. Where all are, one box without an inside is left,
    which no box meets: the image is wrong, as it is in the codes of old.
    """
    record, window = prediction.record, whole_or_part(prediction)
    read_mask = record.read_mask and partial(_mask_of_crop, record, window, size)
    cropped = replace(record, boxes=_boxes_of_crop(record.boxes, window, size), size=size, read_mask=read_mask)
    return replace(prediction, record=cropped, size=size, window=None)


def in_image(box: tuple[int, ...], prediction: ImagePrediction, size: Size) -> tuple[int, ...]:
    """A box in the crop, in pixels of the image."""
    x0, y0, x1, y1 = whole_or_part(prediction)
    across, down = (x1 - x0) / size[1], (y1 - y0) / size[0]
    if box[2] <= box[0]:
        return 0, 0, 0, 0
    return tuple(round(near + side * corner) for corner, near, side
                 in zip(box, (x0, y0, x0, y0), (across, down) * 2, strict=True))  # fmt: skip


def whole_or_part(prediction: ImagePrediction) -> Window:
    """What of the image the map covers."""
    height, width = prediction.size
    return prediction.window or (0.0, 0.0, float(width), float(height))


def _boxes_of_crop(boxes: np.ndarray, window: Window, size: Size) -> np.ndarray:
    if not len(boxes):
        return boxes
    x0, y0, x1, y1 = window
    scale = np.array([size[1] / (x1 - x0), size[0] / (y1 - y0)] * 2)
    clipped = ((boxes - np.array([x0, y0, x0, y0])) * scale).clip(0, np.array([size[1], size[0]] * 2))
    left = clipped[(clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])]
    return left if len(left) else np.zeros((1, 4))


def _mask_of_crop(record: Record, window: Window, size: Size) -> tuple[Mask, Mask]:
    """Nearest; what the crop shows beyond the image is background."""
    assert record.read_mask is not None
    x0, y0, x1, y1 = window
    mask, ignore = record.read_mask()
    rows = np.floor(y0 + (np.arange(size[0]) + 0.5) * (y1 - y0) / size[0]).astype(int)
    columns = np.floor(x0 + (np.arange(size[1]) + 0.5) * (x1 - x0) / size[1]).astype(int)
    height, width = mask.shape
    inside = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    place = np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))
    seen = np.zeros(size, bool)
    seen[inside] = True
    return mask[place] & seen, ignore[place] & seen
