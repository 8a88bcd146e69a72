"""Mini-batches of sets: S images of one class each, as CRR and other losses between images need them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camkit.errors import CamkitError

LEAST = 2  # images that a loss between images needs
Set = NDArray[np.int64]  # (S,), numbers of images


class ClassSets:
    """N sets of S images of one class each, mini-batch after mini-batch.

    In every epoch each class's images are shuffled and cut into sets; what does not fill a set waits for another epoch.
    A class with fewer than S images makes one set, in which images come again. Sets are shuffled and dealt to
    mini-batches; what does not fill one waits, too. Two sets of a mini-batch may be of one class. Everything depends on
    seed and epoch alone, not on the number of processes.

    Parameters
    ----------
    labels : sequence of int
        The class of each image.
    sets, set_size : int
        N, over all processes, and S. Where there are fewer sets than N, all of them make a mini-batch.
    seed : int

    Attributes
    ----------
    small : dict from int to int
        Classes with fewer than S images, and how many they have.

    Raises
    ------
    CamkitError
        No class has S images, or there are images of one class alone.
    """

    def __init__(self, labels: Sequence[int], sets: int, set_size: int, seed: int = 0) -> None:
        self.set_size, self.seed = set_size, seed
        classes = np.asarray(labels)
        self.members = {int(label): np.flatnonzero(classes == label) for label in np.unique(classes)}
        counts = {label: len(indices) for label, indices in self.members.items()}
        if len(counts) < 2:
            raise CamkitError("there are images of one class alone: a classifier has nothing to tell it from")
        if max(counts.values()) < set_size:
            remedy = "lower --set-size" if set_size > LEAST else "a set needs so many of one class: add images"
            raise CamkitError(f"no class has {set_size} images, the largest {max(counts.values())}: {remedy}")
        self.small = {label: count for label, count in counts.items() if count < set_size}
        self.sets = min(sets, self.count)

    @property
    def count(self) -> int:
        """Sets in an epoch."""
        return sum(max(1, len(indices) // self.set_size) for indices in self.members.values())

    def __len__(self) -> int:
        """Mini-batches in an epoch."""
        return self.count // self.sets

    def batches(self, epoch: int) -> list[list[Set]]:
        """The epoch's mini-batches, each a list of sets."""
        rng = np.random.default_rng([self.seed, epoch])
        every: list[Set] = []
        for indices in self.members.values():
            order = rng.permutation(indices)
            whole = max(1, len(order) // self.set_size) * self.set_size
            every += list(np.resize(order, whole).reshape(-1, self.set_size))  # resize repeats what is too short
        order = rng.permutation(len(every))
        starts = range(0, len(self) * self.sets, self.sets)
        return [[every[i] for i in order[start : start + self.sets]] for start in starts]


def share_of_batch(batch: Sequence[Set], rank: int, world_size: int) -> list[int]:
    """A process's images of a mini-batch: whole sets, one after the other, of the first processes perhaps one more."""
    share = len(batch) // world_size, len(batch) % world_size
    start = rank * share[0] + min(rank, share[1])
    own = batch[start : start + share[0] + (rank < share[1])]
    return [int(index) for indices in own for index in indices]


def describe_small_classes(small: Sequence[int | str]) -> str:
    """Which classes are `ClassSets.small`, for a user to read."""
    some = ", ".join(map(str, small[:5])) + (", ..." if len(small) > 5 else "")
    return f"{len(small)} classes have fewer images than a set and fill theirs with the same again ({some})"
