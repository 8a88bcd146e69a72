"""Means over what several processes hold."""

from collections.abc import Sequence

import torch
import torch.distributed as dist


def averaged(tensors: Sequence[torch.Tensor], count: int) -> list[torch.Tensor]:
    """Each tensor's mean over all processes, weighted by how much each has; alone, the tensors as they are.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of the same shapes in every process.
    count : int
        What they are means over in this process. Means over nothing count for nothing, and are zero alone.
    """
    tensors = list(tensors) if count else [torch.zeros_like(tensor) for tensor in tensors]
    if not dist.is_initialized():
        return tensors
    flat = torch.cat([*(tensor.flatten() * count for tensor in tensors), tensors[0].new_tensor([count])])
    dist.all_reduce(flat)
    parts = (flat[:-1] / flat[-1].clamp(min=1)).split([tensor.numel() for tensor in tensors])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def process() -> tuple[int, int]:
    """Which process this is, of how many."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
