"""How much of what a model says of an image its maps carry: the rest is said by the offset, which has no place."""

import torch


def shares(logits: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Which share of each image's variance of logits over classes the maps' sums carry, (N,).

    A logit is the sum of its map and its offset, ``l_k = m_k + o_k``, so that its variance over classes is
    ``var(l) = cov(m, l) + cov(o, l)``. The maps' share is ``cov(m, l) / var(l)``: 1 where the offset is the same for
    all classes, 0 where the maps say nothing of what tells the classes apart, below 0 where they speak against it. NaN
    of a single class.

    Parameters
    ----------
    logits, offset : Tensor (N, K)
    """
    logits, offset = logits.double(), offset.double()
    apart = logits - logits.mean(1, keepdim=True)
    return ((logits - offset) * apart).sum(1) / apart.square().sum(1)
