"""What an evaluation says of sizes and classes, on disk and on the screen."""

from pathlib import Path
from typing import Any

import pandas as pd

from camkit.evaluation import Evaluation
from camkit.figures import plot_by_class
from camkit.metrics.groups import EDGES
from camkit.runs.closing import printable

NAMES = {
    "gt_loc": "GT-known Loc",
    "max_box_acc_v2": "MaxBoxAccV2",
    "pxap": "PxAP",
    "pointing_game": "pointing game",
    "regions_recall": "recall of the regions",
    "regions_precision": "precision of the regions",
    "regions_iou": "IoU of the regions and masks",
    "top1_cls": "Top-1 Cls",
}
SHOWN = 3  # classes of either end
SUFFIXES = {
    "_macro": "mean over classes, each with the same weight (--macro)",
    "_strict": "IoU above 0.5 for 0.5 and more (--strict)",
}


def tables_of_groups(found: Evaluation) -> dict[str, pd.DataFrame]:
    """By file name those that were asked for."""
    named = {"by_size.csv": found.by_size, "by_class.csv": found.by_class}
    return {name: table for name, table in named.items() if "recipe" in table}


def picture_of_classes(found: Evaluation) -> Any:
    """Of the first recipe's first figure by class: an Axes; None without one."""
    if "recipe" not in found.by_class or not len(found.by_class):
        return None
    first, figure = next(iter(found.localization)), shown_figures(found.by_class)[0]
    rows = found.by_class[(found.by_class["recipe"] == first) & (found.by_class["figure"] == figure)]
    return plot_by_class(rows, NAMES[figure] if len(found.localization) == 1 else f"{NAMES[figure]}, {first}")


def shown_figures(table: pd.DataFrame) -> list[str]:
    """Those of `NAMES` that a table has, in their order."""
    return [name for name in NAMES if name in set(table["figure"])]


def lines_of_groups(found: Evaluation, out: Path) -> list[str]:
    """A line a figure and recipe by size, and the classes at either end; where all of it is."""
    lines, several = [], len(found.localization) > 1
    if "recipe" in found.by_size:
        low, high = (f"{100 * edge:g} %" for edge in EDGES)
        lines.append(f"by size (the truth's share of the image: small under {low}, large from {high}), all in "
                     f"{out / 'by_size.csv'}")  # fmt: skip
        figures = [name for name in shown_figures(found.by_size) if name != "top1_cls"][: 1 if several else None]
        lines += [_line(rows, "size", f"{NAMES[str(figure)]}{f', {recipe}' if several else ''}")
                  for (recipe, figure), rows in found.by_size.groupby(["recipe", "figure"], sort=False)
                  if figure in figures]  # fmt: skip
    if "recipe" in found.by_class and len(found.by_class):
        figure, recipe = shown_figures(found.by_class)[0], next(iter(found.localization))
        own = found.by_class[(found.by_class["recipe"] == recipe) & (found.by_class["figure"] == figure)]
        rows = own.sort_values(["value", "n"], ascending=False, kind="stable")
        lines.append(f"by class, all {len(rows)} in {out / 'by_class.csv'} and the ends in {out / 'by_class.png'}")
        title = f"{NAMES[figure]}{f', {recipe}' if several else ''}"
        for end, part in (("best", rows.head(SHOWN)), ("worst", rows.tail(SHOWN))):
            lines.append(_line(part, "class", f"{title}, {end}"))
    return lines + label_lines(found)


def label_lines(found: Evaluation) -> list[str]:
    """What the suffixes of figures say."""
    names = {name for results in found.localization.values() for name in results}
    return [f"...{suffix}: {words}" for suffix, words in SUFFIXES.items() if any(suffix in name for name in names)]


def _line(rows: pd.DataFrame, by: str, title: str) -> str:
    cells = [f"{row[by]!s:.60} {row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f}; n {row['n']})"
             for row in rows.to_dict("records")]  # fmt: skip
    return printable(f"  {title}: {', '.join(cells)}")
