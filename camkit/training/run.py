"""A training run, from its settings to its checkpoints."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from camkit.errors import CamkitError
from camkit.process_group import process_group
from camkit.training.folder import begin, holding, read_before
from camkit.training.methods import load_method
from camkit.training.settings import TrainSettings
from camkit.training.trainer import Trainer, best_row, with_batch_size
from camkit.training.validation import criterion


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What a run leaves beside its files.

    Attributes
    ----------
    settings : TrainSettings
        With the images of a batch counted.
    out : Path
        The run's folder.
    log : DataFrame
        A row an epoch, as in log.csv.
    best_epoch : int
        From 1; of best.safetensors.
    images, dropped : int
        Training images, and how many of them each epoch leaves out because they do not fill a batch
        or a set.
    in_sets : bool
        Whether batches were made of sets of one class.
    parameters : int
        Of the network.
    problems : list of str
        A line for each image of the data set that could not be used.
    filled : list of str
        Damaged images that were read all the same.
    seconds : float
        Of this call alone.
    processes : int
        That trained together.
    is_main : bool
        Whether this is the process that writes.
    device : str
    """

    settings: TrainSettings
    out: Path
    log: pd.DataFrame
    best_epoch: int
    images: int
    dropped: int
    in_sets: bool
    parameters: int
    problems: list[str]
    filled: list[str]
    seconds: float
    processes: int
    is_main: bool
    device: str


def train(
    settings: TrainSettings,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    show_progress: bool = False,
    echo: Callable[[str], None] = lambda _: None,
) -> TrainResult:
    """Train a classifier, and measure it after each epoch.

    Under ``torchrun``, or in a process group that is there already, all processes train together.

    Parameters
    ----------
    settings : TrainSettings
    out : str or Path
        The run's folder; docs/training.md says what is in it.
    resume : bool
        Go on where a run of the same settings stopped, or begin where there is none. The weights at the end are those
        of a run that was not stopped.
    overwrite : bool
        Remove what an earlier run left.
    show_progress : bool
    echo : callable
        Takes a line that a user wants to read before the end.

    Returns
    -------
    TrainResult

    Raises
    ------
    CamkitError
        The call cannot be carried out, an image cannot be read, the loss is no finite number, or the disk is full.
        What was saved before stays.
    """
    start, out = time.perf_counter(), Path(out)
    if resume and overwrite:
        raise CamkitError("--resume and --overwrite together: a run is resumed or begun anew")
    method = load_method(settings.method, **settings.method_options)
    settings = with_batch_size(settings, method)
    with ExitStack() as stack:
        group = stack.enter_context(process_group(settings.device))
        gpus = [group.device] if group.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(gpus))
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, deterministic=True))
        stack.enter_context(holding(out, settings, resume=resume, overwrite=overwrite, group=group))
        state = read_before(out, settings, resume=resume)
        show, echo = show_progress and group.is_main, echo if group.is_main else _no_echo
        trainer = Trainer(settings, method, out, group, show, echo)
        group.barrier()  # all have looked at the folder
        if group.is_main:
            begin(out, settings, trainer.at_first(), resume=resume)
        state = trainer.go(state)
    return TrainResult(
        settings=settings,
        out=out,
        log=pd.DataFrame(state.log),
        best_epoch=best_row(state.log, criterion(settings))["epoch"],
        images=len(trainer.images),
        dropped=len(trainer.images) - trainer.loop.batches.distinct,
        in_sets=method.class_sets() is not None,
        parameters=sum(parameter.numel() for parameter in trainer.network.model.parameters()),
        problems=trainer.problems,
        filled=list(dict.fromkeys(group.all_gather(trainer.filled.names() if trainer.filled else []))),
        seconds=time.perf_counter() - start,
        processes=group.world_size,
        is_main=group.is_main,
        device=str(group.device),
    )


def _no_echo(_: str) -> None:
    """Only the first process speaks."""
