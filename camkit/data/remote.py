"""Images in object stores and other file systems that pyarrow knows by a URI: ``s3://bucket/photos``, ``gs://``.

Settings of the file system may follow: ``s3://bucket/photos?endpoint_override=127.0.0.1:9000&scheme=http``.

Where such an image lies is a text, as of the members of archives (`camkit.data.members`): ``fs:ROOT`` and, after a tab,
the path that the file system itself has for it. Credentials are the environment's, as each library looks for them.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from camkit.errors import CamkitError

URI = re.compile(r"[a-z][a-z0-9+.-]+://")
KIND = "fs:"


def is_uri(spec: str) -> bool:
    """Whether a name is a URI and no path."""
    return URI.match(spec) is not None


def remote_images(uri: str, suffixes: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Path, place and name of the images below a URI, as they are sorted in a folder; hidden ones are left out.

    The names in one folder are in memory at a time.

    Raises
    ------
    CamkitError
        There is no pyarrow, or no such file system, folder or file, or it is an archive.
    """
    place, mark, settings = uri.partition("?")
    root = f"{place.rstrip('/')}/{mark}{settings}"
    system, base = _opened(root, os.getpid())
    told = _asked(uri, lambda: system.get_file_info(base.rstrip("/")))
    if told.type.name == "File":
        name = PurePosixPath(told.path).name
        if PurePosixPath(name).suffix.lower() not in suffixes:
            raise CamkitError(f"{uri}: images and folders of images are read there, archives and tables are not: copy "
                              "it to a file system first")  # fmt: skip
        yield told.path, f"{KIND}{root}\t{told.path}", name
    else:
        yield from _below(system, uri, root, base.rstrip("/"), "", suffixes)


def _below(
    system: Any, uri: str, root: str, folder: str, above: str, suffixes: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    from pyarrow.fs import FileSelector  # noqa: PLC0415 - an extra

    infos = _asked(uri, lambda: system.get_file_info(FileSelector(folder)))
    for info in sorted(infos, key=lambda one: one.base_name):
        if info.base_name.startswith("."):
            continue
        name = f"{above}{info.base_name}"
        if info.type.name == "Directory":
            yield from _below(system, uri, root, info.path, f"{name}/", suffixes)
        elif PurePosixPath(name).suffix.lower() in suffixes:
            yield info.path, f"{KIND}{root}\t{info.path}", name


def read_remote(where: str, most: int) -> bytes:
    """The bytes of a file; `OSError` or `ValueError` where it cannot be read, or has more than `most`."""
    root, path = where.removeprefix(KIND).split("\t", 1)
    with _opened(root, os.getpid())[0].open_input_file(path) as file:
        if file.size() > most:
            raise ValueError(f"it has more than {most >> 20} MiB, which no image has")
        return bytes(file.read())


def shown(where: str) -> str:
    """What messages call it: its URI."""
    root, path = where.removeprefix(KIND).split("\t", 1)
    return f"{root.partition('://')[0]}://{path}"


def _asked(uri: str, ask: Any) -> Any:
    """What a file system answers; `CamkitError` where it does not."""
    try:
        return ask()
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise CamkitError(
            f"{uri}: cannot be listed ({reason:.200}); check the address, and your rights there"
        ) from None


@lru_cache(maxsize=8)
def _opened(root: str, pid: int) -> Any:  # noqa: ARG001 - a fork must not share its parent's connections
    """The file system of a URI, and the path below which it means."""
    try:
        from pyarrow.fs import FileSystem  # noqa: PLC0415
    except ImportError:
        raise CamkitError(f"{root}: is read by pyarrow: pip install 'camkit[parquet]'") from None
    return _asked(root, lambda: FileSystem.from_uri(root))
