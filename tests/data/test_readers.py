"""Processes that read images and die: by which item, how often, and what becomes of the others."""

import os
import signal
import sys
import time

import pytest
import torch
from torch.utils.data import get_worker_info
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from camkit.data import Sample, Samples, View, read_batches, readers
from camkit.errors import CamkitError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests kill processes as Linux does")
BATCHES = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


class Items(Samples):
    """Ten numbers as inputs; `dies` says of which a reader dies."""

    def __init__(self, dies):
        self.dies = dies

    def __getitem__(self, item):
        if get_worker_info() is not None and self.dies(item):
            os.kill(os.getpid(), signal.SIGKILL)
        return Sample(item, str(item), input=torch.full((3, 2, 2), float(item)), view=View((2, 2), (0, 0, 2, 2)))

    def failure(self, item, reason):
        return Sample(item, str(item), error=reason)


class Once:
    """True the first time, whatever the process."""

    def __init__(self, item, folder):
        self.item, self.mark = item, folder / "mark"

    def __call__(self, item):
        if item != self.item or self.mark.exists():
            return False
        self.mark.touch()
        return True


def deadly(item):
    return item in (4, 9)


def in_company(item):
    return item == 4 and get_worker_info().num_workers > 1


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Death is looked for every 0.2 s, where PyTorch does every 5 s."""
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.2,))


def read(dies, deaths, workers=2):
    """Of each batch the items that were read, in their order, and those that were not."""
    found = []
    for batches, failures in read_batches(Items(dies), BATCHES, workers, deaths):
        numbers = [int(pixels[0, 0, 0]) for batch in batches for pixels in batch.input]
        assert numbers == [sample.index for batch in batches for sample in batch.samples]
        assert all(sample.error == readers.DEADLY for sample in failures)
        found.append((numbers, [sample.index for sample in failures]))
    return found


def test_items_that_kill_are_failures_and_batches_stay_as_they_are():
    deaths = []
    assert read(deadly, deaths) == [([0, 1, 2], []), ([3, 5], [4]), ([6, 7, 8], []), ([], [9])]
    assert deaths
    assert all("a process that reads images has died" in one for one in deaths)


def test_a_process_that_is_killed_from_outside_costs_no_item(tmp_path):
    deaths = []
    assert read(Once(7, tmp_path), deaths) == [(batch, []) for batch in BATCHES]
    assert len(deaths) == 1


def test_deaths_that_no_item_is_to_blame_for_come_to_an_end(monkeypatch):
    monkeypatch.setattr(readers, "MOST", 0)
    with pytest.raises(CamkitError, match=r"^1 times a process that reads images has died"):
        read(in_company, [])


def test_a_death_is_told_to_who_waits_for_it_alone():
    """Not to what the main thread is at when it happens, as PyTorch's handler would."""
    before = signal.getsignal(signal.SIGCHLD)
    seen = read_batches(Items(deadly), BATCHES, 1, [])
    next(seen)
    time.sleep(0.5)  # meanwhile the process dies
    assert signal.getsignal(signal.SIGCHLD) == before
    assert [sample.index for _, failures in seen for sample in failures] == [4, 9]
