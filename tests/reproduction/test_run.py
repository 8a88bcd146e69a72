"""A whole run on drawn miniatures: every experiment, judged, on a page; and a second that computes nothing."""

import json
from dataclasses import replace
from pathlib import Path

import miniatures
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from small import Plain

from camkit.cli import cli
from camkit.errors import CamkitError
from camkit.reproduction.claims import read_claims
from camkit.reproduction.experiments import EXPERIMENTS
from camkit.reproduction.page import heading, write_page
from camkit.reproduction.plan import Cell, check_folders
from camkit.reproduction.run import reproduce
from camkit.reproduction.tables import write_tables

ROOT = Path(__file__).parents[2]
CLAIMS = """
[rule]
text = "As it is."
[[claim]]
id = "plain"
paper = "rethinking-cam"
source = "Table 3"
sentence = "It gains."
comparisons = [
  {of = "birds/stretch[nwc:gt_loc] - birds/stretch[cam:gt_loc]", above = -100.5},
  {of = "birds/stretch[nwc+pas:top1_cls] - birds/stretch[cam:top1_cls]", exactly = 0},
  {of = "birds/analyses[dispersion:object]", above = 0},
]
[[claim]]
id = "trained"
paper = "minmaxcam"
source = "Table 1"
sentence = "It gains, too."
comparisons = [
  {of = "minmax/chosen[cam:max_box_acc_v2] - cub/vgg[cam:max_box_acc_v2]", above = -1000},
  {of = "pets/vgg[nwc:pxap] - pets/vgg[cam:pxap]", above = 1000},
  {of = "threshold[own]", within = [-1000, 1000], when = {of = "birds/weights[negative]", above = 2}},
]
[[claim]]
id = "absent"
paper = "minmaxcam"
source = "Table 4"
sentence = "It was not tried."
comparisons = [{of = "tiny[cam:share]", above = 0}]
[[elsewhere]]
id = "there"
data = "CUB-200-2011"
tests = ["plain"]
commands = ["camkit models"]
"""
SMALL = {
    "backbone": "vgg-small-bn",
    "weights": "none",
    "lr": 0.02,
    "size": 32,
    "resize": 32,
    "epochs": 1,
    "batch_size": 6,
}
TUNED = {"steps": 1, "lr": 0.01, "sets": 2, "set_size": 2, "mask": "input"}
NETWORK = {"network": "birds", "split": "test", "fit": "stretch"}


