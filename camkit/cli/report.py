"""camkit report: folders of results as one page to look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from camkit.cli.groups import command, option, option_group
from camkit.cli.screen import finish, screen_options, shows_progress
from camkit.cli.values import FloatRange, GivenPath
from camkit.errors import CamkitError

source_options = option_group(
    "Where things lie now",
    option("--images-root", "images", type=GivenPath(path_type=Path),
           help="The photographs of localize, if not where they were."),
    option("--root", type=GivenPath(path_type=Path), help="The data set of the other commands, if not where it was."),
)  # fmt: skip

page_options = option_group(
    "The page",
    option("--limit", type=click.IntRange(1), default=5000, show_default=True,
           help="So many images in the gallery; tables and figures are of all."),
    option("--select", type=click.Choice(["spread", "worst", "best", "differ"]), default="spread", show_default=True,
           help="Which, where there are more: evenly spaced, by the first IoU, or where two runs differ most."),
    option("--side", type=click.IntRange(64, 4096), default=800, show_default=True,
           help="Pixels along the longer side of a large view, at most."),
    option("--inline-limit", type=FloatRange(0), default=40.0, show_default=True, metavar="MB",
           help="Pictures of more megabytes lie in a folder beside the page, not inside it."),
    option("--out", type=GivenPath(path_type=Path), help="The page.  [default: report.html in the first OUT]"),
    option("--overwrite", is_flag=True, help="Replace an earlier page."),
    *screen_options,
)  # fmt: skip


@command(short_help="Make one page of folders of results, to look at in a browser.")
@click.argument("results", metavar="OUT...", nargs=-1, required=True, type=GivenPath(path_type=Path))
@source_options
@page_options
def report(results: tuple[Path, ...], **options: Any) -> None:
    """Make one page of what localize, codetect, evaluate, ablate, calibrate and analyze wrote, for a browser.

    The page is one HTML file that asks for nothing from anywhere: pictures with their maps and boxes, sliders for theta
    and percentile, figures with intervals, classes, sizes, failures, settings. Heat and sliders need the maps, which
    localize, evaluate and ablate keep with --save-maps.

    \b
    Examples:
      camkit report found
      camkit report ablated calibrated --out page.html
      camkit report before after --select differ --limit 200
    """
    check_page(results, options["out"], overwrite=options["overwrite"])
    from camkit.runs.report import run_report

    finish(run_report(results, show_progress=shows_progress(), **options))


def check_page(results: Sequence[Path], out: Path | None, *, overwrite: bool) -> None:
    """Refuse folders of which none holds a run, and a page in whose way something is, before torch is loaded.

    Raises
    ------
    CamkitError
    """
    from camkit.output.finished import refuse_unfinished
    from camkit.report.place import PAGE, check_free

    unread = []
    for path in results:
        try:
            refuse_unfinished(path)
        except CamkitError as error:
            unread.append(str(error))
    if len(unread) == len(results):
        raise CamkitError("; ".join(unread))
    check_free(results[0] / PAGE if out is None else out, overwrite=overwrite)
