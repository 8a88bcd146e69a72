"""The states of several processes, over a real process group."""

import multiprocessing

import pytest
import torch
import torch.multiprocessing as mp
from processes import measured, process


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
