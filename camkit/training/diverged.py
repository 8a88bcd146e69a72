"""The error of a step that came to no number."""

from camkit.errors import CamkitError


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
