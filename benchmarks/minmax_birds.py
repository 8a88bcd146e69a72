"""MinMaxCAM on photographs of birds: a backbone whose maps cover too little, and one whose cover too much.

    python benchmarks/minmax_birds.py --root CUB_200_2011 --out OUT

`vgg` is vgg-small-bn from nothing at 64 pixels; `lite0-16` is EfficientNet-Lite0 from ImageNet's weights with its last
stride taken away. Each is trained plainly, then its fc is fine-tuned with four pairs of loss weights, of which
MaxBoxAccV2 on three photographs of each class of the training split chooses one; and it is trained with MinMaxCAM's two
stages from the start (`camkit train --method minmax`). All is measured on the test split, for several seeds. The cells
are those of `camkit reproduce --budget small`, and OUT may be that command's: what is there is not computed again.

    python benchmarks/minmax_birds.py --root CUB_200_2011 --out OUT --birds BIRDS

adds a network of bird species as it comes (BIRDS/model.py:birds, BIRDS/weights.safetensors, BIRDS/labels.txt), on the
species of CUB that it knows (birds.csv in CUB's folder), under the centre crop, where its maps cover too little: its
own fc is fine-tuned on their training photographs, and measured on their test photographs. From its weights all of
CUB's species here are then learned, plainly and with MinMaxCAM's two stages (`camkit train --method minmax --backbone
BIRDS/model.py:birds --weights BIRDS/weights.safetensors`), at the learning rate that photographs held out of training
chose for EfficientNet-Lite0.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from camkit.data import AnnotatedSet, hold_out, map_classes, read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.models import Classifier, load_classifier
from camkit.models.class_names import read_class_names
from camkit.recipe import RECIPES
from camkit.reproduction.claims import Term
from camkit.reproduction.experiments.minmax import HELD
from camkit.reproduction.experiments.outcomes import measured
from camkit.reproduction.measured import Measured, added_up, figure_of
from camkit.reproduction.plan import (
    BUDGETS,
    CUB_TEST,
    CUB_TRAIN,
    WEIGHTS,
    Budget,
    Cell,
    cells,
    cells_for,
    train_cell,
)
from camkit.reproduction.run import Run, reproduce
from camkit.reproduction.verdicts import measure
from camkit.training import Descent, MinMax, Schedule, finetune_fc

CAM = {"cam": RECIPES["cam"]}
BACKBONES = ("vgg", "lite0-16")
TRAINED = ("none", "minmax")
V2 = "cam:max_box_acc_v2"


@click.command()
@click.option("--root", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--birds", type=click.Path(exists=True, path_type=Path))
def main(root: Path, out: Path, seeds: int, birds: Path | None) -> None:
    """Print the tables as Markdown."""
    budget = replace(BUDGETS["small"], seeds=seeds)
    if birds is not None:
        print("\n".join(of_species(root, birds, out / "species.json", seeds)), flush=True)
        print("\n".join(learned_anew(root, birds, out, budget)))
        return
    names = [f"minmax/{backbone}/chosen" for backbone in BACKBONES]
    both_stages = [to_train(backbone, "minmax", seed, budget) for backbone in BACKBONES for seed in range(seeds)]
    plan = cells_for([*cells(budget), *both_stages], [*names, *(cell.name for cell in both_stages)])
    run = reproduce(plan, "small", {"cub": root}, out, device="auto", tell=print)
    print("\n".join(report(run)))


def report(run: Run) -> list[str]:
    """What the maps cover beyond the object, and MaxBoxAccV2 before and after."""
    lines = ["| backbone | box less truth, share of the image | fine-tuning fc | MaxBoxAccV2 | against fc fine-tuned "
             "without losses | box less truth |", "|---|---|---|---|---|---|"]  # fmt: skip
    for backbone in BACKBONES:
        base, near = f"cub/{backbone}/gap/none", f"minmax/{backbone}"
        lines.append(f"| {backbone} | {of(run, (1, base, 'cam:excess'))} | none | {of(run, (1, base, V2))} | | |")
        tried = [f"{near}/crr{crr}-frr{frr}" for crr, frr in WEIGHTS]
        for cell in (*tried, f"{near}/chosen", f"cub/{backbone}/gap/minmax"):
            against = base if cell.startswith("cub") else tried[0]
            gain = of(run, (1, cell, V2), (-1, against, V2))
            lines.append(f"| | | {cell.rpartition('/')[2]} | {of(run, (1, cell, V2))} | {gain} | "
                         f"{of(run, (1, cell, 'cam:excess'))} |")  # fmt: skip
    return lines


def species(root: Path) -> Iterator[AnnotatedSet]:
    """Training and test photographs of CUB, with the numbers that the network has for their species."""
    train, test = (read_dataset("cub", root, split) for split in ("train", "test"))
    names = train.class_names or ()
    of_image = {record.image: names[record.label] for record in [*train.records, *test.records]}
    with (root / "birds.csv").open() as file:
        known = {of_image[row["image"]]: row["label"] for row in csv.DictReader(file)
                 if row["image"] in of_image}  # fmt: skip
    yield from map_classes({name: known.get(name) for name in names}, train, test)


def of_species(root: Path, birds: Path, kept: Path, seeds: int) -> Iterator[str]:
    """The network's own fc before and after, under the centre crop; OUT keeps what was measured."""
    if not kept.exists():
        train, test = species(root)
        budget, found = BUDGETS["small"], {"before": {0: on(network(birds), test).as_json()}}
        for crr, frr in WEIGHTS:
            for seed in range(seeds):
                classifier = network(birds)
                losses = MinMax(crr, frr, budget.sets, 5, mask="input")
                finetune_fc(classifier, hold_out(train, HELD)[0], losses, fit="crop", descent=Descent(0.01),
                            schedule=Schedule(epochs=1000, steps=budget.steps, seed=seed))  # fmt: skip
                found.setdefault(f"crr{crr}-frr{frr}", {})[seed] = on(classifier, test).as_json()
        kept.write_text(json.dumps(found))
    runs = {name: {int(seed): Measured.from_json(one) for seed, one in its.items()}
            for name, its in json.loads(kept.read_text()).items()}  # fmt: skip
    yield "| fc | MaxBoxAccV2 | against fc fine-tuned without losses | box less truth, share of the image |"
    yield "|---|---|---|---|"
    for name, its in runs.items():
        plain = runs["crr0-frr0"]
        gain = "" if name == "before" else told([(1, its), (-1, plain)], V2)
        yield f"| {name} | {told([(1, its)], V2)} | {gain} | {told([(1, its)], 'cam:excess')} |"


