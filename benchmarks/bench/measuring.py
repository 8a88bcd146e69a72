"""Evaluation, the metrics and the analyses, against the forward passes and the maps that they need."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from alternate import Settings, Work

from camkit import Recipe
from camkit.analysis import analyze
from camkit.data import Preprocess, RecordDataset, read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference, as_classifier
from camkit.input_spec import InputSpec
from camkit.metrics import (
    EnergyPointingGame,
    GTKnownLoc,
    MaxBoxAcc,
    MaxBoxAccV2,
    MaxBoxAccV3,
    MeanIoU,
    PointingGame,
    PxAP,
    TopKCls,
    TopKLoc,
)
from camkit.metrics.wsol import best_ious, protocol_map, quantise
from camkit.models.tiny import TinyResNet
from camkit.recipe import RECIPES

GROUP = "Measuring"
PASSES = 5  # of "analyze all", an image
SHAPES = [f"shape {number}" for number in range(10)]  # the drawn images' classes


def work(settings: Settings) -> Iterator[Work]:
    n = 400 if settings.full else 40
    dataset = read_dataset("shapes", Path(f"n={n}"), "val").evenly(n)
    network = TinyResNet(num_classes=len(SHAPES)).eval()
    inference = Inference(as_classifier(network, InputSpec(size=(64, 64)), SHAPES), "cpu", "fp32")
    images = RecordDataset(dataset.records, Preprocess(inference.classifier.input, "stretch"))

    def forward() -> None:
        for batches, _ in inference.batches(images, 16, 0):
            for batch in batches:
                inference.forward(batch)

    yield Work(GROUP, "evaluate, 4 recipes (shapes, tiny)",
               {"camkit": lambda: evaluate(inference, dataset, RECIPES), "floor: reading and forward passes": forward},
               len(dataset.records))  # fmt: skip
    yield Work(GROUP, "analyze all (shapes, tiny)",
               {"camkit": lambda: analyze(inference, dataset),
                f"floor: reading and {PASSES} forward passes": lambda: [forward() for _ in range(PASSES)]},
               len(dataset.records))  # fmt: skip
    maps = torch.rand(10_000 if settings.full else 100, 7, 7)
    truth = torch.tensor([[60, 50, 170, 180]])
    yield Work(GROUP, "all thresholds of the wsol protocol, 7x7 noise",
               {"camkit": lambda: [best_ious(quantise(protocol_map(one)), truth) for one in maps],
                "floor: the map at 224x224": lambda: [protocol_map(one) for one in maps]}, len(maps))  # fmt: skip
    yield Work(GROUP, f"all metrics, {len(maps):,} maps of 7x7 noise",
               {"camkit": all_metrics(maps),
                "floor: the map at 224x224": lambda: [protocol_map(one) for one in maps]}, len(maps))  # fmt: skip


def all_metrics(maps: torch.Tensor) -> Callable[[], object]:
    """Every metric of its own, from maps, boxes and classes to its figure; none is told what another has worked out."""
    n, size = len(maps), (224, 224)
    truths, sizes = [np.array([[60, 50, 170, 180]])] * n, [size] * n
    mask = np.zeros(size, np.bool_)
    mask[50:180, 60:170] = True
    masks = [(mask, np.zeros(size, np.bool_))] * n
    recipe = Recipe.named("nwc+pas")
    boxes = torch.from_numpy(np.concatenate([recipe.boxes(recipe.score_maps(one[None], size))[0] for one in maps]))
    classes, labels = torch.arange(5).expand(n, -1), torch.arange(n) % 5
    five = boxes[:, None].expand(-1, 5, -1)

    def run() -> None:
        for metric, shown in (
            (TopKCls(1), (classes, labels)), (GTKnownLoc(), (boxes, truths)), (MeanIoU(), (boxes, truths)),
            (TopKLoc(1), (five, classes, labels, truths)), (TopKLoc(5), (five, classes, labels, truths)),
            (MaxBoxAcc(), (maps, truths, sizes)), (MaxBoxAccV2(), (maps, truths, sizes)),
            (MaxBoxAccV3(), (maps, truths, sizes)), (PxAP(), (maps, masks)),
            (PointingGame(), (maps, truths, sizes)), (EnergyPointingGame(), (maps, truths, sizes)),
        ):  # fmt: skip
            metric.update(*shown)
            metric.compute()

    return run
