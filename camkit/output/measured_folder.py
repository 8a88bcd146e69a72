"""The folder of a run that measures annotated images: a journal of what was measured, and the figures at its end."""

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from camkit.data import Record
from camkit.data.names import written_path
from camkit.errors import CamkitError
from camkit.localization import Failure
from camkit.output.changes import is_other_bytes, source_of_bytes
from camkit.output.journal import JOURNAL, Line, part_files
from camkit.output.journal_folder import JournalFolder
from camkit.output.owned import MANIFEST, check_free, claim, manifest, owned_files
from camkit.process_group import ProcessGroup

Sources = Callable[[Record], Sequence[Callable[[], bytes]]]


def image_itself(record: Record) -> Sequence[Callable[[], bytes]]:
    """What an image's line depends on: its own bytes, and its mask's."""
    return [record.read, *record.mask_files]


class MeasuredFolder(JournalFolder):
    """A folder whose journal grows image by image, while an earlier run's files stay until all new ones are there.

    Parameters
    ----------
    path : Path
    records : sequence of Record
    files : collection of str
        What may be written at the end.
    settings, session : dict
        As of `JournalFolder`; settings tell records of the same number and names apart.
    sources : callable
        The readers of all that a record's line depends on.
    resume, overwrite, group
        As of `JournalFolder`.

    Raises
    ------
    CamkitError
        As `JournalFolder`.
    """

    def __init__(
        self,
        path: Path,
        records: Sequence[Record],
        files: Collection[str],
        settings: Line,
        session: Line,
        *,
        sources: Sources = image_itself,
        resume: bool,
        overwrite: bool,
        group: ProcessGroup,
    ) -> None:
        self.records, self.files, self.sources = records, files, sources
        super().__init__(path, len(records), settings, session, resume=resume, overwrite=overwrite, group=group)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Of a run that is refused and has finished nothing, nothing stays."""
        alone = self.group.world_size == 1
        if alone and isinstance(error, CamkitError) and not self.done and self.journal.path.exists():
            self.journal.path.unlink()
            if not any((self.path / name).exists() for name in manifest(self.path) if name != MANIFEST):
                (self.path / MANIFEST).unlink(missing_ok=True)
        super().__exit__(kind, error, trace)

    def claimed(self) -> list[str]:
        """Nothing yet: the files are claimed when they are put in place."""
        return []

    def make_way(self, *, going_on: bool, overwrite: bool) -> None:
        """Keep an earlier run's files, but for its journal, whose pictures are claimed in its stead."""
        check_free(self.path, self.files, overwrite=overwrite or going_on, remedy="--resume, --overwrite")
        if going_on:
            return
        claim(self.path, [name for name in owned_files(self.path) if name not in (JOURNAL, MANIFEST)])
        for path in (self.path / JOURNAL, *part_files(self.path)):
            path.unlink(missing_ok=True)

    def changed_images(self) -> str | None:
        """An image that holds other bytes than when it was finished, or whose mask or map does, in words."""
        for index, record in enumerate(self.records):
            entry = self.journal.entry(self.key(index))
            if entry is None or "measured" not in entry:
                continue
            sources, reads = entry["source"].get("files", []), self.sources(record)
            if len(sources) != len(reads) or any(map(is_other_bytes, reads, sources)):
                its_own = not sources or is_other_bytes(reads[0], sources[0])
                what = f"{'' if its_own else 'the mask or map of '}{written_path(record.image)}"
                return f"{what} holds other bytes than when it was finished"
        return None

    def key(self, index: int) -> str:
        """What the journal calls an image: several records may be of one, a class each."""
        return f"{index} {self.records[index].image}"

    def to_do(self, batch_size: int) -> Iterator[Sequence[int]]:
        """This process's images that are not finished: those with a batch that was not tried, then what has failed.

        Batches are whole, those that a run left alone makes, so that each image has the company that it has there. The
        first list may hold images that are finished.
        """
        fresh, failed, number = array("q"), array("q"), 0
        for start in range(0, len(self.records), batch_size):
            batch = range(start, min(start + batch_size, len(self.records)))
            before = [self.before(self.key(index)) for index in batch]
            if None in before:
                if number % self.group.world_size == self.group.rank:
                    fresh.extend(batch)
                number += 1
            else:
                failed.extend(index for index, done in zip(batch, before, strict=True) if done is False)
        yield fresh
        yield failed[self.group.rank :: self.group.world_size]

    def add(self, index: int, measured: dict[str, Any] | Failure, *, filled: bool = False) -> None:
        """Write an image's line; `CamkitError` where the disk is full, or is gone."""
        image = self.key(index)
        if isinstance(measured, Failure):
            line: Line = {"image": image, "reason": measured.reason}
        else:
            source = {"files": [source_of_bytes(read) for read in self.sources(self.records[index])]}
            line = {"image": image, "measured": measured, "source": source}
        try:
            self.write(line | ({"filled": True} if filled else {}))
        except OSError as error:
            raise self.full(error) from error

    def lines(self) -> Iterator[tuple[Record, Line]]:
        """Records and their lines, in order; what was not tried is left out."""
        for index, record in enumerate(self.records):
            if (entry := self.journal.entry(self.key(index))) is not None:
                yield record, entry
