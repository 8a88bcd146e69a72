"""The errors a user can cause. Each is one line: what was wrong, with which file or value, and what to do."""


class CamkitError(ValueError):
    """A call, a file or a model that camkit cannot work with; the command line prints the message and exits with 2."""


class HeadNotFound(CamkitError):
    """The model has no head that class activation mapping could read; the message names the reason and a remedy."""


class UnreadableImage(CamkitError):
    """An image file that cannot be decoded, or that is refused; a run reports it and goes on with the others."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory: Python's, PyTorch's on a CPU and on a GPU."""
    said = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("allocate memory" in said or "out of memory" in said)
    )
