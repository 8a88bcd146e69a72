"""What CRR and FRR do to maps that cover too little and too much: two networks on `shapes`, several seeds.

    python benchmarks/minmax_shapes.py --network little --images 1800 --epochs 20 --out OUT
    python benchmarks/minmax_shapes.py --network much --images 900 --epochs 12 --out OUT

Both networks have 16x16 positions and see little around each. "little" learns six classes that all wear stripes, so
that only the small head tells them apart, and lights the head alone. "much" learns six classes of two coats from fewer
images, and lights coat, head and ground. Both are trained here from nothing, for each seed. Then fc alone is fine-tuned
with every pair of loss weights. Step and pair are chosen on the validation split by MaxBoxAccV2, and the test split is
scored once.

OUT gets the validation split after each pair's last step (sweep.csv and figures), which says what each loss does, and
what was chosen, on the test split (chosen.csv), with the mean of the score maps inside the objects and outside, which
says without a threshold what they cover. The screen shows means over the seeds, for the test split with the gain over
CAM and its 95 % interval by Student's t.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import click
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn
from tqdm import tqdm

from camkit.cam import CAM
from camkit.data import AnnotatedSet, Preprocess, RecordDataset, read_dataset
from camkit.evaluation import evaluate
from camkit.figures import plot_sweep, save_figure
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier
from camkit.output import whole
from camkit.recipe import RECIPES
from camkit.training import Descent, MinMax, Schedule, finetune_fc

STRIDES = (2, 1, 2, 1)
CLASSES = 6
COATS = 2  # in shapes, classes take turns with them
SPEC = InputSpec((64, 64), 64, (0.5,) * 3, (0.25,) * 3)
FIGURES = ("max_box_acc", "max_box_acc_v2", "gt_loc", "coverage_predicted", "coverage_excess")
PAIR = ["weight_crr", "weight_frr"]


def images_of(name: str, part: str, count: int, seed: int) -> AnnotatedSet:
    """`count` images of the six classes that a network learns."""
    if name == "much":
        return read_dataset("shapes", f"n={count},size=64,classes={CLASSES},seed={seed}", part)
    drawn = read_dataset("shapes", f"n={COATS * count},size=64,classes={COATS * CLASSES},seed={seed}", part)
    striped = [replace(record, label=record.label // COATS) for record in drawn.records if record.label % COATS == 0]
    return replace(drawn, records=striped, class_names=None)


def network(width: int) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for stage, stride in enumerate(STRIDES):
        out = width * 2 ** min(stage, 2)
        layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def tensors(dataset: AnnotatedSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (n, 3, 64, 64) and labels (n,)."""
    samples = RecordDataset(dataset.records, Preprocess(SPEC))
    images = [samples[i].input for i in range(len(samples))]
    return torch.stack(images), torch.tensor([record.label for record in dataset.records])


def train(model: nn.Module, dataset: AnnotatedSet, epochs: int, seed: int) -> None:
    """Cross-entropy with mirrored images, one-cycle learning rate."""
    images, labels = tensors(dataset)
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
    images, labels = tensors(dataset)
    objects = torch.stack([torch.from_numpy(record.read_mask()[0]) for record in dataset.records])
    cam = CAM(classifier.model, SPEC.size)
    maps = torch.cat([cam(x, y, "signed").maps for x, y in zip(images.split(64), labels.split(64), strict=True)])
    scores = RECIPES["cam"].score_maps(maps[:, 0], SPEC.size)
    return {"inside": float(scores[objects].mean()), "outside": float(scores[~objects].mean())}


def trials(name: str, seed: int, counts: dict[str, int], width: int, epochs: int, grid: list[MinMax],
           descent: Descent, schedule: Schedule) -> Iterator[tuple[str, dict[str, Any]]]:  # fmt: skip
    """Rows of sweep.csv and chosen.csv for one network and seed."""
    split = {part: images_of(name, part, count, seed) for part, count in counts.items()}
    torch.manual_seed(seed)
    model = network(width)
    train(model, split["train"], epochs, seed)
    classifier = Classifier(model, name, SPEC, None, f"seed {seed}")
    key = {"network": name, "seed": seed}
    yield "chosen", key | {"what": "CAM"} | scored(classifier, split["test"]) | lit(classifier, split["test"])
    found = finetune_fc(classifier, split["train"], grid, validation=split["val"], descent=descent, schedule=schedule,
                        device="cpu", show_progress=True)  # fmt: skip
    for row in found.sweep().to_dict("records"):
        yield "sweep", key | row
    chosen = {"what": "MinMaxCAM", **found.chosen.tried, "step": found.chosen.step}
    yield "chosen", key | chosen | scored(classifier, split["test"]) | lit(classifier, split["test"])


