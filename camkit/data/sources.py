"""Where the bytes of a data set's files lie: in a folder, or in a zip archive taken as if it were that folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from camkit.data.file_names import checked_name, is_litter, same_name, unicode_form
from camkit.data.refusal import Refused
from camkit.errors import CamkitError, UnreadableImage

# An image or a mask; a member of an archive that would unpack to more is refused before it is unpacked.
MAX_BYTES = 1 << 29
ENCRYPTED = 1  # the bit of a member's flags


@contextmanager
def opened_file(path: str | Path) -> Iterator[BinaryIO]:
    """A plain file, open to be read; `Refused` where it is missing, no plain file, or not allowed to be read."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe would wait for ever
            raise Refused("it is not a file; give the path of an image file")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise Refused(f"{error.strerror or error}; check the path and its rights") from None


def read_file(path: str | Path, most: int = MAX_BYTES) -> bytes:
    """A file's bytes; `Refused` where it is missing, no plain file, not allowed to be read, or larger than `most`."""
    with opened_file(path) as file:
        if os.fstat(file.fileno()).st_size <= most:
            return file.read()
    raise Refused(f"the file is larger than {most >> 20} MiB, which no image is; leave it out")


@dataclass(frozen=True)
class FileBytes:
    """Reads a file when it is called; small enough to travel to a worker process.

    Raises
    ------
    UnreadableImage
        The file is missing, no plain file, not allowed to be read, or has more than 512 MiB.
    """

    path: str

    def __call__(self) -> bytes:
        try:
            return read_file(self.path)
        except Refused as refusal:
            raise UnreadableImage(f"cannot read {self.path!r}: {refusal}") from None

    def folder(self, name: str) -> "FileBytes | None":
        """The path without a name that it ends with; None where it does not."""
        return FileBytes(self.path[: -len(name)]) if name and self.path.endswith(name) else None

    def file(self, name: str) -> "FileBytes":
        """The opposite: what reads the file of this name."""
        return FileBytes(self.path + name)


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
            info = archive.getinfo(self.member)
            if info.file_size > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
            if info.flag_bits & ENCRYPTED:
                raise ValueError("it is encrypted; unpack the archive with its password")
            return archive.read(info)
        except Exception as error:  # zipfile and zlib raise many types on a broken archive
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableImage(f"cannot read {self.member!r} of {self.archive!r}: {reason}") from None

    def folder(self, name: str) -> "ZipMember | None":
        """As of `FileBytes`."""
        return ZipMember(self.archive, self.member[: -len(name)]) if name and self.member.endswith(name) else None

    def file(self, name: str) -> "ZipMember":
        """As of `FileBytes`."""
        return ZipMember(self.archive, self.member + name)


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

        Where there is none, the one file of the same name in another Unicode form, or with backslashes, is meant.

        Raises
        ------
        CamkitError
            The name leads out of the folder, or there is no such file.
        """
        path = os.path.join(self.root, checked_name(name))
        if not os.path.isfile(path):
            path = same_name(str(self.root), name) or ""
        if not os.path.isfile(path):
            raise UnreadableImage(f"there is no file {name!r} in {self}")
        return FileBytes(path)

    def names(self) -> Iterator[str]:
        """All files' names, sorted; without the litter that file managers leave."""
        found = (file.relative_to(self.root).as_posix() for file in walk_files(self.root))
        return iter(sorted(name for name in found if not is_litter(name)))


