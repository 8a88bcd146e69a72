"""Batches shared between processes: together they are one process's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.training.sampler import DistributedBatchSampler, DistributedSetSampler

quick = settings(max_examples=40, deadline=None)
shares = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 40))


@quick
@given(shares, st.integers(0, 5))
def test_processes_and_parts_make_the_same_batches_as_one_process(share, epoch):
    processes, accumulate, part, more = share
    size = processes * accumulate * part
    alone = list(DistributedBatchSampler(size + more, size, epoch=epoch))
    cut = {"epoch": epoch, "world_size": processes, "accumulate": accumulate}
    several = [list(DistributedBatchSampler(size + more, size, rank=rank, **cut)) for rank in range(processes)]
    for step, batch in enumerate(alone):
        parts = [its[step * accumulate + i] for its in several for i in range(accumulate)]
        assert [key for part_keys in parts for key in part_keys] == batch


@quick
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_takes_each_image_at_most_once_and_can_be_entered_anywhere(images, size, epoch, start):
    if size > images:
        return
    batches = DistributedBatchSampler(images, size, epoch=epoch)
    whole = list(batches)
    keys = [key for batch in whole for key in batch]
    assert len(keys) == len(set(keys)) == batches.steps * size > images - size
    assert {e for e, _ in keys} == {epoch}
    assert {i for _, i in keys} <= set(range(images))
    batches.start = min(start, batches.steps)
    assert list(batches) == whole[batches.start :]
    assert len(batches) == len(whole) - batches.start


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [
        [index for batch in DistributedBatchSampler(50, 10, epoch=e, seed=s) for _, index in batch]
        for e, s in ((0, 0), (1, 0), (0, 1))
    ]
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_unequal_parts_are_refused():
    with pytest.raises(CamkitError, match=r"--batch-size 10 .* 4 processes .* a multiple of 8"):
        DistributedBatchSampler(100, 10, world_size=4, accumulate=2)
    with pytest.raises(CamkitError, match="7 training images do not fill one batch: take --batch-size 7 or less"):
        DistributedBatchSampler(7, 8)


def test_sets_are_shared_whole_and_equally():
    labels = [0] * 7 + [1] * 5 + [2]  # 3 + 2 + 1 sets, the last of the same image twice
    alone = DistributedSetSampler(labels, 4, 2, seed=3)
    shared = [DistributedSetSampler(labels, 4, 2, seed=3, rank=rank, world_size=2) for rank in range(2)]
    assert (alone.steps, len(alone)) == (1, 1)  # two sets wait
    orders = []
    for epoch in range(5):
        for one in (alone, *shared):
            one.epoch = epoch
        (batch,), *parts = (list(one) for one in (alone, *shared))
        assert batch == parts[0][0] + parts[1][0]
        orders.append([index for _, index in batch])
        assert {own for own, _ in batch} == {epoch}
        for first, second in zip(orders[-1][::2], orders[-1][1::2], strict=True):
            assert labels[first] == labels[second]
        assert alone.distinct == len(set(orders[-1]))
    assert len(set(map(tuple, orders))) == 5
    alone.start = 1
    assert list(alone) == []


@pytest.mark.parametrize(("sets", "processes", "said"), [(3, 2, "multiple of 2"), (7, 1, "make 6 sets: lower sets 7")])
def test_sets_that_cannot_be_shared(sets, processes, said):
    with pytest.raises(CamkitError, match=said):
        DistributedSetSampler([0] * 7 + [1] * 5 + [2], sets, 2, world_size=processes)
