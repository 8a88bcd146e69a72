"""The papers' data sets in small: drawn images in the official layouts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from camkit.data.formats.shapes import Shapes


def drawings(count: int, classes: int, size: int, seed: int = 0):
    shapes = Shapes(count, size, classes, seed)
    return [shapes.drawing(index) for index in range(count)]


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def cub(root: Path, count: int = 24, classes: int = 2, size: int = 40) -> Path:
    """CUB-200-2011: three of four images to train, the others to test."""
    names = [f"{label + 1:03d}.Bird_{label + 1}" for label in range(classes)]
    lines: dict[str, list[str]] = {
        name: [] for name in ("images", "image_class_labels", "train_test_split", "bounding_boxes")
    }
    for number, drawing in enumerate(drawings(count, classes, size), 1):
        file = f"{names[drawing.label]}/{names[drawing.label]}_{number}.jpg"
        save(root / "images" / file, drawing.image)
        x0, y0, x1, y1 = drawing.box.tolist()
        lines["images"].append(f"{number} {file}")
        lines["image_class_labels"].append(f"{number} {drawing.label + 1}")
        lines["train_test_split"].append(f"{number} {int((number - 1) // classes % 4 > 0)}")
        lines["bounding_boxes"].append(f"{number} {x0}.0 {y0}.0 {x1 - x0 - 1}.0 {y1 - y0 - 1}.0")
    lines["classes"] = [f"{label + 1} {name}" for label, name in enumerate(names)]
    for name, its in lines.items():
        (root / f"{name}.txt").write_text("\n".join(its) + "\n")
    return root


def ilsvrc(root: Path, count: int = 12, wnids: Sequence[str] = ("n00000001", "n00000002"), size: int = 40) -> Path:
    """ImageNet as Kaggle hands it out: boxes of the validation images in a CSV."""
    classes = len(wnids)
    (root / "ILSVRC").mkdir(parents=True)
    (root / "LOC_synset_mapping.txt").write_text("".join(f"{wnid} shape {wnid}\n" for wnid in wnids))
    rows = ["ImageId,PredictionString"]
    for split, seed in (("train", 0), ("val", 1)):
        for number, drawing in enumerate(drawings(count, classes, size, seed), 1):
            wnid, (x0, y0, x1, y1) = wnids[drawing.label], drawing.box.tolist()
            name = f"{wnid}_{number}" if split == "train" else f"ILSVRC2012_val_{number:08d}"
            folder = root / "ILSVRC/Data/CLS-LOC" / split / (wnid if split == "train" else "")
            save(folder / f"{name}.JPEG", drawing.image)
            if split == "val":
                rows.append(f"{name},{wnid} {x0} {y0} {x1 - 1} {y1 - 1} ")
    (root / "LOC_val_solution.csv").write_text("\n".join(rows) + "\n")
    return root


def openimages(root: Path, count: int = 12, classes: int = 2, size: int = 40) -> Path:
    """OpenImages30K in the public WSOL layout: labels alone to train, masks to validate and test."""
    for split, seed in (("train", 0), ("val", 1), ("test", 2)):
        lines: dict[str, list[str]] = {name: [] for name in ("image_ids", "class_labels", "localization")}
        for number, drawing in enumerate(drawings(count, classes, size, seed), 1):
            name = f"{split}/{number:04d}"
            save(root / "images" / f"{name}.jpg", drawing.image)
            lines["image_ids"].append(f"{name}.jpg")
            lines["class_labels"].append(f"{name}.jpg,{drawing.label}")
            if split != "train":
                save(root / "masks" / f"{name}.png", drawing.mask.astype(np.uint8) * 255)
                save(root / "masks" / f"{name}_ignore.png", np.zeros_like(drawing.mask, dtype=np.uint8))
                lines["localization"].append(f"{name}.jpg,{name}.png,{name}_ignore.png")
        (root / split).mkdir(parents=True, exist_ok=True)
        for name, its in lines.items():
            (root / split / f"{name}.txt").write_text("".join(f"{line}\n" for line in its))
    return root
