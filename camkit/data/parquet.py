"""Images in the rows of a Parquet file: encoded bytes in a column, or paths (extra `parquet`, pyarrow)."""

import os
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from camkit.data.file_names import checked_name
from camkit.errors import CamkitError

BYTES, PATHS = ("bytes", "image", "image_bytes", "jpg", "jpeg", "png"), ("path", "image", "image_path", "file_name")
NAMES = ("name", "file_name", "path", "id", "__key__")
LOCK = threading.Lock()  # a file of pyarrow's is not said to be one for several threads
CHECK = "give the file a column bytes, image or path"


def parquet_images(path: str) -> Iterator[tuple[str, str]]:
    """The name of each row's image, and where it lies.

    The image is the first of the columns `BYTES` that holds bytes (or, as in Hugging Face's data sets, a struct with
    ``bytes``), else the first of `PATHS` that holds text, which names files, absolute or relative to the file's folder.
    Its name is what the first of `NAMES` says, or the file's name and the row's number.

    Raises
    ------
    CamkitError
        There is no pyarrow, no such column, or no such file.
    """
    file = _opened(path, os.getpid())
    image = _image_column(path, file)
    named = next((name for name in NAMES if name in file.schema_arrow.names and name != image.partition(".")[0]), None)
    number = 0
    for group in range(file.num_row_groups):
        given = _column(file, group, named) if named else [None] * file.metadata.row_group(group).num_rows
        for row, name in enumerate(given):
            plain = f"{Path(path).stem}/{number:09d}" if name in (None, "") else str(name)
            try:
                checked_name(plain.lstrip("/"))
            except CamkitError as error:
                raise CamkitError(f"{path}, row {number}: {error}") from None
            yield plain.lstrip("/"), f"parquet:{group}:{row}"
            number += 1


def read_cell(path: str, group: int, row: int) -> bytes:
    """The encoded image in a row of a row group; `OSError` or `ValueError` where there is none."""
    with LOCK:
        cell: bytes | str | None = _cells(path, os.getpid(), group)[row]
    if cell is None:
        raise ValueError("the cell is empty")
    if isinstance(cell, bytes):
        return cell
    return (Path(path).parent / cell).read_bytes()


@lru_cache(maxsize=2)
def _cells(path: str, pid: int, group: int) -> list[Any]:
    """The images of one row group, which are read one after the other."""
    file = _opened(path, pid)
    return _column(file, group, _image_column(path, file))


def _column(file: Any, group: int, name: str) -> list[Any]:
    table = file.read_row_group(group, columns=[name])
    column = table.column(0)
    for field in name.split(".")[1:]:
        column = [None if value is None else value.get(field) for value in column.to_pylist()]
        return list(column)
    return list(column.to_pylist())


def _image_column(path: str, file: Any) -> str:
    from pyarrow import types  # noqa: PLC0415 - an extra

    schema = file.schema_arrow

    def is_text(kind: Any) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    for name in (one for one in BYTES if one in schema.names):
        kind = schema.field(name).type
        if types.is_binary(kind) or types.is_large_binary(kind):
            return name
        if types.is_struct(kind) and "bytes" in [field.name for field in kind]:
            return f"{name}.bytes"
    for name in (one for one in PATHS if one in schema.names):
        if is_text(schema.field(name).type):
            return name
    raise CamkitError(f"{path}: none of its columns ({', '.join(schema.names)}) holds images; {CHECK}")


@lru_cache(maxsize=4)
def _opened(path: str, pid: int) -> Any:  # noqa: ARG001 - a fork must not share its parent's file position
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415
    except ImportError:
        raise CamkitError(f"{path}: Parquet is read by pyarrow: pip install 'camkit[parquet]'") from None
    try:
        return parquet.ParquetFile(path)
    except (OSError, ArrowException) as error:
        reason = " ".join(str(error).split())
        raise CamkitError(f"{path}: cannot be read as Parquet: {reason:.200}") from None
