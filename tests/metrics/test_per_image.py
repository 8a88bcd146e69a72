"""The states of several processes, over a real process group."""

import multiprocessing

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

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


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_processes_of_unequal_shares_and_none_agree_with_one_process(tmp_path):
    shares = [slice(0, 7), slice(7, 10), slice(10, 10)]
    multiprocessing.set_forkserver_preload(["camkit.metrics.pixels"])  # torch is imported once
    mp.start_processes(
        process,
        (f"file://{tmp_path}/meeting", str(tmp_path), shares),
        nprocs=len(shares),
        start_method="forkserver",
    )
    alone = measured(slice(0, 10))
    for rank in range(len(shares)):
        assert torch.load(tmp_path / f"{rank}.pt", weights_only=False) == alone
