"""Fc fine-tuned with MinMaxCAM's losses on the backbones that were trained plainly."""

from camkit.data import hold_out
from camkit.evaluation import evaluate, predict_classes
from camkit.models import save_checkpoint
from camkit.recipe import RECIPES
from camkit.reproduction.bench import LAST, Bench
from camkit.reproduction.experiments.as_they_come import STEP
from camkit.reproduction.experiments.outcomes import measured
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell
from camkit.training import Descent, MinMax, Schedule, finetune_fc

HELD = 3  # photographs of each class, with boxes, on which loss weights are compared
CHOSEN_BY = "max_box_acc_v2"
CAM = {"cam": RECIPES["cam"]}


def finetune(cell: Cell, bench: Bench) -> Measured:
    """Given weights of the losses, to the last step; measured on the test split, and on the photographs held out."""
    settings, data = cell.settings, cell.data[0]
    classifier = bench.trained(cell.after[0], cell.seed)
    train, held = hold_out(bench.data(data, "train"), HELD)
    losses = MinMax(settings["crr"], settings["frr"], settings["sets"], settings["set_size"], mask=settings["mask"])
    schedule = Schedule(epochs=1000, steps=settings["steps"], seed=cell.seed or 0)
    done = finetune_fc(classifier, train, losses, descent=Descent(settings["lr"]), schedule=schedule,
                       device=bench.device)  # fmt: skip
    save_checkpoint(bench.folder(cell) / LAST, classifier.model, classifier.card())
    inference = bench.inference(classifier)
    on_held, on_test = (
        evaluate(inference, images, CAM, step=STEP, batch_size=bench.batch_size, progress=bench.progress)
        for images in (held, bench.data(data, "test"))
    )
    (trial,) = done.trials
    facts = {
        "held_out": on_held.localization["cam"][CHOSEN_BY].value,
        "stopped": trial.stopped,
        "network": bench.kept(cell),
        "factory": bench.of(cell.after[0], cell.seed).facts.get("factory"),
    }
    return measured(on_test, data, **facts)


def choose_weights(cell: Cell, bench: Bench) -> Measured:
    """The weights with the highest MaxBoxAccV2 on the photographs held out; of equals the first."""
    best = max(cell.after, key=lambda name: bench.of(name, cell.seed).facts["held_out"])
    found = bench.of(best, cell.seed)
    tried = {name: bench.of(name, cell.seed).facts["held_out"] for name in cell.after}
    return Measured(found.images, found.outcomes, facts={"chosen": best, "held_out": tried})


def separate_classifier(cell: Cell, bench: Bench) -> Measured:
    """The fine-tuned network's boxes with another network's classes."""
    maps, classes = cell.after
    localizer = bench.trained(bench.of(maps, cell.seed).facts["chosen"], cell.seed)
    data = bench.data(cell.data[0], cell.settings["split"])
    said = predict_classes(bench.trained(classes, cell.seed), data, device=bench.device)
    found = evaluate(bench.inference(localizer), data, CAM, classes=said, step=STEP, batch_size=bench.batch_size,
                     progress=bench.progress)  # fmt: skip
    return measured(found, cell.data[0])
