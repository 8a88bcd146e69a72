"""Annotated images shared out among processes, of which each gets the results of all, in their order.

What is shared out is whole batches, those that one process would make: the last digits of what a network says of an
image depend on the images beside it. So each process has the same results as one alone, to the last digit.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

from camkit.data import AnnotatedSet
from camkit.process_group import ProcessGroup

T = TypeVar("T")


def share_of(dataset: AnnotatedSet, batch_size: int, group: ProcessGroup) -> AnnotatedSet:
    """Every so-manieth batch of a data set: this process's."""
    places = range(len(dataset.records))
    starts = places[group.rank * batch_size :: group.world_size * batch_size]
    return dataset.part([place for start in starts for place in places[start : start + batch_size]])


def gathered(
    measure: Callable[[AnnotatedSet], Iterator[T]], dataset: AnnotatedSet, batch_size: int, group: ProcessGroup
) -> Iterator[T]:
    """The results of all images, in every process; each measures its share, and hands on a batch at a time.

    Parameters
    ----------
    measure : callable
        Gives a result for each image of a data set, in order. Results travel between processes.
    dataset : AnnotatedSet
    batch_size : int
        Images in a forward pass.
    group : ProcessGroup
    """
    if group.world_size == 1:
        yield from measure(dataset)
        return
    own = measure(share_of(dataset, batch_size, group))
    for _ in range(0, len(dataset.records), batch_size * group.world_size):
        yield from group.all_gather(list(islice(own, batch_size)))
