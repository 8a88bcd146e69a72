"""The tables of a run: a row a box, as CSV, JSON lines and COCO, with the same values in all of them."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any

from camkit.data.formats.counts import decode_counts
from camkit.data.names import COCO_INFO, written_path, written_text

if TYPE_CHECKING:
    from camkit.localization import Localization

TYPES = {"image": str, "width": int, "height": int, "rank": int, "label": int, "name": str, "score": float,
         "x0": int, "y0": int, "x1": int, "y1": int, "tau": float}  # fmt: skip
COLUMNS = tuple(TYPES)
REGION, SEGMENTATION = "region", "segmentation"  # of rows that have them
# Significant digits that do not depend on which images share a batch: a forward pass in float32 moves the fifth of a
# logit's exponential, now and then the fourth.
OF_SCORE, OF_TAU = 3, 4
DECIMALS = 6  # of a score near 1, which float32 knows to 6e-8

Row = dict[str, Any]


def row_of(found: "Localization") -> Row:
    """What is found, as a line of the tables; names are as they are, and written by the rule only when it is."""
    (height, width), (x0, y0, x1, y1) = found.size, found.box
    score, tau = stable_share(found.score), stable(found.tau, OF_TAU)
    values = (found.image, width, height, found.rank, found.label, found.name, score, x0, y0, x1, y1, tau)
    return dict(zip(COLUMNS, values, strict=True))


def stable(number: float, digits: int) -> float:
    """A number with so many significant digits."""
    return float(f"{number:.{digits}g}")


def stable_share(share: float) -> float:
    """The stable digits of a probability: near 1, of what it lacks of 1, as that is where softmax errs."""
    return stable(share, OF_SCORE) if share < 0.5 else round(1 - stable(1 - share, OF_SCORE), DECIMALS)


def write_csv(file: IO[str], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Columns of rows, names as `camkit.data.names` has it."""
    writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(map(written, rows))


def written(row: Row) -> Row:
    """A row with its names and sentences as they stand in tables."""
    rules: dict[str, Callable[[str], str]] = {"image": written_path, "name": written_text, "reason": written_text}
    return {key: rules[key](value) if key in rules else value for key, value in row.items()}


def columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """The columns of a run's rows, which are the same in all of them."""
    first = next(iter(rows), {})
    return (*COLUMNS, *(name for name in (REGION, SEGMENTATION) if name in first))


def write_boxes_csv(file: IO[str], rows: Iterable[Row]) -> None:
    """boxes.csv, with a column of regions where rows have them."""
    write_csv(file, [name for name in columns_of(rows) if name != SEGMENTATION], rows)


def write_jsonl(file: IO[str], rows: Iterable[Row]) -> None:
    """A JSON object a row."""
    file.writelines(json.dumps(written(row)) + "\n" for row in rows)


def write_coco(file: IO[str], rows: Iterable[Row]) -> None:
    """COCO's images, annotations and categories."""
    file.write(f'{{"info": {json.dumps(COCO_INFO)},\n')
    for before, items in (('"images": ', coco_images(rows)), (',\n"annotations": ', coco_annotations(rows)),
                          (',\n"categories": ', coco_categories(rows))):  # fmt: skip
        file.write(before)
        write_json_list(file, items)
    file.write("}")


def write_coco_results(file: IO[str], rows: Iterable[Row]) -> None:
    """COCO's bare list of results."""
    kept = ("image_id", "category_id", "bbox", "score", SEGMENTATION)
    write_json_list(file, ({key: found[key] for key in kept if key in found} for found in coco_annotations(rows)))


def write_json_list(file: IO[str], items: Iterable[Row]) -> None:
    """Objects as a JSON list, one a line, as they come."""
    between = "["
    for item in items:
        file.write(f"{between}\n{json.dumps(item)}")
        between = ","
    file.write("[]" if between == "[" else "\n]")


def images_of(rows: Iterable[Row]) -> Iterator[tuple[str, Iterator[Row]]]:
    """The rows of each image, which follow each other in a table."""
    return groupby(rows, itemgetter("image"))


def coco_images(rows: Iterable[Row]) -> Iterator[Row]:
    """The images of COCO detections: those with rows, numbered from 1."""
    for number, (image, its) in enumerate(images_of(rows), 1):
        first = next(its)
        yield {"id": number, "file_name": written_path(image), "width": first["width"], "height": first["height"]}


def coco_annotations(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of boxes.csv as COCO detections: ``bbox`` is x, y, width, height. Empty boxes have no annotation."""
    number = 0
    for image_id, (_, its) in enumerate(images_of(rows), 1):
        for row in its:
            if row["x1"] > row["x0"]:
                number += 1
                yield {
                    "id": number,
                    "image_id": image_id,
                    "category_id": row["label"],
                    "bbox": [row["x0"], row["y0"], row["x1"] - row["x0"], row["y1"] - row["y0"]],
                    "area": _area(row),
                    "iscrowd": 0,
                    "score": row["score"],
                    **{key: row[key] for key in (REGION, SEGMENTATION) if key in row},
                }


def coco_categories(rows: Iterable[Row]) -> Iterator[Row]:
    """The classes of rows, by number."""
    classes = {(row["label"], row["name"]) for row in rows}
    return iter([{"id": label, "name": name} for label, name in sorted((k, written_text(n)) for k, n in classes)])


def _area(row: Row) -> int:
    """Of the mask where there is one, else of the box."""
    if row.get(SEGMENTATION):
        return sum(decode_counts(row[SEGMENTATION]["counts"])[1::2])
    return int((row["x1"] - row["x0"]) * (row["y1"] - row["y0"]))
