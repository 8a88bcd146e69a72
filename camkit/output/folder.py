"""The folder of a run of `localize`: what it leaves on disk, whole or not at all.

Each finished image is one line of a journal. The tables are made from the journal at the end, in the images' order,
so that a run that was killed and resumed, or that several processes shared, leaves the same files as one that was not.
"""

import errno
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from camkit.data import ImageFile, ImageList
from camkit.errors import is_out_of_memory
from camkit.localization import Failure, Localization, Result
from camkit.output.changes import Changed, changed_images, source_of
from camkit.output.files import whole
from camkit.output.journal_folder import JournalFolder
from camkit.output.map_shards import MAP, Piles, changed_shards, shard_maps, stack_of
from camkit.output.owned import check_free, remove
from camkit.output.pictures import PNG, OverlayOptions, draw, picture_files
from camkit.output.results import Summary, record, table_files, write_tables
from camkit.output.rows import rows_of
from camkit.output.tables import Row
from camkit.output.yolo import DATA, LABELS, check_names
from camkit.process_group import ProcessGroup

# What a name can be guilty of: one image's failure, while a full disk is the run's.
NAMELY = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


class RunFolder(JournalFolder):
    """The folder of boxes, tables and pictures of images; see `JournalFolder`.

    Parameters
    ----------
    path : Path
    files : ImageList
        The images of the run, in the order of its tables.
    settings, session : dict
        As of `JournalFolder`.
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
    overwrite : bool
        Remove what an earlier run left, as its journal and manifest say, and nothing else.
    group : ProcessGroup

    Raises
    ------
    CamkitError
        As `JournalFolder`.
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
        self.files, self.changed = files, changed
        self.overlays, self.maps, self.masks = overlays, maps, masks
        self.formats, self.class_names = formats, class_names
        self.overlay_options, self.maps_per_file = overlay_options, maps_per_file
        super().__init__(path, len(files), settings, session, resume=resume, overwrite=overwrite, group=group)
        self._piles = None
        if maps and maps_per_file > 1:
            name = f"{len(self.journal.sessions)}-{group.rank}"
            self._piles = Piles(path, name, maps_per_file, self._claim)
            self._stack.callback(self._piles.close)

    def claimed(self) -> list[str]:
        """The tables."""
        return [*table_files(self.formats), "failures.csv", "run.json"]

    def make_way(self, *, going_on: bool, overwrite: bool) -> None:
        """Remove what an earlier run left, unless this one goes on with it."""
        yolo = "yolo" in self.formats
        if yolo:
            check_names(file.name for file in self.files)
        folders = ["overlays/"] * bool(self.overlays) + ["maps/"] * self.maps + ["masks/"] * self.masks
        folders += [f"{LABELS}/"] * yolo
        if not going_on:
            check_free(self.path, [*self.claimed(), *folders], overwrite=overwrite, remedy="--resume, --overwrite")
            remove(self.path)
        elif yolo:  # an earlier part of the run may have been without
            check_free(self.path, [DATA, f"{LABELS}/"], overwrite=True)

    def changed_images(self) -> str | None:
        """Images that are gone, hold other bytes or are asked for something else; shards of another run."""
        told = changed_images(self.journal, self.files, self.changed)
        if not told and self.maps and self.maps_per_file > 1:
            told = changed_shards(self.path, self._names, self.maps_per_file)
        return told

    def draws(self, image: str) -> bool:
        """Whether overlays of an image are drawn."""
        return self.overlays if isinstance(self.overlays, bool) else image in self.overlays

    def _claim(self, names: list[str]) -> None:
        self.write({"image": "", "files": names})

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
                self.write({"image": file.name, "reason": result.reason})
            else:
                rows = [row for found in result for row in rows_of(found, masks=self.masks)]
                self.write({"image": file.name, "rows": rows, "source": source_of(file)} | more)
        except OSError as error:
            raise self.full(error) from error

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
            self.write({"image": image, "files": names})
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
        if not self.collect():
            return None
        try:
            if "shard" in self.settings:  # camkit merge takes them as the journal has them
                self.journal.put_in_order(self._names)
            if self._piles is not None:
                self._piles.close()
                shard_maps(self.path, self.journal, self._names, self.maps_per_file, self._claim)
            return write_tables(self.path, self.journal, self._names, self.formats, self.class_names)
        except OSError as error:
            raise self.full(error) from error

    def _names(self) -> Iterator[str]:
        return (file.name for file in self.files)

    def write_record(self, facts: Row) -> None:
        """Write run.json; `CamkitError` where the disk is full, or is gone."""
        try:
            with whole(self.path / "run.json") as file:
                json.dump(record(self.journal, facts), file, indent=1)
        except OSError as error:
            raise self.full(error) from error
