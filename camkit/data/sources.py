"""Where the bytes of a data set's files lie: in a folder, or in a zip archive taken as if it were that folder."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from zipfile import BadZipFile, ZipFile

from camkit.errors import CamkitError, UnreadableImage

# An image or a mask; a member of an archive that would unpack to more is refused before it is unpacked.
MAX_BYTES = 1 << 29


@dataclass(frozen=True)
class FileBytes:
    """Reads a file when it is called; small enough to travel to a worker process.

    Raises
    ------
    UnreadableImage
        The file is missing, no plain file, or not allowed to be read.
    """

    path: str

    def __call__(self) -> bytes:
        try:
            if not os.path.isfile(self.path):  # opening a pipe would wait for ever
                raise FileNotFoundError(2, "no such file")
            return Path(self.path).read_bytes()
        except OSError as error:
            raise UnreadableImage(
                f"cannot read {self.path!r}: {error.strerror}; check the path and its rights"
            ) from None


@dataclass(frozen=True)
class ZipMember:
    """Reads one member of a zip archive when it is called; each process opens the archive once.

    Raises
    ------
    UnreadableImage
        The archive or the member is missing, broken, encrypted, or unpacks to more than 512 MiB.
    """

    archive: str
    member: str

    def __call__(self) -> bytes:
        try:
            archive = _opened(self.archive, os.getpid())
            if archive.getinfo(self.member).file_size > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
            return archive.read(self.member)
        except Exception as error:  # zipfile and zlib raise many types on a broken archive
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableImage(f"cannot read {self.member!r} of {self.archive!r}: {reason}") from None


@lru_cache(maxsize=8)
def _opened(archive: str, pid: int) -> ZipFile:  # noqa: ARG001 - a fork must not share its parent's file position
    return ZipFile(archive)


Read = FileBytes | ZipMember


class Folder:
    """Files below a folder, by their relative paths."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def reader(self, name: str) -> Read:
        """What reads the file of this name.

        Raises
        ------
        CamkitError
            The name leads out of the folder, or there is no such file.
        """
        path = os.path.join(self.root, checked_name(name))
        if not os.path.isfile(path):
            raise UnreadableImage(f"there is no file {name!r} in {self}")
        return FileBytes(path)

    def names(self) -> Iterator[str]:
        """All files' names, sorted."""
        walked = os.walk(self.root, followlinks=True)
        return iter(
            sorted(Path(top, file).relative_to(self.root).as_posix() for top, _, files in walked for file in files)
        )


class Archive:
    """Files of a zip archive; one folder at its top that bears the archive's own name is left out of their names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with ZipFile(path) as archive:
                members = [info.filename for info in archive.infolist() if not info.is_dir()]
        except (OSError, BadZipFile, NotImplementedError, ValueError) as error:
            raise CamkitError(f"{path}: cannot be read as a zip archive: {error}; fetch it again") from None
        twice = [name for name, count in Counter(members).items() if count > 1]
        if twice:
            raise CamkitError(f"{path}: holds {twice[0]!r} twice, so none of the two is known to be meant; repack it")
        top = f"{path.stem}/"
        inside = len(top) if members and all(name.startswith(top) for name in members) else 0
        self._members = {name[inside:]: name for name in members}

    def __str__(self) -> str:
        return str(self.path)

    def reader(self, name: str) -> Read:
        """What reads the member of this name; `CamkitError` where there is none, as `Folder.reader`."""
        if checked_name(name) not in self._members:
            raise UnreadableImage(f"there is no file {name!r} in {self}")
        return ZipMember(str(self.path), self._members[name])

    def names(self) -> Iterator[str]:
        """All members' names, sorted."""
        return iter(sorted(self._members))


Source = Folder | Archive


def find_source(*places: Path) -> Source | None:
    """The first of some places that is a folder, a zip archive, or becomes one with ``.zip`` at its end."""
    for place in places:
        if place.is_dir():
            return Folder(place)
        for archive in (place, place.with_name(f"{place.name}.zip")):
            if archive.suffix.lower() == ".zip" and archive.is_file():
                return Archive(archive)
    return None


def source(*places: Path) -> Source:
    """As `find_source`; `CamkitError` where there is none."""
    found = find_source(*places)
    if found is None:
        wanted = " or ".join(str(place) for place in places)
        raise CamkitError(f"no images: there is no folder {wanted}, nor a zip archive of that name; check --root")
    return found


def checked_name(name: str) -> str:
    """A file's name below a root; `CamkitError` where it leads out of it."""
    path = PurePosixPath(name)
    outside = not path.parts or path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive
    if outside or "\\" in name or "\0" in name:
        raise CamkitError(f"{name!r} leads out of the data set's folder; a name is relative, with / and without ..")
    return name
