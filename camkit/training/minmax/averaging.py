"""Means over what several processes hold."""

from collections.abc import Sequence

import torch
import torch.distributed as dist


def averaged(tensors: Sequence[torch.Tensor], count: int) -> list[torch.Tensor] | None:
    """Each tensor's mean over all processes, weighted by how much each has; alone, the tensors as they are.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of the same shapes in every process.
    count : int
        What they are means over in this process; means over nothing count for nothing.

    Returns
    -------
    list of Tensor or None
        None where no process has anything.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return list(tensors) if count else None
    parts = [tensor.flatten() * count if count else torch.zeros(tensor.numel()).to(tensor) for tensor in tensors]
    flat = torch.cat([*parts, tensors[0].new_tensor([count])])
    dist.all_reduce(flat)
    if not flat[-1]:
        return None
    means = (flat[:-1] / flat[-1]).split([tensor.numel() for tensor in tensors])
    return [mean.reshape(tensor.shape) for mean, tensor in zip(means, tensors, strict=True)]
