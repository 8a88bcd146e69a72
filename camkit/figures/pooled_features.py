"""How pooled features move: dispersion, intensity, masking (MinMaxCAM, Section 4.3)."""

from typing import Any

import numpy as np
import pandas as pd

from camkit.figures.palette import FIRST, REFERENCE, SECOND, band, legend_above, on_paper, paired_histogram
from camkit.figures.panels import panels

REFERENCE_LINE = {"color": REFERENCE.colour, "linestyle": REFERENCE.line}


@on_paper
def plot_dispersion(table: pd.DataFrame, ax: Any = None) -> Any:
    """Distances to the class centre, image by image and class by class.

    Parameters
    ----------
    table : DataFrame
        Columns label, distance_image, distance_object; a row an image.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, ((images, classes),) = panels(ax, 1, 2, 3.2, width_ratios=(1.4, 1))
    both = ["distance_image", "distance_object"]
    samples = dict(zip(("image, $f^o$", "image × map, $f$"), (table[name] for name in both), strict=True))
    highest = max(1.0, float(np.nan_to_num(table[both].to_numpy(), nan=0).max(initial=0)))
    paired_histogram(images, samples, np.linspace(0, highest, 26))
    images.set(xlabel="distance to the class centre\n(of features of length 1)")
    legend_above(images)
    if table.empty:
        images.text(0.5, 0.5, "no class has two images", ha="center", transform=images.transAxes)
    centred = table.groupby("label")[both].mean()
    classes.scatter(*(centred[name] for name in both), s=14, color=FIRST.colour, linewidths=0)
    classes.axline((0, 0), slope=1, **REFERENCE_LINE)
    classes.set(xlabel="class mean, $f^o$", ylabel="class mean, $f$", aspect="equal")
    if len(centred):
        low, high = centred.to_numpy().min(), centred.to_numpy().max()
        margin = 0.1 * (high - low) + 0.01
        classes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    return place


@on_paper
def plot_intensity(table: pd.DataFrame, between_images: float, ax: Any = None) -> Any:
    """How far the features move, how much they turn and shrink, over the input's intensity.

    Parameters
    ----------
    table : DataFrame
        Columns intensity, distance, cosine, length; a row an image and intensity.
    between_images : float
        The distance of two images, on the scale of `distance`.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, ((distance, parts),) = panels(ax, 1, 2, 3.2)
    _over_intensity(distance, table, "distance", FIRST, 0.0)
    ends = np.array([0.0, max(1.0, table["intensity"].max())])
    distance.plot(ends, abs(1 - ends), **REFERENCE_LINE, label="in proportion: |1 − intensity|")
    distance.axhline(between_images, color=SECOND.colour, linestyle=SECOND.line, label="between two images")
    distance.set(ylabel="distance to the image's features,\nover their length", ylim=(0, None))
    _over_intensity(parts, table, "cosine", FIRST, 1.0)
    _over_intensity(parts, table, "length", SECOND, 1.0)
    parts.plot(ends, ends, **REFERENCE_LINE, label="length in proportion")
    parts.set(ylabel="cosine; length over the image's", ylim=(0, None))
    for panel in (distance, parts):
        panel.set(xlabel="intensity of the input", xlim=tuple(ends))
        legend_above(panel)
    return place


def _over_intensity(ax: Any, table: pd.DataFrame, column: str, style: Any, at_one: float) -> None:
    """Mean, and the middle 80 % of the images, over the intensity; at 1 nothing has changed."""
    grouped = table.groupby("intensity")[column]
    columns = pd.DataFrame({"middle": grouped.mean(), "low": grouped.quantile(0.1), "high": grouped.quantile(0.9)})
    columns.loc[1.0] = at_one
    columns = columns.sort_index().rename_axis("intensity").reset_index()
    band(ax, columns, "intensity", style, f"{column}, mean and 80 % of images")
    ax.plot(columns["intensity"], columns["middle"], style.marker, color=style.colour, markersize=4)


@on_paper
def plot_masking(table: pd.DataFrame, ax: Any = None) -> Any:
    """Distance, direction and logit after masking the image, and after masking the features.

    Parameters
    ----------
    table : DataFrame
        Columns distance, cosine and logit, each with _image and _features; a row an image.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, (axes,) = panels(ax, 1, 3, 3.0)
    labels = {
        "distance": "distance to the image's\nfeatures, over their length",
        "cosine": "cosine with the\nimage's features",
        "logit": "change of the own\nclass's logit",
    }
    for panel, (measure, label) in zip(axes, labels.items(), strict=True):
        samples = {f"on {mask}": table[f"{measure}_{mask}"] for mask in ("image", "features")}
        both = np.concatenate([np.asarray(sample, float) for sample in samples.values()])
        low, high = np.quantile(both, [0.005, 0.995])
        paired_histogram(panel, samples, np.linspace(low, high if high > low else low + 1, 17))
        panel.set(xlabel=label)
        legend_above(panel)
    return place
