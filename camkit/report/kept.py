"""What is read back of a run where the whole cannot be: recipes with a user's own rule, an analysis' images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from camkit.boxes import Threshold
from camkit.errors import CamkitError
from camkit.recipe import OWN_RULES, RULES, Recipe

Json = dict[str, Any]
OF_IMAGE = ("image", "label")
KEYS = ("part", "rule", "intensity")  # tell the rows of one image apart


class RuleOfAFile:
    """A threshold that a user's file defines: its name alone, since no page runs code.

    Parameters
    ----------
    name : str
        As the run was given it.
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, maps: ArrayLike) -> NDArray[np.float64]:  # noqa: ARG002 - as rules are called
        raise CamkitError(f"{self.__name__} is a rule of a user's file, which is not run here")


def recipe_of(held: Any, notes: list[str]) -> Recipe:
    """The recipe of a run's record; a note where its rule is of a user's file.

    Raises
    ------
    CamkitError
        It is none, or its weighting is of a user's file: that map cannot be told from others.
    """
    name = held["threshold"].get("rule") if isinstance(held, dict) and isinstance(held.get("threshold"), dict) else None
    if not isinstance(name, str) or name in (*RULES, *OWN_RULES):
        return Recipe.from_dict(held)
    recipe = Recipe.from_dict({**held, "threshold": {"rule": "Threshold", **vars(Threshold())}})
    notes.append(f"the rule {name} is a function in a file, which no page runs: its boxes stand as the run cut them, "
                 "and the sliders cut the same maps by camkit's rules")  # fmt: skip
    return Recipe(recipe.weighting, RuleOfAFile(name), recipe.normalization, recipe.interpolation)


def images_of(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """A row an image of what analyses measured on it, each figure under the analysis' name and its own.

    Parameters
    ----------
    tables : mapping from an analysis to its table
        Those without the columns image and label, which are not of single images, are left out. Where an image has
        several rows, `KEYS` tell its figures apart.
    """
    found: list[pd.DataFrame] = []
    for analysis, table in tables.items():
        if not set(OF_IMAGE) <= set(table.columns):
            continue
        keys = [name for name in KEYS if name in table]
        figures = [name for name in table.columns if name not in (*OF_IMAGE, *keys)]
        numbers = table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in figures})
        if not keys:
            found.append(numbers.set_index(list(OF_IMAGE))[figures].add_prefix(f"{analysis} "))
            continue
        wide = numbers.pivot_table(index=list(OF_IMAGE), columns=keys, values=figures, sort=False)
        wide.columns = pd.Index([" ".join([analysis, *map(str, name)]) for name in wide.columns])
        found.append(wide)
    if not found:
        return None
    together = pd.concat([one[~one.index.duplicated()] for one in found], axis=1)
    return together.reset_index()
