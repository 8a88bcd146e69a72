"""Fine-tuning as a whole, on drawn animals and a small network."""

import io
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.multiprocessing as mp
from PIL import Image
from processes import finetuned, small_classifier, uneven
from small import Plain, perturb

from camkit.cam import find_fc
from camkit.data import AnnotatedSet, Record, read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.process_group import ProcessGroup
from camkit.recipe import RECIPES
from camkit.training import Descent, MinMax, Schedule, StageOne, StageTwo, Trial, finetune_fc
from camkit.training.frozen import frozen
from camkit.training.minmax.finetune import copied, tune
from camkit.training.minmax.images import LabelledImages

TWO = MinMax(sets=2, set_size=2)
SETTINGS = {"descent": Descent(lr=0.05), "schedule": Schedule(steps=6, val_every=3), "device": "cpu"}


def shapes(n=12, split="train"):
    return read_dataset("shapes", f"n={n},size=32,classes=3", split)


def bytes_of(model):
    return {name: tensor.detach().numpy().tobytes() for name, tensor in model.state_dict().items()}


def changed(before, model):
    after = bytes_of(model)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("bias", [True, False])
def test_without_boxes_the_last_fc_is_kept_and_nothing_else_moves(bias):
    classifier = small_classifier(bias=bias)
    before = bytes_of(classifier.model)
    found = finetune_fc(classifier, shapes(), TWO, **SETTINGS)
    assert changed(before, classifier.model) == ({"fc.weight", "fc.bias"} if bias else {"fc.weight"})
    assert not any(module.training for module in classifier.model.modules())
    assert all(parameter.requires_grad for parameter in classifier.model.parameters())
    assert found.chosen.step == len(found.log()) == 6
    assert {name: value.numpy().tobytes() for name, value in found.chosen.state.items()}.items() <= bytes_of(
        classifier.model
    ).items()
    assert found.chosen.sets["steps_an_epoch"] == 3
    assert found.log()["epoch"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found.before is None


def test_with_boxes_the_best_of_all_weights_and_steps_is_kept():
    classifier = small_classifier()
    grid = [replace(TWO, crr=0, frr=0), replace(TWO, crr=20, frr=0), replace(TWO, crr=0, frr=20)]
    found = finetune_fc(classifier, shapes(), grid, validation=shapes(6, "val"), **SETTINGS)
    sweep, log = found.sweep(), found.log()
    assert sweep["weight_crr"].tolist()[1:] == [0, 20, 0]
    assert np.isnan(sweep["weight_crr"][0])
    assert len(log) == 3 * 6
    assert log["max_box_acc_v2"].notna().sum() == 3 * 2
    start = sweep["max_box_acc_v2"][0]
    for trial, (_, steps) in zip(found.trials, log.groupby(["weight_crr", "weight_frr"], sort=False), strict=True):
        assert trial.score == max(start, steps["max_box_acc_v2"].max())
    assert found.chosen.score == max(trial.score for trial in found.trials)
    # the same start for all: the first cross-entropy is that of the first set
    assert log[log["step"] == 1]["cross_entropy"].nunique() == 1


def test_sets_of_several_sizes_are_tried_each_as_if_alone():
    grid = [MinMax(sets=6 // size, set_size=size) for size in (2, 3)]
    found = finetune_fc(small_classifier(), shapes(), grid, validation=shapes(6, "val"), **SETTINGS)
    assert found.sweep()["set_size"].tolist()[1:] == [2, 3]
    assert found.log().groupby("set_size")["step"].max().to_dict() == {2: 6, 3: 6}
    assert [(trial.sets["sets"], trial.sets["steps_an_epoch"]) for trial in found.trials] == [(3, 2), (2, 1)]
    alone = finetune_fc(small_classifier(), shapes(), grid[1:], validation=shapes(6, "val"), **SETTINGS)
    pd.testing.assert_frame_equal(alone.log(), found.log()[found.log()["set_size"] == 3].reset_index(drop=True))


def test_patience_ends_a_trial_early():
    schedule = Schedule(steps=6, val_every=1, patience=2)
    still = finetune_fc(small_classifier(), shapes(), TWO, validation=shapes(6, "val"), schedule=schedule,
                        descent=Descent(lr=1e-12), device="cpu")  # fmt: skip
    assert still.chosen.step == 0
    assert len(still.log()) == 2
    assert still.chosen.stopped == "step 2: 2 validations without a gain"
    assert not still.chosen.diverged


def test_nan_keeps_the_last_good_fc():
    classifier = small_classifier()
    before = bytes_of(classifier.model)
    found = finetune_fc(classifier, shapes(), TWO, **{**SETTINGS, "descent": Descent(lr=1e38)})
    assert found.chosen.stopped == "step 1: the step gives NaN or infinite weights: give a lower --lr"
    assert found.log().empty
    assert found.chosen.diverged
    assert changed(before, classifier.model) == set()


def encoded(size, seed):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue


def photographs(labels, sizes=((40, 30), (25, 60))):
    records = [Record(f"{i}.png", encoded(sizes[i % len(sizes)], i), label) for i, label in enumerate(labels)]
    return AnnotatedSet("photographs", "train", records, None, [])


def scripted(scores):
    """Evaluations with these MaxBoxAccV2."""
    result = SimpleNamespace(value=0.0, low=0.0, high=0.0)
    for score in scores:
        cam = defaultdict(lambda: result, max_box_acc_v2=SimpleNamespace(value=score, low=score, high=score))
        yield SimpleNamespace(localization={"cam": cam}, classification={"top1_cls": result})


def tuned(scores, patience, steps=9):
    """Fine-tuning that is told these figures: the first before it begins, then one after each step."""
    classifier, schedule = small_classifier(), Schedule(epochs=9, steps=steps, val_every=1, patience=patience)
    inference = Inference(classifier, "cpu", "fp32")
    fc = find_fc(inference.cam.model, inference.cam.head)
    images = LabelledImages(inference, shapes(), ProcessGroup.current(inference.device), fit="stretch", workers=0,
                            max_pixels=10**6, memory=1.0)  # fmt: skip
    sets, told = images.sets(TWO, schedule), scripted(scores)
    named = {name: p for name, p in classifier.model.named_parameters() if name.startswith("fc.")}
    trial = Trial(TWO, sets.facts(), copied(named), next(told))
    stages = StageOne(fc, images.classes, Descent(0.05)), StageTwo(inference.cam, TWO, Descent(0.05))
    seen = [trial.state["fc.weight"]]
    with frozen(classifier.model, fc.parameters):
        for _ in tune(trial, *stages, images, sets, named, schedule, lambda: next(told)):
            seen.append(classifier.model.fc.weight.detach().clone())
    return trial, seen


def test_the_best_step_is_kept_and_each_gain_starts_the_waiting_anew():
    trial, seen = tuned([10, 9, 11, 11, 12, 12, 3, 99], patience=2)
    assert trial.step == 4
    assert torch.equal(trial.state["fc.weight"], seen[4])
    assert not any(torch.equal(seen[4], other) for other in seen[:4])
    assert trial.score == 12
    assert trial.stopped == "step 6: 2 validations without a gain"
    assert [row["max_box_acc_v2"] for row in trial.rows] == [9, 11, 11, 12, 12, 3]
    never, seen = tuned([10, 9, 8, 7], patience=5, steps=3)
    assert (never.step, never.stopped, never.score) == (0, None, 10)
    assert torch.equal(never.state["fc.weight"], seen[0])


def test_what_is_chosen_is_better_than_a_spoiled_start_and_measures_the_same_again():
    classifier, val = small_classifier(), shapes(12, "val")
    with torch.no_grad():
        classifier.model.fc.weight.neg_()
    grid = [replace(TWO, crr=0, frr=0), replace(TWO, crr=0, frr=50)]
    settings = {"descent": Descent(lr=0.5), "schedule": Schedule(epochs=9, steps=20, val_every=1), "device": "cpu"}
    found = finetune_fc(classifier, shapes(24), grid, validation=val, step=0.1, **settings)
    assert found.chosen.step > 0
    assert found.chosen.score > found.trials[0].found.localization["cam"]["max_box_acc_v2"].value - 1e-9
    assert found.chosen.score > found.before.localization["cam"]["max_box_acc_v2"].value
    again = evaluate(Inference(classifier, "cpu", "fp32"), val, {"cam": RECIPES["cam"]}, step=0.1)
    assert again.localization["cam"]["max_box_acc_v2"].value == found.chosen.score
    log = found.log()
    assert found.chosen.score == log["max_box_acc_v2"].max()


def test_validation_images_that_fail_are_told():
    val = shapes(6, "val")
    val.records[2] = Record("broken.png", lambda: b"no picture", 0, val.records[2].boxes)
    found = finetune_fc(small_classifier(), shapes(), TWO, validation=val, **SETTINGS)
    assert [failure.image for failure in found.failures] == ["broken.png"]


def test_classes_and_data_sets_that_cannot_be_read():
    images = photographs([0, 0, 1, 1])
    for index in (2, 3):
        images.records[index] = Record(f"{index}.png", lambda: b"no picture", 1)
    found = finetune_fc(small_classifier(), images, TWO, **SETTINGS)
    assert found.facts["classes_without_a_readable_image"] == [1]
    for index in (0, 1):
        images.records[index] = Record(f"{index}.png", lambda: b"no picture", 0)
    with pytest.raises(CamkitError, match="none of the images to train on can be read"):
        finetune_fc(small_classifier(), images, TWO, **SETTINGS)


def test_images_of_several_sizes_small_classes_and_broken_files():
    images = photographs([0, 0, 0, 0, 1, None])
    images.records[2] = Record("2.png", lambda: b"no picture", 0)
    found = finetune_fc(small_classifier(), images, TWO, **SETTINGS)
    assert found.chosen.sets["classes_with_fewer_images"] == {"1": 1}
    assert {(failure.image, failure.reason[:15]) for failure in found.failures} >= {("5.png", "it has no class")}
    assert {failure.image for failure in found.failures} == {"2.png", "5.png"}


def deep():
    torch.manual_seed(0)
    model = Plain(num_classes=3)
    model.fc = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    return replace(small_classifier(), model=perturb(model))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: finetune_fc(small_classifier(), photographs([1] * 6), TWO, **SETTINGS), "one class alone"),
        (
            lambda: finetune_fc(small_classifier(), photographs([0, 1]), TWO, **SETTINGS),
            "no class has 2 images.*add images",
        ),
        (lambda: finetune_fc(small_classifier(), photographs([0, 0, 7]), TWO, **SETTINGS), "there is no class 7"),
        (lambda: finetune_fc(deep(), shapes(), TWO, **SETTINGS), "linearised"),
        (lambda: finetune_fc(small_classifier(), shapes(), [TWO, TWO], **SETTINGS), "--val-split"),
        (lambda: finetune_fc(small_classifier(), shapes(), TWO, fit="keep", **SETTINGS), "stretch or crop"),
        (lambda: Schedule(steps=0), "--steps 0"),
        (lambda: finetune_fc(small_classifier(), shapes(), TWO, memory=float("nan"), **SETTINGS), "--memory nan"),
        (lambda: Descent(momentum=float("nan")), "--momentum nan"),
        (lambda: Descent(weight_decay=float("nan")), "--weight-decay nan"),
    ],
)
def test_calls_that_cannot_be_carried_out(call, said):
    with pytest.raises(CamkitError, match=said):
        call()


