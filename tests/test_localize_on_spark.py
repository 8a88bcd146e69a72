"""The recipe for Spark gives the rows of one process, where Spark and Java are."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import NAMES, call, make_place, rows

EXAMPLE = Path(__file__).parents[1] / "examples" / "localize_on_spark.py"


@pytest.fixture
def recipe(monkeypatch):
    pytest.importorskip("pyspark", reason="needs pyspark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    spec = importlib.util.spec_from_file_location("localize_on_spark", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_are_those_of_the_command(recipe, tmp_path):
    from pyspark.sql import SparkSession

    place = make_place(tmp_path)
    (place / "photos/bad.jpg").write_text("no picture")
    assert call(place, "--no-overlays", "--device", "cpu")[0] == 1
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1", "spark.driver.memory": "512m"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(str(place / "photos"))
        found = {Path(row.path.removeprefix("file:")).name: row.asDict()
                 for row in recipe.localized(files.coalesce(1), f"{place}/net.py:build", 2).collect()}  # fmt: skip
    finally:
        spark.stop()
    table = {Path(row["image"]).name: row for row in rows(place)}
    assert found.pop("bad.jpg")["error"].startswith("cannot read '<bytes>': not an image")
    assert set(found) == set(table) == {Path(name).name for name in NAMES}
    for name, row in found.items():
        assert row.pop("error") == ""
        written = {key: str(np.float32(value)) if isinstance(value, float) else str(value)
                   for key, value in row.items() if key != "path"}  # fmt: skip
        assert written == {key: table[name][key] for key in written}
