"""camkit finetune-fc: what it leaves, and that the other commands take it."""

import json

import pandas as pd
import pytest
import torch
import torch.multiprocessing as mp
from click.testing import CliRunner
from PIL import Image
from processes import called
from safetensors.torch import load_file

from camkit.cli import cli
from camkit.errors import CamkitError
from camkit.models import load_classifier

MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.5,) * 3, (0.5,) * 3
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
"""
DATA = ["--dataset", "shapes", "--root", "n=12,size=32,classes=3"]
SHORT = ["--minmax", *DATA, "--sets", "2", "--set-size", "2", "--steps", "2", "--lr", "0.1"]


def run(*arguments, expect=0):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == expect, done.output or done.exception
    return done.output


@pytest.fixture
def model(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    return f"{tmp_path}/net.py:build"


def test_a_grid_on_annotated_images_and_the_fc_in_other_commands(tmp_path, model):
    out = tmp_path / "out"
    said = run("finetune-fc", "--model", model, *SHORT, "--val-split", "holdout:1", "--crr", "0,4", "--frr", "1",
               "--out", out)  # fmt: skip
    assert "9 images of 3 classes" in said
    assert "by MaxBoxAccV2 on annotated images (holdout:1)" in said
    assert "boxes of CAM cover" in said
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["after"]["max_box_acc_v2"]["value"] >= metrics["before"]["max_box_acc_v2"]["value"]
    assert "annotated images (holdout:1)" in metrics["chosen_by"]
    record = json.loads((out / "run.json").read_text())
    assert (record["chosen"] is None) == (record["chosen_step"] == 0) == ("nothing was better" in said)
    assert record["settings"]["root"] == "n=12,size=32,classes=3"
    assert [tried["crr"] for tried in record["settings"]["tried"]] == [0, 4]
    assert len(pd.read_csv(out / "sweep.csv")) == 3
    assert "the step, CRR by MaxBoxAccV2" in metrics["chosen_by"]
    assert Image.open(out / "sweep.png").width > 300
    alone = load_file(out / "fc.safetensors")
    assert alone.keys() == {"4.weight", "4.bias"}
    whole = load_classifier(model, str(out / "model.safetensors")).model.state_dict()  # its network is made by code
    assert all(torch.equal(whole[name], value) for name, value in alone.items())

    run(
        "evaluate",
        "--model",
        model,
        "--fc",
        out / "fc.safetensors",
        *DATA,
        "--out",
        tmp_path / "after",
        "--step",
        "0.1",
    )
    weights = json.loads((tmp_path / "after/run.json").read_text())["settings"]["weights"]
    assert weights.endswith(f"fc from {out / 'fc.safetensors'}")
    with pytest.raises(CamkitError, match="already holds a run"):
        CliRunner().invoke(cli, ["finetune-fc", "--model", model, *SHORT, "--out", str(out)], catch_exceptions=False)


def test_set_sizes_are_tried_with_mini_batches_of_sixty_images(tmp_path, model):
    data = ["--dataset", "shapes", "--root", "n=70,size=32,classes=3"]
    run("finetune-fc", "--minmax", *data, "--model", model, "--steps", "1", "--val-split", "holdout:2", "--set-size",
        "2,3,5", "--out", tmp_path)  # fmt: skip
    record = json.loads((tmp_path / "run.json").read_text())
    assert [tried["sets"] for tried in record["settings"]["tried"]] == [30, 20, 12]
    assert "the step, S by MaxBoxAccV2" in record["chosen_by"]
    assert pd.read_csv(tmp_path / "sweep.csv")["set_size"].tolist()[1:] == [2, 3, 5]
    assert Image.open(tmp_path / "sweep.png").width > 300


def test_a_named_network_becomes_a_checkpoint(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(f"shape {i}" for i in range(100)))
    said = run("finetune-fc", "--model", "tiny", "--class-names", tmp_path / "names.txt", *SHORT, "--size", "32",
               "--out", tmp_path / "out")  # fmt: skip
    assert "there was no annotated image" in said
    assert not (tmp_path / "out/metrics.json").exists()
    whole = load_classifier(str(tmp_path / "out/model.safetensors"))
    alone = load_file(tmp_path / "out/fc.safetensors")
    before, after = load_classifier("tiny").model.state_dict(), whole.model.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"fc.weight", "fc.bias"}
    assert all(torch.equal(after[name], value) for name, value in alone.items())
    assert whole.input.size == (32, 32)


def test_two_processes_write_one_folder(tmp_path, model):
    arguments = ["finetune-fc", "--model", model, *SHORT, "--val-split", "holdout:1", "--device", "cpu", "--out"]
    run(*arguments, tmp_path / "alone")
    several = [*arguments, f"{tmp_path}/several"]
    mp.start_processes(called, (f"file://{tmp_path}/meeting", 2, several), nprocs=2, start_method="forkserver")
    one, two = (load_file(tmp_path / name / "fc.safetensors") for name in ("alone", "several"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value)
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("alone", "several")]
    assert metrics[0]["before"]["gt_loc"]["n"] == metrics[1]["before"]["gt_loc"]["n"] == 3
    assert metrics[0]["before"]["gt_loc"] == metrics[1]["before"]["gt_loc"]
    assert json.loads((tmp_path / "several/run.json").read_text())["processes"] == 2


def test_a_diverged_run_says_so_and_ends_with_1(tmp_path, model):
    said = run("finetune-fc", "--model", model, *SHORT, "--lr", "1e38", "--out", tmp_path / "out", expect=1)
    assert "stopped at step 1: the step gives NaN or infinite weights" in said


def test_what_cannot_be_written_is_told_before_anything_is_computed(tmp_path, model):
    (tmp_path / "file").write_text("")
    for command, more in (("finetune-fc", SHORT), ("evaluate", DATA)):
        out = tmp_path / "file" / "sub"
        with pytest.raises(CamkitError, match=r"--out .*sub: cannot be written to .Not a directory.: give another"):
            CliRunner().invoke(cli, [command, "--model", model, *more, "--out", str(out)], catch_exceptions=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "net.py"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(["--crr", "a"], "'a'"), (["--set-size", "2.5"], "give one whole number"),
     (["--crr", "-1"], "--crr -1"), (["--crr", "0,1"], "--val-split"),
     (["--val-split", "holdout:x"], "holdout:10"), (["--set-size", "9"], "lower --set-size")],
)  # fmt: skip
def test_wrong_calls(tmp_path, model, wrong, said):
    done = CliRunner().invoke(cli, ["finetune-fc", "--model", model, *SHORT, "--out", str(tmp_path / "out"), *wrong])
    assert said in (str(done.exception) if isinstance(done.exception, CamkitError) else done.output)
    assert not (tmp_path / "out").exists()
    assert CliRunner().invoke(cli, ["finetune-fc", "--model", model, *DATA, "--out", "x"]).exit_code == 2
