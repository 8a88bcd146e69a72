"""A run's folder: what a run leaves on disk, whole or not at all, and how one that was stopped goes on.

Each finished image is one line of a journal. The tables are made from the journal at the end, in the images' order,
so that a run that was killed and resumed leaves the same files as one that was not.
"""

import errno
import json
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from camkit.data import ImageFile
from camkit.errors import CamkitError, is_out_of_memory
from camkit.localization import Failure, Localization, Result
from camkit.output.changes import Changed, changed_images, changed_settings, refuse, source_of
from camkit.output.files import whole
from camkit.output.journal import JOURNAL, Journal
from camkit.output.lock import locked
from camkit.output.owned import MANIFEST, check_free, claim, remove
from camkit.output.pictures import PNG, OverlayOptions, draw, picture_files
from camkit.output.rows import rows_of
from camkit.output.tables import WRITERS, Row, write_csv
from camkit.output.yolo import DATA, LABELS, check_names, label_file, write_yolo

# What a name can be guilty of: one image's failure, while a full disk is the run's.
NAMELY = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


class RunFolder:
    """A folder that one run writes to, as long as the ``with`` block lasts.

    Parameters
    ----------
    path : Path
    files : sequence of ImageFile
        The images of the run, in the order of its tables.
    settings : dict
        Everything that results depend on beside the images, as JSON can hold it.
    session : dict
        What this part of the run runs on.
    changed : callable
        Says of a finished image, given its name and rows, what is asked of it now and was not then; None: nothing.
    overlays, maps, masks : bool
        What is drawn for each image.
    overlay_options : OverlayOptions
    formats : sequence of str
        Of the tables, from `camkit.output.tables.FORMATS`.
    class_names : sequence of str
        Of the model, for formats that number all classes.
    resume : bool
        Go on where an earlier run stopped, if what it finished would come out the same today; images that failed are
        tried again.
    overwrite : bool
        Remove what an earlier run left, as its journal and manifest say, and nothing else.

    Raises
    ------
    CamkitError
        The folder holds a run and neither is wanted, a run that cannot be resumed, or files of others; another run is
        writing to it; or nobody can.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[ImageFile],
        settings: dict[str, Any],
        session: dict[str, Any],
        *,
        changed: Changed = lambda image, rows: None,  # noqa: ARG005
        overlays: bool = True,
        maps: bool = False,
        masks: bool = False,
        overlay_options: OverlayOptions = PNG,
        formats: Sequence[str] = ("csv",),
        class_names: Sequence[str] = (),
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path, self.files, self.settings, self.changed = path, files, settings, changed
        self.overlays, self.maps, self.masks = overlays, maps, masks
        self.formats, self.class_names = formats, class_names
        self.overlay_options = overlay_options
        if "yolo" in formats:
            check_names(file.name for file in files)
        with ExitStack() as stack:
            stack.enter_context(locked(path))
            try:
                self._begin(resume, overwrite)
                stack.callback(self.journal.close)
                self.journal.write({"session": session})
            except OSError as error:
                raise CamkitError(
                    f"cannot write to {error.filename or path}: {error.strerror}; give another --out"
                ) from error
            self._stack = stack.pop_all()

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _begin(self, resume: bool, overwrite: bool) -> None:
        yolo = "yolo" in self.formats
        targets = [WRITERS[name][0] for name in self.formats if name in WRITERS] + [DATA] * yolo
        tables = [*targets, "failures.csv", "run.json", JOURNAL, MANIFEST]
        folders = ["overlays/"] * self.overlays + ["maps/"] * self.maps + ["masks/"] * self.masks
        folders += [f"{LABELS}/"] * yolo
        going_on = resume and (self.path / JOURNAL).exists()
        if not going_on:
            check_free(self.path, [*tables[:-2], *folders], overwrite=overwrite, remedy="--resume, --overwrite")
            remove(self.path)
        elif yolo:  # an earlier part of the run may have been without
            check_free(self.path, [DATA, f"{LABELS}/"], overwrite=True)
        claim(self.path, tables)
        self.journal = Journal(self.path, self.settings)
        if going_on:
            changed = changed_settings(self.journal.settings, json.loads(json.dumps(self.settings)))
            told = ", ".join(changed) or changed_images(self.journal.entries, self.files, self.changed)
            if told:
                self.journal.close()
                refuse(self.path, told)

    def done(self, image: str) -> bool:
        return "rows" in self.journal.entries.get(image, {})

    def filled(self) -> list[str]:
        """The damaged images of which a result was made all the same."""
        return [file.name for file in self.files if self.journal.entries.get(file.name, {}).get("filled")]

    def left_out(self) -> int:
        """How many classes were left out of the images' results."""
        return sum(self.journal.entries.get(file.name, {}).get("left_out", 0) for file in self.files)

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
            if isinstance(result, list):
                result = self._drawn(result, encoded)
            if isinstance(result, Failure):
                self.journal.write({"image": file.name, "reason": result.reason})
            else:
                rows = [row for found in result for row in rows_of(found, masks=self.masks)]
                line = {"image": file.name, "rows": rows, "source": source_of(file.path)}
                more = ({"filled": True} if filled else {}) | ({"left_out": left_out} if left_out else {})
                self.journal.write(line | more)
        except OSError as error:
            raise self._full(error) from error

    def _drawn(self, result: list[Localization], encoded: Sequence["Future[bytes]"]) -> Result:
        """The result, or why it cannot be drawn."""
        if not result:  # every class was left out
            return result
        image = result[0].image
        drawn: Any = {
            "overlays": self.overlays,
            "maps": self.maps,
            "masks": self.masks,
            "options": self.overlay_options,
        }
        names = picture_files(result, **drawn)
        if names:
            self.journal.write({"image": image, "files": names})
        try:
            draw(self.path, result, **drawn, encoded=encoded)
        except OSError as error:
            if error.errno not in NAMELY:
                raise
            return Failure(image, f"no file can be named after it: {error.strerror}; rename it")
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return Failure(image, "not enough memory for its pictures; give --no-overlays, or make it smaller")
        return result

    def finish(self, facts: Row) -> tuple[list[Row], list[Row]]:
        """Write the tables; returns their rows and those of failures.csv, with names as they are.

        Raises
        ------
        CamkitError
            The disk is full, or is gone.
        """
        entries = [self.journal.entries[file.name] for file in self.files if file.name in self.journal.entries]
        rows = [row for entry in entries for row in entry.get("rows", [])]
        failures = [entry for entry in entries if "reason" in entry]
        try:
            for target, write in (WRITERS[name] for name in self.formats if name in WRITERS):
                with whole(self.path / target) as file:
                    write(file, rows)
            if "yolo" in self.formats:
                self._claim_labels(rows)
                write_yolo(self.path, rows, self.class_names)
            with whole(self.path / "failures.csv") as file:
                write_csv(file, ("image", "reason"), failures)
            with whole(self.path / "run.json") as file:
                json.dump({"settings": self.settings, "sessions": self.journal.sessions, **facts}, file, indent=1)
        except OSError as error:
            raise self._full(error) from error
        return rows, failures

    def _claim_labels(self, rows: Sequence[Row]) -> None:
        """Note in the journal, before they are written, that these files of labels are camkit's."""
        for image in dict.fromkeys(row["image"] for row in rows):
            self.journal.write({"image": image, "files": [label_file(image)]})

    def kept(self) -> str:
        """How much of the run is finished, and how it goes on."""
        done = sum(self.done(file.name) for file in self.files)
        kept = f"{done} of {len(self.files)} images are finished and kept in {self.path}"
        return f"{kept}: go on with the same call and --resume"

    def _full(self, error: OSError) -> CamkitError:
        return CamkitError(f"{error.filename or self.path}: cannot be written ({error.strerror}); {self.kept()}")
