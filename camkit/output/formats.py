"""The formats of a run's tables: for each the file and what writes it, with the same values in all of them."""

from collections.abc import Callable, Iterable
from typing import IO, Any

from camkit.output.parquet import write_parquet
from camkit.output.tables import Row, write_boxes_csv, write_coco, write_coco_results, write_jsonl

WRITERS: dict[str, tuple[str, Callable[[IO[Any], Iterable[Row]], None]]] = {
    "csv": ("boxes.csv", write_boxes_csv),
    "coco": ("coco.json", write_coco),
    "coco-results": ("coco-results.json", write_coco_results),
    "jsonl": ("boxes.jsonl", write_jsonl),
    "parquet": ("boxes.parquet", write_parquet),
}
BINARY = (".parquet",)  # endings of tables that are no text
FORMATS = (*WRITERS, "yolo")
