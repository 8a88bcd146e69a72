"""A run's folder: what a run leaves on disk, whole or not at all, and how one that was stopped goes on.

Each finished image is one line of a journal. The tables are made from the journal at the end, in the images' order,
so that a run that was killed and resumed, or that several processes shared, leaves the same files as one that was not.
"""

import errno
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from camkit.data import ImageFile, ImageList
from camkit.errors import CamkitError, is_out_of_memory
from camkit.localization import Failure, Localization, Result
from camkit.output.changes import Changed, changed_images, changed_settings, refuse, source_of
from camkit.output.files import whole
from camkit.output.journal import JOURNAL, Journal, part_file
from camkit.output.lock import locked
from camkit.output.map_shards import MAP, Piles, changed_shards, shard_maps, stack_of
from camkit.output.owned import MANIFEST, check_free, claim, remove
from camkit.output.parts import Part, dead, finished, gather, said, wait_for_all
from camkit.output.pictures import PNG, OverlayOptions, draw, picture_files
from camkit.output.results import Summary, record, table_files, write_tables
from camkit.output.rows import rows_of
from camkit.output.tables import Row
from camkit.output.yolo import DATA, LABELS, check_names
from camkit.process_group import ProcessGroup

# What a name can be guilty of: one image's failure, while a full disk is the run's.
NAMELY = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


