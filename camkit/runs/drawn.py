"""A small classifier of drawn images, trained in seconds: what `--demo` runs on."""

import torch
import torch.nn.functional as F
from torch import nn

from camkit.data import read_dataset
from camkit.data.formats.shapes import Shapes
from camkit.input_spec import InputSpec
from camkit.models import Classifier

DATASET = "shapes"
SIZE, CLASSES = 48, 4
IMAGES = f"n=96,size={SIZE},classes={CLASSES}"  # of each split
LEARNT, EPOCHS, BATCH = 480, 8, 32
SEED = 1000  # none of the splits' own: `read_shapes` gives them 0, 1 and 2


def drawn_classifier() -> Classifier:
    """A classifier of `IMAGES`' classes, the same each time on one machine."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = _network()
        _train(network)
    names = read_dataset(DATASET, f"n=1,classes={CLASSES}", "val").class_names
    spec = InputSpec((SIZE, SIZE), SIZE, (0.5,) * 3, (0.5,) * 3)
    return Classifier(network.eval(), "the demo's network", spec, names, "trained on drawn images")


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, channels, stride in ((3, 16, 2), (16, 32, 2), (32, 48, 1), (48, 64, 1)):
        layers += [nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def _train(network: nn.Module) -> None:
    """Some epochs of cross-entropy under a one-cycle schedule."""
    drawn = [Shapes(LEARNT, SIZE, CLASSES, SEED)[index] for index in range(LEARNT)]
    images = torch.stack([image for image, *_ in drawn]).float() / 127.5 - 1
    labels = torch.tensor([label for _, label, *_ in drawn])
    steps = EPOCHS * (LEARNT // BATCH)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, steps)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(LEARNT).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
