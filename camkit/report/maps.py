"""Where a run's maps lie, and each of them as the run cut it: the score map itself, not a picture of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.boxes import Window, pixels_inside
from camkit.data import MapFolder, Preprocess, Record
from camkit.data.map_shards import MapShards, shards_in
from camkit.errors import CamkitError
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.protocols import protocol_named
from camkit.input_spec import InputSpec
from camkit.output.class_maps import CLASS_MAPS, ClassMapReader
from camkit.output.pictures import map_file
from camkit.recipe import Recipe
from camkit.report.images import RunImages
from camkit.report.lookup import Lookup, drawn, lookup_of, lookup_of_levels
from camkit.report.rules import Sliders
from camkit.report.runs import Run

Size = tuple[int, int]


@dataclass(frozen=True)
class MapOfColumns:
    """One kind of score map of a run, and the columns whose boxes are cut from it.

    Attributes
    ----------
    name : str
        Its weighting, and what else tells it from the run's others.
    recipe : Recipe
        Makes it from the class map: the threshold plays no part.
    columns : tuple of int
        Of the run.
    prefix : str
        Of a second model.
    """

    name: str
    recipe: Recipe
    columns: tuple[int, ...]
    prefix: str = ""


def maps_of(run: Run) -> list[MapOfColumns]:
    """The different score maps that a run's columns are cut from."""
    kinds: dict[tuple[str, str, str, str], list[int]] = {}
    for number, column in enumerate(run.columns):
        if column.recipe is not None:
            recipe = column.recipe
            key: tuple[str, str, str, str] = (
                column.prefix, recipe.weighting, recipe.normalization, recipe.interpolation
            )  # fmt: skip
            kinds.setdefault(key, []).append(number)
    names = [f"{'TAP ' if prefix else ''}{weighting}" for prefix, weighting, _, _ in kinds]
    several = {name for name in names if names.count(name) > 1}
    found = []
    for name, (kind, columns) in zip(names, kinds.items(), strict=True):
        first = run.columns[columns[0]].recipe
        assert first is not None
        shown = f"{name}, {kind[2]}, {kind[3]}" if name in several else name
        found.append(MapOfColumns(shown, first, tuple(columns), kind[0]))
    return found


@dataclass(frozen=True, eq=False)
class FoundMap:
    """What the page gets of one map: its look-up, its picture, and which part of the image it covers.

    Attributes
    ----------
    lookup : Lookup
    picture : dict
    part : tuple of int
        ``x0, y0, x1, y1`` in pixels of the image.
    """

    lookup: Lookup
    picture: dict[str, Any]
    part: tuple[int, int, int, int]