def plan():
    birds, cub = ("birds", "cub"), ("cub",)
    tuned = ("minmax/none", "minmax/crr")
    return [
        Cell("birds/stretch", "evaluate", NETWORK, birds),
        Cell("birds/analyses", "analyse", NETWORK, birds),
        Cell("birds/weights", "weights", {"network": "birds"}, ("birds",)),
        Cell("tiny", "evaluate", NETWORK, ("tiny-imagenet",)),
        Cell("rate/1", "try_rate", {**SMALL, "lr": 0.01, "val_split": "holdout:2"}, cub, seed=0),
        Cell("rate/2", "try_rate", {**SMALL, "val_split": "holdout:2"}, cub, seed=0),
        Cell("rate", "choose_rate", {}, after=("rate/1", "rate/2"), seed=0),
        *(Cell("cub/vgg", "train", SMALL, cub, seed=seed) for seed in (0, 1)),
        Cell("cub/chosen", "train", {key: value for key, value in SMALL.items() if key != "lr"}, cub, ("rate",), 0),
        Cell("cub/of-a-file", "train", {**SMALL, "backbone": "birds"}, birds[::-1], seed=0),
        Cell("pets/vgg", "train", SMALL, ("pets",), seed=0),
        *(Cell("thetas", "thetas", {"split": "test"}, cub, ("cub/vgg",), seed) for seed in (0, 1)),
        Cell("thetas/birds", "thetas", NETWORK, birds),
        *(Cell("threshold", "compare_thetas", {}, after=("thetas", "thetas/birds"), seed=seed) for seed in (0, 1)),
        *(
            Cell(name, "finetune", TUNED | {"crr": crr, "frr": 0}, cub, ("cub/vgg",), seed)
            for seed in (0, 1)
            for name, crr in zip(tuned, (0, 5), strict=True)
        ),
        *(Cell("minmax/chosen", "choose_weights", {}, after=tuned, seed=seed) for seed in (0, 1)),
        *(
            Cell("minmax/classes", "separate_classifier", {"split": "test"}, cub, ("minmax/chosen", "cub/vgg"), seed)
            for seed in (0, 1)
        ),
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    birds = root / "birds"
    birds.mkdir()
    source = (ROOT / "tests" / "small.py").read_text()
    (birds / "model.py").write_text(f"{source}\n\nSIZE = 32\n\n\ndef birds():\n    return Plain(2)\n")
    (birds / "labels.txt").write_text("001.Bird_1\n002.Bird_2\n")
    torch.manual_seed(0)
    save_file(Plain(2).state_dict(), birds / "weights.safetensors")
    return {"cub": miniatures.cub(root / "cub"), "pets": miniatures.openimages(root / "pets"), "birds": birds}


@pytest.fixture(scope="module")
def done(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    told = []
    return reproduce(plan(), "small", folders, out, device="cpu", tell=told.append), out, told


def test_every_experiment_is_in_the_run(done):
    run, _, told = done
    assert {cell.experiment for cell in run.plan} == set(EXPERIMENTS)
    assert run.missing == {"tiny": "needs --data tiny-imagenet=DIR"}
    assert len(told) == len(run.plan)


def test_figures_are_means_of_what_images_count_for(done):
    run, _, _ = done
    found = run.measured["birds/stretch"]
    assert len(found.images) == 6
    assert found.images[0] == "cub/001.Bird_1/001.Bird_1_1.jpg"
    cam = {name.partition(":")[2]: values for name, values in found.outcomes.items() if name.startswith("cam:")}
    assert set(cam["gt_loc"]) <= {0.0, 100.0}
    for share, excess, iou, outside in zip(cam["share"], cam["excess"], cam["iou"], cam["outside"], strict=True):
        overlap = share - outside
        assert overlap == pytest.approx(iou * (share + (share - excess) - overlap))
    masks = run.measured["pets/vgg@0"]
    assert [name for name in masks.outcomes if name.endswith("pxap")] == [
        "cam:pxap",
        "nwc:pxap",
        "pas:pxap",
        "nwc+pas:pxap",
    ]
    assert run.measured["rate@0"].facts["lr"] in (0.01, 0.02)
    assert run.measured["cub/chosen@0"].facts["lr"] == run.measured["rate@0"].facts["lr"]
    assert len(run.measured["threshold@1"].images) == 3


def test_claims_are_judged_and_told(done, tmp_path):
    run, _, _ = done
    file = tmp_path / "claims.toml"
    file.write_text(CLAIMS)
    claims = read_claims(file)
    verdicts = run.verdicts(claims.named(()))
    assert [verdict.verdict for verdict in verdicts] == ["holds", "does not hold", "no verdict"]
    assert [one.outcome for one in verdicts[1].outcomes] == ["shown", "contradicted", "does not count"]
    assert verdicts[1].outcomes[0].quantity.seeds == 2
    write_tables(tmp_path, run, verdicts)
    write_page(tmp_path / "page.md", run, claims, verdicts, ["nwc-birds", "pas-birds"])
    page = (tmp_path / "page.md").read_text()
    assert "Of 3 claims 1 hold, 1 do not hold, 1 have no verdict" in page
    assert "Made by `camkit reproduce nwc-birds pas-birds --budget small --seeds 2`" in page
    of_one = replace(run, plan=[cell for cell in run.plan if cell.seed != 1])
    assert "Made by `camkit reproduce all --budget small`;" in heading(of_one, claims, verdicts, ["all"])
    assert "**does not hold**: contradicted" in page
    assert "- `tiny`: needs --data tiny-imagenet=DIR" in page
    assert "    camkit models" in page
    assert {path.name for path in (tmp_path / "images").iterdir()} == {
        "reproduction-rethinking-cam.png",
        "reproduction-minmaxcam.png",
    }
    assert (tmp_path / "verdicts.csv").read_text().count("\n") == 1 + 7
    assert "minmax/chosen,1,cam:max_box_acc_v2" in (tmp_path / "cells.csv").read_text()


def test_what_is_there_is_not_computed_again(done, folders):
    run, out, _ = done
    kept = {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*.json")}
    assert len(kept) == len(run.measured)
    again = reproduce(plan(), "small", folders, out, device="cpu")
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*.json")} == kept
    assert {name: found.as_json() for name, found in again.measured.items()} == {
        name: found.as_json() for name, found in run.measured.items()
    }


def test_a_cell_of_other_settings_is_computed_again(done, folders):
    _, out, _ = done
    path = out / "cells" / "birds" / "stretch.json"
    before = json.loads(path.read_text())["key"]
    cells = [Cell("birds/stretch", "evaluate", {**NETWORK, "limit": 2}, ("birds", "cub"))]
    run = reproduce(cells, "small", folders, out, device="cpu")
    assert len(run.measured["birds/stretch"].images) == 2
    assert json.loads(path.read_text())["key"] != before


def test_a_cell_that_fails_leaves_the_others_alone(folders, tmp_path):
    cells = [
        Cell("odd", "train", {**SMALL, "pool": "tap:7"}, ("cub",), seed=0),
        Cell("birds/weights", "weights", {"network": "birds"}, ("birds",)),
    ]
    run = reproduce(cells, "small", folders, tmp_path, device="cpu")
    assert list(run.missing) == ["odd@0"]
    assert "birds/weights" in run.measured


def test_folders_are_checked_beforehand(tmp_path):
    with pytest.raises(CamkitError, match="--data x: give one of cub"):
        check_folders({"x": tmp_path})
    with pytest.raises(CamkitError, match="there is no such folder"):
        check_folders({"cub": tmp_path / "none"})
    (tmp_path / "birds.csv").touch()
    assert check_folders({"cub": tmp_path})["birds-csv"] == tmp_path


def ask(*arguments):
    return CliRunner().invoke(cli, ["reproduce", "--claims", str(ROOT / "seeds" / "claims.toml"), *arguments])


def test_the_command(folders, tmp_path):
    listed = ask("--list")
    assert listed.exit_code == 0
    assert "gap-bias" in listed.output
    planned = ask("all", "--dry-run", "--data", f"cub={folders['cub']}")
    assert planned.exit_code == 0
    assert "needs --data birds=DIR" in planned.output
    assert "minutes" in planned.output.splitlines()[-1]
    claims = json.loads(ask("--list", "--json").output)["claims"]
    assert listed.output.splitlines()[0].split()[0] == claims[0]["id"]
    cells = json.loads(ask("all", "--dry-run", "--json", "--data", f"cub={folders['cub']}").output)["cells"]
    assert len(cells) == len(planned.output.splitlines()) - 1
    out = tmp_path / "out"
    done = ask("negative-weights", "--data", f"birds={folders['birds']}", "--out", str(out), "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "needs --data mobilenet=DIR" in done.output
    assert "1 no verdict" in done.output
    assert "negative-weights" in (out / "reproduction.md").read_text()
    again = ["negative-weights", "--data", f"birds={folders['birds']}", "--out", str(out), "--device", "cpu"]
    told = json.loads(ask(*again, "--json").stdout)
    assert (told["verdicts"], told["failed"], told["page"]) == ({"no verdict": 1}, 0, str(out / "reproduction.md"))
    assert ask(*again, "--quiet").output == ""


def test_a_wrong_call_is_one_line(tmp_path):
    assert ask().exit_code == 2
    assert ask("all").exit_code == 2
    assert ask("all", "--data", "cub").exit_code == 2
    assert isinstance(ask("gap-biased", "--out", str(tmp_path)).exception, CamkitError)
