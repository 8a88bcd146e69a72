"""What all the metrics share: every image's outcome is kept, for intervals and for comparisons of two runs."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from camkit.errors import CamkitError
from camkit.metrics.intervals import Estimate
from camkit.metrics.rows_on_disk import RowsOnDisk
from camkit.metrics.threshold_splits import FIXED


@dataclass(frozen=True)
class Result(Estimate):
    """An estimate, and where its threshold comes from.

    Attributes
    ----------
    threshold_split : str
        What chose the threshold: boxes or pseudo boxes, and of which split ("boxes of cub val"), `REPORTED`,
        `REPORTED_MASKS`, `FIXED` or `NO_THRESHOLD`.
    thresholds : tuple of float
        Those that the metric chose itself, one a criterion.
    """

    threshold_split: str
    thresholds: tuple[float, ...] = ()

    @classmethod
    def of(cls, estimate: Estimate, threshold_split: str, thresholds: Sequence[float] = ()) -> "Result":
        return cls(**asdict(estimate), threshold_split=threshold_split, thresholds=tuple(thresholds))


_WHOLE = ContextVar("whole", default=False)


@contextmanager
def whole() -> Iterator[None]:
    """Within, every process's metrics have the rows of all images already, and none asks the others for theirs."""
    before = _WHOLE.set(True)
    try:
        yield
    finally:
        _WHOLE.reset(before)


def shares_rows() -> bool:
    """Whether there are other processes, with rows of their own."""
    return dist.is_available() and dist.is_initialized() and not _WHOLE.get()


class PerImage(Metric):
    """A torchmetrics metric with one row of outcomes an image; processes concatenate theirs.

    Parameters
    ----------
    columns : int
        Outcomes an image.
    dtype : torch.dtype
        Their type.
    threshold_split : str
        The split on which the threshold was chosen.
    variant : str
        What else the outcomes depend on. Class and variant name the state: a `torchmetrics.MetricCollection` would take
        two metrics for one, from then on, if their states had one name and, after the first batch, the same content.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, columns: int, dtype: torch.dtype, threshold_split: str = FIXED, variant: str = "") -> None:
        super().__init__(distributed_available_fn=shares_rows)
        self.threshold_split = threshold_split
        self.no_rows = torch.empty(0, columns, dtype=dtype)
        self.state_name = f"outcomes_{type(self).__name__}_{variant}"
        self.add_state(self.state_name, default=[], dist_reduce_fx="cat")
        self._on_disk: RowsOnDisk | None = None

    def keep_on_disk(self) -> None:
        """Keep the outcomes in a temporary file from now on: of a process that measures by itself."""
        self._on_disk = RowsOnDisk(self.no_rows.numpy().dtype, tuple(self.no_rows.shape[1:]))

    @property
    def outcomes(self) -> list[Tensor] | Tensor:
        """A batch of rows an item; one tensor of all processes' rows while they are synchronised."""
        state: list[Tensor] | Tensor = getattr(self, self.state_name)
        return state

    def append(self, rows: Tensor) -> None:
        """Keep the outcomes (N, columns) of N more images."""
        if self._on_disk is not None:
            self._on_disk.append(rows.to("cpu", self.no_rows.dtype).numpy())
        else:
            getattr(self, self.state_name).append(rows.to(self.device, self.no_rows.dtype))

    @property
    def has_rows(self) -> bool:
        """Whether an image has been given to the metric."""
        return len(self.outcomes if self._on_disk is None else self._on_disk) > 0

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As in torchmetrics, but a process without images takes part with no rows of the right width and type."""
        if self._on_disk is None and len(self.outcomes) == 0:
            self.append(self.no_rows)
        super().sync(*args, **kwargs)

    def per_image(self) -> NDArray[Any]:
        """The outcomes (n, columns), in the order of the updates.

        Raises
        ------
        CamkitError
            No image has been given to the metric.
        """
        if self._on_disk is not None:
            rows = self._on_disk.array()
        else:
            rows = (dim_zero_cat(self.outcomes) if len(self.outcomes) > 0 else self.no_rows).cpu().numpy()
        if len(rows) == 0:
            raise CamkitError(f"{type(self).__name__} has seen no image: the split, or what is left of it, is empty")
        return np.asarray(rows)

    def result(self, rng: np.random.Generator) -> Any:
        """The figure over all processes' images with its 95 % interval; the same for every order of the images.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        Result
        """
        with self.sync_context():
            return self.estimate(self.per_image(), rng)

    @abstractmethod
    def estimate(self, rows: NDArray[Any], rng: np.random.Generator) -> Any:
        """Outcomes (n, columns) -> Result."""
