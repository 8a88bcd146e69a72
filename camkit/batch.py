"""What engines for many machines call: a dict of columns in, a dict of columns out, and no image stops the others."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.data import (
    MAX_PIXELS,
    Decoded,
    Fit,
    ImageFile,
    PreparedImages,
    Preprocess,
    Sample,
    Samples,
    View,
    load_image,
)
from camkit.data.dataset import load_file
from camkit.data.names import written_text
from camkit.errors import CamkitError, UnreadableImage
from camkit.inference import Precision
from camkit.localization import Failure, Result
from camkit.localizer import Localizer
from camkit.models import load_classifier
from camkit.output.tables import Row, row_of
from camkit.recipe import Recipe

Column = NDArray[Any]
Columns = dict[str, Column]

# What stands for a value where an image has no result: a column has one type in every batch.
NO_RESULT: Row = {"rank": 0, "label": -1, "name": "", "score": np.nan, "x0": 0, "y0": 0, "x1": 0, "y1": 0,
                  "tau": np.nan, "width": 0, "height": 0, "error": ""}  # fmt: skip
TYPES = {str: np.dtype(object), int: np.dtype(np.int32), float: np.dtype(np.float32)}
RESULTS = {name: TYPES[type(value)] for name, value in NO_RESULT.items()}
SOURCES = ("bytes", "file", "path")
READ = ("bytes", "file")  # not carried through
INPUTS = ("input", "height", "width", "window", "error")


class DecodeBatch:
    """Decodes images and fits them to a network's input, for the CPUs beside a `LocalizeBatch`, which makes one.

    Parameters
    ----------
    preprocess : Preprocess
        What the network wants to be shown.
    max_pixels : int
        Larger images are refused.

    Notes
    -----
    A call takes the columns that `LocalizeBatch` takes, and gives those that are none of the images' own beside
    ``input`` (object: arrays (3, h, w), float32; (3, 0, 0) of an image that cannot be read), ``height`` and ``width``
    (int32, of the original image), ``window`` (n, 4), float64, `camkit.data.View`'s, and ``error`` (object: text).
    """

    def __init__(self, preprocess: Preprocess, max_pixels: int = MAX_PIXELS) -> None:
        self.preprocess, self.max_pixels = preprocess, max_pixels

    def images(self, batch: Mapping[str, Any]) -> "EncodedImages":
        """The images of a batch, to be read when they are asked for; `CamkitError` where it has none."""
        return EncodedImages(batch, self.preprocess, self.max_pixels)

    def __call__(self, batch: Mapping[str, Any]) -> Columns:
        """Decode a batch; `CamkitError` where its columns are not what a batch has."""
        images = self.images(batch)
        samples = [images[index] for index in range(len(images))]
        found = carried(batch, READ, INPUTS)
        found["input"] = np.empty(len(samples), object)
        for index, sample in enumerate(samples):
            found["input"][index] = np.zeros((3, 0, 0), np.float32) if sample.input is None else sample.input.numpy()
        views = [sample.view or View((0, 0), (0, 0, 0, 0)) for sample in samples]
        sizes = np.array([view.size for view in views], np.int32).reshape(-1, 2)
        found |= {"height": sizes[:, 0], "width": sizes[:, 1]}
        found["window"] = np.array([view.window for view in views], np.float64).reshape(-1, 4)
        found["error"] = as_column([sample.error or "" for sample in samples], RESULTS["error"])
        return found


class LocalizeBatch:
    """Localizes batches of columns, as Ray Data, Spark and others hand them to a worker.

    It is pickled as its arguments: each worker loads the weights once, when the object is made there. It writes no
    file, draws no bar and catches no signal.

    Parameters
    ----------
    model : str
        A name as ``--model`` takes it, a file's too.
    weights : str
        As ``--weights``.
    recipe : str or Recipe
    topk : int
        Rows for each image.
    fit : {"stretch", "crop", "keep"}, optional
        By default as of `camkit.Localizer`.
    batch_size : int
        Images in a forward pass, whatever a batch of columns holds.
    device : str
        "cuda" is the device that the engine lets the worker see.
    precision, max_pixels
        As of `camkit.Localizer`.

    Attributes
    ----------
    localizer : Localizer
        What it localizes with.
    decode : DecodeBatch
        Decoding and fitting alone; small, and pickled without weights.

    Notes
    -----
    A call takes ``bytes`` (object: encoded images), ``file`` (object: `camkit.data.ImageFile`, members of archives too)
    or ``path`` (text), or what `decode` gives. All other columns, and
    ``path``, are carried through. It gives for each image `topk` rows with ``rank`` (from 1), ``label``, ``name``,
    ``score``, ``x0 y0 x1 y1`` (pixels of the original image, half open), ``tau``, ``width``, ``height`` and ``error``
    (""), with the digits and the spelling of boxes.csv; of an image without a result one row with rank 0, label -1 and
    the reason in ``error``. Whole numbers are int32, others float32, text is object.

    Examples
    --------
    >>> localize = LocalizeBatch("tiny", device="cpu")
    >>> found = localize({"id": [7, 8], "bytes": [b"no picture", None]})
    >>> found["id"].tolist(), found["rank"].tolist(), found["error"].tolist()[1]
    ([7, 8], [0, 0], "cannot read '<bytes>': there are no bytes")
    """

    def __init__(
        self,
        model: str,
        weights: str = "DEFAULT",
        recipe: str | Recipe = "nwc+pas",
        *,
        topk: int = 1,
        fit: Fit | None = None,
        batch_size: int = 16,
        device: str = "auto",
        precision: Precision = "fp32",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if not isinstance(model, str | Path):
            raise CamkitError(
                f"a {type(model).__name__} does not travel to other processes: give the model's name or file"
            )
        self._made_with: dict[str, Any] = {
            "model": model, "weights": weights, "recipe": recipe, "topk": topk, "fit": fit, "batch_size": batch_size,
            "device": device, "precision": precision, "max_pixels": max_pixels,
        }  # fmt: skip
        self.localizer = Localizer(load_classifier(str(model), weights), recipe, topk=topk, fit=fit,
                                    batch_size=batch_size, device=device, precision=precision,
                                    max_pixels=max_pixels)  # fmt: skip
        self.decode = DecodeBatch(self.localizer.preprocess, max_pixels)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._made_with), ()

    def __repr__(self) -> str:
        return f"LocalizeBatch({', '.join(f'{name}={value!r}' for name, value in self._made_with.items())})"

    def __call__(self, batch: Mapping[str, Any]) -> Columns:
        """Localize a batch.

        Raises
        ------
        CamkitError
            The columns are not what a batch has, or a single image does not fit into the device's memory.
        """
        decoded = "input" in batch
        ids = carried(batch, INPUTS if decoded else READ, RESULTS)
        images: Samples = FittedImages(batch) if decoded else self.decode.images(batch)
        rows: list[Row] = []
        places: list[int] = []
        for place, result in enumerate(self.localizer.stream(images)):
            of_image = rows_of(result)
            rows += of_image
            places += [place] * len(of_image)
        repeated = {name: column[np.array(places, np.intp)] for name, column in ids.items()}
        return repeated | {name: as_column([row[name] for row in rows], kind) for name, kind in RESULTS.items()}


class EncodedImages(PreparedImages):
    """The images of a batch of columns: their bytes, or else the files of their paths."""

    def __init__(self, batch: Mapping[str, Any], preprocess: Preprocess, max_pixels: int) -> None:
        source = next((name for name in SOURCES if name in batch), None)
        if source is None:
            raise CamkitError(
                f"a batch with the columns {', '.join(batch) or 'none'}: give it one of {', '.join(SOURCES)}"
            )
        self.sources = checked(batch, source)
        self.paths = checked(batch, "path") if "path" in batch else None
        super().__init__(len(self.sources), preprocess, max_pixels, keep_image=False, filled=None)

    def __len__(self) -> int:
        return len(self.sources)

    def name(self, index: int) -> str:
        """The image's path, where it has one."""
        return "<bytes>" if self.paths is None else str(self.paths[index])

    def load(self, index: int) -> Decoded:
        """The image, and what is wrong with it."""
        source = self.sources[index]
        if isinstance(source, ImageFile):
            return load_file(source, self.max_pixels, self.truncated)
        if isinstance(source, bytes | bytearray | memoryview):
            return load_image(bytes(source), self.max_pixels, self.name(index))
        if not isinstance(source, str | Path):
            raise UnreadableImage(f"cannot read {self.name(index)!r}: there are no bytes")
        return load_image(source, self.max_pixels)


