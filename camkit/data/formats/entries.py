"""The images of a split while it is read, by their keys, in the order in which they are listed."""

from collections.abc import Iterator, Mapping

from camkit.data.formats.columns import Columns
from camkit.data.formats.entry import Entry


class Entries(Mapping[str, Entry]):
    """An entry is made anew each time, and is equal to any other of the same image."""

    def __init__(self) -> None:
        self._columns, self._numbers = Columns(), dict[str, int]()

    def add(self, key: str, image: str, where: str) -> Entry:
        """A new image."""
        self._numbers[key] = self._columns.add(image, where)
        return self[key]

    def __getitem__(self, key: str) -> Entry:
        return Entry(self._columns, self._numbers[key])

    def __contains__(self, key: object) -> bool:
        return key in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
