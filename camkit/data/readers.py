"""Processes that read images: one that dies is replaced, and an image that kills its reader is that image's failure."""

import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader

from camkit.data.dataset import Batch, Sample, Samples, collate, quiet_worker
from camkit.errors import CamkitError, killed_reader
from camkit.worker_threads import THREADS, worker_threads

DEADLY = "the process that reads it dies of it: replace the file, leave it out, or lower --max-pixels"
MOST = 10  # deaths that no image is to blame for: the system kills processes, and will go on to


def read_batches(
    samples: Samples, batches: Iterable[list[Any]], workers: int, deaths: list[str], *, pin_memory: bool = False
) -> Iterator[tuple[list[Batch], list[Sample]]]:
    """Batches of a data set as `camkit.data.collate` gives them, in their order.

    Where a process dies, all that was on its way is read again, image by image in a process that reads nothing else
    meanwhile: who dies then has died of that image. The batches stay as they are.

    Parameters
    ----------
    samples : Samples
    batches : iterable of list
        What `samples` takes; taken as they are wanted.
    workers : int
        Processes; 0: threads of this one, which is not replaced.
    deaths : list of str
        Gets a line for each death that was seen.
    pin_memory : bool
        Of what processes read.

    Raises
    ------
    CamkitError
        More processes have died than single images account for.
    """
    if workers == 0:
        with worker_threads(THREADS) as pool:
            for batch in batches:
                yield collate(list((pool.map if len(batch) > 1 else map)(samples.__getitem__, batch)))
        return
    to_come, on_their_way, unexplained = iter(batches), deque[list[Any]](), 0

    def sent() -> Iterator[list[Any]]:
        for batch in to_come:
            on_their_way.append(batch)
            yield batch

    while True:
        loader: DataLoader[Any] = DataLoader(
            samples, batch_sampler=sent(), num_workers=workers, collate_fn=collate, pin_memory=pin_memory,
            worker_init_fn=quiet_worker,
        )  # fmt: skip
        try:
            for chunk in _told_by_itself(loader):
                on_their_way.popleft()
                yield chunk
            return
        except RuntimeError as error:
            if (death := killed_reader(error)) is None:
                raise
        deaths.append(str(death))
        explained = False
        while on_their_way:
            read = list(_one_by_one(samples, on_their_way.popleft()))
            explained = explained or any(sample.error == DEADLY for sample in read)
            yield collate(read)
        unexplained += not explained
        if unexplained > MOST:
            raise CamkitError(f"{unexplained} times {death}")


def _one_by_one(samples: Samples, batch: list[Any]) -> Iterator[Sample]:
    """Each sample, read while no other is."""
    left = deque(batch)
    while left:
        loader: DataLoader[Any] = DataLoader(
            samples, batch_sampler=[[item] for item in left], num_workers=1, prefetch_factor=1, collate_fn=_alone,
            worker_init_fn=quiet_worker,
        )  # fmt: skip
        try:
            for sample in _told_by_itself(loader):
                left.popleft()
                yield sample
        except RuntimeError as error:
            if killed_reader(error) is None:
                raise
            yield samples.failure(left.popleft(), DEADLY)


def _alone(samples: list[Sample]) -> Sample:
    return samples[0]


def _told_by_itself(loader: "DataLoader[Any]") -> Iterator[Any]:
    """The loader's iterator, which looks after its processes each time it waits for them, every five seconds.

    PyTorch also has the signal of a child's death raise an error wherever the main thread is just then, be it in the
    forward pass or in a table. What the signal did before is put back.
    """
    before = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
    if getattr(before, "__module__", "").startswith("torch."):  # that very handler, of another loader
        before = signal.SIG_DFL
    iterator = iter(loader)
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, before)
    return iterator
