"""A training run's folder: its settings, its log, its checkpoints, all made from the saved state."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.errors import CamkitError
from camkit.figures import plot_training
from camkit.output import check_free, claim, holds_run, locked, remove, whole
from camkit.process_group import ProcessGroup
from camkit.training.config import differences, make_settings, to_toml, typed
from camkit.training.settings import TrainSettings
from camkit.training.state import FILE, State, read_state, save_state
from camkit.training.tensorboard import FOLDER

BEST, LAST = "best.safetensors", "last.safetensors"
CONFIG, LOG, CURVE, RUN = "config.toml", "log.csv", "curve.png", "run.json"
FILES = (FILE, CONFIG, LOG, CURVE, RUN, BEST, LAST)
PROBE = ".camkit-probe.pt"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A disk that is full or forbidden is one line; every file was written whole or stayed as it was."""
    try:
        yield
    except OSError as error:
        raise CamkitError(
            f"{error.filename or path}: cannot be written ({error.strerror or error}); what was saved before is still "
            "there: make room, then go on with --resume"
        ) from error


@contextmanager
def holding(
    path: Path, settings: TrainSettings, *, resume: bool, overwrite: bool, group: ProcessGroup
) -> Iterator[None]:
    """Keep other runs from writing to the folder, and let Ctrl-C say what is kept.

    Raises
    ------
    CamkitError
        The folder holds a run that is not to be resumed or overwritten, or files that no run wrote; another run is
        writing to it; it cannot be written to. All processes refuse, or none.
    """
    with ExitStack() as stack:
        problems = []
        if group.is_main:
            try:
                stack.enter_context(locked(path))
                if not (resume and (holds_run(path) or (path / FILE).exists())):
                    names = (*FILES, *([f"{FOLDER}/"] if settings.tensorboard else []))
                    check_free(path, names, overwrite=overwrite, remedy="--resume, --overwrite")
            except CamkitError as error:
                problems.append(str(error))
        for problem in group.all_gather(problems):
            raise CamkitError(problem)
        try:
            yield
        except KeyboardInterrupt as stop:
            kept = "what was saved is kept" if (path / FILE).exists() else "nothing was saved yet"
            stop.args = (f"{kept} in {path}: go on with camkit train --resume --out {path}",)
            raise


def read_before(path: Path, settings: TrainSettings, *, resume: bool) -> State | None:
    """What an earlier run left to go on from, None for a run from the beginning.

    Raises
    ------
    CamkitError
        It is a run of other settings, or its state is damaged.
    """
    state = read_state(path) if resume else None
    if state is not None:
        changed = differences(make_settings(typed(state.settings, str(path / FILE))), settings)
        if changed:
            raise CamkitError(f"cannot resume {path}: other settings ({', '.join(changed)}); give another --out")
    return state


def begin(path: Path, settings: TrainSettings, state: State, *, resume: bool) -> None:
    """Put the settings into the folder; a run that begins anew removes what an earlier one left.

    Before that it makes sure that its own state, the largest of its files, fits beside the earlier run's.
    """
    with writing(path):
        if not resume and holds_run(path):
            save_state(path, state, PROBE)
            (path / PROBE).unlink()
        if not resume:
            remove(path)
        claim(path, FILES)
        with whole(path / CONFIG) as file:
            file.write(to_toml(settings))


def events(path: Path) -> list[str]:
    """The files of TensorBoard's."""
    return [f"{FOLDER}/{file.name}" for file in (path / FOLDER).glob("events.out.tfevents.*")]


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