class RunFolder:
    """A folder that one run writes to, as long as the ``with`` block lasts.

    Parameters
    ----------
    path : Path
    files : ImageList
        The images of the run, in the order of its tables.
    settings : dict
        Everything that results depend on beside the images, as JSON can hold it.
    session : dict
        What this part of the run runs on.
    changed : callable
        Says of a finished image, given its name and rows, what is asked of it now and was not then; None: nothing.
    overlays : bool or frozenset of str
        Whether overlays are drawn; or of which images.
    maps, masks : bool
        What else is written for each image.
    maps_per_file : int
        Images whose maps share a file; of more than one, `camkit.output.map_shards` says how.
    overlay_options : OverlayOptions
    formats : sequence of str
        Of the tables, from `camkit.output.formats.FORMATS`.
    class_names : sequence of str
        Of the model, for formats that number all classes.
    resume : bool
        Go on where an earlier run stopped, if what it finished would come out the same today; images that failed are
        tried again.
    overwrite : bool
        Remove what an earlier run left, as its journal and manifest say, and nothing else.
    group : ProcessGroup
        The processes that share the run. The first of them holds the folder, and writes tables; where it cannot, all
        of them refuse.

    Raises
    ------
    CamkitError
        The folder holds a run and neither is wanted, a run that cannot be resumed, or files of others; another run is
        writing to it; or nobody can.
    """

    def __init__(
        self,
        path: Path,
        files: ImageList,
        settings: dict[str, Any],
        session: dict[str, Any],
        *,
        changed: Changed = lambda image, rows: None,  # noqa: ARG005
        overlays: bool | frozenset[str] = True,
        maps: bool = False,
        maps_per_file: int = 1,
        masks: bool = False,
        overlay_options: OverlayOptions = PNG,
        formats: Sequence[str] = ("csv",),
        class_names: Sequence[str] = (),
        resume: bool = False,
        overwrite: bool = False,
        group: ProcessGroup,
    ) -> None:
        self.path, self.files, self.settings, self.changed = path, files, settings, changed
        self.overlays, self.maps, self.masks = overlays, maps, masks
        self.formats, self.class_names = formats, class_names
        self.overlay_options, self.maps_per_file = overlay_options, maps_per_file
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
            self._piles = None
            if maps and maps_per_file > 1:
                name = f"{len(self.journal.sessions)}-{group.rank}"
                self._piles = Piles(path, name, maps_per_file, self._claim)
                stack.callback(self._piles.close)
            self.failed_before = len(self.journal.entries) > self.journal.entries.done
            self._stack = stack.pop_all()

    def _open(self, stack: ExitStack, session: dict[str, Any], resume: bool, overwrite: bool) -> None:
        if "yolo" in self.formats:
            check_names(file.name for file in self.files)
        stack.enter_context(locked(self.path))
        try:
            self._begin(resume, overwrite)
            stack.callback(self.journal.close)
            self.journal.write({"session": session})
        except OSError as error:
            raise CamkitError(
                f"cannot write to {error.filename or self.path}: {error.strerror}; give another --out"
            ) from error

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _begin(self, resume: bool, overwrite: bool) -> None:
        yolo = "yolo" in self.formats
        tables = [*table_files(self.formats), "failures.csv", "run.json", JOURNAL, MANIFEST]
        folders = ["overlays/"] * bool(self.overlays) + ["maps/"] * self.maps + ["masks/"] * self.masks
        folders += [f"{LABELS}/"] * yolo
        going_on = resume and (self.path / JOURNAL).exists()
        if not going_on:
            check_free(self.path, [*tables[:-2], *folders], overwrite=overwrite, remedy="--resume, --overwrite")
            remove(self.path)
        elif yolo:  # an earlier part of the run may have been without
            check_free(self.path, [DATA, f"{LABELS}/"], overwrite=True)
        parts = [part_file(self.path, rank).name for rank in range(self.group.world_size)]
        claim(self.path, tables + parts * (self.group.world_size > 1))
        self.journal = Journal(self.path, self.settings)
        if going_on:
            gather(self.journal)
            self.journal.begin()
            changed = changed_settings(self.journal.settings, json.loads(json.dumps(self.settings)))
            told = ", ".join(changed) or changed_images(self.journal, self.files, self.changed)
            if not told and self.maps and self.maps_per_file > 1:
                told = changed_shards(self.path, self._names, self.maps_per_file)
            if told:
                self.journal.close()
                refuse(self.path, told)

    @property
    def done(self) -> int:
        """How many images were finished when the folder was opened, or are by now."""
        return self.journal.entries.done

    def before(self, image: str) -> bool | None:
        """Whether an image was finished when the folder was opened; None where it was not tried."""
        return self.journal.before(image)

    def draws(self, image: str) -> bool:
        """Whether overlays of an image are drawn."""
        return self.overlays if isinstance(self.overlays, bool) else image in self.overlays

    def _write(self, line: Row) -> None:
        (self._part or self.journal).write(line)

    def _claim(self, names: list[str]) -> None:
        self._write({"image": "", "files": names})

    def add(
        self,
        file: ImageFile,
        result: Result,
        *,
        filled: bool = False,
        left_out: int = 0,
        encoded: Sequence["Future[bytes]"] = (),
    ) -> None:
        """Write one image's pictures and maps, then its line of the journal.

        Parameters
        ----------
        file : ImageFile
        result : list of Localization, or Failure
        filled : bool
            Whether the image is damaged, and what is missing of it was filled.
        left_out : int
            How many of its classes are not among the result, because they are weak.
        encoded : sequence of Future
            Its overlays' files, as `camkit.output.pictures.drawn_ahead` has begun them.

        Raises
        ------
        CamkitError
            The disk is full, or is gone; what was finished before stays.
        """
        try:
            more: Row = ({"filled": True} if filled else {}) | ({"left_out": left_out} if left_out else {})
            if isinstance(result, list) and result:  # else every class was left out
                result = self._drawn(result, encoded, more)
            if isinstance(result, Failure):
                self._write({"image": file.name, "reason": result.reason})
            else:
                rows = [row for found in result for row in rows_of(found, masks=self.masks)]
                self._write({"image": file.name, "rows": rows, "source": source_of(file)} | more)
        except OSError as error:
            raise self._full(error) from error

    def _drawn(self, result: list[Localization], encoded: Sequence["Future[bytes]"], more: Row) -> Result:
        """The result, or why it cannot be drawn; `more` is told where its maps are, if they will be in a shard."""
        image = result[0].image
        drawn: Any = {
            "overlays": self.draws(image),
            "maps": self.maps and self._piles is None,
            "masks": self.masks,
            "options": self.overlay_options,
        }
        names = picture_files(result, **drawn)
        if names:
            self._write({"image": image, "files": names})
        try:
            draw(self.path, result, **drawn, encoded=encoded)
            if self._piles is not None:
                more[MAP] = self._piles.add(stack_of(result))
        except OSError as error:
            if error.errno not in NAMELY:
                raise
            return Failure(image, f"no file can be named after it: {error.strerror}; rename it")
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return Failure(image, "not enough memory for its pictures; give --no-overlays, or make it smaller")
        return result

    def write_tables(self) -> Summary | None:
        """Wait for all processes and write the tables; None in all of them but the first.

        Raises
        ------
        CamkitError
            The disk is full, or is gone; or another process has died.
        """
        if self._part is not None:
            self._write({"end": True})
            if not self.group.is_main:
                return None
            try:
                wait_for_all(self.path, self.group.world_size)
            except CamkitError as error:
                raise CamkitError(f"{error}: {self.kept()}") from None
            self._part.close()
            self._part = None
            gather(self.journal)
        try:
            if "shard" in self.settings:  # camkit merge takes them as the journal has them
                self.journal.put_in_order(self._names)
            if self._piles is not None:
                self._piles.close()
                shard_maps(self.path, self.journal, self._names, self.maps_per_file, self._claim)
            return write_tables(self.path, self.journal, self._names, self.formats, self.class_names)
        except OSError as error:
            raise self._full(error) from error

    def _names(self) -> Iterator[str]:
        return (file.name for file in self.files)

    def write_record(self, facts: Row) -> None:
        """Write run.json; `CamkitError` where the disk is full, or is gone."""
        try:
            with whole(self.path / "run.json") as file:
                json.dump(record(self.journal, facts), file, indent=1)
        except OSError as error:
            raise self._full(error) from error

    def kept(self) -> str:
        """How much of the run is finished, and how it goes on; of several processes, which of them have died."""
        done, gone = self.done, ""
        if self._part is not None:
            done += finished(self.path)
            ranks = [rank for rank in dead(self.path, self.group.world_size) if rank != self.group.rank]
            gone = f"{said(ranks)} of {self.group.world_size} processes has died; " if ranks else ""
        kept = f"{done} of {len(self.files)} images are finished and kept in {self.path}"
        return f"{gone}{kept}: go on with the same call and --resume"

    def _full(self, error: OSError) -> CamkitError:
        return CamkitError(f"{error.filename or self.path}: cannot be written ({error.strerror}); {self.kept()}")
