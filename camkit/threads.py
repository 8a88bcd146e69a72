"""The work on each image by threads, beside the network's next forward pass or in turns, its results in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TypeVar

from camkit.data import Batch, Sample
from camkit.errors import is_out_of_memory
from camkit.worker_threads import THREADS, worker_threads

T = TypeVar("T")
Chunks = Iterable[tuple[list[Batch], list[Sample]]]  # as `camkit.data.collate` gives them


def in_order(
    chunks: Chunks,
    start: Callable[[Batch], list[Callable[[], T]]],
    failed: Callable[[Sample], T],
    *,
    ahead: bool,
) -> Iterator[T]:
    """Results of all images, in their order.

    Parameters
    ----------
    chunks : iterable of (batches, failures)
        As a DataLoader with `camkit.data.collate` gives them.
    start : callable
        Runs a batch's forward pass and gives what is left to do for each of its images, which threads do.
    failed : callable
        The result of a sample without an input, and of one whose work does not fit into memory.
    ahead : bool
        Whether the next forward pass is made meanwhile: as it should where the network runs on a device of its own.
        On the processor the two take turns. A network's operations are shared out among all cores evenly, and wait for
        the core that does something else beside.
    """

    def chunks_of_jobs() -> Iterator[list[Callable[[], T]]]:
        for batches, failures in chunks:
            jobs: list[tuple[int, Callable[[], T]]] = [(s.index, partial(failed, s)) for s in failures]
            for batch in batches:
                within = (
                    partial(_within_memory, job, s, failed) for job, s in zip(start(batch), batch.samples, strict=True)
                )
                jobs += zip((sample.index for sample in batch.samples), within, strict=True)
            yield [job for _, job in sorted(jobs, key=lambda pair: pair[0])]

    yield from in_threads(chunks_of_jobs(), ahead=ahead)


def _within_memory(job: Callable[[], T], sample: Sample, failed: Callable[[Sample], T]) -> T:
    """The result of a job; an image that is too large for it is that image's failure, and the others go on."""
    try:
        return job()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    height, width = sample.view.size if sample.view else (0, 0)
    reason = f"not enough memory for maps of its {width} x {height} pixels; make it smaller, or lower --max-pixels"
    return failed(replace(sample, error=reason))


def in_threads(chunks: Iterable[list[Callable[[], T]]], threads: int = THREADS, *, ahead: bool = True) -> Iterator[T]:
    """Results of jobs, in order.

    Parameters
    ----------
    chunks : iterable of list of callable
    threads : int
    ahead : bool
        Whether the next chunk is made while one is worked on.
    """
    with worker_threads(threads) as pool:
        waiting: deque[list[Future[T]]] = deque()
        for jobs in chunks:
            waiting.append([pool.submit(job) for job in jobs])
            if len(waiting) > ahead:
                yield from (job.result() for job in waiting.popleft())
        for futures in waiting:
            yield from (job.result() for job in futures)
