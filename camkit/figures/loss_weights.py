"""Figures over the weights of MinMaxCAM's losses."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

LINES = ("-", "--", ":", "-.")  # told apart in grey


def plot_loss_weights(sweep: pd.DataFrame, ax: Any = None) -> Any:
    """Draw MaxBoxAccV2 over one loss weight, a line for each value of the other, into a matplotlib Axes; returns it.

    Parameters
    ----------
    sweep : DataFrame
        Columns weight_crr, weight_frr, max_box_acc_v2 (percent); the row without weights is plain CAM.
    """
    if ax is None:
        ax = Figure(figsize=(5, 3.4), layout="constrained").subplots()
    cam, rows = sweep[sweep["weight_crr"].isna()], sweep.dropna(subset=["weight_crr"])
    along, other = ("crr", "frr") if rows["weight_crr"].nunique() >= rows["weight_frr"].nunique() else ("frr", "crr")
    for i, (value, group) in enumerate(rows.groupby(f"weight_{other}")):
        line = group.sort_values(f"weight_{along}")
        style = {"color": str(0.5 * (i // len(LINES) % 2)), "linestyle": LINES[i % len(LINES)], "marker": "o"}
        ax.plot(line[f"weight_{along}"], line["max_box_acc_v2"], label=f"{other.upper()} × {value:g}", **style)
    for value in cam["max_box_acc_v2"]:
        ax.axhline(value, color="0.6", linewidth=1, label="CAM")
    ax.set(xlabel=f"weight of {along.upper()}", ylabel="MaxBoxAccV2, %")
    ax.legend(frameon=False)
    return ax