def draw_sweep(sweep: pd.DataFrame, out: Path) -> None:
    """Means over the seeds with lowest and highest, over CRR's weight, a panel for each of FRR's."""
    cam, tried = sweep[sweep["weight_crr"].isna()], sweep.dropna(subset=PAIR)
    for value in ("max_box_acc_v2", "coverage_excess"):
        over_seeds = tried.groupby(PAIR)[value]
        table = over_seeds.mean().to_frame(value)
        table[f"{value}_low"], table[f"{value}_high"] = over_seeds.min(), over_seeds.max()
        figure = plot_sweep(table.reset_index(), "weight_crr", value, "weight_frr", reference=cam[value].mean())
        with whole(out / f"{value}.png", "wb") as file:
            save_figure(figure, file, "png")


def tell_sweep(sweep: pd.DataFrame) -> None:
    """Means over the seeds, on the validation split."""
    print("\nvalidation split, after the last step: mean (lowest to highest seed)")
    for key, rows in sweep.groupby(PAIR, dropna=False):
        cells = [f"{c} {rows[c].mean():.2f} ({rows[c].min():.2f} to {rows[c].max():.2f})"
                 for c in ("max_box_acc_v2", "max_box_acc", "coverage_excess", "top1_cls")]  # fmt: skip
        print("  ", *key, "|", " | ".join(cells))


def tell_chosen(chosen: pd.DataFrame) -> None:
    """CAM, MinMaxCAM and the gain on the test split."""
    print("\ntest split: CAM, MinMaxCAM, mean gain (95 % interval over the seeds)")
    for column in (*FIGURES, "top1_cls", "inside", "outside"):
        before, after = (chosen[chosen["what"] == what].set_index("seed")[column] for what in ("CAM", "MinMaxCAM"))
        gain = after - before
        half = stats.t.ppf(0.975, len(gain) - 1) * stats.sem(gain) if len(gain) > 1 else float("nan")
        print(f"   {column}: {before.mean():.2f} -> {after.mean():.2f}, "
              f"{gain.mean():+.2f} ({gain.mean() - half:+.2f} to {gain.mean() + half:+.2f})")  # fmt: skip


def numbers(value: str) -> list[float]:
    return [float(part) for part in value.split(",")]


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--network", "name", required=True, type=click.Choice(["little", "much"]))
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--crr", default="0,20,100", show_default=True)
@click.option("--frr", default="0,5,20,100", show_default=True)
@click.option("--images", default=900, show_default=True, help="To train the network and fc on.")
@click.option("--held", default=500, show_default=True, help="Images to choose on, and as many to test.")
@click.option("--width", default=32, show_default=True)
@click.option("--epochs", default=12, show_default=True, help="Of training the networks.")
@click.option("--steps", default=60, show_default=True, help="Of fine-tuning fc.")
@click.option("--lr", default=1e-2, show_default=True)
@click.option("--threads", default=2, show_default=True)
def main(out: Path, name: str, seeds: str, crr: str, frr: str, images: int, held: int, width: int, epochs: int,
         steps: int, lr: float, threads: int) -> None:  # fmt: skip
    torch.set_num_threads(threads)
    counts = {"train": images, "val": held, "test": held}
    grid = [MinMax(*pair) for pair in product(numbers(crr), numbers(frr))]
    schedule = Schedule(epochs=10**6, steps=steps, val_every=steps // 2, patience=10**6)
    tables: dict[str, list[dict[str, Any]]] = {"sweep": [], "chosen": []}
    for seed in numbers(seeds):
        for table, row in trials(name, int(seed), counts, width, epochs, grid, Descent(lr), schedule):
            tables[table].append(row)
        for table, rows in tables.items():  # what is done stays if the rest is stopped
            with whole(out / f"{table}.csv") as file:
                pd.DataFrame(rows).to_csv(file, index=False)
    draw_sweep(pd.DataFrame(tables["sweep"]), out)
    tell_sweep(pd.DataFrame(tables["sweep"]))
    tell_chosen(pd.DataFrame(tables["chosen"]))


if __name__ == "__main__":
    main()
