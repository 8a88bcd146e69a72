"""What commands say on the screen: results on standard output, progress and notes on standard error.

`--quiet` leaves errors and failures alone; `--json` makes standard output one JSON object.
"""

import json
import math
import os
import re
import sys
from typing import Any, NoReturn

import click

from camkit.cli.checks import rank
from camkit.cli.groups import option

JSON, QUIET = "camkit.json", "camkit.quiet"
# One palette for all commands, on terminals alone; the words say the same without it.
PALETTE: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "failed": {"fg": "red"},
    "note": {"fg": "yellow"},
}


def _keep(key: str) -> Any:
    def callback(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta[key] = value

    return callback


json_option = option("--json", is_flag=True, expose_value=False, callback=_keep(JSON),
                     help="Print one JSON object, for scripts, instead of the closing lines.")  # fmt: skip

screen_options = (
    json_option,
    option("--quiet", is_flag=True, expose_value=False, callback=_keep(QUIET),
           help="Print errors and failures alone."),
)  # fmt: skip


def wants_json() -> bool:
    return bool(click.get_current_context().meta.get(JSON))


def is_quiet() -> bool:
    return bool(click.get_current_context().meta.get(QUIET))


def shows_progress() -> bool:
    """Whether bars are drawn: somebody is looking, and does not mind."""
    return sys.stderr.isatty() and not is_quiet()


def coloured(text: str, kind: str) -> str:
    """Text in one of the palette's colours; `click.echo` takes them out where nobody sees them."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **PALETTE[kind])


def note(text: str) -> None:
    """Say what should be known, beside the results; of several processes the first says it."""
    if not is_quiet() and rank() == 0:
        click.echo(f"{coloured('note:', 'note')} {text}", err=True)


def say(text: str) -> None:
    """Tell how a run gets on, as it does: where standard output is JSON, on standard error."""
    if not is_quiet():
        click.echo(text, err=wants_json())


def finish(report: Any) -> NoReturn:
    """Print what a run reports and leave with its exit status; of several processes one alone reports anything."""
    context = click.get_current_context()
    if wants_json() and report.lines:
        told = {"command": context.info_name, "failed": report.failed, **report.facts}
        told |= {"failures": report.failures, "lines": report.lines}
        write_json(told)
    elif is_quiet():
        for line in report.failures:
            click.echo(coloured(line, "failed"), err=True)
    else:
        for line in report.failures:
            click.echo(coloured(line, "failed"))
        for line in report.lines:
            click.echo(re.sub("^note:", coloured("note:", "note"), line))
    sys.exit(1 if report.failed else 0)


def write_json(content: dict[str, Any]) -> None:
    """One JSON object, in one line of standard output."""
    click.echo(json.dumps(_as_json(content), allow_nan=False))


def _as_json(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for a figure that could not be measured."""
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
