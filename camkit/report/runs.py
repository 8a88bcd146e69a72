"""A folder of results as the page reads it: what is there, and what is missing and would bring more."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from camkit.data.names import read_path, read_text
from camkit.errors import CamkitError
from camkit.output.finished import refuse_unfinished, unfinished
from camkit.recipe import RECIPES, Recipe
from camkit.report.kept import images_of, recipe_of

Kind = Literal["localize", "codetect", "evaluate", "ablate", "calibrate", "analyze"]
Json = dict[str, Any]
MOST_BYTES = 1 << 31  # of a table


@dataclass(frozen=True, eq=False)
class Column:
    """One way in which a run made boxes: a recipe, or what `localize` found.

    Attributes
    ----------
    name : str
        Within its run.
    recipe : Recipe or None
        None where the folder names one that this process does not know, such as a function of a user's.
    table : DataFrame
        A row an image: ``image`` as it is, and of ``label, name, predicted, rank, score, x0, y0, x1, y1, iou, gt_loc,
        share, truth_share, width, height`` those that the run has.
    metrics : dict from name to dict
        ``value, low, high, n``, and where the threshold was chosen.
    curve : DataFrame
        Accuracy over the threshold; empty where there is none.
    gain : dict or None
        Of an ablation: GT-known Loc against the first recipe's.
    prefix : str
        Of recipes that belong to a second model.
    """

    name: str
    recipe: Recipe | None
    table: pd.DataFrame
    metrics: Mapping[str, Json] = field(default_factory=dict)
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    gain: Json | None = None
    prefix: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """A folder of results.

    Attributes
    ----------
    path : Path
    kind : {"localize", "codetect", "evaluate", "ablate", "calibrate", "analyze"}
    record : dict
        What the run says of itself: settings, versions, times.
    columns : list of Column
        Empty of `calibrate`, which keeps nothing of single images; of `analyze` one without boxes, whose further
        columns are what each analysis measured on the image.
    failures : list of (str, str)
        Images and reasons.
    notes : list of str
        What is missing or broken, and what brings it.
    surface : DataFrame
        Of `calibrate`.
    analyses : dict from name to dict
        Of `analyze`: the summary's JSON.
    """

    path: Path
    kind: Kind
    record: Json
    columns: list[Column]
    failures: list[tuple[str, str]]
    notes: list[str]
    surface: pd.DataFrame = field(default_factory=pd.DataFrame)
    analyses: Mapping[str, Json] = field(default_factory=dict)

    @property
    def settings(self) -> Json:
        """What it was told."""
        return dict(self.record.get("settings", {}))

    @property
    def name(self) -> str:
        """What the page calls it."""
        return self.path.resolve().name

    @property
    def protocol(self) -> str:
        """How its boxes were found and held against the truth."""
        return str(self.settings.get("protocol", "paper"))


def read_run(path: Path) -> Run:
    """A folder that localize, codetect, evaluate, ablate, calibrate or analyze wrote.

    Raises
    ------
    CamkitError
        It is none of these, or what says so is broken.
    """
    refuse_unfinished(path)
    try:
        if (path / "calibration.json").is_file():
            return _calibrate(path)
        record = read_json(path / "run.json") if (path / "run.json").is_file() else None
        if record is not None and "analyses" in record.get("settings", {}):
            return _analyze(path, record)
        if record is not None and (path / "metrics.json").is_file():
            return _evaluate(path, record)
        if record is not None and "recipe" in record.get("settings", {}) and "sessions" in record:
            return _localize(path, record)
        if record is not None and (path / "directions.csv").is_file():
            return _codetect(path, record)
    except CamkitError:
        raise
    except Exception as error:  # what a file holds that camkit did not write
        raise CamkitError(f"{path}: its files are not as camkit writes them ({type(error).__name__} {error!s:.120})"
                          ) from error  # fmt: skip
    raise unfinished(path)


def read_json(path: Path) -> Json:
    """A JSON object; `CamkitError` where the file holds something else."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CamkitError(f"{path}: cannot be read as JSON ({' '.join(str(error).split()):.120})") from error
    if not isinstance(held, dict):
        raise CamkitError(f"{path}: holds no JSON object")
    return held


