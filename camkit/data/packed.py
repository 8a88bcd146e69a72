"""Records in columns: about 130 bytes an image, with its name, where an object each would take 1,100."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from camkit.data.records import Record
from camkit.data.sources import FileBytes, Read, ZipMember

NONE = -1  # of labels, sizes and readers, which count from 0


class Some(Sequence[Record]):
    """Those records of a sequence that have these places in it."""

    def __init__(self, records: Sequence[Record], places: Sequence[int]) -> None:
        self.records, self.places = records, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return Some(self.records, self.places[index])
        return self.records[self.places[index]]

    def __iter__(self) -> Iterator[Record]:
        return (self.records[place] for place in self.places)

    def __reduce__(self) -> tuple[Any, ...]:
        """What travels to another process is these records alone."""
        return Some, (PackedRecords(self), range(len(self)))


class PackedRecords(Sequence[Record]):
    """Records, each made anew when it is asked for.

    Of a reader of a file, or of an archive's member, whose path ends with the image's name, only the rest is kept, once
    for all images; other readers, and masks, are kept as they are.

    Parameters
    ----------
    records : iterable of Record
        The first of them; `append` takes more.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._names, self._name_ends = bytearray(), array("q", [0])
        self._labels, self._sizes = array("q"), array("q")
        self._corners, self._box_ends = array("d"), array("q", [0])
        self._folders: list[Read] = []
        self._folder_of = array("i")
        self._readers: dict[int, Callable[[], bytes]] = {}
        self._masks: dict[int, Any] = {}
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        """Take a record in; its label counts from 0, and like its size is below 2**63."""
        if record.read_mask is not None:
            self._masks[len(self)] = record.read_mask
        folder = record.read.folder(record.image) if isinstance(record.read, (FileBytes, ZipMember)) else None
        if folder is None:
            self._readers[len(self)] = record.read
        elif folder not in self._folders[-1:]:
            self._folders.append(folder)
        self._folder_of.append(NONE if folder is None else len(self._folders) - 1)
        self._labels.append(NONE if record.label is None else record.label)
        self._sizes.extend((NONE, NONE) if record.size is None else record.size)
        self._corners.extend(record.boxes.ravel().tolist())
        self._box_ends.append(len(self._corners))
        self._names += record.image.encode("utf-8", "surrogatepass")
        self._name_ends.append(len(self._names))

    def __len__(self) -> int:
        return len(self._name_ends) - 1

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return Some(self, places)
        return self._record(places)

    def __iter__(self) -> Iterator[Record]:
        return map(self._record, range(len(self)))

    def _record(self, place: int) -> Record:
        name = self._names[self._name_ends[place] : self._name_ends[place + 1]].decode("utf-8", "surrogatepass")
        label, height, width = self._labels[place], self._sizes[2 * place], self._sizes[2 * place + 1]
        return Record(
            name,
            self._reader(place, name),
            None if label == NONE else label,
            np.array(self._corners[self._box_ends[place] : self._box_ends[place + 1]]).reshape(-1, 4),
            None if height == NONE else (height, width),
            self._masks.get(place),
        )

    def _reader(self, place: int, name: str) -> Callable[[], bytes]:
        folder = self._folder_of[place]
        return self._readers[place] if folder == NONE else self._folders[folder].file(name)
