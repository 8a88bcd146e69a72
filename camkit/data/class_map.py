"""Which of a model's classes each of a data set's classes is, where they do not meet by themselves.

A CSV file whose first line is ``dataset,model``, a line a class::

    dataset,model
    Bengal,tabby
    american_bulldog,242
    Abyssinian,-

The first field is the data set's class, spelled as the data set spells it; of a data set without names, its number. The
second is the model's class, by name or by number, counted from 0. A ``-`` there leaves the images of the class out. A
name with a comma in it stands in double quotes. Several of the data set's classes may be one of the model's. Classes
without a line must meet by name.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet, Assigned
from camkit.data.formats.tables import Table
from camkit.errors import CamkitError

COLUMNS = ("dataset", "model")
NOTHING = "-"
SHOWN = 5

ClassMap = Mapping[str, Assigned]  # by the data set's class


def read_class_map(path: str | Path) -> ClassMap:
    """Read the file.

    Raises
    ------
    CamkitError
        It cannot be read, or some of its lines are no lines of a class map; all of them are named.
    """
    class_map: dict[str, Assigned] = {}
    bad = []
    for line in Table(Path(path), "check --class-map").lines(COLUMNS):
        name, to = (field.strip() for field in line.fields)
        number = f"line {line.where.rpartition(' ')[-1]}"
        if line.fault:
            bad.append((number, line.fault))
        elif not name or not to:
            bad.append((number, f"no class of {'the model' if name else 'the data set'}"))
        elif name in class_map:
            bad.append((number, f"a second line for {name!r:.80}"))
        else:
            class_map[name] = Assigned(None if to == NOTHING else to, number)
    if bad:
        raise CamkitError(f"{path}: {listed(bad)}")
    if not class_map:
        raise CamkitError(f"{path}: no line after the first: write DATA_SET_CLASS,MODEL_CLASS")
    return class_map


def map_classes(class_map: str | Path | Mapping[str, str | int | None], *datasets: AnnotatedSet) -> list[AnnotatedSet]:
    """Annotated images that know which of a model's classes theirs are.

    Parameters
    ----------
    class_map : path or mapping
        A file as this module describes it, or the same as a mapping, None for ``-``:
        ``{"Bengal": "tabby", "american_bulldog": 242, "Abyssinian": None}``.
    *datasets : AnnotatedSet
        Splits of one data set. A class of the map must be in one of them.

    Returns
    -------
    list of AnnotatedSet
        Without the images of classes that are left out, which `AnnotatedSet.left_out` counts.

    Raises
    ------
    CamkitError
        The file is bad, the map speaks of a class that no split has, or it leaves out all images.
    """
    if isinstance(class_map, Mapping):
        where = "class map"
        rows = {name: Assigned(None if to is None else str(to), repr(name)) for name, to in class_map.items()}
    else:
        where, rows = str(class_map), dict(read_class_map(class_map))
    known = {name for dataset in datasets for name in classes_of(dataset).values()}
    strangers = [(row.where, f"{datasets[0].name} has no class {name!r:.80}") for name, row in rows.items()
                 if name not in known]  # fmt: skip
    if strangers:
        few = ", ".join(repr(name) for name in sorted(known)[:SHOWN])
        raise CamkitError(f"{where}: {listed(strangers)}; its classes are {few}{', ...' * (len(known) > SHOWN)}")
    return [_mapped(dataset, rows, where) for dataset in datasets]


def classes_of(dataset: AnnotatedSet) -> dict[int, str]:
    """By label, what a class map calls the data set's classes."""
    if dataset.class_names is not None:
        return dict(enumerate(dataset.class_names))
    return {record.label: str(record.label) for record in dataset.records if record.label is not None}


def listed(faults: Sequence[tuple[str, str]]) -> str:
    """Places and what is wrong there, in one line: the first few whole, the others by their places."""
    shown = [f"{where}: {fault}" for where, fault in faults[:SHOWN]]
    more = ", ".join(where for where, _ in faults[SHOWN:])
    return "; ".join([*shown, f"likewise {more}"] if more else shown)


def _mapped(dataset: AnnotatedSet, rows: Mapping[str, Assigned], where: str) -> AnnotatedSet:
    names = classes_of(dataset)
    assigned = {label: rows[name] for label, name in names.items() if name in rows}
    out = {label for label, to in assigned.items() if to.to is None}
    kept = array("q", (place for place, record in enumerate(dataset.records) if record.label not in out))
    images: dict[str, set[str]] = {}
    for record in dataset.records:
        if record.label is not None and record.label in out:
            images.setdefault(names[record.label], set()).add(record.image)
    if not kept:
        raise CamkitError(f"{where}: it leaves out every image of {dataset.name} {dataset.split}")
    return replace(
        dataset.some(kept),
        class_map={label: to for label, to in assigned.items() if to.to is not None},
        class_map_file=where,
        left_out={name: len(of_class) for name, of_class in images.items()},
    )
