"""FRR widens what covers too little, CRR narrows what covers too much: two networks on `shapes`, several seeds.

    python benchmarks/minmax_shapes.py --out OUT --seeds 3

"fine" has a map position for 4x4 pixels and sees little around each: it learns the animals' heads, which tell the
classes apart, and its boxes are smaller than the animals. "coarse" has one for 16x16: its boxes are larger. Both are
trained here from nothing, for each seed. Then fc alone is fine-tuned with its loss at several weights. The weight is
chosen on the validation split by MaxBoxAccV2, and the test split is scored once.

OUT gets the sweep on the validation split (sweep.csv, a row a network, seed and pair of weights) and what was chosen,
on the test split (chosen.csv), with the mean of the score maps inside the objects and outside, which says without a
threshold what they cover; the screen shows means over the seeds, with the lowest and highest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from camkit.cam import CAM
from camkit.data import AnnotatedSet, Preprocess, RecordDataset, read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier
from camkit.output import whole
from camkit.recipe import RECIPES
from camkit.training import Descent, MinMax, Schedule, finetune_fc

STRIDES = {"fine": (2, 1, 2, 1), "coarse": (2, 2, 2, 2)}
LOSS = {"fine": "frr", "coarse": "crr"}
SPEC = InputSpec((64, 64), 64, (0.5,) * 3, (0.25,) * 3)
FIGURES = ("max_box_acc_v2", "gt_loc", "coverage_predicted", "coverage_excess")


def network(strides: tuple[int, ...], width: int, classes: int) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for stage, stride in enumerate(strides):
        out = width * 2 ** min(stage, 2)
        layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int, seed: int) -> None:
    """Cross-entropy with mirrored images, one-cycle learning rate."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
    steps = len(images) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs * steps, cycle_momentum=False)
    model.train()
    for _ in tqdm(range(epochs), "train", leave=False):
        for batch in torch.randperm(len(images), generator=generator)[: steps * 64].split(64):
            mirrored = torch.rand(64, generator=generator) < 0.5
            x = torch.where(mirrored[:, None, None, None], images[batch].flip(3), images[batch])
            optimizer.zero_grad()
            F.cross_entropy(model(x), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    model.eval()


def scored(classifier: Classifier, dataset: AnnotatedSet) -> dict[str, float]:
    """Figures of plain CAM, each with its interval's ends."""
    found = evaluate(Inference(classifier, "cpu", "fp32"), dataset, {"cam": RECIPES["cam"]}, batch_size=64, step=0.01)
    results = {"top1_cls": found.classification["top1_cls"]}
    results |= {name: found.localization["cam"][name] for name in FIGURES}
    return {f"{name}{end}": getattr(result, end.strip("_") or "value")
            for name, result in results.items() for end in ("", "_low", "_high")}  # fmt: skip


def lit(classifier: Classifier, dataset: AnnotatedSet) -> dict[str, float]:
    """The mean of plain CAM's score maps inside the objects and outside: coverage without a threshold."""
    records = dataset.records
    samples = RecordDataset(records, Preprocess(SPEC))
    images = torch.stack([samples[i].input for i in range(len(samples))])
    labels = torch.tensor([record.label for record in records])
    objects = torch.stack([torch.from_numpy(record.read_mask()[0]) for record in records])
    cam = CAM(classifier.model, SPEC.size)
    maps = torch.cat([cam(x, y, "signed").maps for x, y in zip(images.split(64), labels.split(64), strict=True)])
    scores = RECIPES["cam"].score_maps(maps[:, 0], SPEC.size)
    return {"inside": float(scores[objects].mean()), "outside": float(scores[~objects].mean())}


def trials(name: str, seed: int, size: dict[str, int], weights: list[float], descent: Descent, schedule: Schedule,
           width: int) -> Iterator[tuple[str, dict[str, Any]]]:  # fmt: skip
    """Rows of sweep.csv and chosen.csv for one network and seed."""
    root = f"n={{}},size=64,classes={size['classes']},seed={seed}"
    split = {part: read_dataset("shapes", root.format(size[part]), part) for part in ("train", "val", "test")}
    torch.manual_seed(seed)
    model = network(STRIDES[name], width, size["classes"])
    samples = RecordDataset(split["train"].records, Preprocess(SPEC))
    images = torch.stack([samples[i].input for i in range(len(samples))])
    train(model, images, torch.tensor([record.label for record in split["train"].records]), size["epochs"], seed)
    classifier = Classifier(model, name, SPEC, None, f"seed {seed}")
    key = {"network": name, "seed": seed}
    yield "chosen", key | {"what": "CAM"} | scored(classifier, split["test"]) | lit(classifier, split["test"])
    grid = [MinMax(**{"crr": 0.0, "frr": 0.0, LOSS[name]: weight}) for weight in weights]
    found = finetune_fc(classifier, split["train"], grid, validation=split["val"], descent=descent, schedule=schedule,
                        device="cpu", show_progress=True)  # fmt: skip
    for row in found.sweep().to_dict("records"):
        yield "sweep", key | row
    chosen = {"what": "MinMaxCAM", **found.chosen.weights, "step": found.chosen.step}
    yield "chosen", key | chosen | scored(classifier, split["test"]) | lit(classifier, split["test"])


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--seeds", default=3, show_default=True)
@click.option("--weights", default="0,1,5,20", show_default=True, help="Of FRR (fine) or CRR (coarse).")
@click.option("--images", default=3000, show_default=True, help="To train on; to choose on and to test, a third.")
@click.option("--classes", default=6, show_default=True)
@click.option("--width", default=32, show_default=True)
@click.option("--epochs", default=20, show_default=True, help="Of training the networks.")
@click.option("--steps", default=400, show_default=True, help="Of fine-tuning fc.")
@click.option("--val-every", default=50, show_default=True)
@click.option("--lr", default=1e-2, show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(out: Path, seeds: int, weights: str, images: int, classes: int, width: int, epochs: int, steps: int,
         val_every: int, lr: float, threads: int) -> None:  # fmt: skip
    torch.set_num_threads(threads)
    size = {"train": images, "val": images // 3, "test": images // 3, "classes": classes, "epochs": epochs}
    schedule = Schedule(epochs=10**6, steps=steps, val_every=val_every, patience=10**6)
    tables: dict[str, list[dict[str, Any]]] = {"sweep": [], "chosen": []}
    for seed in range(seeds):
        for name in STRIDES:
            values = [float(weight) for weight in weights.split(",")]
            for table, row in trials(name, seed, size, values, Descent(lr), schedule, width):
                tables[table].append(row)
            for table, rows in tables.items():  # what is done stays if the rest is stopped
                with whole(out / f"{table}.csv") as file:
                    pd.DataFrame(rows).to_csv(file, index=False)
    for table, keys in (("sweep", ["network", "weight_crr", "weight_frr"]), ("chosen", ["network", "what"])):
        frame = pd.DataFrame(tables[table])
        columns = [c for c in ("max_box_acc_v2", "gt_loc", "top1_cls", "inside", "outside") if c in frame]
        print(f"\n{table}: mean (lowest to highest of {seeds} seeds)")
        for key, group in frame.groupby(keys, dropna=False):
            cells = [f"{c} {group[c].mean():.2f} ({group[c].min():.2f} to {group[c].max():.2f})" for c in columns]
            print("  ", *key, "|", " | ".join(cells))


if __name__ == "__main__":
    main()
