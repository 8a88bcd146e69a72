"""The systems that the papers compare with, trained and measured alike: one table.

    python benchmarks/systems.py --data shapes --seeds 3 --out OUT
    python benchmarks/systems.py --data cub --root CUB_200_2011 --seeds 1 --out OUT
    python benchmarks/systems.py --data cub --seeds 1 --out OUT --table    # of what is there, and nothing is trained

`shapes`: a small VGG with batch norms from nothing, on drawn images of 64 pixels. `cub`: EfficientNet-Lite0 from
ImageNet's weights (extra `imagenet`), on CUB's training split, ten species of it or all. Every system has the same
network, images, epochs, learning rate and schedule, those of plain training, and its own published constants; places
in EfficientNet-Lite0, which no paper has, are after the stages of stride 8 and 16. Nothing is chosen on the test split,
and no system has been tuned. Each training is a process of its own: its processors' time, over the number of its steps,
and the most memory that it added to the process stand beside plain training's. Both are of the whole run, with reading
images and its one validation; `benchmarks/method_step.py` measures steps alone.

OUT keeps a file for each training, so that a run that was stopped goes on.
"""

import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from camkit.data import read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.models import load_classifier
from camkit.recipe import RECIPES
from camkit.reproduction.experiments.outcomes import measured
from camkit.reproduction.measured import Measured, added_up, figure_of
from camkit.training import TrainSettings, train

SHAPES = "n=600,size=64"
COMMON: dict[str, dict[str, Any]] = {
    "shapes": {"dataset": "shapes", "backbone": "vgg-small-bn", "weights": "none", "size": (64,), "resize": 72,
               "epochs": 30, "lr": 0.02, "val_split": "val"},
    "cub": {"dataset": "cub", "backbone": "efficientnet-lite0", "size": (224,), "resize": 256, "epochs": 3,
            "lr": 0.003, "val_split": "holdout:1"},
}  # fmt: skip
TWO, ONE = {"shapes": {}, "cub": {"at": "blocks.2,blocks.4"}}, {"shapes": {}, "cub": {"at": "blocks.4"}}
WIDTH = {"shapes": {"width": 64}, "cub": {}}  # of SPG's branches: 512 beside 512 channels, 64 beside 96
GRIDS = {"shapes": "0,5,9,13,16", "cub": "0,16,32,44,56"}  # the published ones, as shares of 224 pixels
FIGURES = {"top1_cls": "Top-1 Cls", "gt_loc": "GT-known Loc", "top1_loc": "Top-1 Loc", "max_box_acc_v2": "MaxBoxAccV2"}
TREES = {
    "shapes": "class,family\n" + "".join(f"shape {k},{'odd' if k % 2 else 'even'}\n" for k in range(10)),
    "cub": "class,family,order\n" + "".join(f"{name},{family}\n" for name, family in (
        ("001.Black_footed_Albatross", "Diomedeidae,Procellariiformes"),
        ("002.Laysan_Albatross", "Diomedeidae,Procellariiformes"),
        ("003.Sooty_Albatross", "Diomedeidae,Procellariiformes"),
        ("004.Groove_billed_Ani", "Cuculidae,Cuculiformes"),
        ("005.Crested_Auklet", "Alcidae,Charadriiformes"),
        ("006.Least_Auklet", "Alcidae,Charadriiformes"),
        ("007.Parakeet_Auklet", "Alcidae,Charadriiformes"),
        ("008.Rhinoceros_Auklet", "Alcidae,Charadriiformes"),
        ("009.Brewer_Blackbird", "Icteridae,Passeriformes"),
        ("010.Red_winged_Blackbird", "Icteridae,Passeriformes"),
    )),
}  # fmt: skip


def systems(data: str, out: Path) -> dict[str, dict[str, Any]]:
    """Settings of each system beside the common ones."""
    tree = out / f"{data}-tree.csv"
    tree.write_text(TREES[data], encoding="utf-8")
    adl_at = () if data == "shapes" else ("blocks.2", "blocks.4", "blocks.6")
    return {
        "CAM": {},
        "TAP": {"pool": "tap:0.1"},
        "HaS": {"method": "has", "method_options": {"grid": GRIDS[data]}},
        "ADL": {"method": "adl", "adl_at": adl_at},
        "CutMix": {"method": "cutmix"},
        "MinMaxCAM": {"method": "minmax", "method_options": {"crr": 5, "frr": 5, "sets": 6}, "batch_size": 0},
        "ACoL": {"method": "acol", "method_options": {"shapes": {"width": 96}, "cub": {"at": "blocks.6"}}[data]},
        "SPG": {"method": "spg", "method_options": TWO[data] | WIDTH[data]},
        "DANet": {"method": "danet", "method_options": TWO[data] | {"tree": str(tree)}},
        "I2C": {"method": "i2c", "method_options": {"sets": 15}, "batch_size": 0},
        "EIL": {"method": "eil", "method_options": ONE[data]},
        "GAIN": {"method": "gain"},
        "WILDCAT": {"pool": "wildcat:0.2,0.2,0.7,8"},
        "WELDON": {"pool": "weldon:0.2"},
    }


