"""Which images a process trains on, step by step: its part of each batch that all processes share."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from camkit.errors import CamkitError
from camkit.training.randomness import ORDER, derived_seed
from camkit.training.sets import ClassSets, share_of_batch

Key = tuple[int, int]  # epoch, index: all that an image's augmentation depends on


class DistributedBatchSampler(Sampler[list[Key]]):
    """The batches of one epoch, cut between processes and into parts.

    Every epoch has an order of its own. Batch b is the b-th `batch_size` images of it, whatever the number of
    processes; each takes an equal share, cut into `accumulate` parts. What does not fill a batch waits for another
    epoch's order.

    Parameters
    ----------
    images : int
        Length of the data set.
    batch_size : int
        Images to one step, over all processes.
    rank, world_size : int
        Which process this is, of how many.
    accumulate : int
        Parts that a process takes one after the other.
    seed, epoch : int
    start : int
        Batches to leave out, done before the run was stopped.

    Attributes
    ----------
    small : dict from int to int
        See `ClassSets`.

    Raises
    ------
    CamkitError
        The batch cannot be cut into equal parts, or the images do not fill one.
    """

    small: dict[int, int] = {}  # noqa: RUF012 - none, and nothing is added

    def __init__(
        self,
        images: int,
        batch_size: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
    ) -> None:
        if batch_size % (world_size * accumulate):
            raise CamkitError(
                f"--batch-size {batch_size} cannot be cut into equal parts for {world_size} processes with "
                f"--accumulate {accumulate}: take a multiple of {world_size * accumulate}"
            )
        if images < batch_size:
            raise CamkitError(f"{images} training images do not fill one batch: take --batch-size {images} or less")
        self.images, self.batch_size, self.rank, self.world_size = images, batch_size, rank, world_size
        self.start, self.accumulate, self.seed, self.epoch = start, accumulate, seed, epoch

    @property
    def steps(self) -> int:
        """Batches in a whole epoch."""
        return self.images // self.batch_size

    @property
    def distinct(self) -> int:
        """Different images in the epoch's batches."""
        return self.steps * self.batch_size

    def __len__(self) -> int:
        return (self.steps - self.start) * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, ORDER, self.epoch))
        order = torch.randperm(self.images, generator=generator)[: self.steps * self.batch_size]
        for batch in order.split(self.batch_size)[self.start :]:
            parts = batch.split(self.batch_size // (self.world_size * self.accumulate))
            for part in parts[self.rank * self.accumulate : (self.rank + 1) * self.accumulate]:
                yield [(self.epoch, index) for index in part.tolist()]


class DistributedSetSampler(DistributedBatchSampler):
    """The same of sets of one class: the mini-batches of `ClassSets`, of which each process takes as many whole sets.

    Parameters
    ----------
    labels : sequence of int
        The class of each image.
    sets, set_size : int
        N, over all processes, and S.
    rank, world_size, seed : int

    Raises
    ------
    CamkitError
        The sets cannot be shared equally or do not fill a batch, no class has S images, or there is one class alone.
    """

    def __init__(
        self, labels: Sequence[int], sets: int, set_size: int, *, rank: int = 0, world_size: int = 1, seed: int = 0
    ) -> None:
        if sets % world_size:
            raise CamkitError(f"sets {sets} for {world_size} processes: take a multiple of {world_size}")
        self.class_sets = ClassSets(labels, sets, set_size, seed)
        self.small = self.class_sets.small
        if self.class_sets.count < sets:
            raise CamkitError(f"{len(labels)} training images make {self.class_sets.count} sets: lower sets {sets}")
        images = self.class_sets.count * set_size
        super().__init__(images, sets * set_size, rank=rank, world_size=world_size, seed=seed)

    @property
    def distinct(self) -> int:
        return len({index for batch in self.class_sets.batches(self.epoch) for index in share_of_batch(batch, 0, 1)})

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self.class_sets.batches(self.epoch)[self.start :]:
            yield [(self.epoch, index) for index in share_of_batch(batch, self.rank, self.world_size)]
