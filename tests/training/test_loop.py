"""The loop against an obvious one, in parts, in several processes, and when the loss is no number any more."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from processes import looped, looping
from torch import nn

from camkit.data import read_dataset
from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.process_group import ProcessGroup
from camkit.training.data import TrainingImages
from camkit.training.network import smoothed
from camkit.training.sampler import DistributedBatchSampler
from camkit.training.schedules import schedule
from camkit.training.settings import TrainSettings

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
SETTINGS = TrainSettings(
    dataset="shapes", root="n=40,size=32,classes=4", size=(28,), resize=32, epochs=10, batch_size=8, lr=0.1,
    schedule="cosine", label_smoothing=0.1,
)  # fmt: skip


def close(first, second, tolerance):
    (losses, weights), (other_losses, others) = first, second
    assert losses == pytest.approx(other_losses, abs=tolerance)
    assert all(torch.allclose(a, b, atol=tolerance) for a, b in zip(weights, others, strict=True))


def obvious(settings):
    """The same training as anyone would write it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    data = TrainingImages(read_dataset("shapes", settings.root, "train"), settings, InputSpec())
    optimizer = torch.optim.SGD(model.parameters(), settings.lr, 0.9, weight_decay=5e-4, nesterov=True)
    share, losses, step = schedule(settings, 40 // settings.batch_size), [], 0
    for epoch in range(settings.epochs):
        for keys in DistributedBatchSampler(40, settings.batch_size, epoch=epoch):
            optimizer.param_groups[0]["lr"] = settings.lr * share(step)
            samples = [data[key] for key in keys]
            labels = torch.tensor([label for _, label in samples])
            logits = model(torch.stack([image for image, _ in samples]))
            loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step += 1
    return losses, [parameter.detach() for parameter in model.parameters()]


@pytest.fixture(scope="module")
def alone():
    losses, weights = looped(ALONE, SETTINGS)
    assert len(losses) == 50
    assert losses[-1] < losses[0]
    return losses, weights


def test_it_is_the_obvious_loop(alone):
    close(alone, obvious(SETTINGS), 1e-5)


def test_in_parts_it_is_the_same(alone):
    close(alone, looped(ALONE, replace(SETTINGS, accumulate=4)), 1e-5)


def test_two_processes_are_one(alone, tmp_path):
    multiprocessing.set_forkserver_preload(["camkit.training.run"])  # torch is imported once
    for accumulate in (1, 2):
        settings, meeting = replace(SETTINGS, accumulate=accumulate), f"file://{tmp_path}/meeting{accumulate}"
        mp.start_processes(looping, (meeting, 2, settings, str(tmp_path)), nprocs=2, start_method="forkserver")
        for rank in range(2):
            close(alone, torch.load(tmp_path / f"{rank}.pt", weights_only=True), 1e-4)


def test_both_stages_in_two_processes_are_one(tmp_path):
    multiprocessing.set_forkserver_preload(["camkit.training.run"])
    options = {"crr": 2.0, "frr": 3.0, "sets": 4, "set_size": 2}
    settings = replace(SETTINGS, method="minmax", method_options=options, label_smoothing=0.0, epochs=4)
    one, meeting = looped(ALONE, settings), f"file://{tmp_path}/meeting"
    without = looped(ALONE, replace(settings, method_options={**options, "crr": 0.0, "frr": 0.0}))
    assert not torch.allclose(one[1][2], without[1][2])  # the two losses do something
    mp.start_processes(looping, (meeting, 2, settings, str(tmp_path)), nprocs=2, start_method="forkserver")
    for rank in range(2):
        close(one, torch.load(tmp_path / f"{rank}.pt", weights_only=True), 1e-4)


def test_modules_beside_the_network_learn_in_two_processes_as_in_one(tmp_path):
    """A branch's gradients are averaged, and a bank is told of all processes' images."""
    multiprocessing.set_forkserver_preload(["camkit.training.run"])
    method, meeting = f"{Path(__file__).parents[1]}/own_methods.py:Guided", f"file://{tmp_path}/meeting"
    settings = replace(SETTINGS, method=method, method_options={"at": "1"}, label_smoothing=0.0, epochs=3, lr=0.01)
    one = looped(ALONE, settings)
    mp.start_processes(looping, (meeting, 2, settings, str(tmp_path)), nprocs=2, start_method="forkserver")
    for rank in range(2):
        close(one, torch.load(tmp_path / f"{rank}.pt", weights_only=True), 1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "gave loss, part 2, and the first one loss, part 1"),
        ({"lossless": True}, "step gave other: one figure"),
    ],
)
def test_figures_that_are_not_the_same_in_each_step(options, said):
    method = f"{Path(__file__).parents[1]}/own_methods.py:Fickle"
    with pytest.raises(CamkitError, match=said):
        looped(ALONE, replace(SETTINGS, method=method, method_options=options))


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [({}, {"crr": 1e300}, "(CRR|the loss) is (nan|inf): give a lower"), ({"lr": 1e20}, {}, "lower --lr")],
)
def test_a_second_stage_that_diverges_stops_the_run_and_says_where(values, options, said):
    where = (
        r"stage II diverged at epoch 1, step \d of 5: training stopped, and what was saved before is still there; .*"
    )
    options = {"sets": 4, "set_size": 2, **options}
    with pytest.raises(CamkitError, match=where + said):
        looped(ALONE, replace(SETTINGS, method="minmax", method_options=options, **values))


def test_a_loss_that_is_no_number_stops_the_run_and_says_where():
    with pytest.raises(CamkitError, match=r"the loss is (nan|inf) at epoch 1, step [2-5] of 5: .*--lr"):
        looped(ALONE, replace(SETTINGS, lr=1e30))


@pytest.mark.parametrize("labels", [torch.tensor([0, 2, 1]), torch.rand(3, 3).softmax(1)], ids=["labels", "mixed"])
def test_smoothing_is_cross_entropys_own(labels):
    logits = torch.randn(3, 3)
    expected = F.cross_entropy(logits, labels, label_smoothing=0.2)
    assert F.cross_entropy(logits, smoothed(labels, 0.2, 3)).item() == pytest.approx(expected.item(), rel=1e-5)
    assert smoothed(labels, 0.0, 3) is labels
