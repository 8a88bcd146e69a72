"""Properties of the sets, whatever the classes' sizes and the number of processes."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camkit.data import Sample
from camkit.errors import CamkitError
from camkit.training.minmax.images import complete_sets
from camkit.training.sets import ClassSets, share_of_batch

COUNTS = st.lists(st.integers(1, 9), min_size=2, max_size=6)


def labels_of(counts):
    return [label for label, count in enumerate(counts) for _ in range(count)]


@given(COUNTS, st.integers(1, 4), st.integers(2, 5), st.integers(0, 3), st.integers(1, 4))
def test_properties(counts, sets, size, epoch, processes):
    labels = labels_of(counts)
    if max(counts) < size:
        with pytest.raises(
            CamkitError, match="lower --set-size" if size > 2 else "no class has 2 images, the largest 1: .*add images"
        ):
            ClassSets(labels, sets, size)
        return
    alone = ClassSets(labels, sets, size, seed=5)
    batches = [share_of_batch(batch, 0, 1) for batch in alone.batches(epoch)]
    assert len(batches) == len(alone)
    seen = Counter(index for batch in batches for index in batch)
    every = sum(max(1, count // size) for count in counts)
    assert len(batches) == every // min(sets, every)
    for batch in batches:
        assert len(batch) == min(sets, every) * size
        for start in range(0, len(batch), size):
            assert len({labels[index] for index in batch[start : start + size]}) == 1
    for label, count in enumerate(counts):
        drawn = [seen[index] for index, own in enumerate(labels) if own == label]
        if count >= size:  # each image once, but those that fill no set, and sets that fill no mini-batch
            assert sum(drawn) <= count // size * size
            assert max(drawn) <= 1
        else:  # all of them, as equally often as can be
            assert sum(drawn) in (0, size)
            assert max(drawn) - min(drawn) <= 1
    assert sum(seen.values()) == len(batches) * min(sets, every) * size
    assert alone.small == {label: count for label, count in enumerate(counts) if count < size}

    for batch, drawn in zip(batches, alone.batches(epoch), strict=True):
        shares = [share_of_batch(drawn, rank, processes) for rank in range(processes)]
        assert max(map(len, shares)) - min(map(len, shares)) <= size
        whole = {tuple(batch[start : start + size]) for start in range(0, len(batch), size)}
        parts = [tuple(share[start : start + size]) for share in shares for start in range(0, len(share), size)]
        assert set(parts) == whole
        assert len(parts) * size == len(batch)


def test_epochs_and_seeds_differ_and_can_be_had_again():
    def drawn(seed, epoch):
        return [share_of_batch(batch, 0, 1) for batch in ClassSets([0] * 20 + [1] * 20, 2, 5, seed).batches(epoch)]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1)
    assert drawn(0, 0) != drawn(1, 0)


def test_images_that_fill_no_set_come_in_another_epoch():
    sets, seen = ClassSets([0] * 7 + [1] * 7, 2, 5), set()
    for epoch in range(20):
        seen |= {index for batch in sets.batches(epoch) for index in share_of_batch(batch, 0, 1)}
    assert seen == set(range(14))


def test_one_class_alone():
    with pytest.raises(CamkitError, match="one class alone"):
        ClassSets([3] * 20, 12, 5)


def test_an_image_that_cannot_be_read_is_stood_in_for():
    read = [Sample(i, f"{i}.png", input=torch.full((3, 2, 2), float(i))) for i in range(6)]
    read[1], read[3], read[4], read[5] = (Sample(i, f"{i}.png", error="broken") for i in (1, 3, 4, 5))
    batch = complete_sets(read, 3)
    assert batch.indices == [0, 2, 0]
    assert batch.images[:, 0, 0, 0].tolist() == [0, 2, 0]
    assert [sample.index for sample in batch.failures] == [1, 3, 4, 5]
    assert complete_sets(read[3:], 3).indices == complete_sets([], 3).indices == []
