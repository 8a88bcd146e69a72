"""--json and --quiet, several --images, --min-score, --demo, what ablate draws, camkit env."""

import json
from itertools import pairwise

import pytest
from commands import make_place, rows, run
from PIL import Image

from camkit.cli.screen import _as_json

DATA = ["--dataset", "shapes", "--root", "n=9,size=32,classes=3"]
NAMED = 'LABELS = ["shape 0", "shape 1", "shape 2"]'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = make_place(tmp_path_factory.mktemp("place"))
    file = place / "net.py"
    file.write_text(file.read_text().replace('LABELS = ["first", "second", "third"]', NAMED))
    return place


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def localize(*options):
    return run("localize", "--model", "net.py:build", "--overwrite", "--out", "out", *options)


def test_weak_classes_are_left_out_and_counted(place):
    assert localize("--images", "photos", "--topk", "3")[0] == 0
    scores = sorted(float(row["score"]) for row in rows(place))
    gap, weak = max((high - low, number) for number, (low, high) in enumerate(pairwise(scores), 1))
    between = scores[weak] - gap / 2
    status, out, _ = localize("--images", "photos", "--topk", "3", "--min-score", between)
    assert status == 0
    kept = rows(place)
    assert sorted(float(row["score"]) for row in kept) == scores[weak:]
    bare = 4 - len({row["image"] for row in kept})
    assert f"{weak} of 12 classes below --min-score {between:g} are left out" in out
    assert (f"; {bare} of 4 images have none left" in out) == (bare > 0)
    status, out, _ = localize("--images", "photos", "--min-score", "1")
    assert (status, rows(place)) == (0, [])
    assert "4 of 4 images have none left" in out
    again = ["localize", "--model", "net.py:build", "--images", "photos", "--out", "out", "--min-score", "1"]
    status, out, _ = run(*again, "--resume")
    assert (status, "4 from the run before" in out) == (0, True)


def test_several_images(place):
    call = ["--images", "photos/a.png", "photos/below/*.jpg", "--images", "photos/b, with comma.png"]
    assert localize(*call)[0] == 0
    assert {row["image"] for row in rows(place)} == {"a.png", "c.jpg", "b, with comma.png"}


def test_json_is_one_object_and_nothing_else(place):
    (place / "photos/broken.jpg").write_bytes(b"no picture")
    try:
        status, out, _ = localize("--images", "photos", "--json")
        told = json.loads(out)
        assert (status, told["failed"], told["images"], told["boxes"], told["out"]) == (1, 1, 5, 4, "out")
        assert told["failures"][0].startswith("broken.jpg: ")
        assert told["lines"][-1].startswith("look at out/boxes.csv")
        status, out, error = localize("--images", "photos", "--quiet")
        assert (status, out) == (1, "")
        assert error.startswith("broken.jpg: ")
    finally:
        (place / "photos/broken.jpg").unlink()
    assert localize("--images", "photos", "--quiet") == (0, "", "")


def test_ablate_draws_every_recipe(place):
    status, out, _ = run("ablate", "--model", "net.py:build", *DATA, "--step", "0.1", "--json", "--out", "ablated")
    told = json.loads(out)
    assert (status, list(told["localization"])) == (0, ["cam", "nwc", "pas", "nwc+pas"])
    assert told["localization"]["pas"]["gt_loc"]["n"] == 9
    for name in ("ablation.png", "curve.png"):
        assert Image.open(place / "ablated" / name).width > 600


def test_curves_of_every_weighting_are_drawn_and_named():
    import pandas as pd

    from camkit.figures import plot_curves

    def curve(recipe, high):
        return pd.DataFrame({"recipe": recipe, "threshold": [0.0, 1.0], "iou_0.3": [high, 0], "iou_0.5": [high, 0],
                             "iou_0.7": [high, 0]})  # fmt: skip

    drawn = plot_curves(pd.concat([curve("CAM", 90), curve("+ NWC", 80), curve("+ PaS", 90)], ignore_index=True))
    _, *panels = drawn.figure.axes
    lines = panels[0].get_lines()
    assert {line.get_label(): list(line.get_ydata()) for line in lines} == {"CAM, + PaS": [90, 0], "+ NWC": [80, 0]}
    assert len(panels) == 3


def test_the_demo_of_analyze_has_a_verdict(place):
    status, out, _ = run("analyze", "ioa", "--demo", "--limit", "12", "--json", "--out", "analyzed")
    told = json.loads(out)
    assert (status, told["images"], list(told["findings"])) == (0, 12, ["ioa"])
    assert [one["problem"] for one in told["verdict"]["answers"]][1] == "negative weights strike the object"
    assert told["lines"][0] == "verdict"
    assert json.loads((place / "analyzed/run.json").read_text())["verdict"] == told["verdict"]


def test_the_demo_of_finetune_fc_goes_to_its_end(place):
    status, out, error = run("finetune-fc", "--minmax", "--demo", "--steps", "1", "--json", "--out", "demo-tuned")
    told = json.loads(out)
    assert (status, told["images"], told["failed"]) == (0, 96, 0)
    assert "a small network is trained on drawn images first" in error
    assert (
        told["before"]["max_box_acc_v2"]["value"] <= told["after"]["max_box_acc_v2"]["value"]
    )  # else nothing is taken
    lines = told["lines"]
    assert lines[0].startswith("96 images of 4 classes, 1 step, ")
    assert "CAM before and after, percent with the 95 % interval:" in lines
    for name in ("fc.safetensors", "log.csv", "metrics.json", "run.json"):
        assert (place / "demo-tuned" / name).is_file()


def test_finetune_does_not_advise_against_what_it_chose(place):
    short = ["--sets", "2", "--set-size", "2", "--steps", "2", "--lr", "0.1", "--val-split", "holdout:1"]
    call = ["finetune-fc", "--minmax", "--model", "net.py:build", *DATA, *short, "--crr", "0,4", "--frr", "0,4"]
    status, out, _ = run(*call, "--out", "tuned")
    assert status == 0
    assert "with this fc boxes of CAM cover" in out
    assert "raise --" not in out


def test_env_names_versions_and_no_folder(place):
    import torch

    status, out, _ = run("env", "--json")
    told = json.loads(out)
    assert (status, told["libraries"]["torch"]) == (0, torch.__version__)
    assert told["threads"]["torch"] == torch.get_num_threads()
    assert str(place) not in out
    assert told["device"].startswith(("cpu", "cuda"))
    status, out, _ = run("--version")
    assert status == 0
    assert out.startswith("camkit ")
    assert f"torch {torch.__version__}" in out
    assert "extras: " in out


def test_json_has_null_for_what_is_no_number():
    assert _as_json({"a": float("nan"), 1: [float("inf"), 2.5, "x"], "c": (True, None)}) == {
        "a": None,
        "1": [None, 2.5, "x"],
        "c": [True, None],
    }
