"""What a training method is: the places at which it may change how a classifier is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from camkit.models import Card
from camkit.training.network import Network


@dataclass
class Method:
    """Plain training with cross-entropy, and the base of every other method: ``none``.

    A method overrides the places it needs. Its options are dataclass fields with defaults, which `load_method` and
    ``--method-option`` set; it checks them in ``__post_init__``. Randomness comes from torch's global generator alone,
    which training seeds before each step, so that a resumed run takes the same steps.

    Before the first step: `attach`, `modules`, `prepare`, and in a resumed run `load_state_dict`. Each step: `mix`,
    the network and `loss`, or all three in a `step` of the method's own, and `after_step` once the weights have moved.

    Attributes
    ----------
    mixes_labels : bool
        Whether `mix` may return probabilities in the place of labels.
    needs_labels : bool
        Whether its step asks for each image's one class, so that no method before it may mix them.
    """

    mixes_labels: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False

    def attach(self, model: nn.Module, at: Sequence[str]) -> None:
        """Put hooks into the network, for as long as it trains.

        Parameters
        ----------
        model : nn.Module
            What is about to be trained, on the CPU. Its parameters and their names stay as they are.
        at : sequence of str
            Names of modules, from the backbone or from ``--adl-at``.
        """

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        """Modules that live only while training: branches, second heads, banks.

        They are trained by the same optimizer, at `lr_factor`. Parameters and buffers are saved in the run's state and
        restored by ``--resume``; they are not part of the saved weights. In a step they are ``network.modules[name]``.

        Parameters
        ----------
        network : Network
            With its classes and, when asked, its head; `Network.channels_at` has the channels of inner layers.
        """
        del network
        return {}

    def lr_factor(self, name: str) -> float | None:
        """Times ``--lr``, for the parameters of the module `name`; None: as layers that start fresh (``--lr-new``)."""
        del name
        return None

    def prepare(self, network: Network, optimizer: SGD) -> None:
        """Last look before the first step: the network is on its device and the optimizer has all its groups."""

    def class_sets(self) -> tuple[int, int] | None:
        """Sets of images of one class in a batch, over all processes, and images in a set; None: batches at random.

        A step then sees images set by set. ``--batch-size`` follows from it.
        """

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Change a batch before the network sees it.

        Parameters
        ----------
        images : Tensor (N, 3, H, W)
            Normalised: 0 is the data set's mean.
        labels : Tensor (N,), int64
        num_classes : int

        Returns
        -------
        images : Tensor (N, 3, H, W)
        labels : Tensor (N,), int64, or probabilities (N, num_classes)
        """
        del num_classes
        return images, labels

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The number to make small, from logits (N, K) and labels as `mix` returned them, smoothed if asked."""
        return F.cross_entropy(logits, labels)

    def step(self, network: Network, images: Tensor, labels: Tensor) -> Tensor | dict[str, Tensor]:
        """From a batch to the number to make small; a process's share, or a part of it (``--accumulate``).

        Parameters
        ----------
        network : Network
            ``network(images)`` gives logits; `Network.forward` features and inner layers, too; `Network.class_maps`
            class maps; `Network.tail` runs the layers after an inner one again. All with gradients.
        images : Tensor (N, 3, H, W)
        labels : Tensor (N,), int64

        Returns
        -------
        Tensor () or dict of str to Tensor ()
            The loss; or several figures, of which ``"loss"`` is made small and all are written to log.csv.
        """
        images, labels = self.mix(images, labels, network.num_classes)
        return self.loss(network(images), network.smoothed(labels))

    def after_step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What else happens once the optimizer has moved the weights; gradients are off.

        Parameters
        ----------
        network : Network
        images : Tensor (N, 3, H, W)
            The process's whole share of the batch, before `mix`.
        labels : Tensor (N,), int64

        Returns
        -------
        dict of str to Tensor ()
            More figures for log.csv, the same names each time.

        Raises
        ------
        Diverged
            The run stops, and says at which step.
        """
        del network, images, labels
        return {}

    def state_dict(self) -> dict[str, Any]:
        """State that is in no module, for a resumed run: tensors, numbers, text, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""

    def saved(self, network: Network, card: Card) -> tuple[nn.Module, Card]:
        """What is measured and saved: by default the network as it is trained.

        A method whose class maps at test are those of another network (an averaged one, a second head folded into the
        first, two heads) returns it here, with the card that says how to build it: ``card.model`` is a name that
        ``--model`` takes, and how that network gives class maps is that model's own affair. Called before each
        validation and each checkpoint; the network that is trained must stay as it is.
        """
        return network.model, card
