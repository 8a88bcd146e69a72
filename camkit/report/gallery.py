"""The pictures of the page: one item an image of any of the runs, with each column's box and everything behind it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.data.names import written_path, written_text
from camkit.errors import CamkitError
from camkit.metrics.iou import best_iou
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.metrics.wsol import protocol_boxes
from camkit.report.images import THUMBNAIL, Known, RunImages, jpeg, pixels_of
from camkit.report.kept import OF_IMAGE
from camkit.report.maps import MapOfColumns, RunMaps
from camkit.report.rules import Sliders, sliders_for
from camkit.report.runs import Column, Run, title_of

Select = Literal["spread", "worst", "best", "differ"]
QUALITY = {"thumbnail": 78, "large": 84}
Json = dict[str, Any]


@dataclass(eq=False)
class Item:
    """An image, and where it stands in the columns' tables.

    Attributes
    ----------
    image : str
    nth : int
        Of the rows under one name: classes of an image, or ranks.
    rows : dict from column to row
    failed : list of str
        Why runs have no result for it.
    """

    image: str
    nth: int
    rows: dict[int, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Shown:
    """What an item leaves: facts for the gallery, the rest as JSON, its two pictures."""

    facts: Json
    detail: Json
    thumbnail: bytes | None
    large: bytes | None
    problem: str | None


class Gallery:
    """All columns of all runs, and the items that are shown.

    Parameters
    ----------
    runs : sequence of Run
    images : sequence of RunImages
    limit : int
        Of items.
    select : {"spread", "worst", "best", "differ"}
        Which are shown where there are more: evenly spaced ones, those with the lowest or the highest IoU of the
        first column that has any, or those on which the first two such columns differ most.

    Raises
    ------
    CamkitError
        There are no IoUs to select by.
    """

    def __init__(self, runs: Sequence[Run], images: Sequence[RunImages], limit: int, select: Select) -> None:
        self.runs, self.images = runs, images
        self.columns: list[tuple[int, int, Column]] = [
            (r, c, column) for r, run in enumerate(runs) for c, column in enumerate(run.columns)
        ]
        self.sliders: Sliders = sliders_for(column.recipe for _, _, column in self.columns)
        self.maps = [RunMaps(run, self.sliders, its) for run, its in zip(runs, images, strict=True)]
        self.kinds: list[tuple[int, MapOfColumns]] = [
            (r, kind) for r, maps in enumerate(self.maps) for kind in maps.kinds
        ]
        self.all = self._items()
        self.classes = [names_of(images[r], column) for r, _, column in self.columns]
        self.items = chosen(self.all, [column for _, _, column in self.columns], limit, select)

    def _items(self) -> list[Item]:
        items: dict[tuple[str, int], Item] = {}
        for number, (_, _, column) in enumerate(self.columns):
            seen: Counter[str] = Counter()
            for row, image in enumerate(column.table["image"]):
                key = (str(image), seen[image])
                seen[image] += 1
                items.setdefault(key, Item(*key)).rows[number] = row
        for run in self.runs:
            for image, reason in run.failures if run.columns else ():
                if image:  # a line of a data set's own files names none
                    items.setdefault((image, 0), Item(image, 0)).failed.append(written_text(reason))
        return list(items.values())

    def label(self, number: int) -> str:
        """What the page calls a column: its run, and its recipe where the run has several."""
        run, _, column = self.columns[number]
        if title_of(column) and len({r for r, _, _ in self.columns}) == 1:
            return written_text(title_of(column))
        names = [one.name for one in self.runs]
        name = self.runs[run].name if names.count(self.runs[run].name) == 1 else str(self.runs[run].path)
        return written_text(f"{name}: {title_of(column)}" if title_of(column) else name)

    def column_facts(self) -> list[Json]:
        """Of each column what the page's script has to know."""
        kind_of = {(r, c): k for k, (r, kind) in enumerate(self.kinds) for c in kind.columns}
        return [
            {
                "label": self.label(number),
                "run": run,
                "recipe": None if column.recipe is None else written_text(str(column.recipe)),
                "map": kind_of.get((run, place)),
                "start": self.sliders.start_of(column.recipe),
                "grid": self.runs[run].protocol == "wsol",
                "boxes": "x0" in column.table,
            }
            for number, (run, place, column) in enumerate(self.columns)
        ]

    def map_facts(self) -> list[Json]:
        """Of each kind of map its name, and whether its boxes are the wsol protocol's."""
        several = len({run for run, _ in self.kinds}) > 1
        return [
            {"label": written_text(f"{self.runs[run].name}: {kind.name}" if several else kind.name), "run": run,
             "grid": self.runs[run].protocol == "wsol"}
            for run, kind in self.kinds
        ]  # fmt: skip

    def jobs(self, side: int, chunk: int) -> Iterator[list[Callable[[], Shown]]]:
        """What makes each item's part of the page, for threads; maps are read here, where one thread reads them."""
        for start in range(0, len(self.items), chunk):
            yield [partial(self._shown, item, self._held(item), side) for item in self.items[start : start + chunk]]

    def _held(self, item: Item) -> dict[int, Any]:
        """The maps of an item as they lie on disk, or why there is none."""
        held: dict[int, Any] = {}
        for number, (run, kind) in enumerate(self.kinds):
            first = next((n for n, (r, c, _) in enumerate(self.columns) if r == run and c in kind.columns), None)
            if first is None or first not in item.rows:
                continue
            try:
                found = self.maps[run].read(kind, item.rows[first])
            except (CamkitError, OSError) as error:
                held[number] = str(error)
                continue
            if found is not None:
                held[number] = found
        return held

    def _shown(self, item: Item, held: dict[int, Any], side: int) -> Shown:
        rows: dict[int, dict[Any, Any]] = {
            n: self.columns[n][2].table.iloc[row].to_dict() for n, row in item.rows.items()
        }
        known = self._known(rows)
        pixels, problem = self._pixels(known, item)
        size = self._size(rows, held, pixels)
        truth = known.boxes
        facts = self._facts(item, rows, size, truth)
        maps, faults = [], [] if problem is None else [problem]
        for number, one in held.items():
            if isinstance(one, str) or size is None:
                faults.append(one if isinstance(one, str) else "the image's size is not known")
                continue
            run, kind = self.kinds[number]
            try:
                found = self.maps[run].found(kind, one, size)
            except CamkitError as error:
                faults.append(str(error))
                continue
            maps.append({"kind": number, **found.lookup.as_json(), "picture": found.picture, "part": found.part})
        grid = protocol_boxes(truth, size).tolist() if size and len(truth) and self._on_grid() else None
        detail = {"maps": maps, "grid": grid, "faults": [written_text(fault) for fault in faults]}
        large = None if pixels is None else jpeg(pixels, side, QUALITY["large"])
        small = None if pixels is None else jpeg(pixels, THUMBNAIL, QUALITY["thumbnail"])
        return Shown(facts, detail, small, large, problem)

    def _known(self, rows: dict[int, Json]) -> Known:
        """The first run that knows where the image is; ground truth from the first that has some."""
        found = [self.images[self.columns[number][0]].known(row) for number, row in rows.items()]
        source = next((one for one in found if one.source is not None), None)
        truth = next((one.boxes for one in found if len(one.boxes)), np.zeros((0, 4)))
        return Known(None if source is None else source.source, truth, source is None or source.upright)

    @staticmethod
    def _pixels(known: Known, item: Item) -> tuple[torch.Tensor | None, str | None]:
        if known.source is None:
            return None, None
        try:
            return pixels_of(known, item.image), None
        except (CamkitError, OSError) as error:
            return None, str(error)

    @staticmethod
    def _size(rows: dict[int, Json], held: dict[int, Any], pixels: torch.Tensor | None) -> tuple[int, int] | None:
        """Height and width as the runs had them; the picture's own where none of them says so."""
        for row in rows.values():
            if "width" in row:
                return int(row["height"]), int(row["width"])
        for one in held.values():
            if not isinstance(one, str) and one[1] != (0, 0):
                return int(one[1][0]), int(one[1][1])
        return None if pixels is None else (int(pixels.shape[-2]), int(pixels.shape[-1]))

    def _on_grid(self) -> bool:
        return any(run.protocol == "wsol" and run.columns for run in self.runs)

    def _facts(
        self, item: Item, rows: dict[int, Json], size: tuple[int, int] | None, truth: NDArray[np.float64]
    ) -> Json:
        boxes, ious, scores, outcomes, classes, figures = {}, {}, {}, {}, {}, {}
        predicted = None
        for number, row in rows.items():
            run = self.columns[number][0]
            if (box := _box(row)) is not None:
                boxes[number] = box
                iou = _number(row, "iou")
                if iou is None and len(truth) and self.runs[run].protocol != "wsol":
                    iou = float(best_iou(torch.tensor([box], dtype=torch.float64), truth)[0])
                if iou is not None:
                    ious[number] = round(iou, 6)
                    outcomes[number] = bool(row["gt_loc"]) if "gt_loc" in row else iou >= IOU_AT_LEAST
            if "name" in row:
                classes[number] = written_text(str(row["name"]))
            if (score := _number(row, "score")) is not None:
                scores[number] = score
            if self.runs[run].kind == "analyze":
                numbers = ((name, _number(row, name)) for name in row if name not in OF_IMAGE)
                figures[number] = [[name, value] for name, value in numbers if value is not None]
            predicted = predicted or self.images[run].predicted_name(row)
        first = next(iter(rows), None)
        name = "" if first is None else self.images[self.columns[first][0]].class_name(rows[first])
        shown = written_path(item.image)
        return {
            "name": f"{shown} ({item.nth + 1})" if item.nth else shown,
            "class": written_text(name),
            "predicted": None if predicted is None else written_text(predicted),
            "size": size,
            "truth": [[round(side, 3) for side in box] for box in truth.tolist()],
            "boxes": boxes,
            "ious": ious,
            "scores": scores,
            "classes": classes,
            "right": outcomes,
            "figures": figures,
            "failed": item.failed,
        }