class FittedImages(Samples):
    """What a `DecodeBatch` gave."""

    def __init__(self, batch: Mapping[str, Any]) -> None:
        missing = [name for name in INPUTS if name not in batch]
        if missing:
            raise CamkitError(f"a batch with 'input' and without {', '.join(missing)}: give all that DecodeBatch gives")
        self.columns = {name: checked(batch, name) for name in INPUTS}

    def __len__(self) -> int:
        return len(self.columns["input"])

    def __getitem__(self, index: int) -> Sample:
        pixels, height, width, window, error = (column[index] for column in self.columns.values())
        if error:
            return Sample(index, "", error=str(error))
        x0, y0, x1, y1 = map(float, window)
        view = View((int(height), int(width)), (x0, y0, x1, y1))
        return Sample(index, "", input=torch.from_numpy(np.array(pixels, np.float32)), view=view)


def rows_of(result: Result) -> list[Row]:
    """The rows of one image, as the tables of a run have them."""
    if isinstance(result, Failure):
        return [NO_RESULT | {"error": written_text(result.reason)}]
    rows = [row_of(found) for found in result]
    return [{**row, "name": written_text(row["name"]), "error": ""} for row in rows]


def carried(batch: Mapping[str, Any], used: tuple[str, ...], added: Any) -> Columns:
    """The columns that are carried through; `CamkitError` where one has the name of a result."""
    kept = {name: checked(batch, name) for name in batch if name not in used}
    taken = [name for name in kept if name in added]
    if taken:
        raise CamkitError(f"the batch's columns {', '.join(taken)} have names of results: rename or drop them before")
    lengths = {name: len(batch[name]) for name in (*kept, *(name for name in used if name in batch))}
    if len(set(lengths.values())) > 1:
        raise CamkitError(f"columns of different lengths: {', '.join(f'{n} {k}' for n, k in lengths.items())}")
    return kept


def checked(batch: Mapping[str, Any], name: str) -> Column:
    """A column as an array; `CamkitError` where NumPy has cut bytes of it."""
    given = batch[name]
    if isinstance(given, np.ndarray):
        if given.dtype.kind == "S":
            raise CamkitError(f"the column {name!r} has type {given.dtype}, which drops zero bytes: give it as object")
        return given
    as_given: Column = np.empty(len(given), object)
    as_given[:] = list(given)
    numbers = all(isinstance(one, int | float | np.number) for one in given)
    return np.array(given) if numbers and len(given) else as_given


def as_column(values: list[Any], kind: np.dtype[Any]) -> Column:
    """Values as a column of that type."""
    column: Column = np.empty(len(values), kind)
    column[:] = values
    return column
