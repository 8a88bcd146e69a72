"""A run's photographs and what is known of them: where they lie, their boxes, their classes' names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torchvision.transforms.functional import resize, to_pil_image

from camkit.data import AnnotatedSet, Record, read_dataset, read_image
from camkit.data.names import read_text
from camkit.errors import CamkitError
from camkit.report.runs import Run

THUMBNAIL = 240  # pixels along the longer side
MODEL_CLASS = re.compile(r"(\d+)( \(.*\))?", re.DOTALL)  # `ClassNames.in_words`


@dataclass(frozen=True, eq=False)
class Known:
    """One image of a run.

    Attributes
    ----------
    source : Path, Record or None
        Where its pixels are; None where nobody knows.
    boxes : ndarray (M, 4)
        Ground truth in pixels of the image, half open.
    upright : bool
        Whether it is turned upright.
    """

    source: Path | Record | None
    boxes: NDArray[np.float64]
    upright: bool = True


class RunImages:
    """The images of one run.

    Parameters
    ----------
    run : Run
    images : Path, optional
        Where the photographs of `localize` lie now.
    root : Path, optional
        Where the data set lies now.

    Attributes
    ----------
    notes : list of str
        What cannot be shown, and what brings it.
    """

    def __init__(self, run: Run, images: Path | None = None, root: Path | None = None) -> None:
        self.run, self.notes = run, list[str]()
        self.dataset: AnnotatedSet | None = None
        self._records: dict[tuple[str, int | None], Record] = {}
        self._root: Path | None = None
        if run.kind == "localize":
            self._find(images)
        elif run.columns:
            self._read(root)
        self._predicted = dict(self._pairs())

    def _find(self, images: Path | None) -> None:
        held = self.run.record.get("images_root")
        self._root = images or (Path(read_text(held)) if isinstance(held, str) else None)
        if self._root is None:
            self.notes.append("the folder does not say where the photographs lie: camkit report --images-root DIR does")
        elif not self._root.is_dir():
            self.notes.append(f"the photographs are not in {self._root} any more: camkit report --images-root DIR says "
                              "where")  # fmt: skip
            self._root = None

    def _read(self, root: Path | None) -> None:
        settings = self.run.settings
        name, where, split = (settings.get(key) for key in ("dataset", "root", "split"))
        try:
            self.dataset = read_dataset(str(name), root or str(where), str(split))
        except CamkitError as error:
            self.notes.append(f"no photographs and no ground truth, the data set cannot be read ({error}): camkit "
                              "report --root DIR says where it lies")  # fmt: skip
            return
        self._records = {(record.image, record.label): record for record in self.dataset.records}

    @property
    def records(self) -> list[Record]:
        """Of the data set; none of `localize`."""
        return [] if self.dataset is None else self.dataset.records

    def known(self, row: Mapping[str, Any]) -> Known:
        """Of a row of the run's table."""
        image, label = str(row["image"]), row.get("label")
        if self.run.kind == "localize":
            below = not (PurePosixPath(image).is_absolute() or ".." in PurePosixPath(image).parts)
            return Known(self._root / image if self._root is not None and below else None, np.zeros((0, 4)))
        record = self._records.get((image, None if label is None else int(label)))
        if record is None or self.dataset is None:
            return Known(None, np.zeros((0, 4)))
        return Known(record, record.boxes, self.dataset.upright)

    def class_name(self, row: Mapping[str, Any]) -> str:
        """The class whose map it is."""
        if "name" in row:
            return str(row["name"])
        label = row.get("label")
        if pd.isna(label):
            return "no class"
        names = None if self.dataset is None else self.dataset.labels
        return names[int(label)] if names and 0 <= int(label) < len(names) else f"class {int(label)}"

    def predicted_name(self, row: Mapping[str, Any]) -> str | None:
        """The model's likeliest class by the data set's name for it; None where the run names none."""
        predicted = row.get("predicted")
        if pd.isna(predicted) or self.dataset is None:
            return None
        return self._predicted.get(int(predicted), f"another, number {int(predicted)} of the model's")

    def _pairs(self) -> list[tuple[int, str]]:
        """The model's numbers and the data set's names that met, as the run's record has them."""
        pairs: list[tuple[int, str]] = []
        for match in self.run.record.get("classes", []):
            for name, words in match.get("pairs", {}).items():
                if number := MODEL_CLASS.fullmatch(str(words)):
                    named = self.dataset is not None and self.dataset.labels is not None
                    pairs.append((int(number[1]), str(name) if named else f"class {name}"))
        return pairs


def pixels_of(known: Known, name: str) -> torch.Tensor:
    """The image, (3, H, W), uint8; `UnreadableImage` where it cannot be read any more."""
    source = known.source
    assert source is not None
    if isinstance(source, Record):
        return read_image(source.read(), name=name, upright=known.upright)
    return read_image(source, name=name)


def jpeg(pixels: torch.Tensor, side: int, quality: int) -> bytes:
    """The image with its longer side at most so long, as JPEG without metadata."""
    longer = max(pixels.shape[-2:])
    if longer > side:
        size = [max(1, round(length * side / longer)) for length in pixels.shape[-2:]]
        pixels = resize(pixels, size, antialias=True)
    file = BytesIO()
    to_pil_image(pixels).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()
