"""Processes that share out annotated images: the files of one process, byte for byte."""

import subprocess
import sys

import pytest
import torch
import torch.multiprocessing as mp
from commands import make_place
from processes import evaluated

from camkit.data import read_dataset
from camkit.evaluation.shared import share_of
from camkit.process_group import ProcessGroup

FOLDERS = {"evaluated": "metrics.json", "ablated": "ablation.csv", "analyzed": "zipf-curves.csv",
           "calibrated": "settings.json"}  # fmt: skip
TIMES = ("run.json", "calibration.json", ".camkit-journal.jsonl", ".camkit-files.json")


def test_two_processes_leave_the_files_of_one(tmp_path):
    mp.spawn(evaluated, (f"file://{tmp_path}/store", str(tmp_path), 2), nprocs=2)
    evaluated(0, None, str(tmp_path), 1)
    for name, wanted in FOLDERS.items():
        one, two = ({path.name: path.read_bytes() for path in (tmp_path / f"{name}-{processes}").iterdir()
                     if path.name not in TIMES} for processes in (1, 2))  # fmt: skip
        assert one == two, name
        assert wanted in one
    assert not list(tmp_path.glob("*/.camkit-new"))
    assert not list(tmp_path.glob("*/.camkit-journal-*"))
    assert len((tmp_path / "evaluated-2/per_image.csv").read_text().splitlines()) > 20


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_shares_are_whole_batches_of_one_process(processes):
    data = read_dataset("shapes", "n=22,size=32,classes=3", "val")
    names = [record.image for record in data.records]
    batches = [names[start : start + 4] for start in range(0, len(names), 4)]
    for rank in range(processes):
        group = ProcessGroup(rank, processes, torch.device("cpu"))
        share = [record.image for record in share_of(data, 4, group).records]
        assert [share[start : start + 4] for start in range(0, len(share), 4)] == batches[rank::processes]


def test_what_is_not_shared_is_refused_in_one_line(tmp_path, monkeypatch):
    """Before torch is loaded, by every process."""
    place = make_place(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    model = ["--model", f"{place}/net.py:build", "--dataset", "shapes", "--root", "n=8", "--out", str(place / "out")]
    for call, says in {
        ("analyze", "zipf", *model, "--demo"): "--demo is for one process: leave it out, or torchrun",
        ("evaluate", *model, "--boxes", "boxes.csv"): "--boxes is for one process: leave it out, or torchrun",
    }.items():
        done = subprocess.run([sys.executable, "-m", "camkit", *call], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("camkit: rank 1 of 2 processes: ")
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (place / "out").exists()
