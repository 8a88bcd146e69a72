"""The group of processes that share a piece of work: ``torchrun``'s, a caller's own, or this process alone."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from camkit.inference import pick_device

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that share a piece of work, and the place of this one among them.

    Attributes
    ----------
    rank, world_size : int
    device : torch.device
        This process's own.
    """

    rank: int
    world_size: int
    device: torch.device

    @classmethod
    def current(cls, device: torch.device) -> "ProcessGroup":
        """The default process group, or this process alone where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls(0, 1, device)
        return cls(dist.get_rank(), dist.get_world_size(), device)

    @property
    def local_world_size(self) -> int:
        """How many share its memory and disk; all of them, where ``torchrun`` does not say."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.world_size))

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def device_name(self, asked: str) -> str:
        """What to call this process's device: one alone has what it was asked for."""
        return asked if self.world_size == 1 else str(self.device)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over all processes."""
        if self.world_size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, devices)

    def mean(self, tensors: Sequence[Tensor], weight: float = 1) -> list[Tensor] | None:
        """Each tensor's mean over all processes.

        Parameters
        ----------
        tensors : sequence of Tensor
            Of the same shapes in every process.
        weight : float
            What this process counts for: how many items its tensors are means over. With 0 they may hold anything.

        Returns
        -------
        list of Tensor or None
            None where all weights are 0. Of one process alone, the tensors as they are.
        """
        if self.world_size == 1:
            return list(tensors) if weight else None
        parts = [tensor.flatten() * weight if weight else torch.zeros_like(tensor.flatten()) for tensor in tensors]
        flat = torch.cat([*parts, tensors[0].new_tensor([weight])])
        dist.all_reduce(flat)
        if not flat[-1]:
            return None
        means = (flat[:-1] / flat[-1]).split([tensor.numel() for tensor in tensors])
        return [mean.reshape(tensor.shape) for mean, tensor in zip(means, tensors, strict=True)]

    def all_gather(self, items: list[T]) -> list[T]:
        """The items of all processes, in the order of their ranks."""
        if self.world_size == 1:
            return items
        of_all: list[list[T]] = [[] for _ in range(self.world_size)]
        dist.all_gather_object(of_all, items)
        return [item for its in of_all for item in its]

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.world_size > 1:
            dist.barrier()


ALONE = ProcessGroup(0, 1, torch.device("cpu"))


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """The process group that ``torchrun`` or a caller asks for; what was begun here is ended again.

    Parameters
    ----------
    device : str
        "auto", "cpu" or "cuda", which gives each process of a machine a GPU of its own.
    """
    own = pick_device(device)
    if own.type == "cuda":
        own = torch.device("cuda", own.index if own.index is not None else int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(own)
    started = not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    if started:
        # metrics keep their rows on the CPU, which nccl does not know
        dist.init_process_group("cpu:gloo,cuda:nccl" if own.type == "cuda" else "gloo")
    try:
        yield ProcessGroup.current(own)
    finally:
        if started:
            dist.destroy_process_group()
