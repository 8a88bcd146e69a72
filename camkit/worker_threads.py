"""Threads that work beside one another, each on an image of its own."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

THREADS = min(4, os.cpu_count() or 1)  # by default
LOCK = threading.Lock()


def worker_threads(threads: int) -> ThreadPoolExecutor:
    """So many threads, in which PyTorch's operations start none of their own."""
    return ThreadPoolExecutor(threads, initializer=_work_alone)


def _work_alone() -> None:
    with LOCK:
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # for this thread, and for those that are yet to come
        again = threading.Thread(target=torch.set_num_threads, args=(before,))
        again.start()
        again.join()
