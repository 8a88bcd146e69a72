"""Accuracy over thresholds."""

from typing import Any

import matplotlib as mpl
import pandas as pd

from camkit.figures.palette import STYLES as OF_RECIPES
from camkit.figures.palette import on_paper
from camkit.figures.panels import one_panel, panels

STYLES = {"iou_0.3": ("0.55", ":"), "iou_0.5": ("black", "-"), "iou_0.7": ("0.3", "--")}  # told apart in grey
MANY = mpl.colormaps["tab20"]


def plot_curve(curve: pd.DataFrame, ax: Any = None) -> Any:
    """Draw MaxBoxAccV2's accuracies over the threshold into a matplotlib Axes, a new one by default; returns it.

    Parameters
    ----------
    curve : DataFrame
        Columns threshold and iou_0.3, iou_0.5, iou_0.7, in percent.
    """
    ax = one_panel(ax, 5, 3.4)
    for column, (colour, line) in STYLES.items():
        best = curve[column].max()
        label = f"IoU ≥ {column.removeprefix('iou_')}: at most {best:.1f} %"
        ax.plot(curve["threshold"], curve[column], color=colour, linestyle=line, label=label)
    ax.set(xlabel="threshold, share of the map's maximum", ylabel="images localized, %", xlim=(0, 1), ylim=(0, 100))
    ax.legend(frameon=False)
    return ax


@on_paper
def plot_curves(curves: pd.DataFrame, ax: Any = None) -> Any:
    """Draw the accuracies of several recipes over the threshold, a panel for each IoU.

    Parameters
    ----------
    curves : DataFrame
        Columns recipe, threshold and iou_0.3, iou_0.5, iou_0.7, in percent.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, axes = panels(ax, 1, len(STYLES), 2.8)
    lines = _told_apart(curves)
    many = len(lines) > 2 * len(OF_RECIPES)
    for panel, column in zip(axes[0], STYLES, strict=True):
        for number, (recipe, curve) in enumerate(lines):
            style = OF_RECIPES[number % len(OF_RECIPES)]
            colour = MANY(number % MANY.N) if many else style.colour
            width = 1.6 if number < len(OF_RECIPES) else 0.8  # a second model's recipes are drawn thin
            panel.plot(curve["threshold"], curve[column], color=colour, linestyle=style.line, linewidth=width,
                    label=recipe)  # fmt: skip
        panel.set(title=f"IoU ≥ {column.removeprefix('iou_')}", xlim=(0, 1), ylim=(0, 100))
    axes[0][len(STYLES) // 2].set_xlabel("threshold, share of the map's maximum")
    axes[0][0].set_ylabel("images localized, %")
    if many:
        axes[0][-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1.05), borderaxespad=0)
    else:
        axes[0][0].legend(frameon=False)
    return place


def _told_apart(curves: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each curve with its recipes: those that differ in the threshold alone have one and the same."""
    groups: list[tuple[list[str], pd.DataFrame]] = []
    for recipe, curve in curves.groupby("recipe", sort=False):
        values = curve.drop(columns="recipe").to_numpy()
        same = [names for names, other in groups if (other.drop(columns="recipe").to_numpy() == values).all()]
        if same:
            same[0].append(str(recipe))
        else:
            groups.append(([str(recipe)], curve))
    return [(_of_all(names), curve) for names, curve in groups]


def _of_all(recipes: list[str]) -> str:
    """One weighting's name where they are that with several thresholds, else the names of all."""
    weightings = {recipe.rpartition("+")[0] for recipe in recipes}
    return (
        weightings.pop() if len(recipes) > 1 and len(weightings) == 1 and "" not in weightings else ", ".join(recipes)
    )
