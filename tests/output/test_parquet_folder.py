"""Folders of Parquet files: each file whole or not at all, gone on with by the names of the images."""

import json

import pytest

from camkit import CamkitError
from camkit.output.owned import MANIFEST
from camkit.output.parquet_folder import RECORD, ParquetFolder, schema
from camkit.output.tables import TYPES

pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
from pyarrow import parquet  # noqa: E402

SETTINGS = {"model": "net", "recipe": {"theta": 0.35}}


def rows(*names, error=""):
    """A row of each image, and two of those in capitals."""
    values = {str: "", int: 3, float: 0.5}
    found = [{name: values[kind] for name, kind in TYPES.items()} | {"image": name, "x1": 5, "error": error}
             for name in names for _ in range(1 + name.isupper())]  # fmt: skip
    return pyarrow.Table.from_pylist(found, schema())


def opened(path, **more):
    return ParquetFolder(path, SETTINGS, **{"seconds": 0.0} | more)


def names(path):
    return parquet.read_table(path)["image"].to_pylist()


def test_files_are_read_as_one_table_with_settings_in_each(tmp_path):
    with opened(tmp_path / "found") as folder:
        assert folder.add(rows("b", "A")) == 2
        assert folder.add(rows("c", error="cannot read 'c'")) == 1
        assert (folder.rows, folder.failed, folder.failures) == (3, 1, [{"image": "c", "reason": "cannot read 'c'"}])
        folder.finish({"images": 3})
    assert names(tmp_path / "found") == ["b", "A", "A", "c"]
    assert parquet.read_table(tmp_path / "found").schema.equals(schema())
    parts = sorted(file.name for file in (tmp_path / "found").glob("*.parquet"))
    assert parts == ["part-000000.parquet", "part-000001.parquet"]
    for part in parts:
        assert json.loads(parquet.read_schema(tmp_path / "found" / part).metadata[b"camkit"]) == SETTINGS
    assert json.loads((tmp_path / "found" / RECORD).read_text()) == {"settings": SETTINGS, "images": 3}


def test_a_run_goes_on_by_names(tmp_path):
    with opened(tmp_path) as folder:
        folder.add(rows("a", "B"))
        folder.add(rows("c", error="bad"))
    (tmp_path / ".part-000002.parquet.part").write_bytes(b"half a file")  # a process was killed while it wrote
    before = (tmp_path / "part-000000.parquet").read_bytes()
    with opened(tmp_path, resume=True) as folder:
        assert (len(folder.finished), folder.rows, folder.failed) == (3, 3, 1)
        assert folder.add(rows("B", "c")) == 0
        assert folder.add(rows("B", "d", "a", "E")) == 2
        assert (
            folder.kept(9)
            == f"5 of 9 images are finished and kept in {tmp_path}: go on with the same call and --resume"
        )
        folder.finish({})
    assert names(tmp_path) == ["a", "B", "B", "c", "d", "E", "E"]
    assert (tmp_path / "part-000000.parquet").read_bytes() == before


def test_a_file_waits_for_its_time(tmp_path, monkeypatch):
    with opened(tmp_path, seconds=1000) as folder:
        folder.add(rows("a"))
        folder.add(rows("b"))
        assert not list(tmp_path.glob("*.parquet"))
        assert folder.kept(2).startswith("0 of 2 images")
        folder.finish({})
    assert names(tmp_path / "part-000000.parquet") == ["a", "b"]
    monkeypatch.setattr("camkit.output.parquet_folder.MOST", 2)
    with opened(tmp_path, seconds=1000, overwrite=True) as folder:
        folder.add(rows("a"))
        folder.add(rows("b"))
        assert names(tmp_path) == ["a", "b"]


def test_what_is_another_run_is_refused(tmp_path):
    with opened(tmp_path) as folder:
        folder.add(rows("a"))
    with pytest.raises(CamkitError, match=r"already holds a run \(part-000000.parquet\): give --resume, --overwrite"):
        opened(tmp_path)
    with pytest.raises(CamkitError, match=r"this is another run: recipe.theta 0.35 -> 0.5"):
        ParquetFolder(tmp_path, SETTINGS | {"recipe": {"theta": 0.5}}, resume=True, seconds=0)
    parquet.write_table(rows("z"), tmp_path / "other.parquet")
    with pytest.raises(CamkitError, match=r"holds other.parquet, which no run of camkit wrote"):
        opened(tmp_path, resume=True)
    (tmp_path / "other.parquet").unlink()
    part = tmp_path / "part-000000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(CamkitError, match="cannot be read as Parquet"):
        opened(tmp_path, resume=True)
    with opened(tmp_path, overwrite=True) as folder:
        assert sorted(file.name for file in tmp_path.iterdir()) == [".camkit-lock"]
        folder.add(rows("b"))
    assert names(tmp_path) == ["b"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [MANIFEST, "part-000000.parquet"]
