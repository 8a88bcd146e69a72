"""per_image.csv from the journal: a part of the images at a time, one recipe after the other."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pandas as pd

from camkit.output import whole
from camkit.output.measured_folder import MeasuredFolder
from camkit.runs.measured import append_rows
from camkit.runs.measured_model import MeasuredModel

CHUNK = 2000  # images whose rows are in memory at a time


def write_per_image(path: Path, models: Sequence[MeasuredModel], folder: MeasuredFolder) -> None:
    """Write the table of all models, whose figures are told already: some columns are of all images together."""
    with ExitStack() as stack:
        files: list[IO[str]] = []
        for model in models:
            own: dict[str, IO[str]] = {
                name: stack.enter_context(TemporaryFile("w+", encoding="utf-8", newline="",
                                                   errors="surrogateescape", dir=path.parent))
                for name in model.recipes
            }  # fmt: skip
            _write_model(model, folder, own, header=not files)
            files += own.values()
        with whole(path) as table:
            for file in files:
                file.seek(0)
                shutil.copyfileobj(file, table)


def _write_model(model: MeasuredModel, folder: MeasuredFolder, files: dict[str, IO[str]], *, header: bool) -> None:
    evaluations, start = model.evaluations(folder), 0
    first = next(iter(files))
    while chunk := list(islice(evaluations, CHUNK)):
        stop = start + len(chunk)
        for name, file in files.items():
            columns = {key: values[start:stop] for key, values in model.measures.columns[name].items()}
            rows = pd.DataFrame([model.measures.rows[name].row(one) for one in chunk])
            table = rows.assign(recipe=f"{model.prefix}{name}", **columns)
            append_rows(file, table, header=header and name == first and start == 0)
        start = stop
