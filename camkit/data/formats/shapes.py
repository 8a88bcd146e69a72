"""`shapes`: animals on cluttered ground, drawn from a seed, with exact boxes, masks and parts.

The body is large and shared: half of the classes are striped, the other half checked. The head is small, and it alone
tells a class from the others of its half. So a classifier that learns from labels meets the three problems of
Rethinking CAM (Section 2): its channels fire on areas of very different size (head and body), those that fire on the
body speak for and against whole halves of the classes, and what tells the classes apart lies in one small place.
"""

import io
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.shapes_drawing import MOST_CLASSES, SMALLEST, Drawing, Mask, draw
from camkit.data.records import Record
from camkit.errors import CamkitError

SETTINGS = {"n": 200, "size": 64, "classes": 10, "seed": 0}
SPLITS = ("train", "val", "test")
KEPT = 4096  # PNG files of a process, 12 kB each at 64 pixels: drawing one takes as long as a small network's step


class Shapes(Dataset[tuple[Tensor, int, Tensor, Tensor, Tensor]]):
    """`shapes` as a torch data set: image, label, box, mask, part.

    Image uint8 (3, H, W), RGB; box int64 (4,), ``x0, y0, x1, y1``, half open; masks bool (H, W) of the object and of
    its head. Classes take turns. Image i depends on the seed and i alone, not on how many there are: take another seed
    for each split.

    Parameters
    ----------
    num_images : int
    size : int
        Height and width in pixels, at least 32.
    num_classes : int
        1 to 30.
    seed : int

    Raises
    ------
    CamkitError
        A number out of range.
    """

    def __init__(self, num_images: int, size: int = 64, num_classes: int = 10, seed: int = 0) -> None:
        if num_images < 1:
            raise CamkitError(f"shapes of {num_images} images: give at least 1")
        if size < SMALLEST:
            raise CamkitError(
                f"shapes of {size} pixels a side: give at least {SMALLEST}, or heads cannot be told apart"
            )
        if not 1 <= num_classes <= MOST_CLASSES:
            raise CamkitError(f"shapes of {num_classes} classes: give 1 to {MOST_CLASSES}")
        if seed < 0:
            raise CamkitError(f"shapes with seed {seed}: give 0 or more")
        self.num_images, self.size, self.num_classes, self.seed = num_images, size, num_classes, seed

    def __len__(self) -> int:
        return self.num_images

    def drawing(self, index: int) -> Drawing:
        """Everything about one image, as arrays."""
        if not 0 <= index < self.num_images:
            raise IndexError(f"image {index} of {self.num_images}")
        return draw(index, index % self.num_classes, self.size, self.seed)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor, Tensor, Tensor]:
        drawing = self.drawing(index)
        image = torch.from_numpy(drawing.image).permute(2, 0, 1).contiguous()
        box, mask, part = (torch.from_numpy(array) for array in (drawing.box, drawing.mask, drawing.part))
        return image, drawing.label, box, mask, part

    def records(self) -> list[Record]:
        """The same images as records, each drawn when it is read."""
        return [self._record(index) for index in range(self.num_images)]

    def _record(self, index: int) -> Record:
        drawing = self.drawing(index)
        return Record(
            image=f"{index:06d}.png",
            read=partial(_png, index, drawing.label, self.size, self.seed),
            label=drawing.label,
            boxes=drawing.box[None].astype(np.float64),
            size=(self.size, self.size),
            read_mask=partial(self._mask, index),
        )

    def _mask(self, index: int) -> tuple[Mask, Mask]:
        mask = self.drawing(index).mask
        return mask, np.zeros_like(mask)


@lru_cache(maxsize=KEPT)
def _png(index: int, label: int, size: int, seed: int) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(draw(index, label, size, seed).image).save(encoded, "png")
    return encoded.getvalue()


def read_shapes(settings: str | Path, split: str) -> AnnotatedSet:
    """Draw the data set shapes.

    Parameters
    ----------
    settings : str or Path
        ``n=200,size=64,classes=10,seed=0``, or some of these, or none.
    split : {"train", "val", "test"}
        Splits of one seed share no image.

    Returns
    -------
    AnnotatedSet
        With boxes and masks.

    Raises
    ------
    CamkitError
        A setting or the split is unknown, or a number is out of range.
    """
    given = dict(SETTINGS)
    for setting in str(settings).split(",") if str(settings) not in ("", ".") else ():
        key, _, value = setting.partition("=")
        if key not in SETTINGS or not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise CamkitError(f"shapes does not know {setting!r}: give some of n=200,size=64,classes=10,seed=0")
        given[key] = int(value)
    if split not in SPLITS:
        raise CamkitError(f"shapes has no split {split!r}: use one of {', '.join(SPLITS)}")
    seed = given["seed"] * len(SPLITS) + SPLITS.index(split)
    shapes = Shapes(given["n"], given["size"], given["classes"], seed)
    names = tuple(f"shape {label}" for label in range(given["classes"]))
    return AnnotatedSet("shapes", split, shapes.records(), names, [], upright=True)