class RunMaps:
    """The maps of one run; `found` may be called by several threads.

    Parameters
    ----------
    run : Run
    sliders : Sliders
    images : RunImages
        The run's: a folder of maps names its files after the records of the data set.

    Attributes
    ----------
    notes : list of str
        Why there are none, where that is a fault.
    """

    def __init__(self, run: Run, sliders: Sliders, images: RunImages) -> None:
        self.run, self.sliders, self.kinds, self.notes = run, sliders, maps_of(run), list[str]()
        self._images = images
        self._saved: dict[str, ClassMapReader] = {}
        self._folder: MapFolder | None = None
        self._shards: MapShards | None = None
        try:
            self._open()
        except CamkitError as error:
            self.notes.append(str(error))
        self._there = bool(self._saved or self._folder or (run.path / "maps").is_dir())

    def _open(self) -> None:
        given = self.run.settings.get("maps")
        if shards_in(self.run.path / "maps"):
            self._shards = MapShards(self.run.path / "maps")
        for prefix, name in (("", CLASS_MAPS), ("tap:", f"tap_{CLASS_MAPS}")):
            if (path := self.run.path / name).is_file():
                reader = ClassMapReader(path)
                rows = {len(column.table) for column in self.run.columns if column.prefix == prefix}
                if rows != {len(reader)}:
                    raise CamkitError(f"{path}: holds maps of {len(reader)} images, and per_image.csv of {rows}: they "
                                      "are of two runs")  # fmt: skip
                self._saved[prefix] = reader
        if self.run.kind == "codetect":
            self._folder = MapFolder(self.run.path / "maps", self._images.records)
        elif isinstance(given, str) and not self._saved:
            self._folder = MapFolder(Path(given), self._images.records)

    def read(self, kind: MapOfColumns, row: int) -> tuple[torch.Tensor | NDArray[Any], Size, Window | None] | None:
        """The class map of a row of the tables, or of `localize` the score map: only one thread at a time."""
        if not self._there:
            return None
        facts: dict[Any, Any] = self.run.columns[kind.columns[0]].table.iloc[row].to_dict()
        image = str(facts["image"])
        if kind.prefix in self._saved:
            saved = self._saved[kind.prefix][row]
            return saved.maps[kind.recipe.weighting], saved.size, saved.window
        if self._folder is not None:
            record = self._images.record_of(facts)
            label = None if record is None else record.label
            return torch.from_numpy(self._folder.read(image, label)), (0, 0), None
        if self.run.kind != "localize":
            return None
        size = int(facts["height"]), int(facts["width"])
        return self._score_map(image, int(facts["rank"]), size), size, self._window(size)

    def found(self, kind: MapOfColumns, held: Any, size: Size) -> FoundMap:
        """What the page gets, of what `read` gave and an image of that size."""
        values, _, window = held
        if self.run.kind == "localize":
            rows, columns = slice(0, size[0]), slice(0, size[1])
            if window is not None:
                rows, columns = pixels_inside(window, size)
            score_map = np.asarray(values[rows, columns])
            lookup = lookup_of(score_map, self.sliders, (columns.start, rows.start))
            return FoundMap(lookup, drawn(score_map), (columns.start, rows.start, columns.stop, rows.stop))
        if self.run.protocol == "wsol":
            record = Record("", bytes)
            prediction = ImagePrediction(record, size, window, {kind.recipe.weighting: values}, None, None)
            grid, boxes = protocol_named("wsol").levels(prediction, kind.recipe)
            return FoundMap(lookup_of_levels(grid, boxes, self.sliders), drawn(grid), (0, 0, size[1], size[0]))
        rows, columns = slice(0, size[0]), slice(0, size[1])
        if window is not None:
            rows, columns = pixels_inside(window, size)
        score_map = kind.recipe.score_maps(values[None], size, window)[0].numpy()
        lookup = lookup_of(score_map, self.sliders, (columns.start, rows.start))
        return FoundMap(lookup, drawn(score_map), (columns.start, rows.start, columns.stop, rows.stop))

    def _score_map(self, image: str, rank: int, size: Size) -> NDArray[Any]:
        path = self.run.path / map_file(image)
        try:
            if self._shards is None:
                stack = np.load(path, mmap_mode="r", allow_pickle=False)
            else:
                with self._shards.open(image) as member:
                    stack = np.lib.format.read_array(member, allow_pickle=False)
        except Exception as error:  # numpy raises several types on a broken file
            raise CamkitError(f"{path}: cannot be read as a map ({' '.join(str(error).split()):.80})") from error
        array = stack[rank - 1] if stack.ndim == 3 and rank <= len(stack) else stack
        if array.shape != size or array.dtype.kind != "f":
            raise CamkitError(f"{path}: a map of shape {array.shape}, and the image has {size}")
        return np.asarray(array)

    def _window(self, size: Size) -> Window | None:
        """What of the image the model was shown: not all of it under the fit crop."""
        if self.run.settings.get("fit") != "crop":
            return None
        held: Mapping[str, Any] = self.run.settings["input"]
        numbers: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in held.items()}
        spec = InputSpec(**numbers)
        _, view = Preprocess(spec, "crop")(torch.zeros((3, *size), dtype=torch.uint8))
        return view.window
