"""A run's photographs and what is known of them: where they lie, their boxes, their classes' names."""

import re
from collections.abc import Mapping, Sequence
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
        self._records: dict[str, list[Record]] = {}
        self._root: Path | None = None
        if run.kind == "localize":
            self._find(images)
        elif run.columns:
            self._read(root)
        self._named = dict(self._pairs())

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
        for record in self.dataset.records:
            self._records.setdefault(record.image, []).append(record)

    @property
    def records(self) -> Sequence[Record]:
        """Of the data set; none of `localize`."""
        return [] if self.dataset is None else self.dataset.records

    def known(self, row: Mapping[str, Any]) -> Known:
        """Of a row of the run's table."""
        image = str(row["image"])
        if self.run.kind == "localize":
            below = not (PurePosixPath(image).is_absolute() or ".." in PurePosixPath(image).parts)
            return Known(self._root / image if self._root is not None and below else None, np.zeros((0, 4)))
        found = self._records.get(image, [])
        if not found or self.dataset is None:
            return Known(None, np.zeros((0, 4)))
        record = self.record_of(row)
        return Known(found[0], np.zeros((0, 4)) if record is None else record.boxes, self.dataset.upright)

    def record_of(self, row: Mapping[str, Any]) -> Record | None:
        """A row's record of the data set; None where there is none, or several and the row does not tell which.

        The label in a run's table is the model's number of the class, and not the data set's.
        """
        found = self._records.get(str(row["image"]), [])
        if len(found) > 1:
            label = row.get("label")
            name = None if pd.isna(label) else self._named.get(int(label))
            found = [record for record in found if name is not None and self._name(record) == name]
        return found[0] if len(found) == 1 else None

    def class_name(self, row: Mapping[str, Any]) -> str:
        """The class whose map it is, as the data set calls it."""
        if "name" in row:
            return str(row["name"])
        record, label = self.record_of(row), row.get("label")
        if record is not None and record.label is not None:
            return self._name(record)
        if pd.isna(label):
            return "no class"
        return self._named.get(int(label), f"number {int(label)} of the model's")

    def predicted_name(self, row: Mapping[str, Any]) -> str | None:
        """The model's likeliest class as the data set calls it; None where the run names none."""
        predicted, label = row.get("predicted"), row.get("label")
        if pd.isna(predicted):
            return None
        if predicted == label:
            return self.class_name(row)
        return self._named.get(int(predicted), f"number {int(predicted)} of the model's")

    def _name(self, record: Record) -> str:
        names = None if self.dataset is None else self.dataset.class_names
        return f"class {record.label}" if names is None or record.label is None else names[record.label]

    def _pairs(self) -> list[tuple[int, str]]:
        """The model's numbers and the data set's names that met, as the run's record has them."""
        pairs: list[tuple[int, str]] = []
        for match in self.run.record.get("classes", []):
            for name, words in match.get("pairs", {}).items():
                if number := MODEL_CLASS.fullmatch(str(words)):
                    pairs.append((int(number[1]), f"class {name}" if str(name).isdigit() else str(name)))
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