def learned_anew(root: Path, birds: Path, out: Path, budget: Budget) -> Iterator[str]:
    """Trained from the network's weights, plainly and with both stages, measured under the centre crop."""
    trained = [to_train("birds", method, seed, budget) for method in TRAINED for seed in range(budget.seeds)]
    plan = cells_for([*cells(budget), *trained], {cell.name for cell in trained})
    run = reproduce(plan, "small", {"cub": root, "birds": birds}, out, device="auto", tell=print)
    test = read_dataset("cub", root, "test")
    runs: dict[str, dict[int, Measured]] = {}
    for cell in trained:
        if cell.id in run.missing:
            raise click.ClickException(f"{cell.id}: {run.missing[cell.id]}")
        file = out / run.measured[cell.id].facts["network"]
        classifier = load_classifier(f"{birds}/model.py:birds", str(file))
        runs.setdefault(cell.settings.get("method", "none"), {})[cell.seed or 0] = on(classifier, test)
    yield "| trained | Top-1 Cls | MaxBoxAccV2 | against trained plainly | box less truth, share of the image |"
    yield "|---|---|---|---|---|"
    for method, its in runs.items():
        gain = "" if method == "none" else told([(1, its), (-1, runs["none"])], V2)
        yield f"| {method} | {told([(1, its)], 'cam:top1_cls')} | {told([(1, its)], V2)} | {gain} | " \
              f"{told([(1, its)], 'cam:excess')} |"  # fmt: skip


def to_train(backbone: str, method: str, seed: int, budget: Budget) -> Cell:
    return train_cell("cub", backbone, "gap", method, seed, budget, CUB_TRAIN, CUB_TEST)


def network(birds: Path) -> Classifier:
    found = load_classifier(f"{birds}/model.py:birds", str(birds / "weights.safetensors"))
    return replace(found, class_names=read_class_names(birds / "labels.txt"))


def on(classifier: Classifier, test: AnnotatedSet) -> Measured:
    return measured(evaluate(Inference(classifier, "auto", "fp32"), test, CAM, fit="crop"), "cub")


def told(terms: list[tuple[int, dict[int, Measured]]], figure: str) -> str:
    """A sum of figures with its interval over images and seeds."""
    figures = [figure_of(sign, figure, runs) for sign, runs in terms]
    found = added_up(figures, 100.0 if figure == V2 else 1.0)
    signed = "+" if len(terms) > 1 or "excess" in figure else ""
    return f"{found.value:{signed}.2f} ({found.low:{signed}.2f} to {found.high:{signed}.2f})"


def of(run: Run, *terms: tuple[int, str, str]) -> str:
    """A sum of figures with its interval over images and seeds."""
    found = measure([Term(*term) for term in terms], run.of)
    signed = "+" if len(terms) > 1 or "excess" in terms[0][2] else ""
    return f"{found.value:{signed}.2f} ({found.low:{signed}.2f} to {found.high:{signed}.2f})"


if __name__ == "__main__":
    main()
