"""The shape of Rethinking CAM's Table 3, on drawn images: GAP and TAP under none, HaS and ADL; CAM, NWC, PaS, both.

python examples/table3_on_shapes.py --out table3

For each seed six small networks are trained from scratch, all alike, and measured on a split that no choice was made
on: the last epoch counts, thresholds are the papers'. An interval is a bootstrap over seeds and images together; it
says how far another draw of both could move the mean.
"""

import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit import load_classifier
from camkit.data import read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.recipe import RECIPES
from camkit.training import TrainSettings, train

METHODS = {"none": {}, "has": {"grid": 8}, "adl": {}}
POOLS = {"GAP": "gap", "TAP": "tap:0.1"}
FIGURES = ("top1_cls", "gt_loc", "top1_loc")
DRAWS = 2000


def draw(folder: Path, size: int, classes: int, splits: dict[str, int]) -> None:
    """Shapes as files: eighteen trainings need not draw them eighteen times."""
    for split, count in splits.items():
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
        lines = ["image,label,x0,y0,x1,y1"]
        for record in read_dataset("shapes", f"n={count},size={size},classes={classes}", split).records:
            name = f"{split}/{record.image}"
            (folder / "images" / name).write_bytes(record.read())
            lines.append(f"{name},{record.label}," + ",".join(f"{corner:g}" for corner in record.boxes[0]))
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def interval(rows: NDArray[np.bool_], rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean of (seeds, images) and its 95 % interval, both drawn anew with replacement, in percent."""
    seeds, images = rows.shape
    draws = [rows[rng.integers(seeds, size=seeds)][:, rng.integers(images, size=images)].mean() for _ in range(DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return 100 * rows.mean(), 100 * float(low), 100 * float(high)


def table(outcomes: pd.DataFrame) -> pd.DataFrame:
    """A row for each method, pooling and recipe."""
    rng, rows = np.random.default_rng(0), []
    for (method, pool, recipe), cell in outcomes.groupby(["method", "pool", "recipe"], sort=False):
        row = {"method": method, "pool": pool, "recipe": recipe, "seeds": cell["seed"].nunique()}
        for figure in FIGURES:
            by_seed = cell.pivot_table(index="seed", columns="image", values=figure, aggfunc="first").to_numpy(bool)
            row |= dict(zip((figure, f"{figure}_low", f"{figure}_high"), interval(by_seed, rng), strict=True))
        rows.append(row | {"images": by_seed.shape[1]})
    return pd.DataFrame(rows)


def as_markdown(rows: pd.DataFrame) -> str:
    lines = ["| method | TAP | NWC | PaS | Top-1 Cls | GT-known Loc | Top-1 Loc |", "|---|---|---|---|---|---|---|"]
    for row in rows.to_dict("records"):
        ticks = [row["pool"] == "TAP", "nwc" in row["recipe"], "pas" in row["recipe"]]
        cells = [f"{row[f]:.1f} ({row[f'{f}_low']:.1f} to {row[f'{f}_high']:.1f})" for f in FIGURES]
        lines.append(
            f"| {row['method']} | " + " | ".join("x" if tick else "" for tick in ticks) + f" | {' | '.join(cells)} |"
        )
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--seeds", default=3)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--epochs", default=10)
@click.option("--images", default=800, help="To train on.")
@click.option("--test-images", default=400)
@click.option("--classes", default=5)
@click.option("--size", default=64)
@click.option("--lr", default=0.05)
@click.option("--precision", default="bf16")
def main(
    out: Path,
    seeds: int,
    methods: str,
    epochs: int,
    images: int,
    test_images: int,
    classes: int,
    size: int,
    lr: float,
    precision: str,
) -> None:
    start = time.perf_counter()
    draw(out / "shapes", size, classes, {"train": images, "val": 10 * classes, "test": test_images})
    test = read_dataset("csv", out / "shapes", "test")
    outcomes = []
    for seed in range(seeds):
        for method in methods.split(","):
            for pool, made in POOLS.items():
                settings = TrainSettings(
                    dataset="csv", root=str(out / "shapes"), backbone="vgg-small-bn", weights="none", pool=made,
                    method=method, method_options=METHODS[method], size=(size,), resize=size, epochs=epochs,
                    batch_size=32, lr=lr, schedule="one-cycle", precision=precision, seed=seed, val_every=epochs,
                )  # fmt: skip
                run = out / f"{method}-{pool.lower()}-{seed}"
                done = train(settings, run, resume=True)
                inference = Inference(load_classifier(str(run / "last.safetensors")), "auto", "fp32")
                found = evaluate(inference, test, RECIPES, batch_size=50, step=0.01).per_image
                found["top1_cls"] = found["label"] == found["predicted"]
                outcomes.append(found.assign(method=method, pool=pool, seed=seed))
                best = found.groupby("recipe", sort=False)["gt_loc"].mean() * 100
                click.echo(
                    f"{run.name}: {done.seconds:.0f} s, loss {done.log['loss'].iloc[-1]:.3f}, "
                    f"top-1 {100 * found['top1_cls'].mean():.1f}, GT-known Loc {best.round(1).to_dict()}"
                )
    rows = table(pd.concat(outcomes, ignore_index=True))
    rows.to_csv(out / "table3.csv", index=False, lineterminator="\n", float_format="%.2f")
    text = as_markdown(rows)
    (out / "table3.md").write_text(text)
    click.echo(f"{text}\n{seeds} seeds, {test_images} test images, {time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
