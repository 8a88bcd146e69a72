"""Another tool's maps: figures that are known, and everything that can be wrong with a file."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli
from camkit.data import AnnotatedSet, MapFolder, Record
from camkit.errors import CamkitError
from camkit.evaluation import evaluate
from camkit.recipe import Recipe

N = 8


@pytest.fixture
def place(tmp_path):
    """Squares of 20x20 in images of 64x48; the maps of the last two are of another place."""
    with (tmp_path / "val.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        for i in range(N):
            x0, y0 = 4 * i, 2 * i
            table.writerow([f"a/{i}.jpg", i % 2, x0, y0, x0 + 20, y0 + 20])
            score_map = np.zeros((48, 64), np.float32)
            score_map[y0 : y0 + 20, x0 : x0 + 20] = 1 if i < N - 2 else 0
            score_map[40:, 56:] = 1 if i >= N - 2 else 0
            (tmp_path / "images/a").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 48)).save(tmp_path / f"images/a/{i}.jpg")
            write(tmp_path / "maps/a", f"{i}", score_map, (".npy", ".jpg.npy", ".npz", ".png")[i % 4])
    return tmp_path


def write(folder, name, score_map, suffix=".npy"):
    folder.mkdir(parents=True, exist_ok=True)
    if suffix == ".png":
        Image.fromarray((255 * score_map).astype(np.uint8)).save(folder / f"{name}.png")
    elif suffix == ".npz":
        np.savez(folder / f"{name}.npz", score_map)
    else:
        np.save(folder / f"{name}{suffix}", score_map)


def run(place, *options, expect=0):
    arguments = ["evaluate", "--maps", str(place / "maps"), "--dataset", "csv", "--root", str(place)]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(place / "out"), "--step", "0.01", "--overwrite", *options])
    assert done.exit_code == expect, done.output
    return done.output


@pytest.mark.parametrize("protocol", ["paper", "wsol"])
def test_the_figures_of_known_maps(place, protocol):
    out = run(place, "--protocol", protocol)
    metrics = json.loads((place / "out/metrics.json").read_text())
    assert metrics["gt_loc"]["value"] == metrics["max_box_acc"]["value"] == 100 * 6 / 8
    assert "top1_cls" not in metrics
    assert "top1_loc" not in metrics
    assert f"{N} images: {N} judged, 0 failed" in out
    if protocol == "paper":
        assert metrics["mean_iou"]["value"] == 6 / 8  # exact boxes, and disjoint ones


def test_a_classifier_beside_the_maps_names_the_classes(place):
    (place / "net.py").write_text(
        "import torch\nfrom torch import nn\nSIZE, MEAN, STD = 32, (0.0,) * 3, (1.0,) * 3\n"
        "class Net(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.tensor([[1.0, 0.0]]).expand(len(x), 2)\n"
        "def build():\n    return Net()\n"
    )
    run(place, "--classifier", f"{place}/net.py:build")
    metrics = json.loads((place / "out/metrics.json").read_text())
    assert metrics["top1_cls"]["value"] == 50  # it says 0 of every image
    assert metrics["top1_loc"]["value"] == 100 * 3 / 8  # of images 0, 2, 4 class and box are right
    assert metrics["top2_loc"]["value"] == metrics["gt_loc"]["value"]


def test_counts_add_up_and_every_bad_map_is_named(place):
    maps = place / "maps/a"
    (maps / "0.npy").unlink()
    np.save(maps / "1.jpg.npy", np.full((4, 4), np.nan))
    (maps / "2.npz").write_bytes(b"no archive")
    Image.new("RGB", (4, 4)).save(maps / "3.png")
    np.save(maps / "4.npy", np.zeros((2, 3, 4)))
    write(maps, "5", np.zeros((4, 4)))  # beside 5.jpg.npy
    np.save(maps / "stranger.npy", np.zeros((4, 4)))
    out = run(place, expect=1)
    assert f"{N} images: 2 judged, 6 failed" in out
    assert "1 of the maps" not in out  # those that failed were looked at as well
    lines = (place / "out/failures.csv").read_text().splitlines()[1:]
    for line, reason in zip(
        lines,
        [
            "no map for it",
            "16 of its 16 values are NaN",
            "cannot be read",
            "not grey",
            "shape (2, 3, 4)",
            "2 maps for it",
        ],
        strict=True,
    ):
        assert reason in line


def test_maps_of_no_image_are_counted(place):
    np.save(place / "maps/stranger.npy", np.zeros((4, 4)))
    assert "1 of the maps" in run(place)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "tiny"], "--model or --maps"),
        (["--weights", "none"], "leave out --weights"),
        (["--no-nwc"], "leave out --nwc"),
        (["--protocol", "wsol", "--normalize", "none"], "leave out --normalize"),
    ],
)
def test_wrong_calls(place, options, said):
    arguments = ["evaluate", "--maps", str(place / "maps"), "--dataset", "csv", "--root", str(place), "--out", "x"]
    done = CliRunner().invoke(cli, [*arguments, *options])
    assert said in (done.output if done.exit_code == 2 else str(done.exception))


def test_two_classes_of_one_image_have_a_map_each(tmp_path):
    records = [Record("a.jpg", bytes, label) for label in (3, 5)]
    write(tmp_path, "a.jpg.3", np.full((2, 2), 3.0))
    write(tmp_path, "a.jpg.5", np.full((2, 2), 5.0))
    folder = MapFolder(tmp_path, records)
    assert folder.read("a.jpg", 3)[0, 0] == 3
    assert folder.read("a.jpg", 5)[0, 0] == 5
    assert folder.unread() == 0


def test_a_stem_that_two_images_share_names_neither(tmp_path):
    write(tmp_path, "a", np.zeros((2, 2)))
    folder = MapFolder(tmp_path, [Record("a.jpg", bytes, 0), Record("a.png", bytes, 0)])
    with pytest.raises(CamkitError, match=r"a\.jpg\.npy"):
        folder.read("a.jpg", 0)


def test_no_code_is_run_by_a_map(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CamkitError, match="type object"):
        MapFolder(tmp_path, [Record("a.jpg", bytes, 0)]).read("a.jpg", 0)


def test_the_public_metadata_does_without_images_and_counts_add_up(tmp_path):
    """Six images that are nowhere on disk, one listed twice, one whose line of boxes was cut in half."""
    meta, names = tmp_path / "meta/test", [f"{i}.jpg" for i in range(6)]
    meta.mkdir(parents=True)
    (meta / "image_ids.txt").write_text("\n".join([*names, "2.jpg"]) + "\n")
    (meta / "class_labels.txt").write_text("".join(f"{name},0\n" for name in names))
    (meta / "image_sizes.txt").write_text("".join(f"{name},100,80\n" for name in names))
    (meta / "localization.txt").write_text("".join(f"{name},10,10,59,49\n" for name in names[:-1]) + "5.jpg,10,1")
    for i in range(5):
        score_map = np.zeros((80, 100))
        score_map[10:50, 10:60] = 1
        write(tmp_path / "maps", f"{i}", score_map)
    arguments = ["evaluate", "--maps", str(tmp_path / "maps"), "--dataset", "wsol", "--root", str(tmp_path / "meta")]
    done = CliRunner().invoke(cli, [*arguments, "--split", "test", "--out", str(tmp_path / "out"), "--step", "0.1"])
    assert done.exit_code == 1
    assert "7 images: 5 judged, 2 failed" in done.output
    assert "image_ids.txt, line 7" in done.output
    assert "localization.txt, line 6" in done.output
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert (metrics["mean_iou"]["value"], metrics["mean_iou"]["high"]) == (1, 1)
    assert (metrics["gt_loc"]["n"], metrics["max_box_acc"]["value"]) == (5, 100)


@pytest.mark.parametrize("protocol", ["paper", "wsol"])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_constant_map_has_no_box_in_whatever_type_it_is_saved(place, protocol, kind):
    """Rounding noise of float32 stays noise when it is saved in float64."""
    for file in (place / "maps/a").iterdir():
        file.unlink()
    for i in range(N):
        noise = np.random.default_rng(i).integers(-3, 4, (7, 7)) * (1e-7 if kind is not np.float16 else 0)
        write(place / "maps/a", f"{i}", (np.float32(1 / 3) * (1 + noise)).astype(np.float32).astype(kind))
    run(place, "--protocol", protocol)
    metrics = json.loads((place / "out/metrics.json").read_text())
    table = pd.read_csv(place / "out/per_image.csv")
    assert (table[["x0", "y0", "x1", "y1"]] == 0).all(axis=None)
    assert metrics["gt_loc"]["value"] == metrics["max_box_acc"]["value"] == 0


def test_a_faint_map_that_needs_float64_is_judged(place):
    for file in (place / "maps/a").iterdir():
        file.unlink()
    for i in range(N):
        score_map = np.full((48, 64), 1 / 3)
        score_map[2 * i : 2 * i + 20, 4 * i : 4 * i + 20] += 1e-9
        write(place / "maps/a", f"{i}", score_map)
    run(place)
    assert json.loads((place / "out/metrics.json").read_text())["gt_loc"]["value"] == 100


@pytest.mark.parametrize("protocol", ["paper", "wsol"])
def test_an_absurd_size_is_that_images_problem(tmp_path, protocol):
    """Whatever a reader lets through."""
    sizes = [(48, 64), (10**9, 10**9), (3, 10**30), (400_000, 300_000)]
    box = np.array([[0, 0, 20, 20]], float)
    records = [Record(f"{i}.jpg", bytes, 0, box, size) for i, size in enumerate(sizes)]
    for i in range(len(sizes)):
        score_map = np.zeros((48, 64))
        score_map[:20, :20] = 1
        write(tmp_path, f"{i}", score_map)
    dataset = AnnotatedSet("drawn", "val", records, None, [])
    found = evaluate(MapFolder(tmp_path, records), dataset, {"cam": Recipe()}, protocol=protocol, step=0.5)
    assert found.per_image["image"].tolist() == ["0.jpg"]
    assert found.localization["cam"]["gt_loc"].value == 100
    assert [failure.image for failure in found.failures] == ["1.jpg", "2.jpg", "3.jpg"]
    assert found.failures[0].reason.startswith(f"an image of {10**9} x {10**9} pixels")


def test_images_above_max_pixels_are_refused(place):
    assert f"{N} images: {N} judged" in run(place, "--max-pixels", str(64 * 48))
    arguments = ["evaluate", "--maps", str(place / "maps"), "--dataset", "csv", "--root", str(place), "--out", "x"]
    done = CliRunner().invoke(cli, [*arguments, "--max-pixels", str(64 * 48 - 1)])
    assert "an image of 64 x 48 pixels" in str(done.exception)


def test_a_map_with_the_images_sides_swapped_is_that_images_failure(place):
    upright = np.load(place / "maps/a/0.npy")
    write(place / "maps/a", "0", upright.T)
    out = run(place, expect=1)
    assert "a/0.jpg: its map is 64 x 48 and the image 48 x 64 (height, width): one of them has its sides swapped" in out
    assert json.loads((place / "out/metrics.json").read_text())["gt_loc"]["value"] == pytest.approx(100 * 5 / 7)
