"""camkit report: folders of results as one page to look at."""

import sys
from pathlib import Path

import click

from camkit.cli.ending import finish
from camkit.cli.options import FloatRange, GivenPath


@click.command(short_help="Make one page of folders of results, to look at in a browser.")
@click.argument("results", metavar="OUT...", nargs=-1, required=True, type=GivenPath(path_type=Path))
@click.option("--out", type=GivenPath(path_type=Path), help="The page.  [default: report.html in the first OUT]")
@click.option(
    "--images", type=GivenPath(path_type=Path), help="Where the photographs of localize lie now, if not where they did."
)
@click.option("--root", type=GivenPath(path_type=Path), help="Where the data set lies now, if not where it did.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="So many images in the gallery; tables and figures are of all.",
)
@click.option(
    "--select",
    type=click.Choice(["spread", "worst", "best", "differ"]),
    default="spread",
    show_default=True,
    help="Which, where there are more: evenly spaced, by the first IoU, or where two runs differ most.",
)
@click.option(
    "--side",
    type=click.IntRange(64, 4096),
    default=800,
    show_default=True,
    help="Pixels along the longer side of a large view, at most.",
)
@click.option(
    "--inline-limit",
    type=FloatRange(0),
    default=40.0,
    show_default=True,
    metavar="MB",
    help="Pictures of more megabytes lie in a folder beside the page, not inside it.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier page.")
def report(results: tuple[Path, ...], out: Path | None, images: Path | None, root: Path | None, limit: int,
           select: str, side: int, inline_limit: float, overwrite: bool) -> None:  # fmt: skip
    """Make one page of what localize, evaluate, ablate, calibrate and analyze wrote, to look at in a browser.

    The page is one HTML file that asks for nothing from anywhere: pictures with their maps and boxes, sliders for theta
    and percentile, figures with intervals, classes, sizes, failures, settings. Heat and sliders need the maps, which
    localize, evaluate and ablate keep with --save-maps.

    \b
    Examples:
      camkit report found
      camkit report ablated calibrated --out page.html
      camkit report before after --select differ --limit 200
    """
    from camkit.runs.report import run_report

    finish(run_report(results, out, images=images, root=root, limit=limit, select=select, side=side,
                      inline_limit=inline_limit, overwrite=overwrite,
                      show_progress=sys.stderr.isatty()))  # fmt: skip
