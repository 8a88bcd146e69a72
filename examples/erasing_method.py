"""A training method in a file: what the network attends to most is erased, and the rest must tell the class, too (EIL).

camkit train ... --method examples/erasing_method.py:Erasing --method-option at=features.2
"""

from dataclasses import dataclass

from camkit.training.methods import Method


@dataclass
class Erasing(Method):
    """Cross-entropy of the image as it is, and of its features at `at` without the positions above gamma * maximum."""

    at: str = "features"
    gamma: float = 0.7

    def step(self, network, images, labels):
        plain = network.forward(images, at=[self.at])
        attention = plain.inner[self.at].mean(1, keepdim=True)
        kept = attention < self.gamma * attention.amax((-2, -1), keepdim=True)
        erased = network.tail(plain, self.at, plain.inner[self.at] * kept)
        losses = [self.loss(out.logits, network.smoothed(labels)) for out in (plain, erased)]
        return {"loss": sum(losses), "plain": losses[0], "erased": losses[1]}
