"""The images in an archive, and their bytes: a tar or zip archive is read in place, from where a member begins.

Where a member lies is a short text, so that it can be listed, sent to another process and read there alone:
``tar:BEGINNING:SIZE``, ``zip:HEADER:SIZE:METHOD:LENGTH`` (packed and unpacked), ``parquet:GROUP:ROW``,
and `camkit.data.remote`'s.
"""

import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from zipfile import BadZipFile, ZipFile

from camkit.data.file_names import checked_name, is_litter
from camkit.data.parquet import parquet_images, read_cell
from camkit.data.remote import KIND, read_remote
from camkit.data.sources import ENCRYPTED, MAX_BYTES
from camkit.errors import CamkitError

STORED, DEFLATED = 0, 8
HEADER = 30  # bytes of a member's header in a zip archive, before its name
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")

Member = tuple[str, str]  # its name, and where it lies


def is_archive(path: str) -> bool:
    """Whether a file's name says that it holds images."""
    return path.lower().endswith((".tar", ".zip", ".parquet", *PACKED))


def members(path: str, suffixes: frozenset[str]) -> Iterator[Member]:
    """The images in an archive, in the order in which they lie; hidden files and other kinds are passed over.

    Raises
    ------
    CamkitError
        The archive cannot be read in place, or a name leads out of it.
    """
    kind = path.lower()
    if kind.endswith(PACKED):
        raise CamkitError(
            f"{path}: a packed archive has no place to read an image from; unpack it, or make a plain .tar"
        )
    if kind.endswith(".parquet"):
        yield from parquet_images(path)
        return
    found = _of_zip(path) if kind.endswith(".zip") else _of_tar(path)
    for name, where in found:
        plain = name.replace("\\", "/").removeprefix("./")
        if PurePosixPath(plain).suffix.lower() not in suffixes:
            continue
        try:
            checked_name(plain)
        except CamkitError as error:
            raise CamkitError(f"{path}: {error}; repack it") from None
        if is_litter(plain) or any(part.startswith(".") for part in PurePosixPath(plain).parts):
            continue
        yield plain, where


def read_member(path: str, where: str) -> bytes:
    """The bytes of a member.

    Raises
    ------
    OSError, ValueError
        With the reason.
    """
    if where.startswith(KIND):
        return read_remote(where, MAX_BYTES)
    kind, *numbers = where.split(":")
    if kind == "parquet":
        return read_cell(path, *map(int, numbers))
    with open(path, "rb") as file:
        if kind == "tar":
            begin, size = map(int, numbers)
            return _bytes_at(file.fileno(), begin, _allowed(size))
        header, size, method, length = map(int, numbers)
        local = _bytes_at(file.fileno(), header, HEADER)
        begin = header + HEADER + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        packed = _bytes_at(file.fileno(), begin, _allowed(size))
    if method == STORED:
        return packed
    try:
        unpacker = zlib.decompressobj(-15)
        found = unpacker.decompress(packed, _allowed(length))
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked ({error})") from None
    if len(found) != length or not unpacker.eof:
        raise ValueError("it unpacks to another size than the archive says")
    return found


def member_bytes(where: str) -> int | None:
    """How many bytes a member has, where that is known without reading it."""
    kind, *numbers = where.split(":")
    return {"tar": lambda: int(numbers[1]), "zip": lambda: int(numbers[3])}.get(kind, lambda: None)()


def _of_tar(path: str) -> Iterator[Member]:
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined] # else it keeps all of them
                if member.isreg() and not member.issparse():
                    yield member.name, f"tar:{member.offset_data}:{member.size}"
    except (OSError, tarfile.TarError) as error:
        raise CamkitError(f"{path}: cannot be read as a tar archive: {_reason(error)}; fetch it again") from None


def _of_zip(path: str) -> Iterator[Member]:
    try:
        with ZipFile(path) as archive:
            infos = [one for one in archive.infolist() if not one.is_dir()]
    except (OSError, BadZipFile, NotImplementedError, ValueError) as error:
        raise CamkitError(f"{path}: cannot be read as a zip archive: {_reason(error)}; fetch it again") from None
    for one in infos:
        if one.flag_bits & ENCRYPTED or one.compress_type not in (STORED, DEFLATED):
            how = "encrypted" if one.flag_bits & ENCRYPTED else f"packed by method {one.compress_type}"
            raise CamkitError(
                f"{path}: {one.filename!r} is {how}; repack the archive with zip's own method, or unpack it"
            )
        yield one.filename, f"zip:{one.header_offset}:{one.compress_size}:{one.compress_type}:{one.file_size}"


def _allowed(size: int) -> int:
    if size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB, which no image has")
    return size


def _bytes_at(file: int, begin: int, size: int) -> bytes:
    parts, left = [], size
    while left and (part := os.pread(file, left, begin + size - left)):
        parts.append(part)
        left -= len(part)
    if left:
        raise ValueError("the archive ends before it")
    return b"".join(parts)


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
