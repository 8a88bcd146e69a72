"""Colours, lines and hatches that all figures share: the same thing looks the same everywhere, and in grey, too."""

from collections.abc import Callable, Mapping
from functools import wraps
from io import BytesIO
from typing import IO, Any, NamedTuple

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike


class Style(NamedTuple):
    """How one of several things is drawn; any of colour, line, hatch and marker alone tells it from the others."""

    colour: str
    line: str
    hatch: str
    marker: str


# In order of use. The lightness of the first three differs, so that a grey print keeps them apart, and so do the lines.
FIRST = Style("#1f3a5f", "-", "", "o")
SECOND = Style("#e8a33d", "--", "////", "^")
THIRD = Style("#7a5195", "-.", "....", "s")
REFERENCE = Style("#8c8c8c", ":", "", "x")
STYLES = (FIRST, SECOND, THIRD, REFERENCE)

# The papers' boxes: red the truth, green from the maximum, yellow from the percentile.
BOXES = {
    "truth": ("#e41a1c", "-", "ground truth"),
    "prediction": ("#35d04a", "-", "prediction"),
    "max": ("#35d04a", "--", "from the maximum"),
    "percentile": ("#ffd60a", ":", "from the percentile"),
}
SURFACE = "cividis"  # rises evenly in lightness
PAPER = {"font.size": 8.5, "axes.titlesize": "medium"}
PRINTED = {"pdf.fonttype": 42, "savefig.dpi": 200, "hatch.linewidth": 0.7}  # 42: fonts that publishers take


def on_paper(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Draws with sizes that a page bears."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        with mpl.rc_context(PAPER):
            return draw(*args, **kwargs)

    return drawn


def save_figure(ax: Any, file: IO[bytes], suffix: str) -> None:
    """Write the page that an Axes is on as "png" or "pdf", as it goes into a paper."""
    with mpl.rc_context(PRINTED):
        timeless = {"CreationDate": None} if suffix == "pdf" else None  # the same figure is the same bytes
        ax.figure.savefig(file, format=suffix, metadata=timeless)


def as_png(ax: Any) -> bytes:
    """The page that an Axes is on, for a notebook to show."""
    file = BytesIO()
    save_figure(ax, file, "png")
    return file.getvalue()


def paired_histogram(ax: Any, samples: Mapping[str, ArrayLike], bins: ArrayLike) -> None:
    """Histograms of up to three samples, bars side by side in each bin, as shares; the median of each as a line.

    What lies beyond the bins counts in the outermost.
    """
    edges = np.asarray(bins, float)
    width = 0.9 * np.diff(edges) / len(samples)
    for i, ((name, sample), style) in enumerate(zip(samples.items(), STYLES, strict=False)):
        values = np.asarray(sample, float)
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        ax.bar(
            edges[:-1] + (i + 0.5) * width,
            counts / len(values),
            width,
            facecolor=style.colour if not style.hatch else "white",
            edgecolor=style.colour,
            hatch=style.hatch,
            linewidth=0.6,
            label=f"{name}, median {np.median(values):.2f}",
        )
        ax.axvline(np.median(values), color=style.colour, linestyle=style.line, linewidth=1.4)
    ax.set(xlim=(edges[0], edges[-1]), ylabel="share of images")


def band(ax: Any, table: Any, across: str, style: Style, label: str) -> None:
    """The columns `low` to `high` as a band, `middle` as a line in it, over the column `across`."""
    ax.fill_between(table[across], table["low"], table["high"], color=style.colour, alpha=0.2, linewidth=0)
    ax.plot(table[across], table["middle"], color=style.colour, linestyle=style.line, label=label)


def legend_above(ax: Any, columns: int = 1) -> None:
    """The legend over the Axes, where it hides nothing."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False)
