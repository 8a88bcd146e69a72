"""One run at a time in a folder. The lock is the system's own: it ends with its process, however that ends."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from errno import EAGAIN, EWOULDBLOCK
from pathlib import Path

from camkit.errors import CamkitError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

LOCK = ".camkit-lock"
_held: set[int] = set()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing; what was made and stays empty is removed again.

    Where the file system knows no locks (some network file systems) nothing is held.

    Raises
    ------
    CamkitError
        Another run holds it, or the folder cannot be written to.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _take(folder)
    except OSError as error:
        _remove_empty(missing)
        raise CamkitError(f"--out {folder}: cannot be written to ({error.strerror}): give another folder") from error
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink()
        _held.discard(descriptor)
        os.close(descriptor)
        _remove_empty(missing)


def hold(descriptor: int) -> None:
    """Hold an open file as long as this process lives, where the file system knows locks."""
    _lock(descriptor)
    _held.add(descriptor)


def let_go(descriptor: int) -> None:
    """Hold a file no more, which is about to be closed."""
    _held.discard(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds a file; also where that cannot be known."""
    if fcntl is None:
        return True
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except OSError:
        return True
    return False


def _take(folder: Path) -> int:
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(descriptor):
                holder = os.read(descriptor, 1000).decode(errors="replace").strip() or "another process"
                raise CamkitError(f"{folder}: {holder} writes to it: wait for its end, or give another --out")
            if _same(descriptor, path):  # else its holder has just removed it
                os.ftruncate(descriptor, 0)
                since = datetime.now().isoformat(" ", "seconds")
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}, since {since},".encode())
                _held.add(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the file is ours, or cannot be anybody's."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (EAGAIN, EWOULDBLOCK)
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # there before by now, not made, or not empty
            folder.rmdir()


def _let_go() -> None:
    """A process that reads images must not hold the lock on when the one that started it was killed."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
