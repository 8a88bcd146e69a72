"""Accuracy over thresholds."""

from typing import Any

import pandas as pd

from camkit.figures.panels import one_panel

STYLES = {"iou_0.3": ("0.55", ":"), "iou_0.5": ("black", "-"), "iou_0.7": ("0.3", "--")}  # told apart in grey


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