class Archive:
    """Files of a zip archive; one folder at its top that bears the archive's own name is left out of their names.

    Parameters
    ----------
    path : Path
    below : str
        A folder in the archive, to whose files the archive is limited.
    """

    def __init__(self, path: Path, below: str = "") -> None:
        self.path, self.below = path, below
        members = _members(path)
        members = _without(f"{path.stem}/", members) or members
        if below:
            members = {n[len(below) + 1 :]: info for n, info in members.items() if n.startswith(f"{below}/")}
        self._members = {name: info.filename for name, info in members.items()}
        self._sizes = {name: info.file_size for name, info in members.items()}
        # Other names of each file: in another Unicode form, without the one folder that holds all.
        tops = {name.partition("/")[0] for name in members}
        inside = _without(f"{tops.pop()}/", members) if len(tops) == 1 else None
        self._also: dict[str, list[str]] = {}
        for name, info in [*members.items(), *(inside or {}).items()]:
            self._also.setdefault(unicode_form(name), []).append(info.filename)

    def __str__(self) -> str:
        return str(self.path / self.below)

    def __len__(self) -> int:
        return len(self._members)

    def reader(self, name: str) -> Read:
        """What reads the member of this name, as `Folder.reader` does; `CamkitError` where there is none.

        A name is also looked for below the one folder that holds all members, where there is such a folder.
        """
        plain = checked_name(name).replace("\\", "/")
        found = self._members.get(plain)
        meant = [found] if found is not None else self._also.get(unicode_form(plain), [])
        if len(meant) != 1:
            raise UnreadableImage(f"there is no file {name!r} in {self}")
        return ZipMember(str(self.path), meant[0])

    def size(self, name: str) -> int:
        """Bytes that one of `names` unpacks to, as the archive says."""
        return self._sizes[name]

    def names(self) -> Iterator[str]:
        """All members' names, sorted."""
        return iter(sorted(self._members))


def _without(top: str, members: dict[str, ZipInfo]) -> dict[str, ZipInfo] | None:
    """Members by their names below a folder; None where some lie elsewhere."""
    if not all(name.startswith(top) for name in members):
        return None
    return {name[len(top) :]: member for name, member in members.items()}


def _members(path: Path) -> dict[str, ZipInfo]:
    """An archive's files by their names, with ``/``; `CamkitError` where it is broken, or a name could mean two."""
    try:
        with ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, BadZipFile, NotImplementedError, ValueError) as error:
        raise CamkitError(f"{path}: cannot be read as a zip archive: {error}; fetch it again") from None
    members: dict[str, ZipInfo] = {}
    for info in infos:
        name = info.filename.replace("\\", "/").removeprefix("./")
        if is_litter(name) or name.endswith("/"):
            continue
        try:
            checked_name(name)
        except CamkitError as error:
            raise CamkitError(f"{path}: {error}; repack it") from None
        other = members.setdefault(name, info)
        if (other.CRC, other.file_size) != (info.CRC, info.file_size):
            raise CamkitError(f"{path}: holds {name!r} twice, so none of the two is known to be meant; repack it")
    return members


Source = Folder | Archive


def find_source(*places: Path) -> Source | None:
    """The first of some places that is a folder, a zip archive, becomes one with ``.zip``, or lies within one."""
    for place in places:
        laid_out = next((folder for folder in _standing if place.is_relative_to(folder)), None)
        if laid_out is not None:
            below = place.relative_to(laid_out).as_posix()
            within = Archive(_standing[laid_out], "" if below == "." else below)
            if len(within):
                return within
        if place.is_dir():
            return Folder(place)
        for archive in (place, place.with_name(f"{place.name}.zip")):
            if _is_archive(archive):
                return Archive(archive)
        for above in place.parents:
            if _is_archive(above):
                within = Archive(above, place.relative_to(above).as_posix())
                if len(within):
                    return within
    return None


_standing: dict[Path, Path] = {}


@contextmanager
def standing_for(folder: Path, archive: Path) -> Iterator[None]:
    """Meanwhile what `find_source` is asked for below a folder lies in an archive."""
    _standing[folder] = archive
    try:
        yield
    finally:
        del _standing[folder]


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def source(*places: Path) -> Source:
    """As `find_source`; `CamkitError` where there is none."""
    found = find_source(*places)
    if found is None:
        wanted = " or ".join(str(place) for place in places)
        raise CamkitError(f"no images: there is no folder {wanted}, nor a zip archive of that name; check --root")
    return found


def walk_files(root: Path, *, hidden: bool = True) -> Iterator[Path]:
    """All files below a folder, through links, each folder once; `CamkitError` where one cannot be listed."""

    def fail(error: OSError) -> None:
        raise CamkitError(f"the folder {str(error.filename)!r} cannot be listed: {error.strerror}; change its rights")

    entered: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=fail):
        real = os.path.realpath(folder)
        if real in entered:  # a link that leads back
            subfolders.clear()
            continue
        entered.add(real)
        subfolders[:] = sorted(name for name in subfolders if hidden or not name.startswith("."))
        yield from (Path(folder, name) for name in names if hidden or not name.startswith("."))