def read_table(path: Path) -> pd.DataFrame:
    """A table as camkit writes it, names read back; `CamkitError` where it is none."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding_errors="surrogateescape")
    except Exception as error:  # pandas raises nearly every type on a broken file
        raise CamkitError(f"{path}: cannot be read as a table ({' '.join(str(error).split()):.120})") from error
    texts = {"image": read_path, **dict.fromkeys(("name", "recipe", "reason", "weighting", "fit"), read_text)}
    columns = {}
    for name in map(str, table.columns):
        columns[name] = table[name].map(texts[name]) if name in texts else _typed(table[name])
    return table.assign(**columns)


def _typed(column: "pd.Series[str]") -> "pd.Series[Any]":
    """Numbers or truth values where all cells are some, an empty cell for no number; else the text."""
    if set(column) <= {"True", "False"}:
        return column == "True"
    try:
        return pd.to_numeric(column.mask(column == ""))
    except ValueError:
        return column


def _localize(path: Path, record: Json) -> Run:
    notes: list[str] = []
    table = _boxes(path, notes, "localize")
    if not (path / "maps").is_dir():
        notes.append("no maps, and so no heat and no sliders: localize --save-maps brings them")
    recipe = _or_note(notes, lambda: recipe_of(record["settings"]["recipe"], notes))
    columns = [] if table is None else [Column("found", recipe, table)]
    return Run(path, "localize", record, columns, _failures(path, notes), notes)


def _codetect(path: Path, record: Json) -> Run:
    notes: list[str] = []
    table = _boxes(path, notes, "codetect")
    recipe = _or_note(notes, lambda: recipe_of(record["settings"]["recipe"], notes))
    columns = [] if table is None else [Column("found", recipe, table)]
    return Run(path, "codetect", record, columns, _failures(path, notes), notes)


def _boxes(path: Path, notes: list[str], command: str) -> "pd.DataFrame | None":
    """The table of boxes that such a run found, None and a note where there is none."""
    table: pd.DataFrame | None = None
    if (path / "boxes.csv").is_file():
        table = _or_note(notes, lambda: numbers_in(read_table(path / "boxes.csv"), path / "boxes.csv"))
    elif (path / "boxes.jsonl").is_file():
        rows = [json.loads(line) for line in (path / "boxes.jsonl").read_text(encoding="utf-8").splitlines()]
        table = numbers_in(pd.DataFrame(rows), path / "boxes.jsonl")
        table["image"], table["name"] = table["image"].map(read_path), table["name"].map(read_text)
    elif (path / "boxes.parquet").is_file():
        table = _or_note(notes, lambda: _of_parquet(path / "boxes.parquet"))
    else:
        notes.append(f"no table of boxes that the page reads: {command} --formats csv brings boxes.csv")
    return table


def _of_parquet(path: Path) -> pd.DataFrame:
    try:
        table = numbers_in(pd.read_parquet(path), path)
    except ImportError:
        raise CamkitError(f"{path}: Parquet is read by pyarrow: pip install 'camkit[parquet]'") from None
    return table.assign(image=table["image"].map(read_path), name=table["name"].map(read_text))


def _evaluate(path: Path, record: Json) -> Run:
    notes: list[str] = []
    metrics, settings = read_json(path / "metrics.json"), record["settings"]
    table = _or_note(notes, lambda: numbers_in(read_table(path / "per_image.csv"), path / "per_image.csv"))
    curves = pd.DataFrame()
    if (path / "curve.csv").is_file():
        curves = _or_note(notes, lambda: read_table(path / "curve.csv"))
        curves = pd.DataFrame() if curves is None else curves
    several = "recipes" in settings
    shared = {name: one for name, one in metrics.items() if is_metric(one)}
    gains = _gains(path, notes) if several else {}
    columns = []
    for name in list(dict.fromkeys(table["recipe"])) if table is not None and "recipe" in table else []:
        assert table is not None
        prefix = "tap:" if name.startswith("tap:") else ""
        own = metrics.get(name, {}) if several else {}
        its = {key: one for key, one in {**shared, **own}.items() if is_metric(one) and _belongs(key, prefix)}
        held = settings["recipes"].get(name.removeprefix(prefix)) if several else settings.get("recipe")
        recipe = _or_note(notes, lambda held=held: recipe_of(held, notes))  # type: ignore[misc]
        rows = table[table["recipe"] == name].reset_index(drop=True)
        curve = curves[curves["recipe"] == name] if "recipe" in curves else pd.DataFrame()
        columns.append(Column(name, recipe, rows, its, curve, gains.get(name), prefix))
    if not (path / "class_maps.npz").is_file() and settings.get("maps") is None:
        command = "ablate" if several else "evaluate"
        notes.append(f"no class maps, and so no heat and no sliders: {command} --save-maps brings them")
    return Run(path, "ablate" if several else "evaluate", record, columns, _failures(path, notes), notes)


def _calibrate(path: Path) -> Run:
    notes = ["calibrate keeps figures of whole splits, nothing of single images, and so no pictures: camkit evaluate "
             f"--settings {path / 'settings.json'} --save-maps brings them"]  # fmt: skip
    record = read_json(path / "calibration.json")
    surface = _or_note(notes, lambda: read_table(path / "surface.csv"))
    empty = pd.DataFrame() if surface is None else surface
    return Run(path, "calibrate", record, [], _failures(path, notes), notes, surface=empty)


def _analyze(path: Path, record: Json) -> Run:
    notes: list[str] = []
    found, tables = {}, {}
    for name in record["settings"]["analyses"]:
        read = _or_note(notes, lambda name=name: read_json(path / f"{name}.json"))  # type: ignore[misc]
        if read is not None:
            found[str(name)] = read
        table = _or_note(notes, lambda name=name: read_table(path / f"{name}.csv"))  # type: ignore[misc]
        if table is not None:
            tables[str(name)] = table
    images = images_of(tables)
    columns = [] if images is None else [Column("analyzed", None, numbers_in(images, path))]
    return Run(path, "analyze", record, columns, _failures(path, notes), notes, analyses=found)


def is_metric(held: Any) -> bool:
    """Whether it is a figure with its interval."""
    return isinstance(held, dict) and all(
        isinstance(held.get(name), int | float) for name in ("value", "low", "high", "n")
    )


def numbers_in(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table, refused where a column of numbers holds something else, or one that every image has is missing."""
    if "image" not in table:
        raise CamkitError(f"{path}: has no column image")
    for name in ("label", "predicted", "rank", "score", "x0", "y0", "x1", "y1", "iou", "share", "truth_share", "width",
                 "height", "tau"):  # fmt: skip
        if name in table and not pd.api.types.is_numeric_dtype(table[name]):
            raise CamkitError(f"{path}: the column {name} holds more than numbers")
    return table


