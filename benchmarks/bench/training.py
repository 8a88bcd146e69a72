"""Training: a step through thresholded average pooling (TAP), and a stage-II step, each beside a plain loop's."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from alternate import Settings, Work

from camkit import CAM
from camkit.models import load_classifier
from camkit.process_group import process_group
from camkit.training import MinMax, StageTwo, TrainSettings
from camkit.training.frozen import frozen
from camkit.training.initial import make_network

sys.path.append(str(Path(__file__).resolve().parents[1]))
from method_step import Run  # beside this folder

GROUP = "Training"
CLASSES = 10


def work(settings: Settings) -> Iterator[Work]:
    yield from tap(("vgg-small", 64, 32))
    yield stage_two("tiny", 12)
    if settings.full:
        yield from tap(("resnet50", 224, 16))
        yield stage_two("mobilenet_v2", 12)


def tap(of: tuple[str, int, int]) -> Iterator[Work]:
    """Camkit's step with the pooling, against a bare loop's with the mean."""
    backbone, side, batch = of
    pooled = TrainSettings("shapes", "n=1", backbone=backbone, pool="tap:0.1", weights="none", size=(side,),
                           resize=side, lr=1e-4)  # fmt: skip
    images = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % CLASSES
    with process_group("cpu") as group:
        run = Run("none", {}, pooled, CLASSES, group)
        plain = make_network(replace(pooled, pool="gap"), CLASSES, None).model.to(memory_format=torch.channels_last)
        plain.train()
        optimizer = torch.optim.SGD(plain.parameters(), 1e-4, 0.9, weight_decay=5e-4, nesterov=True)

        def bare() -> None:
            optimizer.zero_grad()
            F.cross_entropy(plain(images), labels).backward()
            optimizer.step()

        sides = {"camkit": lambda: run.step(images, labels), "floor: a bare loop with the mean": bare}
        yield Work(GROUP, f"TAP step, {backbone}, {batch} images of {side}x{side}", sides, batch)


def stage_two(name: str, sets: int) -> Work:
    """MinMaxCAM's step on images alone, against one pass forwards and one back through the frozen network."""
    classifier, minmax = load_classifier(name, "none"), MinMax(sets=sets)
    model, batch = classifier.model, sets * minmax.set_size
    images = torch.randn(batch, 3, *classifier.input.size)
    stage = StageTwo(CAM(model, classifier.input.size), minmax)
    labels = torch.arange(sets).repeat_interleave(minmax.set_size)

    def floor() -> None:
        with frozen(model, []):
            inputs = images.detach().requires_grad_()
            torch.autograd.grad(model(inputs).sum(), inputs)

    sides = {"camkit": lambda: stage.step(images, labels), "floor: one pass forwards and one back": floor}
    return Work(GROUP, f"stage-II step, {name}, batch {batch}", sides, batch)
