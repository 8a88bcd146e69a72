"""`camkit report`: folders of results in, one page out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camkit.output import claim, holds_run
from camkit.report import PageOptions, build_page
from camkit.report.place import PAGE
from camkit.runs.closing import Report, printable


def run_report(results: Sequence[Path], out: Path | None = None, **options: Any) -> Report:
    """Make the page; `camkit.report.PageOptions` has the options.

    Without `out` it is ``report.html`` in the first folder, and one of that run's files from then on.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    page = results[0] / PAGE if out is None else out
    lines, unread = build_page(PageOptions(tuple(results), page, **options))
    if out is None and holds_run(results[0]):
        claim(results[0], [PAGE])
    told = [printable(line) for line in unread]
    return Report([printable(line) for line in lines], len(unread), told, {"page": str(page)})
