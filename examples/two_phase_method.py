"""Two-phase learning as a training method: a network is trained and frozen, and a second one sees what it leaves.

camkit train ... --method examples/two_phase_method.py:TwoPhase --out one
camkit train ... --method examples/two_phase_method.py:TwoPhase --method-option first=one/last.safetensors --out two
camkit evaluate --model two/last.safetensors ...

Kim, Cho, Yoo, Kweon, ICCV 2017 published no code. Their abstract has the two networks one after the other, and the
most salient activations of the first suppressed in the second ("inference conditional feedback"). Of general knowledge
are the threshold, 0.6 of the map's maximum, and where the mask goes, on feature maps.

It is ACoL in two runs, and differs from the paper as that does: the second network shares the first one's layers, which
are frozen, and has two convolutions and a linear layer of its own; the map is stretched before it is cut; at test the
maximum of both maps is taken, not their sum. The first run's checkpoint has the first network's map alone. The class is
the first network's in both runs, so that every epoch of the second has its Top-1 Cls: take last.safetensors.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch

from camkit.cam import TwoHeads
from camkit.cam.two_heads import erased
from camkit.errors import CamkitError
from camkit.models import load_classifier
from camkit.models.two_heads import Form
from camkit.training.methods.acol import ACoL
from camkit.training.network import at_least_float32

NOTHING = 2.0  # no stretched map reaches it


@dataclass
class TwoPhase(ACoL):
    """Cross-entropy of the first head alone; with `first`, the first run's checkpoint, of the second head alone."""

    first: str = ""

    def modules(self, network):
        heads = super().modules(network)
        if not self.first:
            heads["second"].requires_grad_(False)
            return heads
        found = load_classifier(str(Path(self.first)))
        if not isinstance(found.model, TwoHeads):
            raise CamkitError(f"first={self.first}: has no two heads: give last.safetensors of a run without first")
        form = Form.named(found.network)
        try:
            if form.at != self.place:
                raise RuntimeError(f"its heads are at {form.at!r}")
            self.body.load_state_dict(found.model.body.state_dict())
            heads["first"].load_state_dict(found.model.first.state_dict())
        except RuntimeError as error:
            raise CamkitError(
                f"first={self.first}: is {found.network}, of {found.model.first.fc.out_features} classes, and this "
                f"run has at={self.place}, width={self.width} and {network.num_classes} classes: take the first run's "
                "backbone, options and data set"
            ) from error
        for module in (self.body, heads["first"]):
            module.requires_grad_(False)
        return heads

    def step(self, network, images, labels):
        first, second = network.modules["first"], network.modules["second"]
        with network.autocast():
            if not self.first:
                logits = first(self.body(images))
            else:
                self.body.eval()  # batch norms' statistics are the first run's, too
                with torch.no_grad():
                    features = self.body(images)
                    maps = at_least_float32(first.class_maps(first.features(features), labels))
                logits = second(erased(features, maps, self.delta))
        return self.loss(at_least_float32(logits), network.smoothed(labels))

    def saved(self, network, card):
        both, card = super().saved(network, card)
        if self.first:
            return both, card
        return TwoHeads(both.body, both.first, deepcopy(both.first), NOTHING), card
