"""Measured cells on disk: one file each, whole or not at all, taken again where nothing it hangs on has changed."""

import hashlib
import json
import platform
import time
from pathlib import Path
from typing import Any

import torch

from camkit.errors import CamkitError
from camkit.output import whole
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell
from camkit.runs.facts import versions


class Store:
    """A folder of measured cells.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.id}.json"

    def take(self, cell: Cell, key: str) -> tuple[Measured, dict[str, Any]] | None:
        """What was measured under this key, and how; None where it was not.

        Raises
        ------
        CamkitError
            The file is none that `keep` wrote.
        """
        path = self.path(cell)
        try:
            held = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
            return (Measured.from_json(held["measured"]), held["run"]) if held["key"] == key else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CamkitError(f"{path}: cannot be read as a measured cell ({error}): remove it") from error

    def keep(self, cell: Cell, key: str, measured: Measured, begun: float, device: str) -> dict[str, Any]:
        """Write a cell; returns what its run was."""
        run = {
            "seconds": round(time.perf_counter() - begun, 1),
            "device": device,
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }
        held = {"cell": cell.id, "experiment": cell.experiment, "settings": dict(cell.settings), "key": key, "run": run,
                "measured": measured.as_json()}  # fmt: skip
        with whole(self.path(cell)) as file:
            json.dump(held, file, allow_nan=False)
        return run


def key_of(cell: Cell, data: Any, before: list[str]) -> str:
    """What a cell's result hangs on: its settings, its data, and the cells before it."""
    told = json.dumps([cell.id, cell.experiment, dict(cell.settings), data, before], sort_keys=True)
    return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()


def processor() -> str:
    """The machine's, in its own words."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0]}, {len(named)} threads" if named else platform.processor() or platform.machine()
