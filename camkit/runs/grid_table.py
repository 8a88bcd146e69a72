"""A grid of recipes on the screen: a row a weighting, a column a threshold."""

from collections.abc import Sequence

import pandas as pd

from camkit.evaluation import Evaluation
from camkit.evaluation.grid import Crossed, name_of_cell
from camkit.metrics import Estimate
from camkit.runs.measured import FIGURES, closing_lines, in_columns, signed_with_interval, with_interval


def lines_of_grid(found: Evaluation, crossed: Crossed, prefixes: Sequence[str] = ("",)) -> list[str]:
    """The table as Markdown: GT-known Loc and its paired difference from the baseline, in percent and points.

    Parameters
    ----------
    found : Evaluation
        With boxes.
    crossed : Crossed
    prefixes : sequence of str
        One a model: what its recipes' names begin with.
    """
    baseline, first = next(iter(found.localization.items()))
    curves = [name for name in ("max_box_acc_v2", "pxap") if name in first]
    heads = ["weighting", *crossed.thresholds, *(FIGURES[name] for name in curves)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for prefix in prefixes:
        for weighting in crossed.weightings:
            names = [f"{prefix}{name_of_cell(weighting, threshold)}" for threshold in crossed.thresholds]
            figures = [with_interval(found.localization[names[0]][name]) for name in curves]
            cells = [f"{prefix}{weighting}" or "maps", *(_cell(found, name) for name in names), *figures]
            lines.append(f"| {' | '.join(cells)} |")
    told = (
        f"GT-known Loc in percent, and in points against {baseline}, image by image; bold where the 95 % interval "
        f"excludes 0, as chance alone makes one in twenty of these {len(found.against)}"
    )
    return [*lines, told, *closing_lines(found, first, boxes=True, masks="pxap" in first), *found.notes]


def grid_rows(found: Evaluation, crossed: Crossed, prefixes: Sequence[str] = ("",)) -> pd.DataFrame:
    """Columns recipe, weighting, threshold, gain, gain_low, gain_high in points; the baseline's are NaN."""
    rows = []
    for prefix in prefixes:
        for weighting in crossed.weightings:
            for threshold in crossed.thresholds:
                name = f"{prefix}{name_of_cell(weighting, threshold)}"
                row = {"recipe": name, "weighting": f"{prefix}{weighting}" or "maps", "threshold": threshold}
                gain = in_columns("gain", found.against[name].difference) if name in found.against else {}
                rows.append({**row, **gain})
    columns = ["recipe", "weighting", "threshold", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=columns)


def _cell(found: Evaluation, name: str) -> str:
    value = f"{found.localization[name]['gt_loc'].value:.2f}"
    if name not in found.against:
        return f"{value}, the baseline"
    difference = found.against[name].difference
    return f"{value} {_marked(difference)}"


def _marked(difference: Estimate) -> str:
    number, interval = signed_with_interval(difference).split(" ", 1)
    return f"**{number}** {interval}" if difference.low > 0 or difference.high < 0 else f"{number} {interval}"
