"""The way from pseudo boxes through a detector to figures, on a miniature."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_detector.py"


def example():
    spec = importlib.util.spec_from_file_location("train_detector", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_from_pseudo_boxes_to_figures(tmp_path, monkeypatch):
    """Boxes and labels as torchvision wants them, some steps, and a file with every image that evaluate measures."""
    (tmp_path / "images").mkdir()
    lines, annotations = ["image,name,x0,y0,x1,y1"], []
    for i in range(4):
        image = np.zeros((48, 64, 3), np.uint8)
        image[8:40, 10:50, i % 2] = 255
        Image.fromarray(image).save(tmp_path / f"images/{i}.png")
        lines.append(f"{i}.png,{'ab'[i % 2]},10,8,50,40")
        annotations.append({"id": i, "image_id": i, "category_id": 4 * (i % 2), "bbox": [10, 8, 40, 32]})
    (tmp_path / "val.csv").write_text("\n".join(lines))
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 48, "width": 64} for i in range(4)],
        "categories": [{"id": 0, "name": "a"}, {"id": 4, "name": "b"}],
        "annotations": annotations[:3],  # the last has no region
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    module = example()
    targets, label_of = module.pseudo_labels(tmp_path / "coco.json")
    assert label_of == {0: 1, 4: 2}  # 0 is the background's
    assert sorted(targets) == ["0.png", "1.png", "2.png"]
    assert torch.equal(targets["1.png"]["boxes"], torch.tensor([[10.0, 8, 50, 40]]))
    assert targets["1.png"]["labels"].tolist() == [2]
    out = tmp_path / "detections.json"
    monkeypatch.setattr(sys, "argv", ["train_detector.py", *map(str, [
        "--boxes", tmp_path / "coco.json", "--images", tmp_path / "images", "--out", out, "--steps", 2, "--batch", 2,
        "--weights-backbone", "none", "--min-size", 64])])  # fmt: skip
    module.main()
    written = json.loads(out.read_text())
    assert [image["file_name"] for image in written["images"]] == [f"{i}.png" for i in range(4)]
    # What a trained one would find stands for what two steps have found: the truth, the last image's class confused.
    written["annotations"] += [{**one, "score": 2.0} for one in annotations[:3]]
    written["annotations"].append({"image_id": 3, "category_id": 0, "bbox": [10, 8, 40, 32], "score": 2.0})
    out.write_text(json.dumps(written))
    done = CliRunner().invoke(cli, ["evaluate", "--boxes", str(out), "--box-of", "own-or-miss", "--dataset", "csv",
                                    "--root", str(tmp_path), "--out", str(tmp_path / "out")])  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    figures = json.loads((tmp_path / "out/metrics.json").read_text())
    assert figures["top1_cls"]["value"] == figures["top1_loc"]["value"] == 75
    assert figures["gt_loc"]["value"] >= 75
    assert figures["gt_loc"]["n"] == 4
