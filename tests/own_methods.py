"""Training methods of a user's, which use every place that there is."""

import copy
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from camkit.training.methods import Method


class Bank(nn.Module):
    """A mean feature of each class, and how often it moved."""

    def __init__(self, classes, channels):
        super().__init__()
        self.register_buffer("means", torch.zeros(classes, channels))
        self.register_buffer("counts", torch.zeros(classes))


@dataclass
class Guided(Method):
    """Sets of one class; a branch on an inner layer learns the class map, and features keep near their class's mean."""

    at: str = "features.9"

    def class_sets(self):
        return 4, 2

    def modules(self, network):
        branch = nn.Sequential(nn.Conv2d(network.channels_at(self.at), 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))
        return {"branch": branch, "bank": Bank(network.num_classes, network.cam.head.channels)}

    def lr_factor(self, name):
        return 3.0 if name == "branch" else None

    def step(self, network, images, labels):
        assert (labels[::2] == labels[1::2]).all()
        passed = network.forward(images, at=[self.at])
        maps = network.class_maps(passed.features, labels)[:, None]
        side = network.modules["branch"](passed.inner[self.at].float())
        guide = F.mse_loss(side, F.interpolate(maps.detach(), side.shape[2:]))
        bank = F.mse_loss(passed.features.mean((2, 3)), network.modules["bank"].means[labels])
        entropy = self.loss(passed.logits, labels)
        return {"loss": entropy + guide + 0.1 * bank, "guide": guide, "bank": bank}

    def after_step(self, network, images, labels):
        bank = network.modules["bank"]
        features = network.forward(images).features.mean((2, 3))
        hot = F.one_hot(labels, network.num_classes).float()
        sums, counts = network.group.mean([hot.T @ features, hot.sum(0)])
        here = counts > 0
        rate = torch.exp(-0.1 * bank.counts)[:, None]
        moved = (1 - rate) * bank.means + rate * sums / counts.clamp(min=1e-9)[:, None]
        bank.means.copy_(torch.where(here[:, None], moved, bank.means))
        bank.counts += here
        return {"moved": here.sum()}


@dataclass
class Averaged(Method):
    """What is saved and measured is the mean of the weights after each step, not the last."""

    def prepare(self, network, optimizer):
        self.mean, self.steps = copy.deepcopy(network.model), 0

    def after_step(self, network, images, labels):
        self.steps += 1
        for own, value in zip(self.mean.parameters(), network.model.parameters(), strict=True):
            own.lerp_(value, 1 / self.steps)
        return {}

    def state_dict(self):
        return {"mean": self.mean.state_dict(), "steps": self.steps}

    def load_state_dict(self, state):
        self.mean.load_state_dict(state["mean"])
        self.steps = state["steps"]

    def saved(self, network, card):
        return self.mean, replace(card, input=replace(card.input, resize=30))


@dataclass
class Fickle(Method):
    """Other figures in the second step, or none that is the loss."""

    lossless: bool = False
    steps: int = 0

    def step(self, network, images, labels):
        self.steps += 1
        loss = super().step(network, images, labels)
        return {"other": loss} if self.lossless else {"loss": loss, f"part {self.steps}": loss}
