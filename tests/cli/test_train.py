"""Runs as the command line starts them: what they leave, and the mistakes a call can hold."""

import json
import multiprocessing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch.multiprocessing as mp
from click.testing import CliRunner
from PIL import Image
from processes import training

from camkit import load_classifier
from camkit.cli import cli
from camkit.data import read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.metrics.threshold_splits import FIXED
from camkit.models import read_card
from camkit.recipe import Recipe
from camkit.training import TrainSettings, train
from camkit.training.config import parse_toml

OPTIONS = [
    "--dataset", "shapes", "--root", "n=12,size=32,classes=3", "--backbone", "vgg-small", "--weights", "none",
    "--size", "24", "--resize", "28", "--epochs", "2", "--batch-size", "5", "--lr", "0.02", "--val-every", "2",
]  # fmt: skip


def run(out, *options, expect=0):
    done = CliRunner().invoke(cli, ["train", "--out", str(out), *options])
    assert done.exit_code == expect, done.output
    return done.output


def refused(tmp_path, *options):
    done = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "refused"), *OPTIONS, *options])
    assert isinstance(done.exception, CamkitError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_what_a_run_leaves(tmp_path):
    out = tmp_path / "run"
    said = run(out, *OPTIONS, "--pool", "tap:0.1", "--method", "has", "--method-option", "grid=8")
    assert "wsol:vgg-small: all weights start fresh" in said
    assert "2 of 12 images do not fill a batch" in said
    held = parse_toml((out / "config.toml").read_text(), "config.toml")
    assert (held["size"], held["pool"], held["method_options"]) == ([24], "tap:0.1", {"grid": 8})
    log = pd.read_csv(out / "log.csv")
    assert list(log["step"]) == [2, 4]
    assert log["val_max_box_acc_v2"].isna().tolist() == [True, False]
    assert Image.open(out / "curve.png").size[0] > 300
    record = json.loads((out / "run.json").read_text())
    assert (record["images"], record["dropped_each_epoch"], record["best_epoch"]) == (12, 2, 2)
    card = read_card(out / "best.safetensors")
    assert (card.model, card.pool, card.input.size) == ("wsol:vgg-small", "tap:0.1", (24, 24))
    assert card.facts["trained"]["method"] == "has"
    assert load_classifier(str(out / "last.safetensors")).class_names == ("shape 0", "shape 1", "shape 2")
    # the run says itself how it goes on
    assert "last: epoch 2" in run(out, "--resume")
    done = CliRunner().invoke(cli, ["train", "--out", str(out), "--resume", "--lr", "1"])
    assert "--lr 0.02 -> 1.0" in str(done.exception)


def test_the_weights_go_on_in_another_run(tmp_path):
    run(tmp_path / "first", *OPTIONS)
    said = run(tmp_path / "second", *OPTIONS, "--weights", str(tmp_path / "first" / "last.safetensors"))
    assert "fresh: none" in said


def test_class_folders_without_boxes_are_classified_alone(tmp_path):
    for split in ("train", "val"):
        for label, name in enumerate(("n01", "n02")):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", (40, 30), (255 * label, 20 * i, 90)).save(tmp_path / split / name / f"{name}_{i}.png")
    (tmp_path / "val" / "n02" / "n02_2.png").write_bytes(b"no picture")
    options = [*OPTIONS, "--dataset", "ilsvrc", "--root", str(tmp_path), "--epochs", "1"]
    said = run(tmp_path / "out", *options, expect=1)
    assert "n02_2.png: cannot be read" in said
    log = pd.read_csv(tmp_path / "out" / "log.csv")
    assert [column for column in log if column.startswith("val_")] == ["val_top1_cls"]
    assert log["val_top1_cls"][0] in (0, 20, 40, 60, 80, 100)  # of five images
    done = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "other"), *options, "--best", "gt_loc"])
    assert "--best gt_loc: --val-split val has no boxes" in str(done.exception)