def names_of(images: RunImages, column: Column) -> list[str]:
    """The class of each row of a column's table."""
    rows: list[dict[Any, Any]] = column.table.to_dict("records")
    return [images.class_name(row) for row in rows]


def chosen(items: list[Item], columns: Sequence[Column], limit: int, select: Select) -> list[Item]:
    """At most so many of the items."""
    if select == "spread":
        return items if len(items) <= limit else [items[i * len(items) // limit] for i in range(limit)]
    judged = [number for number, column in enumerate(columns) if "iou" in column.table]
    wanted = 2 if select == "differ" else 1
    if len(judged) < wanted:
        raise CamkitError(f"--select {select} goes by {wanted} column{'s' * (wanted > 1)} with IoUs, and the runs have "
                          f"{len(judged)}: give runs of evaluate or ablate, or leave it out")  # fmt: skip
    tables = [columns[number].table["iou"].to_numpy() for number in judged[:wanted]]
    values = []
    for item in items:
        if not all(number in item.rows for number in judged[:wanted]):
            continue
        ious = [float(table[item.rows[number]]) for number, table in zip(judged, tables, strict=False)]
        values.append((-abs(ious[0] - ious[-1]) if select == "differ" else ious[0] * (1 if select == "worst" else -1),
                       item))  # fmt: skip
    values.sort(key=lambda pair: pair[0])
    return [item for _, item in values[:limit]]


def _box(row: Json) -> list[int] | None:
    corners = [_number(row, name) for name in ("x0", "y0", "x1", "y1")]
    return None if None in corners else [int(corner) for corner in corners if corner is not None]


def _number(row: Json, name: str) -> float | None:
    value = row.get(name)
    return None if pd.isna(value) else float(value)
