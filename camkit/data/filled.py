"""Damaged images that were read all the same, noted in whatever process reads them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class FilledImages:
    """Where data sets note the damaged images of which they gave what is left.

    A data set that is given one reads them, as `read_image` does with ``truncated="fill"``; without it they are
    failures.
    """

    def __init__(self) -> None:
        self._noted: list[tuple[Tensor, Callable[[int], str]]] = []

    def of(self, count: int, name: Callable[[int], str]) -> "Tensor":
        """Flags (count,), bool, in shared memory, to be set for each damaged image, whose name is then known."""
        import torch  # noqa: PLC0415 - what a data set holds is known without it

        flags: Tensor = torch.zeros(count, dtype=torch.bool).share_memory_()
        self._noted.append((flags, name))
        return flags

    def damaged(self, index: int) -> bool:
        """Whether that image of the data set that was last given one is damaged."""
        return bool(self._noted and self._noted[-1][0][index])

    def names(self) -> list[str]:
        """The damaged images so far, each once."""
        noted = (name(index) for flags, name in self._noted for index in flags.nonzero()[:, 0].tolist())
        return list(dict.fromkeys(noted))
