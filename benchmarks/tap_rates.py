"""Why a network fine-tuned with TAP falls behind one with GAP, or does not: pooling x learning rate, on photographs.

    python benchmarks/tap_rates.py --root CUB_200_2011 --out OUT

EfficientNet-Lite0 from ImageNet's weights is trained with each pooling at each learning rate. Two things are measured
beside the recipes. *scale*: the length of the vector that the pooling gives, over photographs of the test split,
against GAP's of the same features, before any step. Gradients of fc grow with it, and so does the effective step; a
pooling that is behind for that reason catches up at a lower rate. *loss*: of the last epoch, which says whether a
network has not yet learned or has learned something else. OUT keeps a file for each run, so that a run that was stopped
goes on. Rates are compared on the test split, as a sensitivity analysis: no figure of a single rate is to be quoted.
"""

import json
from itertools import product
from pathlib import Path
from typing import Any

import click
import pandas as pd
from torch.utils.data import DataLoader

from camkit.data import AnnotatedSet, Preprocess, RecordDataset, collate, read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.models import load_classifier
from camkit.nn import make_pool
from camkit.recipe import RECIPES
from camkit.training import TrainSettings, train

BACKBONE = "efficientnet-lite0"
SAMPLED = 60  # photographs that the scale is measured on


def scales(pools: list[str], photographs: AnnotatedSet) -> dict[str, float]:
    """The length of each pooling's vectors against GAP's, of the network as it comes."""
    inference = Inference(load_classifier(BACKBONE), "cpu", "fp32")
    dataset = RecordDataset(photographs.evenly(SAMPLED).records, Preprocess(inference.classifier.input))
    total = dict.fromkeys(["gap", *pools], 0.0)
    for batches, _ in DataLoader(dataset, SAMPLED // 4, collate_fn=collate):
        for batch in batches:
            features = inference.cam.features(batch.input).features
            for pool in total:
                total[pool] += float(make_pool(pool)(features).flatten(1).norm(dim=1).sum())
    return {pool: total[pool] / total["gap"] for pool in pools}


def measured(root: Path, out: Path, pool: str, rate: float, epochs: int, seed: int) -> dict[str, Any]:
    """One network, trained and measured on the test split."""
    settings = TrainSettings(
        dataset="cub", root=str(root), backbone=BACKBONE, pool=pool, lr=rate, epochs=epochs, batch_size=30,
        schedule="cosine", seed=seed, val_split="holdout:1", val_every=epochs,
    )  # fmt: skip
    result = train(settings, out, resume=True)
    test = read_dataset("cub", root, "test")
    found = evaluate(Inference(load_classifier(str(out / "last.safetensors")), "auto", "fp32"), test, RECIPES)
    row = {
        "pool": pool,
        "lr": rate,
        "loss": float(result.log["loss"].iloc[-1]),
        "n": found.classification["top1_cls"].n,
    }
    row |= {"top1_cls": found.classification["top1_cls"].value}
    return row | {recipe: found.localization[recipe]["gt_loc"].value for recipe in RECIPES} | {
        f"{recipe} low": found.localization[recipe]["gt_loc"].low for recipe in RECIPES} | {
        f"{recipe} high": found.localization[recipe]["gt_loc"].high for recipe in RECIPES}  # fmt: skip


@click.command()
@click.option("--root", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--pools", default="gap,tap:0,tap:0.1", show_default=True)
@click.option("--rates", default="0.001,0.003,0.01", show_default=True)
@click.option("--epochs", default=12, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(root: Path, out: Path, pools: str, rates: str, epochs: int, seed: int) -> None:
    """Print the table as Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    scale = scales(pools.split(","), read_dataset("cub", root, "test"))
    rows = []
    for rate, pool in product(rates.split(","), pools.split(",")):
        file = out / f"{pool.replace(':', '')}-{rate}-{epochs}-{seed}.json"
        if not file.exists():
            file.write_text(json.dumps(measured(root, file.with_suffix(""), pool, float(rate), epochs, seed)))
        rows.append(json.loads(file.read_text()) | {"scale": scale[pool]})
        print(f"{pool} at {rate}: {rows[-1]}", flush=True)
    print(table(pd.DataFrame(rows)))


def table(rows: pd.DataFrame) -> str:
    """A row a pooling and rate."""
    head = ["pooling", "scale", "lr", "loss", "Top-1 Cls", "CAM", "+ NWC", "+ PaS", "both"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows.sort_values(["pool", "lr"]).to_dict("records"):
        recipes = [f"{row[name]:.1f} ({row[f'{name} low']:.1f} to {row[f'{name} high']:.1f})" for name in RECIPES]
        lines.append(f"| {row['pool']} | {row['scale']:.2f} | {row['lr']:g} | {row['loss']:.2f} | "
                     f"{row['top1_cls']:.1f} | {' | '.join(recipes)} |")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
