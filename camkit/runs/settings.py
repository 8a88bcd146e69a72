"""Settings files: a recipe and a fit that were chosen on a split, and which one it was."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from camkit.data import Fit
from camkit.errors import CamkitError
from camkit.metrics.threshold_splits import BOXES, FIXED
from camkit.recipe import Recipe
from camkit.runs.settings_file import none, read_held


@dataclass(frozen=True)
class Settings:
    """How boxes are to be made.

    Attributes
    ----------
    recipe : Recipe
    chosen_on : str
        What chose its threshold ("boxes of cub val"), or that it was fixed beforehand.
    model : str or None
        What it was chosen for.
    fit : {"stretch", "crop", "keep"} or None
        Chosen with it; None where it was not, as in the files of version 0.1.0.
    """

    recipe: Recipe
    chosen_on: str = FIXED
    model: str | None = None
    fit: Fit | None = None


def read_settings(path: Path) -> Settings:
    """The settings file that `camkit calibrate` wrote.

    Raises
    ------
    CamkitError
        It cannot be read, or is none.
    """
    held = read_held(path)
    try:
        recipe, chosen_on, model = Recipe.from_dict(held["recipe"]), held["chosen_on"], held["model"]
        if not (isinstance(chosen_on, str) and isinstance(model, str)):
            raise TypeError("names must be text")
        supervision = held.get("supervision", BOXES)  # before 0.4.0 there was no other
        if not isinstance(supervision, str):
            raise TypeError("names must be text")
        fit = held.get("fit")
        if fit not in (None, *get_args(Fit)):
            raise CamkitError(f"fit {fit!r:.80} is unknown: one of {', '.join(get_args(Fit))} is known")
        chosen = chosen_on if chosen_on == FIXED else f"{supervision} of {chosen_on}"
        return Settings(recipe, chosen, model, fit)
    except CamkitError as error:
        raise CamkitError(f"{path}: {error}") from error
    except Exception as error:  # other JSON, of whatever types
        raise none(path) from error
