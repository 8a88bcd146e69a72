"""Fine-tuning as a whole, on drawn animals and a small network."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.multiprocessing as mp
from PIL import Image
from processes import finetuned, small_classifier
from small import Plain, perturb

from camkit.data import AnnotatedSet, Record, read_dataset
from camkit.errors import CamkitError
from camkit.inference import Inference
from camkit.training import Descent, MinMax, Schedule, finetune_fc
from camkit.training.images import LabelledImages

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


def test_sets_of_several_sizes_are_tried_from_one_start_and_see_the_same_images():
    grid = [MinMax(sets=6 // size, set_size=size) for size in (2, 3)]
    found = finetune_fc(small_classifier(), shapes(), grid, validation=shapes(6, "val"), **SETTINGS)
    assert found.sweep()["set_size"].tolist()[1:] == [2, 3]
    assert found.log().groupby("set_size")["step"].max().to_dict() == {2: 6, 3: 6}
    assert [(trial.sets["sets"], trial.sets["steps_an_epoch"]) for trial in found.trials] == [(3, 2), (2, 2)]
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
        (lambda: finetune_fc(small_classifier(), photographs([0, 1]), TWO, **SETTINGS), "lower --set-size"),
        (lambda: finetune_fc(small_classifier(), photographs([0, 0, 7]), TWO, **SETTINGS), "has a class 7"),
        (lambda: finetune_fc(deep(), shapes(), TWO, **SETTINGS), "linearised"),
        (lambda: finetune_fc(small_classifier(), shapes(), [TWO, TWO], **SETTINGS), "--val-split"),
        (lambda: finetune_fc(small_classifier(), shapes(), TWO, fit="keep", **SETTINGS), "stretch or crop"),
        (lambda: Schedule(steps=0), "--steps 0"),
    ],
)
def test_calls_that_cannot_be_carried_out(call, said):
    with pytest.raises(CamkitError, match=said):
        call()


def test_classes_meet_by_name():
    classifier = replace(small_classifier(), labels=("shape 2", "shape 1", "shape 0"))
    images = LabelledImages(Inference(classifier, "cpu", "fp32"), shapes(), fit="stretch", workers=0,
                            max_pixels=10**6, memory=1.0)  # fmt: skip
    assert images.labels.tolist() == [2 - record.label for record in shapes().records]


def test_two_processes_do_as_one(tmp_path):
    mp.spawn(finetuned, (f"file://{tmp_path}/store", str(tmp_path), 2), nprocs=2)
    finetuned(0, None, str(tmp_path), 1)
    one, *two = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for name, weight in one["fc"].items():
        assert torch.equal(two[0]["fc"][name], two[1]["fc"][name])
        torch.testing.assert_close(two[0]["fc"][name], weight)
    torch.testing.assert_close(torch.tensor(two[0]["crr"]), torch.tensor(one["crr"]))
