"""A training run's folder: its settings, its log, its checkpoints, all made from the saved state."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.errors import CamkitError
from camkit.figures import plot_training
from camkit.output import whole
from camkit.training.config import differences, make_settings, to_toml, typed
from camkit.training.settings import TrainSettings
from camkit.training.state import FILE, State, read_state
from camkit.training.tensorboard import FOLDER

BEST, LAST = "best.safetensors", "last.safetensors"
CONFIG, LOG, CURVE, RUN = "config.toml", "log.csv", "curve.png", "run.json"
FILES = (FILE, CONFIG, LOG, CURVE, RUN, BEST, LAST)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A disk that is full or forbidden is one line; every file was written whole or stayed as it was."""
    try:
        yield
    except OSError as error:
        raise CamkitError(
            f"{path}: cannot be written ({error.strerror or error}); what was saved before is still there: make room, "
            "then go on with --resume"
        ) from error


def open_folder(path: Path, settings: TrainSettings, *, resume: bool, overwrite: bool) -> State | None:
    """What an earlier run left to go on from, None for a run from the beginning.

    Raises
    ------
    CamkitError
        The folder holds a run and neither is wanted, or one of other settings.
    """
    if resume and overwrite:
        raise CamkitError("--resume and --overwrite together: a run is resumed or begun anew")
    held = [name for name in FILES if (path / name).exists()]
    if not resume:
        if held and not overwrite:
            raise CamkitError(
                f"{path} already holds a run ({', '.join(held)}): give --resume, --overwrite or another --out"
            )
        return None
    state = read_state(path)
    if state is not None:
        changed = differences(make_settings(typed(state.settings, str(path / FILE))), settings)
        if changed:
            raise CamkitError(f"cannot resume {path}: other settings ({', '.join(changed)}); give another --out")
    return state


def begin(path: Path, settings: TrainSettings, *, resume: bool) -> None:
    """Make the folder, with its settings; a run that begins removes what an earlier one left."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        if not resume:
            for name in FILES:
                (path / name).unlink(missing_ok=True)
            shutil.rmtree(path / FOLDER, ignore_errors=True)
        with whole(path / CONFIG) as file:
            file.write(to_toml(settings))


def publish_log(path: Path, log: list[dict[str, Any]]) -> None:
    """The log's rows as a table."""
    with whole(path / LOG) as file:
        pd.DataFrame(log).to_csv(file, index=False, lineterminator="\n")


def publish_curve(path: Path, log: list[dict[str, Any]]) -> None:
    """The log as a picture."""
    with whole(path / CURVE, "wb") as file:
        plot_training(pd.DataFrame(log)).figure.savefig(file, format="png", dpi=150)


def publish_run(path: Path, facts: dict[str, Any]) -> None:
    """What the run was, and what it took."""
    with whole(path / RUN) as file:
        json.dump(facts, file, indent=1)
