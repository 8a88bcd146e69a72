"""Evaluation: four recipes at once against the forward passes that they need."""

from collections.abc import Iterator
from pathlib import Path

import torch
from alternate import Settings, Work

from camkit.data import Preprocess, RecordDataset, read_dataset
from camkit.evaluation import evaluate
from camkit.inference import Inference, as_classifier
from camkit.input_spec import InputSpec
from camkit.metrics.wsol import best_ious, protocol_map, quantise
from camkit.models.tiny import TinyResNet
from camkit.recipe import RECIPES

GROUP = "Measuring"
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
    maps = torch.rand(10_000 if settings.full else 100, 7, 7)
    truth = torch.tensor([[60, 50, 170, 180]])
    yield Work(GROUP, "all thresholds of the wsol protocol, 7x7 noise",
               {"camkit": lambda: [best_ious(quantise(protocol_map(one)), truth) for one in maps],
                "floor: the map at 224x224": lambda: [protocol_map(one) for one in maps]}, len(maps))  # fmt: skip
