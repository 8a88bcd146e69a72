"""The rows of a run as Parquet: the values of boxes.csv in columns of their types (extra `parquet`, pyarrow)."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import IO, Any

from camkit.errors import CamkitError
from camkit.output.tables import COLUMNS, REGION, SEGMENTATION, TYPES, Row, columns_of, written

CHUNK, CHUNKS = 4096, 16  # rows that are turned into columns at a time, and how many of these are a row group
MISSING = "Parquet tables need pyarrow, which is not installed; run pip install 'camkit[parquet]'"


def require_pyarrow() -> None:
    """`CamkitError` where there is no pyarrow."""
    if find_spec("pyarrow") is None:
        raise CamkitError(MISSING)


def write_parquet(file: IO[bytes], rows: Iterable[Row]) -> None:
    """Write rows, a row group for each 65,536 of them: names as in boxes.csv, numbers int32 and double.

    Raises
    ------
    CamkitError
        There is no pyarrow.
    """
    require_pyarrow()
    import pyarrow  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415

    schema = _schema(pyarrow, columns_of(rows))
    with parquet.ParquetWriter(file, schema) as writer:
        chunks = _chunks(pyarrow, rows, schema)
        while group := list(islice(chunks, CHUNKS)):
            writer.write_table(pyarrow.Table.from_batches(group, schema))


def _chunks(pyarrow: Any, rows: Iterable[Row], schema: Any) -> Iterator[Any]:
    ahead = iter(rows)
    while chunk := list(islice(ahead, CHUNK)):
        yield pyarrow.RecordBatch.from_pylist([written(row) for row in chunk], schema)


def _schema(pyarrow: Any, columns: Iterable[str]) -> Any:
    of_type = {str: pyarrow.string(), int: pyarrow.int32(), float: pyarrow.float64()}
    kinds = {name: of_type[TYPES[name]] for name in COLUMNS} | {
        REGION: pyarrow.int32(),
        SEGMENTATION: pyarrow.struct([("size", pyarrow.list_(pyarrow.int32())), ("counts", pyarrow.string())]),
    }
    return pyarrow.schema([(name, kinds[name]) for name in columns])