def one(data: str, root: str, system: str, seed: int, out: Path) -> None:
    """Train one network and measure it; called in a process of its own."""
    settings = TrainSettings(
        root=root, schedule="cosine", seed=seed, best="top1_cls",
        val_every=COMMON[data]["epochs"], **{"batch_size": 30} | COMMON[data] | systems(data, out)[system],
    )  # fmt: skip
    folder = _folder(out, data, system, seed)
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train(settings, folder, resume=True)
    worked, held = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    test = read_dataset(COMMON[data]["dataset"], root, "test")
    inference = Inference(load_classifier(str(folder / "best.safetensors")), "auto", "fp32")
    recipes = {name: RECIPES[name] for name in ("cam", "nwc+pas")}
    found = measured(evaluate(inference, test, recipes, batch_size=30), data, worked=worked,
                     mib=(held - before) / 1024)  # fmt: skip
    _file(out, data, system, seed).write_text(json.dumps(found.as_json()), encoding="utf-8")


def _folder(out: Path, data: str, system: str, seed: int) -> Path:
    return out / "networks" / data / f"{system}-{seed}"


def _file(out: Path, data: str, system: str, seed: int) -> Path:
    return out / f"{data}-{system}-{seed}.json"


def _read(file: Path) -> Measured:
    return Measured.from_json(json.loads(file.read_text("utf-8")))


def table(data: str, seeds: int, out: Path) -> Iterator[str]:
    """Figures with intervals over images and seeds, and what training took against plain training."""
    runs = {}
    for system in systems(data, out):
        files = {seed: _file(out, data, system, seed) for seed in range(seeds)}
        if its := {seed: _read(file) for seed, file in files.items() if file.exists()}:
            runs[system] = its
    if "CAM" not in runs:
        raise click.ClickException(f"{out}: holds no {data}-CAM-SEED.json, which the others are held against")
    boxes = list(FIGURES.values())[1:]
    head = ["system", "seeds", FIGURES["top1_cls"], *(f"{name}, {recipe}" for recipe in ("CAM", "both")
            for name in boxes), "GT-known Loc, CAM, against CAM", "ms a step", "memory, MiB"]  # fmt: skip
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for system, its in runs.items():
        plain = {seed: runs["CAM"][seed] for seed in its if seed in runs["CAM"]}
        cells = [str(len(its)), told([(1, its)], "cam:top1_cls")]
        for recipe in ("cam", "nwc+pas"):
            name = recipe if f"{recipe}:gt_loc" in its[min(its)].outcomes else "cam"
            cells += [told([(1, its)], f"{name}:{figure}") for figure in list(FIGURES)[1:]]
        alike = {seed: its[seed] for seed in plain}
        cells.append("" if system == "CAM" or not alike else told([(1, alike), (-1, plain)], "cam:gt_loc"))
        ours, theirs = spent(out, data, system, its), spent(out, data, "CAM", runs["CAM"])
        cells += [f"{own:.0f}, {own / base:.2f} times" for own, base in zip(ours, theirs, strict=True)]
        yield f"| {system} | {' | '.join(cells)} |"
    first = runs["CAM"][min(runs["CAM"])]
    yield f"\nn {len(first.images)}, {first.facts['failures']} of the split's images failed"


def spent(out: Path, data: str, system: str, runs: Mapping[int, Measured]) -> tuple[float, float]:
    """Processors' milliseconds over steps, and MiB, their means over seeds."""
    steps = 0
    for seed in runs:
        with (_folder(out, data, system, seed) / "log.csv").open(newline="") as log:
            steps += max(int(row["step"]) for row in csv.DictReader(log))
    return (
        1000 * sum(run.facts["worked"] for run in runs.values()) / steps,
        sum(run.facts["mib"] for run in runs.values()) / len(runs),
    )


def told(terms: list[tuple[int, dict[int, Measured]]], figure: str) -> str:
    """A sum of figures with its interval."""
    found = added_up([figure_of(sign, figure, dict(runs)) for sign, runs in terms], 100.0)
    sign = "+" if len(terms) > 1 else ""
    return f"{found.value:{sign}.1f} ({found.low:{sign}.1f} to {found.high:{sign}.1f})"


@click.command()
@click.option("--data", type=click.Choice(list(COMMON)), required=True)
@click.option("--root", default=SHAPES)
@click.option("--seeds", default=1)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--only", multiple=True, help="Systems; all without it.")
@click.option("--table", "only_table", is_flag=True, help="Print the table of what is there, and train nothing.")
@click.option("--one", "this", nargs=2, default=None, type=(str, int), hidden=True)
def main(
    data: str, root: str, seeds: int, out: Path, only: tuple[str, ...], only_table: bool, this: tuple[str, int] | None
) -> None:
    """Train what is not there yet, and print the table as Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    if this:
        one(data, root, *this, out)
        return
    for seed in range(0 if only_table else seeds):
        for system in only or systems(data, out):
            if not _file(out, data, system, seed).exists():
                command = [sys.executable, __file__, "--data", data, "--root", root, "--out", str(out)]
                left = subprocess.run([*command, "--one", system, str(seed)], check=False).returncode
                print(f"{data} {system} seed {seed}: {'failed' if left else 'done'}", file=sys.stderr)
    print("\n".join(table(data, seeds, out)))


if __name__ == "__main__":
    main()
