"""A detector from an image classifier: boxes of `camkit localize` are the pseudo labels of a Faster R-CNN.

    camkit localize --model resnet50 --images photos/ --labels labels.csv --out found
    python examples/train_detector.py --boxes found/coco.json --images photos/ --detect test/ --out detections.json
    camkit evaluate --boxes detections.json --box-of own-or-miss --dataset csv --root data/ --out measured

camkit's category ids are the model's classes from 0, and torchvision's 0 is the background: ids are shifted by one
for training, and back in what is written.
"""

import argparse
import json
from pathlib import Path

import torch
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

from camkit.data import read_image
from camkit.data.listing import find_images

Target = dict[str, torch.Tensor]


def pseudo_labels(coco: Path) -> tuple[dict[str, Target], dict[int, int]]:
    """By image name torchvision's target, of images with a box; and the detector's label of each category id."""
    content = json.loads(coco.read_text())
    label_of = {category["id"]: label for label, category in enumerate(content["categories"], 1)}
    names = {image["id"]: image["file_name"] for image in content["images"]}
    boxes: dict[str, list[list[float]]] = {}
    labels: dict[str, list[int]] = {}
    for found in content["annotations"]:
        x, y, width, height = found["bbox"]
        name = names[found["image_id"]]
        boxes.setdefault(name, []).append([x, y, x + width, y + height])
        labels.setdefault(name, []).append(label_of[found["category_id"]])
    return {name: {"boxes": torch.tensor(its, dtype=torch.float32), "labels": torch.tensor(labels[name])}
            for name, its in boxes.items()}, label_of  # fmt: skip


def read(path: Path) -> torch.Tensor:
    """An image (3, H, W) in [0, 1], upright as localize saw it."""
    return read_image(path) / 255


def train(
    detector: torch.nn.Module, images: Path, targets: dict[str, Target], steps: int, batch: int, lr: float
) -> float:
    """So many steps of SGD as torchvision's reference has them (momentum 0.9, weight decay 1e-4); the last loss."""
    optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr, 0.9, weight_decay=1e-4)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.001, total_iters=min(1000, steps))
    names, value = sorted(targets), float("nan")
    generator = torch.Generator().manual_seed(0)
    detector.train()
    for _ in range(steps):
        chosen = [names[i] for i in torch.randint(len(names), (batch,), generator=generator)]
        losses = detector([read(images / name) for name in chosen], [targets[name] for name in chosen])
        loss = sum(losses.values())
        value = float(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        warm.step()
    return value


@torch.no_grad()
def detect(
    detector: torch.nn.Module, images: Path, label_of: dict[int, int]
) -> list[tuple[str, tuple[int, int], list[dict]]]:
    """Every image's name, size (height, width) and detections, all that the detector gives."""
    category_of = {label: category for category, label in label_of.items()}
    detector.eval()
    found = []
    for file in find_images(images):
        image = read(file.path)
        (out,) = detector([image])
        boxes = zip(out["boxes"].tolist(), out["labels"].tolist(), out["scores"].tolist(), strict=True)
        its = [{"category_id": category_of[label], "score": score, "bbox": [x0, y0, x1 - x0, y1 - y0]}
               for (x0, y0, x1, y1), label, score in boxes]  # fmt: skip
        found.append((file.name, (image.shape[1], image.shape[2]), its))
    return found


def main() -> None:
    """Train, detect, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=Path, required=True, help="coco.json of camkit localize")
    parser.add_argument("--images", type=Path, required=True, help="the folder that localize was given")
    parser.add_argument("--detect", type=Path, help="images to detect in; by default the same")
    parser.add_argument("--out", type=Path, required=True, help="COCO's JSON, for camkit evaluate --boxes")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--weights-backbone", default="DEFAULT", help="DEFAULT (ImageNet's, fetched once) or none")
    parser.add_argument("--min-size", type=int, default=320, help="shorter side that the network sees")
    options = parser.parse_args()
    targets, label_of = pseudo_labels(options.boxes)
    backbone = None if options.weights_backbone == "none" else options.weights_backbone
    torch.manual_seed(0)
    detector = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=backbone, num_classes=len(label_of) + 1, min_size=options.min_size,
        max_size=2 * options.min_size)  # fmt: skip
    loss = train(detector, options.images, targets, options.steps, options.batch, options.lr)
    found = detect(detector, options.detect or options.images, label_of)
    names = {category["id"]: category for category in json.loads(options.boxes.read_text())["categories"]}
    content = {
        "images": [{"id": i, "file_name": name, "height": size[0], "width": size[1]}
                   for i, (name, size, _) in enumerate(found)],
        "annotations": [{"id": n, "image_id": i, **one}
                        for n, (i, one) in enumerate((i, one) for i, (_, _, its) in enumerate(found) for one in its)],
        "categories": list(names.values()),
    }  # fmt: skip
    options.out.write_text(json.dumps(content))
    print(f"{options.steps} steps on {len(targets)} images, last loss {loss:.3f}; "
          f"{len(content['annotations'])} detections in {len(found)} images: {options.out}")  # fmt: skip


if __name__ == "__main__":
    main()
