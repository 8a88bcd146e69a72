"""A folder in which a run goes on: held while it lasts, with a journal of every image, whoever of several made it."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from camkit.errors import CamkitError
from camkit.output.changes import changed_settings, refuse
from camkit.output.journal import JOURNAL, Journal, Line, part_file
from camkit.output.lock import locked
from camkit.output.owned import MANIFEST, claim
from camkit.output.parts import Part, dead, finished, gather, said, wait_for_all
from camkit.process_group import ProcessGroup


class JournalFolder:
    """A folder that one run writes to, image by image, as long as the ``with`` block lasts.

    A subclass says what an image's line holds and what is made of all lines at the end.

    Parameters
    ----------
    path : Path
    images : int
        How many there are.
    settings : dict
        Everything that results depend on beside the images, as JSON can hold it.
    session : dict
        What this part of the run runs on.
    resume : bool
        Go on where an earlier run stopped, if what it finished would come out the same today; images that failed are
        tried again.
    overwrite : bool
        Begin anew where an earlier run is.
    group : ProcessGroup
        The processes that share the run. The first of them holds the folder, and writes what all have found; where it
        cannot, all of them refuse.

    Raises
    ------
    CamkitError
        The folder holds a run and neither is wanted, a run that cannot be resumed, or files of others; another run is
        writing to it; or nobody can.

    Attributes
    ----------
    resumed : int
        How many images were finished when the folder was opened.
    failed_before : bool
        Whether any had failed then.
    """

    def __init__(
        self,
        path: Path,
        images: int,
        settings: Line,
        session: Line,
        *,
        resume: bool,
        overwrite: bool,
        group: ProcessGroup,
    ) -> None:
        self.path, self.images, self.settings = path, images, settings
        self.group, self._part = group, None
        with ExitStack() as stack:
            problems = []
            if group.is_main:
                try:
                    self._open(stack, session, resume, overwrite)
                except CamkitError as error:
                    problems.append(str(error))
            for problem in group.all_gather(problems):
                raise CamkitError(problem)
            if group.world_size > 1:
                if not group.is_main:
                    self.journal = Journal(path, settings, read_only=True)
                    stack.callback(self.journal.close)
                self._part = stack.enter_context(Part(path, group.rank))
                group.barrier()  # the journal is read by all, and every part is there
            self.resumed = self.journal.entries.done
            self.failed_before = len(self.journal.entries) > self.journal.entries.done
            self._stack = stack.pop_all()

    def claimed(self) -> list[str]:
        """The files that this run is going to write, beside its journal."""
        raise NotImplementedError

    def make_way(self, *, going_on: bool, overwrite: bool) -> None:
        """Take away what is in the way of the run, and refuse what is not camkit's."""
        raise NotImplementedError

    def changed_images(self) -> str | None:
        """What differs about the images that are finished, None where nothing does."""
        raise NotImplementedError

    def _open(self, stack: ExitStack, session: Line, resume: bool, overwrite: bool) -> None:
        stack.enter_context(locked(self.path))
        try:
            self._begin(resume, overwrite)
            stack.callback(self.journal.close)
            self.journal.write({"session": session})
        except OSError as error:
            raise CamkitError(
                f"cannot write to {error.filename or self.path}: {error.strerror}; give another --out"
            ) from error

    def _begin(self, resume: bool, overwrite: bool) -> None:
        going_on = resume and (self.path / JOURNAL).exists()
        self.make_way(going_on=going_on, overwrite=overwrite)
        parts = [part_file(self.path, rank).name for rank in range(self.group.world_size)]
        claim(self.path, [*self.claimed(), JOURNAL, MANIFEST, *parts * (self.group.world_size > 1)])
        self.journal = Journal(self.path, self.settings)
        if going_on:
            try:
                self._go_on()
            except BaseException:
                self.journal.close()
                raise

    def _go_on(self) -> None:
        gather(self.journal)
        self.journal.begin()
        before, now = self.journal.settings, json.loads(json.dumps(self.settings))
        commands = [{"command": one.get("command", "localize")} for one in (before, now)]
        changed = changed_settings(*commands) or changed_settings(before, now)
        if told := ", ".join(changed) or self.changed_images():
            refuse(self.path, told)

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):  # Ctrl-C and SIGTERM say what is kept
            error.args = (self.kept(),)
        self._stack.close()

    @property
    def done(self) -> int:
        """How many images were finished when the folder was opened, or are by now."""
        return self.journal.entries.done

    def before(self, image: str) -> bool | None:
        """Whether an image was finished when the folder was opened; None where it was not tried."""
        return self.journal.before(image)

    def write(self, line: Line) -> None:
        """Add a line to the journal, or to this process's part of it."""
        (self._part or self.journal).write(line)

    def collect(self) -> bool:
        """Wait for all processes and put together what they have written; false in all of them but the first.

        Raises
        ------
        CamkitError
            Another process has died.
        """
        if self._part is None:
            return True
        self.write({"end": True})
        if not self.group.is_main:
            return False
        try:
            wait_for_all(self.path, self.group.world_size)
        except CamkitError as error:
            raise CamkitError(f"{error}: {self.kept()}") from None
        self._part.close()
        self._part = None
        gather(self.journal)
        return True

    def kept(self) -> str:
        """How much of the run is finished, and how it goes on; of several processes, which of them have died."""
        self.journal.catch_up()
        done, gone = self.done, ""
        if self._part is not None:
            done += finished(self.path)
            ranks = [rank for rank in dead(self.path, self.group.world_size) if rank != self.group.rank]
            gone = f"{said(ranks)} of {self.group.world_size} processes has died; " if ranks else ""
        kept = f"{done} of {self.images} images are finished and kept in {self.path}"
        return f"{gone}{kept}: go on with the same call and --resume"

    def full(self, error: OSError) -> CamkitError:
        """What to say where a file cannot be written."""
        return CamkitError(f"{error.filename or self.path}: cannot be written ({error.strerror}); {self.kept()}")
