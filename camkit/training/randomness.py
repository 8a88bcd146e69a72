"""Where everything random comes from: each use has a seed of its own, made of the run's seed and what it is for.

So nothing depends on how many processes and workers there are, or on what happened before, and a run that was stopped
continues as if it had not been.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

WEIGHTS, ORDER, SAMPLE, STEP = range(4)  # what a seed is for


def derived_seed(seed: int, use: int, *numbers: int) -> int:
    """A 64-bit seed that depends on all numbers, for example ``derived_seed(seed, SAMPLE, epoch, index)``."""
    return int(np.random.SeedSequence([seed, use, *numbers]).generate_state(1, np.uint64)[0])


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed PyTorch's default generators of the CPU and of the device.

    `torch.manual_seed` does this for all devices, at a hundred times the cost where none is in use.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's CPU generator seeded inside, and as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
