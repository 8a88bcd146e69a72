"""camkit datasets, and --dataset auto: which format a folder is in is said, and never guessed."""

import json

import click
import pytest
from commands import make_place, run
from data_examples import EXAMPLES, write

from camkit.cli import cli
from camkit.cli.prepare import found_format
from camkit.data import READERS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = make_place(tmp_path_factory.mktemp("datasets"))
        patch.chdir(folder)
        yield folder


def test_all_formats_are_listed_with_an_example(place):
    status, out, error = run("datasets")
    assert (status, error) == (0, "")
    blocks = {block.split()[0]: block for block in out.split("\n\n")}
    assert set(READERS) <= set(blocks)
    for name, one in READERS.items():
        assert one.what in blocks[name]
        assert f"corners: {one.corners}" in blocks[name]
        for line in one.tree:
            assert line.partition("  ")[0] in blocks[name]
    status, out, _ = run("datasets", "stanford", "--json")
    assert [told["name"] for told in json.loads(out)["datasets"]] == ["stanford-cars", "stanford-dogs"]
    assert run("datasets", "caltech")[0] == 2


def test_auto_says_what_it_found_and_the_run_knows_it_by_name(place, capsys):
    write(place / "set", EXAMPLES["yolo"][1])
    status, out, _ = run("datasets", "--root", "set")
    assert (status, out) == (0, "set is yolo (data.yaml): --dataset yolo --root set\n")
    status, out, _ = run("datasets", "--root", "set", "--json")
    assert json.loads(out) == {"dataset": "yolo", "signs": ["data.yaml"]}
    with click.Context(cli):
        assert found_format("auto", "set", "val") == "yolo"
    assert capsys.readouterr().err == "note: set is yolo (data.yaml)\n"
    call = ("evaluate", "--model", "net.py:build", "--root", "set", "--class-map", "map.csv", "--out", "o")
    (place / "map.csv").write_text("dataset,model\nno,0\ncat,1\n007,2\n")
    status, _, error = run(*call, "--dataset", "auto", "--step", "0.1")
    assert status == 0, error
    assert json.loads((place / "o/run.json").read_text())["settings"]["dataset"] == "yolo"
    write(place / "set", EXAMPLES["voc"][1])
    status, _, error = run(*call, "--dataset", "auto", "--overwrite")
    assert status == 2
    assert "voc (ImageSets/Main, Annotations) and yolo (data.yaml) both fit; name one with --dataset" in error
