"""Large images one at a time where threads read: memory is bounded by pixels, and not multiplied by threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

BESIDE = 25_000_000  # pixels; four threads of one image each hold as much as one image of the default bound
LOCK = threading.Lock()


@contextmanager
def alone(pixels: int) -> Iterator[None]:
    """No other thread works on a large image meanwhile; small ones go on."""
    if pixels <= BESIDE:
        yield
        return
    with LOCK:
        yield
