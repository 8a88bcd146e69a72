"""The errors a user can cause. Each is one line: what was wrong, with which file or value, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class CamkitError(ValueError):
    """A call, a file or a model that camkit cannot work with; the command line prints the message and exits with 2."""


class HeadNotFound(CamkitError):
    """The model has no head that class activation mapping could read; the message names the reason and a remedy."""


class UnsuitableInput(CamkitError):
    """A model's own forward fails on images of this shape or dtype."""


class OutOfMemory(CamkitError):
    """A batch does not fit into memory."""


class UnreadableImage(CamkitError):
    """An image file that cannot be decoded, or that is refused; a run reports it and goes on with the others."""


def killed_reader(error: BaseException) -> CamkitError | None:
    """What the death of a process that reads images is told as; None for any other error.

    PyTorch raises it in the main thread, whatever that is doing just then: the forward pass is not to blame.
    """
    said = " ".join(str(error).split()).removesuffix(".")
    if not (isinstance(error, RuntimeError) and said.startswith("DataLoader worker")):
        return None
    shared = "shared memory" in said
    remedy = "raise the limit on shared memory or give --workers 0" if shared else "give fewer --workers, or 0"
    return CamkitError(
        f"a process that reads images has died, as a rule for want of memory ({said}): {remedy}; a lower --max-pixels "
        "refuses large images"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up: Python's, NumPy's or PyTorch's, on any device."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


class Diverged(CamkitError):
    """A loss, its gradient or the step's outcome is NaN or infinite; the step was not made.

    Parameters
    ----------
    remedy : str
        What is wrong and what to do, for a user to read.
    during : str
        The part of a training step that it happened in.
    """

    def __init__(self, remedy: str, during: str = "the step") -> None:
        super().__init__(remedy)
        self.during = during


@contextmanager
def user_errors(name: str, what: str) -> Iterator[None]:
    """What a function of others raises, as one line that says whose error it is."""
    try:
        yield
    except CamkitError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = (str(error).strip().splitlines() or [""])[0]
        raise CamkitError(f"{name} fails to {what}: {type(error).__name__} {reason}".rstrip()) from error
