"""Networks trained on the spot, at a learning rate that photographs held out of training chose for each pooling."""

from dataclasses import replace
from typing import Any

from camkit.analysis import analyze
from camkit.evaluation import evaluate
from camkit.recipe import RECIPES
from camkit.reproduction.bench import FACTORIES, FORMATS, WEIGHTS, Bench
from camkit.reproduction.experiments.as_they_come import STEP, of_analyses
from camkit.reproduction.experiments.outcomes import measured
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell
from camkit.training import TrainResult, TrainSettings, train

SIDE, RESIZE, BATCH = 224, 256, 30
LOOKED_AT = "holdout:1"  # a photograph of each class that training measures at its end; nothing is chosen on it


def train_network(cell: Cell, bench: Bench) -> Measured:
    """Train on the training split, to the last epoch; measure every recipe on the test split, and the channels."""
    data = bench.data(cell.data[0], "test")
    result = run(cell, bench, LOOKED_AT)
    facts: dict[str, Any] = {"lr": result.settings.lr, "loss": float(result.log["loss"].iloc[-1])}
    facts["network"] = bench.kept(cell)
    if cell.settings["backbone"] in FACTORIES:
        facts["factory"] = cell.settings["backbone"]
    classifier = bench.load(str(bench.out / facts["network"]), facts.get("factory"))
    inference = bench.inference(classifier)
    found = evaluate(inference, data, RECIPES, step=STEP, batch_size=bench.batch_size, progress=bench.progress)
    of_recipes = measured(found, cell.data[0], **facts)
    if cell.settings.get("method", "none") != "none":
        return of_recipes
    analysed = analyze(inference, data, ("channels",), batch_size=bench.batch_size, progress=bench.progress)
    of_channels = of_analyses(analysed, cell.data[0])
    at = {image: place for place, image in enumerate(of_channels.images)}
    missing = float("nan")
    channels = {
        name: [values[at[image]] if image in at else missing for image in of_recipes.images]
        for name, values in of_channels.outcomes.items()
    }
    return replace(of_recipes, outcomes={**of_recipes.outcomes, **channels})


def try_rate(cell: Cell, bench: Bench) -> Measured:
    """One learning rate, by Top-1 Cls on photographs held out of the training split."""
    result = run(cell, bench, cell.settings["val_split"])
    row = result.log.iloc[-1]
    return Measured(
        facts={"lr": cell.settings["lr"], "top1_cls": float(row["val_top1_cls"]), "loss": float(row["loss"])}
    )


def choose_rate(cell: Cell, bench: Bench) -> Measured:
    """The better one; of equals the lower."""
    tried = sorted((bench.of(name, cell.seed).facts for name in cell.after), key=lambda facts: facts["lr"])
    best = max(tried, key=lambda facts: facts["top1_cls"])
    return Measured(facts={"lr": best["lr"], "tried": [dict(facts) for facts in tried]})


def run(cell: Cell, bench: Bench, val_split: str) -> TrainResult:
    """Train as the cell says; a run that was stopped goes on."""
    made = {name: value for name, value in cell.settings.items() if name not in ("train_split", "val_split")}
    made["split"] = cell.settings.get("train_split", "train")
    if made["backbone"] in FACTORIES:
        name = made["backbone"]
        made |= {"backbone": bench.spec(name), "weights": str(bench.folders[name] / WEIGHTS)}
    if "lr" not in made:
        made["lr"] = bench.of(cell.after[0], cell.seed).facts["lr"]
    if "adl_at" in made:
        made["adl_at"] = tuple(made["adl_at"])
    size, resize = (made.pop("size", SIDE),), made.pop("resize", RESIZE)
    batch_size = made.pop("batch_size", 0 if made.get("method") == "minmax" else BATCH)  # sets make their own
    settings = TrainSettings(
        dataset=FORMATS[cell.data[0]], root=str(bench.folders[cell.data[0]]), size=size,
        resize=resize, batch_size=batch_size, schedule="cosine", seed=cell.seed or 0, device=bench.device,
        val_split=val_split, val_every=made["epochs"], **made,
    )  # fmt: skip
    return train(settings, bench.folder(cell), resume=True)
