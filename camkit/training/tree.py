"""A class tree from a file: which family a species belongs to, which order the family."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.models.messages import did_you_mean


@dataclass(frozen=True, eq=False)
class ClassTree:
    """Superclasses of the classes, level by level.

    Attributes
    ----------
    levels : tuple of str
        Names of the levels, from the classes' parents to the root's children.
    names : tuple of tuple of str
        The superclasses of each level, in the alphabet's order.
    parents : Tensor (levels, K), int64
        Each class's superclass, as a number in `names`.
    """

    levels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    parents: Tensor

    def of(self, level: int, labels: Tensor) -> Tensor:
        """The superclasses (N,) of classes (N,)."""
        return self.parents.to(labels.device)[level][labels]


def read_tree(path: str | Path, class_names: tuple[str, ...]) -> ClassTree:
    """A class tree from a CSV file with a header: the class's name, then its superclass at each level, nearest first.

    Parameters
    ----------
    path : str or Path
    class_names : tuple of str
        Names of the data set's classes.

    Raises
    ------
    CamkitError
        The file cannot be read, lacks a class, names one twice or one that is none, or is no tree: one superclass has
        two parents.
    """
    header, rows = _rows(Path(path))
    held: dict[str, list[str]] = {}
    for number, (name, *above) in enumerate(rows, 2):
        if name not in class_names:
            near = did_you_mean(name, class_names)
            raise CamkitError(f"{path}, line {number}: {name!r} is no class of the data set{near}")
        if name in held:
            raise CamkitError(f"{path}, line {number}: {name!r} comes a second time")
        held[name] = above
    missing = [name for name in class_names if name not in held]
    if missing:
        raise CamkitError(f"{path}: {len(missing)} of {len(class_names)} classes are missing, such as {missing[0]!r}")
    for level in range(len(header) - 2):
        parent: dict[str, str] = {}
        for row in held.values():
            if parent.setdefault(row[level], row[level + 1]) != row[level + 1]:
                raise CamkitError(
                    f"{path}: no tree: {header[level + 1]} {row[level]!r} is in {header[level + 2]} "
                    f"{parent[row[level]]!r} and in {row[level + 1]!r}"
                )
    names = tuple(tuple(sorted({row[level] for row in held.values()})) for level in range(len(header) - 1))
    parents = [[of.index(held[name][level]) for name in class_names] for level, of in enumerate(names)]
    return ClassTree(tuple(header[1:]), names, torch.tensor(parents))


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, all of one length."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", "") or error
        raise CamkitError(f"{path}: cannot be read as a class tree: {why}") from error
    if len(header) < 2:
        raise CamkitError(f"{path}: a class tree needs a header of two columns or more: class, then its superclasses")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header) or not all(row):
            raise CamkitError(f"{path}, line {number}: {len(header)} filled cells are wanted, as in the header")
    return header, rows
