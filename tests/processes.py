"""What each process of a test runs: a module of its own, because the processes import it."""

import numpy as np
import torch
import torch.distributed as dist

from camkit.metrics.localization import GTKnownLoc, MeanIoU
from camkit.metrics.pixels import PxAP

WHOLE = [0, 0, 10, 10]
BOXES = torch.tensor([[0, 0, 10, y] for y in range(10)])
MASK = np.arange(400).reshape(20, 20) % 3 == 0


def measured(rows):
    """Compute and result of three metrics, one a kind of state, on these of the ten images."""
    maps = torch.rand(10, 7, 7, generator=torch.Generator().manual_seed(0))
    metrics = [GTKnownLoc(), MeanIoU(), PxAP(step=0.1)]
    if rows.start < rows.stop:
        for metric in metrics[:2]:
            metric.update(BOXES[rows], [[WHOLE]] * len(BOXES[rows]))
        metrics[2].update(maps[rows], [(MASK, MASK & False)] * len(maps[rows]))
    results = [metric.result(np.random.default_rng(0)) for metric in metrics]
    return [(metric.compute().item(), result) for metric, result in zip(metrics, results, strict=True)]


def process(rank, address, out, shares):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(shares))
    torch.save(measured(shares[rank]), f"{out}/{rank}.pt")
    dist.destroy_process_group()
