"""How a command ends: its exit status, and one line where it did not do what was asked.

0 all done, 1 some inputs failed, 2 the call or its surroundings were wrong, 3 a bug in camkit, 130 Ctrl-C, 143 SIGTERM.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import click

from camkit.cli.checks import processes, rank
from camkit.cli.groups import Missing
from camkit.cli.screen import coloured
from camkit.errors import CamkitError, is_out_of_memory, killed_reader

WRONG, BUG, INTERRUPTED, TERMINATED = 2, 3, 130, 143
SHOW = "CAMKIT_TRACEBACK"
ISSUES = "camkit's issue tracker"


class Terminated(KeyboardInterrupt):
    """SIGTERM: everything is put away as after Ctrl-C."""


def run(command: click.Command) -> NoReturn:
    """Run the command line and leave Python with its exit status."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = command.main(standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as leaving:
        status = leaving.code
    except BaseException as error:
        status = end(error)
    sys.exit(status if isinstance(status, int) else 0)


def end(error: BaseException) -> int:
    """Say in one line what is wrong; the exit status."""
    if os.environ.get(SHOW) and not isinstance(error, (click.ClickException, CamkitError, click.Abort)):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        return _print_line(_usage(error), error.exit_code)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _end_stopped(error)
    known = _message_of(error)
    if known is not None:
        return _print_line(known, WRONG)
    return _print_line(_bug(error), BUG)


def _usage(error: click.ClickException) -> str:
    """What is wrong with the call, and which --help has more; a line to copy stands last."""
    if isinstance(error, Missing):
        return error.format_message()
    context = getattr(error, "ctx", None)
    more = f"; {context.command_path} --help says more" if context is not None else ""
    return f"{error.format_message().rstrip('.')}{more}"


def _message_of(error: BaseException) -> str | None:
    """What is wrong, where it is none of camkit's mistakes."""
    if isinstance(error, CamkitError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    if is_out_of_memory(error):
        return "there is not enough memory: lower --batch-size, --workers or --size"
    dead = killed_reader(error)
    return None if dead is None else str(dead)


def _end_stopped(error: BaseException) -> int:
    stop = error if isinstance(error, KeyboardInterrupt) else error.__cause__ or error.__context__
    terminated = isinstance(stop, Terminated)
    kept = str(stop) if isinstance(stop, KeyboardInterrupt) and str(stop) else "nothing was written"
    return _print_line(
        f"{'terminated' if terminated else 'interrupted'}: {kept}", TERMINATED if terminated else INTERRUPTED
    )


def _bug(error: BaseException) -> str:
    import tempfile
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    told = f"set {SHOW}=1 to see where"
    with (
        suppress(OSError),
        tempfile.NamedTemporaryFile(
            "w", prefix="camkit-traceback-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file,
    ):
        file.write("".join(traceback.format_exception(error)))
        told = f"the traceback is in {file.name}"
    return f"a bug in camkit: {what:.300}{where}; please report it to {ISSUES}: {told}"


def _print_line(message: str, status: int) -> int:
    words = " ".join(message.split())
    with suppress(OSError):
        who = f" rank {rank()} of {processes()} processes:" if processes() > 1 else ""
        click.echo(f"{coloured('camkit:', 'error')}{who} {words.encode(errors='replace').decode()}", err=True)
    return status


def _terminate(number: int, frame: FrameType | None) -> Any:  # noqa: ARG001 - as signal calls it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process whatever it does
    raise Terminated
