"""The log for TensorBoard, where it is asked for."""

from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from camkit.errors import CamkitError

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes a run's figures; what an earlier part of the run wrote beyond the step it goes on from is taken back.

    Parameters
    ----------
    out : Path
    step : int
        The first that is written now.
    wanted : bool
        Without, nothing is written, and TensorBoard need not be installed.

    Raises
    ------
    CamkitError
        TensorBoard is wanted and not installed.
    """

    def __init__(self, out: Path, step: int, wanted: bool) -> None:
        self.writer: Any = None
        if wanted:
            try:
                module = import_module("torch.utils.tensorboard")
            except ImportError as error:
                raise CamkitError("--tensorboard needs TensorBoard: run pip install 'camkit[tensorboard]'") from error
            self.writer = module.SummaryWriter(str(out / FOLDER), purge_step=step + 1)

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """An epoch's row of the log."""
        if self.writer is not None:
            for name in row.keys() - {"epoch", "step"}:
                self.writer.add_scalar(name, row[name], row["step"])
            self.writer.flush()
