"""Mini-batches of sets: S images of one class each, as CRR needs them."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

from camkit.data import Sample
from camkit.errors import CamkitError


class SetSampler(Sampler[list[int]]):
    """N sets of S images of one class each, mini-batch after mini-batch.

    In every epoch each class's images are shuffled and cut into sets; what does not fill a set waits for another epoch.
    A class with fewer than S images makes one set, in which images come again. Sets are shuffled and dealt to
    mini-batches; what does not fill one waits, too. Everything depends on seed and epoch alone, not on the number of
    processes: set i of a mini-batch goes to process i modulo their number, which may leave one without.

    Parameters
    ----------
    labels : sequence of int
        The class of each image.
    sets, set_size : int
        N, over all processes, and S. Where there are fewer sets than N, all of them make a mini-batch.
    seed : int
    rank, processes : int
        Which process this is, of how many.

    Attributes
    ----------
    epoch : int
        To be set before each epoch.
    small : dict from int to int
        Classes with fewer than S images, and how many they have.

    Raises
    ------
    CamkitError
        No class has S images, or there are images of one class alone.
    """

    def __init__(
        self, labels: Sequence[int], sets: int, set_size: int, seed: int = 0, rank: int = 0, processes: int = 1
    ) -> None:
        self.set_size, self.seed, self.rank, self.processes = set_size, seed, rank, processes
        self.epoch = 0
        classes = np.asarray(labels)
        self.members = {int(label): np.flatnonzero(classes == label) for label in np.unique(classes)}
        counts = {label: len(indices) for label, indices in self.members.items()}
        if len(counts) < 2:
            raise CamkitError("there are images of one class alone: stage I needs two or more to tell apart")
        if max(counts.values()) < set_size:
            raise CamkitError(f"no class has {set_size} images, the largest {max(counts.values())}: lower --set-size")
        self.small = {label: count for label, count in counts.items() if count < set_size}
        self.sets = min(sets, self.count)

    @property
    def count(self) -> int:
        """Sets in an epoch."""
        return sum(max(1, len(indices) // self.set_size) for indices in self.members.values())

    def __len__(self) -> int:
        return self.count // self.sets

    def batches(self) -> list[list[NDArray[np.int64]]]:
        """The epoch's mini-batches, each a list of sets (S,)."""
        rng = np.random.default_rng([self.seed, self.epoch])
        every: list[NDArray[np.int64]] = []
        for indices in self.members.values():
            order = rng.permutation(indices)
            whole = max(1, len(order) // self.set_size) * self.set_size
            every += list(np.resize(order, whole).reshape(-1, self.set_size))  # resize repeats what is too short
        order = rng.permutation(len(every))
        starts = range(0, len(self) * self.sets, self.sets)
        return [[every[i] for i in order[start : start + self.sets]] for start in starts]

    def __iter__(self) -> Iterator[list[int]]:
        """This process's images of each mini-batch, set by set."""
        for batch in self.batches():
            yield [int(index) for indices in batch[self.rank :: self.processes] for index in indices]


def repeated(small: Sequence[int | str]) -> str:
    """Which classes are `SetSampler.small`, for a user to read."""
    some = ", ".join(map(str, small[:5])) + (", ..." if len(small) > 5 else "")
    return f"{len(small)} classes have fewer images than a set and fill theirs with the same again ({some})"


class SetBatch(NamedTuple):
    """Images of whole sets, (B, 3, H, W), their numbers, and the samples that could not be read."""

    images: torch.Tensor
    indices: list[int]
    failures: list[Sample]


def complete_sets(samples: Sequence[Sample], set_size: int) -> SetBatch:
    """A DataLoader's ``collate_fn``: where an image cannot be read, others of its set come again in its place."""
    chosen: list[Sample] = []
    for start in range(0, len(samples), set_size):
        read = [sample for sample in samples[start : start + set_size] if sample.input is not None]
        chosen += islice(cycle(read), set_size)  # none of a set that cannot be read at all
    inputs = [sample.input for sample in chosen if sample.input is not None]
    images = torch.stack(inputs) if inputs else torch.empty(0, 3, 1, 1)
    return SetBatch(images, [s.index for s in chosen], [s for s in samples if s.input is None])