def test_classes_meet_by_name():
    classifier = replace(small_classifier(), class_names=("shape 2", "shape 1", "shape 0"))
    inference = Inference(classifier, "cpu", "fp32")
    images = LabelledImages(inference, shapes(), ProcessGroup.current(inference.device), fit="stretch", workers=0,
                            max_pixels=10**6, memory=1.0)  # fmt: skip
    assert images.labels.tolist() == [2 - record.label for record in shapes().records]


def test_two_processes_of_which_one_has_nothing_do_as_one(tmp_path):
    mp.spawn(uneven, (f"file://{tmp_path}/store", str(tmp_path), 2), nprocs=2)
    uneven(0, None, str(tmp_path), 1)
    one, *two = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for its in two:
        for name, weight in one["fc"].items():
            torch.testing.assert_close(its["fc"][name], weight)
        assert its["figures"] == pytest.approx(one["figures"], rel=1e-4)
        assert its["score"] == one["score"]
        assert its["failures"] == one["failures"]
    assert len(one["failures"]) == 1


def test_two_processes_do_as_one(tmp_path):
    mp.spawn(finetuned, (f"file://{tmp_path}/store", str(tmp_path), 2), nprocs=2)
    finetuned(0, None, str(tmp_path), 1)
    one, *two = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for name, weight in one["fc"].items():
        assert torch.equal(two[0]["fc"][name], two[1]["fc"][name])
        torch.testing.assert_close(two[0]["fc"][name], weight)
    torch.testing.assert_close(torch.tensor(two[0]["crr"]), torch.tensor(one["crr"]))
