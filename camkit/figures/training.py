"""A training run, epoch by epoch."""

from itertools import product
from typing import Any

import pandas as pd

from camkit.figures.panels import panels

KINDS = ("", "pseudo_")  # of true boxes, and of others in their place
STYLES = {
    "top1_cls": ("black", "-", "o"),
    "gt_loc": ("0.3", "--", "s"),
    "top1_loc": ("0.5", "-.", "^"),
    "max_box_acc_v2": ("0.55", ":", "x"),
}


def plot_training(log: pd.DataFrame, ax: Any = None) -> Any:
    """Draw the loss, and below it what validation measured, over the epochs.

    Parameters
    ----------
    log : DataFrame
        Columns epoch, loss, and any of val_top1_cls, val_gt_loc, val_top1_loc, val_max_box_acc_v2, in percent; of
        pseudo boxes val_pseudo_gt_loc and so on.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, ((upper,), (lower,)) = panels(ax, 2, 1, 4.5, 5, sharex=True)
    upper.plot(log["epoch"], log["loss"], color="black")
    upper.set(ylabel="training loss")
    for kind, (name, (colour, line, marker)) in product(KINDS, STYLES.items()):
        if f"val_{kind}{name}" in log:
            measured = log.dropna(subset=f"val_{kind}{name}")
            # with markers: a run that is measured once has a point and no line
            style = {"color": colour, "linestyle": line, "marker": marker, "markersize": 5}
            lower.plot(measured["epoch"], measured[f"val_{kind}{name}"], label=f"{kind}{name}", **style)
    lower.set(xlabel="epoch", ylabel="validation, %", ylim=(0, 100))
    if lower.lines:
        lower.legend(frameon=False, fontsize="small")
    return place