def _belongs(metric: str, prefix: str) -> bool:
    return metric.startswith(prefix) if prefix else not metric.startswith("tap:")


def _gains(path: Path, notes: list[str]) -> dict[str, Json]:
    """GT-known Loc of each recipe against the first one's."""
    table = _or_note(notes, lambda: read_table(path / "ablation.csv"))
    if table is None or "gain" not in table:
        return {}
    names = {"gain": "value", "gain_low": "low", "gain_high": "high", "p_value": "p"}
    rows = table.dropna(subset=["gain"]).rename(columns=names)
    return {str(row["recipe"]): {name: float(row[name]) for name in names.values()} for _, row in rows.iterrows()}


def _failures(path: Path, notes: list[str]) -> list[tuple[str, str]]:
    if not (path / "failures.csv").is_file():
        return []
    table = _or_note(notes, lambda: read_table(path / "failures.csv"))
    if table is None or not {"image", "reason"} <= set(table.columns):
        return []
    return list(zip(table["image"], table["reason"], strict=True))


def _or_note(notes: list[str], read: Callable[[], Any]) -> Any:
    """What is read, or None and a line of why not."""
    try:
        return read()
    except CamkitError as error:
        notes.append(str(error))
        return None


def title_of(column: Column) -> str:
    """A recipe's short name as the papers write it: + NWC + PaS."""
    plain = column.name.removeprefix(column.prefix)
    shown = {
        "recipe": "",
        "found": "",
        "analyzed": "",
        **{name: name.upper().replace("PAS", "PaS") for name in RECIPES},
    }
    return f"{'TAP ' if column.prefix else ''}{shown.get(plain, plain)}".strip()
