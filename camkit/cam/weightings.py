"""Which class weights count: all of them, the positive ones (NWC), or the negative ones."""

from typing import get_args

import torch

from camkit.errors import CamkitError
from camkit.recipe import Weighting


def weigh(weight: torch.Tensor, weighting: Weighting) -> torch.Tensor:
    """Class weights as a class map uses them; signed is the sum of positive and negative.

    "signed" is the plain class activation map (Rethinking CAM, Eq. 2), "positive" clamps negative weights to zero
    (NWC, Eq. 5), "negative" keeps only those.

    Raises
    ------
    CamkitError
        If the weighting is none of the three.
    """
    if weighting == "signed":
        return weight
    if weighting == "positive":
        return weight.clamp(min=0)
    if weighting == "negative":
        return weight.clamp(max=0)
    raise CamkitError(f"weighting {weighting!r}: it must be one of {', '.join(get_args(Weighting))}")
