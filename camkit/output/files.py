"""Files that are there whole or not at all, and errors that name the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def whole(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file that takes its name only once it is complete.

    Raises
    ------
    OSError
        With the file's name; the file that was there before is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    # a file name that is no UTF-8 is written back byte for byte
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "", "errors": "surrogateescape"}
    try:
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open(mode, **text) as file:
                yield file
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An `OSError` from within names this file: that of a full disk names none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
