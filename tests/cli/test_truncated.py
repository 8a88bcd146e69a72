"""Damaged images in every command that reads images: failures, or filled and counted."""

import io
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli

BOX = "0,0,20,16"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data set of two classes whose third image of four has lost its end; its photographs are in images/."""
    place = tmp_path_factory.mktemp("set")
    (place / "images").mkdir()
    rng, rows = np.random.default_rng(0), []
    for index in range(8):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(file, "JPEG")
        content = file.getvalue()
        (place / "images" / f"{index}.jpg").write_bytes(content[: -1000 if index in (2, 6) else None])
        rows.append(f"{index}.jpg,{index % 2},{BOX}")
    for split, part in {"train": rows[:4], "val": rows[4:], "all": rows}.items():
        (place / f"{split}.csv").write_text("\n".join(["image,label,x0,y0,x1,y1", *part]))
    (place / "net.py").write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
        "nn.Linear(4, 2))\n"
    )
    return place


COMMANDS = {
    "localize": "localize --images {0}/images --no-overlays",
    "evaluate": "evaluate --dataset csv --root {0} --split all --step 0.1",
    "ablate": "ablate --dataset csv --root {0} --split all --step 0.1",
    "calibrate": "calibrate --dataset csv --root {0} --split train --test-split val --step 0.1",
    "analyze": "analyze ioa --dataset csv --root {0} --split all",
    "finetune-fc": "finetune-fc --minmax --dataset csv --root {0} --split all --set-size 2 --sets 2 --epochs 1",
}
MODEL = "--model {0}/net.py:build --weights none --size 32 --device cpu"


def run(place, out, command):
    return CliRunner().invoke(cli, [*command.format(place).split(), "--out", str(out)])


def record_of(out):
    name = "calibration.json" if (out / "calibration.json").exists() else "run.json"
    return json.loads((out / name).read_text())


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command(place, tmp_path, command, workers):
    if workers and command not in ("localize", "evaluate", "finetune-fc"):
        pytest.skip("reads as evaluate does")
    call = f"{COMMANDS[command]} {MODEL} --workers {workers}"
    strict = run(place, tmp_path / "strict", call)
    assert strict.exit_code == 1, strict.output
    for name in ("2.jpg", "6.jpg"):
        assert f"cannot read '{name}'" in strict.output.replace(f"{place}/images/", "")
    assert record_of(tmp_path / "strict")["filled"] == []
    filled = run(place, tmp_path / "filled", f"{call} --truncated fill")
    assert filled.exit_code == 0, filled.output
    assert "damaged, and read as image viewers show them: 2 (--truncated fill): '2.jpg', '6.jpg'" in filled.output
    record = record_of(tmp_path / "filled")
    assert sorted(record["filled"]) == ["2.jpg", "6.jpg"]
    assert record["settings"]["truncated"] == "fill"


def test_training(place, tmp_path):
    call = (f"train --dataset csv --root {place} --backbone vgg-small --weights none --size 32 --resize 32 --epochs 1 "
            "--batch-size 2 --device cpu")  # fmt: skip
    strict = run(place, tmp_path / "strict", call)
    assert strict.exit_code != 0
    filled = run(place, tmp_path / "filled", f"{call} --truncated fill")
    assert filled.exit_code == 0, (filled.output, filled.exception)
    assert "damaged, and read as image viewers show them: 2" in filled.output
    assert sorted(record_of(tmp_path / "filled")["filled"]) == ["2.jpg", "6.jpg"]
