"""The folder of a run that writes everything at its end: held meanwhile, and changed only once all is there."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec

from camkit.errors import CamkitError
from camkit.output import check_free, claim, locked, remove
from camkit.process_group import ALONE, ProcessGroup, process_group
from camkit.runs.closing import Report
from camkit.runs.options import RunOptions

P = ParamSpec("P")

NEW = ".camkit-new"


@contextmanager
def holding(out: Path, files: Collection[str], *, overwrite: bool, group: ProcessGroup | None = None) -> Iterator[None]:
    """Keep others from writing to a folder, and let Ctrl-C say what became of the run.

    Parameters
    ----------
    out : Path
        Made where it is missing; what is still empty at the end is removed again.
    files : collection of str
        What may be written.
    overwrite : bool
        An earlier run's files may be replaced.
    group : ProcessGroup, optional
        The first of them holds the folder for all; where it cannot, all of them refuse.

    Raises
    ------
    CamkitError
        Before anything is computed: the folder holds something, is held by another run, or cannot be written to.
    """
    with ExitStack() as stack:
        problems = []
        if group is None or group.is_main:
            try:
                stack.enter_context(locked(out))
                check_free(out, files, overwrite=overwrite)
            except CamkitError as error:
                problems.append(str(error))
        for problem in problems if group is None else group.all_gather(problems):
            raise CamkitError(problem)
        try:
            yield
        except KeyboardInterrupt as stop:
            stop.args = (f"nothing was written to {out}, and nothing is kept: give the same call again",)
            raise


def held(files: Collection[str]) -> Callable[[Callable[P, Report]], Callable[P, Report]]:
    """Decorates a run that takes a `RunOptions`: its folder is held for as long as it lasts, as `holding` has it.

    Under ``torchrun`` the run's options have its process group; the first process alone writes and reports.
    """

    def decorate(run: Callable[P, Report]) -> Callable[P, Report]:
        @wraps(run)
        def holding_out(*args: P.args, **kwargs: P.kwargs) -> Report:
            given: list[Any] = [*args, *kwargs.values()]
            options = next(one for one in given if isinstance(one, RunOptions))
            with process_group(options.device) as group:
                if group.world_size > 1 and options.truncated == "fill":
                    raise CamkitError(
                        "--truncated fill counts damaged images in one process: leave it out, or torchrun"
                    )
                own = options.among(group)
                positional: Any = [own if one is options else one for one in args]
                named: Any = {name: own if one is options else one for name, one in kwargs.items()}
                with holding(options.out, files, overwrite=options.overwrite, group=group):
                    report = run(*positional, **named)
                    group.barrier()  # what the first has written is there when any of them ends
                return report if group.is_main else Report([], 0)

        return holding_out

    return decorate


@contextmanager
def publishing(out: Path, group: ProcessGroup = ALONE, *, keep: Collection[str] = ()) -> Iterator[Path]:
    """A new folder, whose files take the place of an earlier run's in `out` when the block ends: all of them or none.

    What `keep` names stays, and is claimed with them. Of several processes those that are not the first write theirs
    for nothing, to a temporary folder.

    Raises
    ------
    CamkitError
        The disk is full, or is gone; `out` is then as it was.
    """
    if not group.is_main:
        with TemporaryDirectory(prefix="camkit-") as nowhere:
            yield Path(nowhere)
        return
    new = out / NEW
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        yield new
        names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
        remove(out, keep=keep)
        claim(out, [*names, *keep])
        for name in names:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(new / name, out / name)
    except OSError as error:
        file = out / Path(error.filename or out).name
        raise CamkitError(f"{file}: cannot be written ({error.strerror}): make room, or give another --out") from error
    except CamkitError as error:
        raise CamkitError(str(error).replace(str(new), str(out))) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