def test_pseudo_boxes_choose_the_epoch_and_figures_say_so(tmp_path):
    val, out, boxes = read_dataset("shapes", "n=12,size=32,classes=3", "val"), tmp_path / "run", tmp_path / "boxes.csv"
    rows = "".join(f"{record.image},0,0,32,{16 + i}\n" for i, record in enumerate(val.records[1:]))
    boxes.write_text(f"image,x0,y0,x1,y1\n{rows}")
    options = [*OPTIONS, "--val-every", "1", "--best", "gt_loc"]
    said = run(out, *options, "--pseudo-boxes", str(boxes), expect=1)
    assert f"{val.records[0].image}: it has no box in {boxes}" in said
    assert f"best by gt_loc on val, with pseudo boxes ({boxes})" in said
    log = pd.read_csv(out / "log.csv")
    measured = [column for column in log if column.startswith("val_")]
    assert measured == ["val_top1_cls", "val_pseudo_gt_loc", "val_pseudo_top1_loc", "val_pseudo_max_box_acc_v2"]
    best = load_classifier(str(out / "best.safetensors"))
    judged = replace(val, records=[replace(record, boxes=np.array([[0.0, 0, 32, 16 + i]]))
                                   for i, record in enumerate(val.records[1:])])  # fmt: skip
    found = evaluate(Inference(best, "cpu", "fp32"), judged, {"cam": Recipe.named("cam")}).localization["cam"]
    assert found["gt_loc"].value == pytest.approx(log["val_pseudo_gt_loc"].max())
    by = f"pseudo boxes ({boxes})"
    assert (best.epoch_by, load_classifier(str(out / "last.safetensors")).epoch_by) == (f"{by} of shapes val", FIXED)
    call = ["evaluate", "--model", str(out / "best.safetensors"), *OPTIONS[:4], "--split", "val", "--step", "0.5"]
    done = CliRunner().invoke(cli, [*call, "--out", str(tmp_path / "measured")])
    assert f"note: the weights are of an epoch chosen by {by} of the reported split" in done.output
    assert json.loads((tmp_path / "measured/metrics.json").read_text())["epoch_by"] == f"{by} of shapes val"
    assert "other ones after each epoch: give a file" in refused(tmp_path, *options, "--pseudo-boxes", "map-otsu")
    assert "top1_cls looks at no box" in refused(tmp_path, *OPTIONS, "--pseudo-boxes", str(boxes))
    assert "nowhere.csv: cannot be read" in refused(tmp_path, *options, "--pseudo-boxes", "nowhere.csv")


def test_two_processes_write_one_run(tmp_path):
    settings = TrainSettings(
        dataset="shapes", root="n=12,size=32,classes=3", backbone="vgg-small", weights="none",
        size=(28,), resize=32, epochs=2, batch_size=6, lr=0.02, val_every=2,
    )  # fmt: skip
    alone, several = tmp_path / "alone", tmp_path / "several"
    train(settings, alone)
    multiprocessing.set_forkserver_preload(["camkit.training.run"])
    address = f"file://{tmp_path}/meeting"
    mp.start_processes(training, (address, 2, settings, several, 1), nprocs=2, start_method="forkserver")
    logs = [pd.read_csv(folder / "log.csv") for folder in (alone, several)]
    assert logs[0]["loss"].tolist() == pytest.approx(logs[1]["loss"].tolist(), abs=1e-4)
    assert logs[0]["val_max_box_acc_v2"].dropna().tolist() == logs[1]["val_max_box_acc_v2"].dropna().tolist()
    assert logs[0]["val_gt_loc"].dropna().tolist() == logs[1]["val_gt_loc"].dropna().tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pool", "tap:1"], "theta"),
        (["--pool", "middle"], "middle"),
        (["--method", "hide"], "no method 'hide'"),
        (["--method", "has", "--method-option", "grid=0"], "grid"),
        (["--backbone", "vgg17"], "vgg17"),
        (["--lr", "1e30"], "the loss is (nan|inf) at epoch 1, step 2"),
        (["--root", "n=4,classes=2"], "do not fill one batch"),
        (["--root", "n=12,classes=1"], "1 classes"),
        (["--val-split", "testing"], "testing"),
        (["--weights", "nosuch.safetensors"], "nosuch"),
        (["--size", "64"], "--size 64: it is above --resize"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line(tmp_path, options, message):
    import re

    assert re.search(message, refused(tmp_path, *options))


def test_presets_are_listed_and_options_win(tmp_path):
    assert "rethinking/cub/vgg16-tap\n" in run(tmp_path, "--list-presets")
    done = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "run"), "--preset", "rethinking/cub/vgg16-tap"])
    assert "--root is missing" in str(done.exception)
    (tmp_path / "my.toml").write_text('root = "nowhere"\nepochs = 3\n')
    arguments = ["--preset", "rethinking/cub/vgg16-tap", "--config", str(tmp_path / "my.toml"), "--root", "elsewhere"]
    done = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "run"), *arguments])
    assert "elsewhere: there is no such folder" in str(done.exception)


def test_tensorboard_is_asked_for_by_name(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra camkit[tensorboard]")
    run(tmp_path / "run", *OPTIONS, "--tensorboard")
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))
