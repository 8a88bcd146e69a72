"""Memory of a process that does nothing but forward passes."""

import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> None:
    """Let glibc's allocator keep what was freed, where the C library is glibc.

    Each layer's output is freed a few layers on. Given back to the system, it returns page by page, each page a fault:
    on a CPU that is a large part of a forward pass. Only the command line does this; a user's own process is theirs.
    """
    if sys.platform != "linux":
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
