"""`camkit codetect`: annotated images and a network's features to a map and a box an image."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from camkit.data import AnnotatedSet
from camkit.evaluation import ABOVE_ZERO, CoDetected, codetect
from camkit.localization import Failure
from camkit.models import Classifier
from camkit.output import whole
from camkit.output.folder import NAMELY
from camkit.output.formats import WRITERS
from camkit.output.parquet import require_pyarrow
from camkit.output.pictures import map_file
from camkit.output.results import table_files, write_boxes
from camkit.output.tables import COLUMNS, Row
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.facts import head_facts, model_facts, source_lines, versions
from camkit.runs.localize import checked_formats
from camkit.runs.measured import write_json, write_table
from camkit.runs.options import RunOptions
from camkit.runs.results import held, publishing

DIRECTIONS = "directions.csv"
GIVEN = 1.0  # the class is known, whatever the network thinks of it
FILES = (*(name for name, _ in WRITERS.values()), DIRECTIONS, "failures.csv", "run.json", "maps/")
FACTS = ("root", "dataset", "split", "limit", "fit", "precision", "max_pixels", "truncated")


@held(FILES)
def run_codetect(classifier: Classifier, options: RunOptions, *, formats: str = "csv,coco") -> Report:
    """``camkit codetect``; its ``--help`` says what is written.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    out, wanted, begun = options.out, checked_formats(formats), time.perf_counter()
    if "parquet" in wanted:
        require_pyarrow()
    (dataset,) = options.read()
    inference = options.inference(classifier)
    gathered = Gathered(dataset)
    with publishing(out, options.group) as new:
        found = codetect(inference, dataset, batch_size=options.batch_size, workers=options.num_workers(inference),
                         max_pixels=options.max_pixels)  # fmt: skip
        gathered.add_all(options.progress("codetect")(found, len(dataset.records)), new)
        rows, failures = gathered.table(), [asdict(failure) for failure in gathered.failures]
        record = {
            "settings": {
                **model_facts(classifier),
                "head": head_facts(inference),
                "recipe": ABOVE_ZERO.to_dict(),
                **{name: value for name, value in options.facts().items() if name in FACTS},
            },
            "classes": [{"pairs": {gathered.name(label): str(label) for label in gathered.shares}}],
            "images": len({record.image for record in dataset.records}) + len(dataset.problems),
            "filled": options.filled.names(),
            "seconds": round(time.perf_counter() - begun, 3),
            "forward_seconds": round(inference.seconds, 3),
            "device": str(inference.device),
            "versions": versions(),
        }
        write_boxes(new, rows, wanted)
        write_table(new / DIRECTIONS, gathered.directions())
        write_table(new / "failures.csv", pd.DataFrame(failures, columns=["image", "reason"]))
        write_json(new / "run.json", record)
    empty = sum(row["x1"] <= row["x0"] for row in rows)
    counts = {"boxes": len(rows), "empty": empty, "classes": len(gathered.shares)}
    lines = [*source_lines(inference), *closing_lines(out, record, counts, len(failures), table_files(wanted))]
    facts = outcome_facts(out, record) | counts
    return Report(lines, len(failures), failure_lines(failures, out), facts)


def closing_lines(
    out: Path, record: dict[str, Any], counts: dict[str, int], failed: int, tables: Sequence[str]
) -> list[str]:
    """What was done, how fast, and where to look."""
    empty = f" ({counts['empty']} of them empty: nothing above 0)" if counts["empty"] else ""
    images, classes = record["images"], counts["classes"]
    return [
        f"{images} images, {classes} class{'es' * (classes != 1)}: {counts['boxes']} boxes{empty}, {failed} failed",
        f"{record['seconds']:.1f} s; the forward passes, two an image, took {record['forward_seconds']:.1f} s of it",
        *filled_lines(record["filled"]),
        f"look at {', '.join(str(out / name) for name in (*tables, DIRECTIONS, 'maps'))}",
    ]


class Gathered:
    """What is known of the images so far; their maps are on disk.

    Parameters
    ----------
    dataset : AnnotatedSet

    Attributes
    ----------
    rows : dict from the record's place to its row of boxes.csv
    shares : dict from label to float
    failures : list of Failure
        Each once.
    """

    def __init__(self, dataset: AnnotatedSet) -> None:
        self.dataset = dataset
        self.labels = Counter(image for image, _ in {(record.image, record.label) for record in dataset.records})
        self.rows: dict[int, Row] = {}
        self.shares: dict[int, float] = {}
        self.failures: list[Failure] = []

    def add_all(self, results: Iterable[CoDetected | Failure], folder: Path) -> None:
        """Write each map below a folder, and keep its row."""
        for one in results:
            said = one if isinstance(one, Failure) else self._written(one, folder)
            if isinstance(said, Failure):
                self.failures += [] if said in self.failures else [said]

    def _written(self, found: CoDetected, folder: Path) -> Failure | None:
        record = found.record
        several = f".{record.label}" if self.labels[record.image] > 1 else ""  # as `MapFolder` finds it
        try:
            with whole(folder / map_file(f"{record.image}{several}"), "wb") as file:
                np.save(file, found.map.numpy())
        except OSError as error:
            if error.errno not in NAMELY:
                raise
            return Failure(record.image, f"no file can be named after it: {error.strerror}; rename it")
        assert record.label is not None
        (height, width), name = found.size, self.name(record.label)
        values = (record.image, width, height, 1, record.label, name, GIVEN, *found.box, 0.0)
        self.rows[found.index] = dict(zip(COLUMNS, values, strict=True))
        self.shares[record.label] = found.share
        return None

    def table(self) -> list[Row]:
        """The rows in the data set's order, those of one image together and numbered."""
        first: dict[str, int] = {}
        for index, record in enumerate(self.dataset.records):
            first.setdefault(record.image, index)
        ordered = sorted(self.rows.items(), key=lambda item: (first[item[1]["image"]], item[0]))
        seen: Counter[str] = Counter()
        for _, row in ordered:
            seen[row["image"]] += 1
            row["rank"] = seen[row["image"]]
        return [row for _, row in ordered]

    def directions(self) -> pd.DataFrame:
        """A row a class: of how many images, and which share of their features' variance the direction has."""
        images = Counter(row["label"] for row in self.rows.values())
        table = [(k, self.name(k), images[k], round(share, 4)) for k, share in self.shares.items()]
        return pd.DataFrame(table, columns=["label", "name", "images", "share"])

    def name(self, label: int) -> str:
        """A class's name, its number where the data set has none."""
        names = self.dataset.class_names
        return names[label] if names else str(label)
