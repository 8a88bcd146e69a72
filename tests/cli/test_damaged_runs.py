"""Runs over damaged images in small; benchmarks/damaged_runs.py does it with a thousand."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def damaged_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", ["camkit"])
    spec = importlib.util.spec_from_file_location("damaged_runs", BENCHMARKS / "damaged_runs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RUNS", {"localize": "boxes.csv"})
    return module


def test_every_damaged_image_has_a_box_or_a_reason_and_whole_ones_are_untouched(damaged_runs, tmp_path, capsys):
    assert damaged_runs.tried(tmp_path, 60, 5, seed=3) == []
    assert capsys.readouterr().out.count("5 of 5 whole ones as alone") == 1


def test_what_went_wrong_is_seen(damaged_runs, tmp_path, monkeypatch):
    """Else it would be no test: here the whole images of the mixed run are others."""
    write = damaged_runs.write
    other = damaged_runs.whole_images()["png palette"]

    def swapped(folder, images):
        write(folder, images if folder.name == "alone" else images | {"whole/0000.jpg": other})

    monkeypatch.setattr(damaged_runs, "write", swapped)
    assert "localize: whole/0000.jpg is another beside damaged images" in damaged_runs.tried(tmp_path, 10, 1, seed=3)
