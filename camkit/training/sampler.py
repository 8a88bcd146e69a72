"""Which images a process trains on, step by step: its part of each batch that all processes share."""

from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.utils.data import Sampler

from camkit.errors import CamkitError
from camkit.training.minmax.sets import SetSampler
from camkit.training.randomness import ORDER, derived_seed

Key = tuple[int, int]  # epoch, index: all that an image's augmentation depends on


class SharedBatches(Sampler[list[Key]]):
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
    rank, processes : int
        Which process this is, of how many.
    accumulate : int
        Parts that a process takes one after the other.
    seed, epoch : int
    start : int
        Batches to leave out, done before the run was stopped.

    Raises
    ------
    CamkitError
        The batch cannot be cut into equal parts, or the images do not fill one.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        *,
        rank: int = 0,
        processes: int = 1,
        accumulate: int = 1,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
    ) -> None:
        if batch_size % (processes * accumulate):
            raise CamkitError(
                f"--batch-size {batch_size} cannot be cut into equal parts for {processes} processes with "
                f"--accumulate {accumulate}: take a multiple of {processes * accumulate}"
            )
        if images < batch_size:
            raise CamkitError(f"{images} training images do not fill one batch: take --batch-size {images} or less")
        self.images, self.batch_size, self.rank, self.start = images, batch_size, rank, start
        self.part, self.accumulate = batch_size // (processes * accumulate), accumulate
        self.seed, self.epoch = seed, epoch

    @property
    def steps(self) -> int:
        """Batches in a whole epoch."""
        return self.images // self.batch_size

    @property
    def distinct(self) -> int:
        """Different images in the epoch's batches."""
        return len(self._order()[: self.steps * self.batch_size].unique())

    def _order(self) -> Tensor:
        """The epoch's images, one batch after the other."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, ORDER, self.epoch))
        return torch.randperm(self.images, generator=generator)

    def __len__(self) -> int:
        return (self.steps - self.start) * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self._order()[: self.steps * self.batch_size].split(self.batch_size)[self.start :]:
            share = batch.split(self.part)[self.rank * self.accumulate : (self.rank + 1) * self.accumulate]
            yield from ([(self.epoch, index) for index in part.tolist()] for part in share)


class SharedSets(SharedBatches):
    """The same of sets: the mini-batches of `SetSampler`; a process has whole sets.

    Parameters
    ----------
    labels : sequence of int
        The class of each image.
    sets, set_size : int
        N, over all processes, and S.
    rank, processes, seed : int

    Raises
    ------
    CamkitError
        The sets cannot be shared equally or do not fill a batch, no class has S images, or there is one class alone.
    """

    def __init__(
        self, labels: Sequence[int], sets: int, set_size: int, *, rank: int = 0, processes: int = 1, seed: int = 0
    ) -> None:
        if sets % processes:
            raise CamkitError(f"--sets {sets} for {processes} processes: take a multiple of {processes}")
        self.sampler = SetSampler(labels, sets, set_size, seed)
        if self.sampler.count < sets:
            raise CamkitError(f"{len(labels)} training images make {self.sampler.count} sets: lower --sets {sets}")
        images = self.sampler.count * set_size
        super().__init__(images, sets * set_size, rank=rank, processes=processes, seed=seed)

    def _order(self) -> Tensor:
        self.sampler.epoch = self.epoch
        return torch.tensor(list(chain.from_iterable(self.sampler)))
