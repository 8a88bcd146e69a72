"""What a loaded classifier is: the network, and all that must be known to show it a photograph."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from camkit.cam import MapsBy, Views
from camkit.cam.extractor import example_images
from camkit.cam.find_attention import Blocks
from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models.card import EPOCH_BY, Card

DEFAULT, NONE = "DEFAULT", "none"  # the two values of `weights` that are not a file or a published name
RANDOM = "none (random)"


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network, the preprocessing of its weights and the names of its classes.

    Attributes
    ----------
    model : nn.Module
        In eval mode, float32, on the CPU. Images (N, 3, H, W) to logits (N, K).
    name : str
        As the caller gave it.
    input : InputSpec
        What the model wants to be shown.
    class_names : tuple of str or None
        The K class names, None where nothing says them.
    class_names_assumed : bool
        Whether they are ImageNet's because a file of weights has 1,000 classes, and nothing else says so.
    weights : str
        What was loaded, in words, for the record of a run.
    network : str
        The name that builds the network, without a file of weights; "" where no name does.
    pool : str or None
        What `replace_pool` put in, as `camkit.nn.make_pool` takes it; None for the network's own.
    output_stride : int or None
        What `set_output_stride` made of it, in pixels; None for the network's own.
    dilate : bool
        Whether that dilated the layers after.
    maps_by : MapsBy or None
        What makes the class maps. None: its own head.
    token_blocks : int, "all" or None
        See `camkit.CAM`.
    views : Views or None
        Class maps are averaged over these views of an image; None: the image as it comes.
    epoch_by : str or None
        Which supervision chose the epoch of the weights, "boxes of cub val", where their file says it.
    """

    model: nn.Module
    name: str
    input: InputSpec
    class_names: tuple[str, ...] | None
    weights: str
    network: str = ""
    pool: str | None = None
    output_stride: int | None = None
    dilate: bool = True
    class_names_assumed: bool = False
    maps_by: MapsBy | None = None
    token_blocks: Blocks = None
    views: Views | None = None
    epoch_by: str | None = None

    @torch.no_grad()
    def card(self, **facts: Any) -> Card:
        """What `save_checkpoint` writes of it; `facts` is anything else that JSON can hold.

        Names that were assumed are left out: a checkpoint says what is known.

        Raises
        ------
        CamkitError
            No name builds the network.
        """
        if not self.network:
            raise CamkitError(f"{self.name}: no name builds this network, so that a checkpoint cannot say what it is")
        classes = self.model(example_images(self.model, self.input.size)[:1]).shape[1]
        names = None if self.class_names_assumed else self.class_names
        facts = facts if self.epoch_by is None else {EPOCH_BY: self.epoch_by, **facts}
        return Card(self.network, classes, self.input, names, self.pool, self.output_stride, self.dilate, facts)
