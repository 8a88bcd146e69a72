"""A training run, from its settings to its checkpoints."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from camkit.errors import CamkitError
from camkit.models import Classifier, load_weights, save_checkpoint
from camkit.output import claim
from camkit.processes import Processes, processes
from camkit.training.data import TrainingImages, number_of_classes, training_splits
from camkit.training.folder import BEST, LAST, begin, events, holding, publish_curve, publish_log, read_before, writing
from camkit.training.loop import Clock, Loop, Losses
from camkit.training.methods import load_method
from camkit.training.minmax.second_stage import make_stage_two
from camkit.training.minmax.sets import repeated
from camkit.training.network import make_network
from camkit.training.optimizer import make_optimizer
from camkit.training.randomness import WEIGHTS, derived_seed, seed_generators
from camkit.training.sampler import SharedSets
from camkit.training.settings import TrainSettings
from camkit.training.state import FILE, State, save_state
from camkit.training.tensorboard import Board
from camkit.training.validation import Validation


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What a run leaves beside its files.

    Attributes
    ----------
    out : Path
        The run's folder.
    log : DataFrame
        A row an epoch, as in log.csv.
    best_epoch : int
        From 1; of best.safetensors.
    images, dropped : int
        Training images, and how many of them each epoch leaves out because they do not fill a batch
        or a set.
    parameters : int
        Of the network.
    problems : list of str
        A line for each image of the data set that could not be used.
    seconds : float
        Of this call alone.
    processes : int
        That trained together.
    first : bool
        Whether this is the process that writes.
    device : str
    """

    out: Path
    log: pd.DataFrame
    best_epoch: int
    images: int
    dropped: int
    parameters: int
    problems: list[str]
    seconds: float
    processes: int
    first: bool
    device: str


def train(
    settings: TrainSettings,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    show_progress: bool = False,
    tell: Callable[[str], None] = lambda _: None,
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
    tell : callable
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
    with ExitStack() as stack:
        together = stack.enter_context(processes(settings.device))
        gpus = [together.device] if together.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(gpus))
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, deterministic=True))
        stack.enter_context(holding(out, resume=resume, overwrite=overwrite, together=together))
        state = read_before(out, settings, resume=resume)
        run = Run(settings, out, together, show_progress and together.first, tell if together.first else _silent)
        together.wait()  # all have looked at the folder
        if together.first:
            begin(out, settings, run.at_first(), resume=resume)
        state = run.go(state)
    return TrainResult(
        out=out,
        log=pd.DataFrame(state.log),
        best_epoch=best_row(state.log, settings.best)["epoch"],
        images=len(run.images),
        dropped=len(run.images) - run.loop.batches.distinct,
        parameters=sum(parameter.numel() for parameter in run.network.model.parameters()),
        problems=run.problems,
        seconds=time.perf_counter() - start,
        processes=together.count,
        first=together.first,
        device=str(together.device),
    )


class Run:
    """Everything that a run is made of; `go` runs it."""

    def __init__(
        self, settings: TrainSettings, out: Path, together: Processes, show: bool, tell: Callable[[str], None]
    ) -> None:
        self.settings, self.out, self.together, self.show = settings, out, together, show
        method = load_method(settings.method, **settings.method_options)
        data, val = training_splits(settings)
        self.problems = data.problems + val.problems
        seed_generators(derived_seed(settings.seed, WEIGHTS), together.device)
        self.network = make_network(settings, number_of_classes(data), data.labels)
        tell(self.network.loaded)
        method.attach(self.network.model, settings.adl_at or self.network.adl_at)
        self.network.model.to(together.device).to(memory_format=torch.channels_last)
        self.images = TrainingImages(data, settings, self.network.card.input)
        self.images.cache(self._bar)
        self.optimizer = make_optimizer(self.network.model, self.network.new, settings)
        workers = (4 if together.device.type == "cuda" else 0) if settings.workers < 0 else settings.workers
        self.loop = Loop(
            self.network.model,
            method,
            self.optimizer,
            self.images,
            self.network.card.num_classes,
            settings,
            together,
            workers,
            make_stage_two(self.network.model, self.optimizer, settings) if settings.minmax else None,
        )
        if isinstance(self.loop.batches, SharedSets) and (small := self.loop.batches.sampler.small):
            tell(repeated(list(small)))
        self.validation = Validation(val, settings, workers, together)

    def at_first(self) -> State:
        """The state before the first step."""
        return self._at(0, [], [])

    def go(self, state: State | None) -> State:
        """All epochs that are not done yet; returns the state after the last."""
        state = self.at_first() if state is None else state
        load_weights(self.network.model, state.model, self.out / FILE)
        self.optimizer.load_state_dict(state.optimizer)
        if self.loop.stage_two is not None:
            self.loop.stage_two.optimizer.load_state_dict(state.stage_two)
        with Board(self.out, state.step, self.settings.tensorboard and self.together.first) as board:
            if self.together.first:
                self._claim_events()
            for epoch in range(state.step // self.loop.steps, self.settings.epochs):
                row = self._epoch(epoch, state)
                state = self._at((epoch + 1) * self.loop.steps, [], [*state.log, row])
                if self.together.first:
                    self._save(state)
                board.add(row)
        if self.together.first:
            self._publish(state)
            with writing(self.out):
                publish_curve(self.out, state.log)
        return state

    def _epoch(self, epoch: int, state: State) -> dict[str, Any]:
        """Train and validate; a row of the log."""
        losses, clock, settings = state.losses, Clock(), self.settings
        which = f"epoch {epoch + 1}/{settings.epochs}"
        with tqdm(total=self.loop.steps, initial=len(losses), desc=which, unit="step", disable=not self.show) as bar:

            def after(done: int) -> None:
                bar.update(done - bar.n)
                bar.set_postfix_str(
                    f"loss {losses[-1]['loss']:.3f}, {clock.rate:.0f} images/s, "
                    f"{clock.waiting_share:.0%} waiting for data"
                )
                due = settings.save_every and done % settings.save_every == 0 and done < self.loop.steps
                if due and self.together.first:
                    self._keep(self._at(epoch * self.loop.steps + done, losses, state.log))

            self.loop.epoch(epoch, losses, clock, after)
        row = {
            "epoch": epoch + 1,
            "step": (epoch + 1) * self.loop.steps,
            "lr": settings.lr * self.loop.share((epoch + 1) * self.loop.steps - 1),
            **{name: sum(its[name] for its in losses) / len(losses) for name in losses[0]},
            "seconds": round(clock.seconds, 3),
            "images_per_s": round(clock.rate, 2),
            "waiting": round(clock.waiting_share, 4),
        }
        if (epoch + 1) % settings.val_every == 0 or epoch + 1 == settings.epochs:
            figures, problems = self.validation(self._classifier())
            row |= {f"val_{name}": value for name, value in figures.items()}
            self.problems += [line for line in problems if line not in self.problems]
        return row

    def _at(self, step: int, losses: list[Losses], log: list[dict[str, Any]]) -> State:
        model, stage_two = self.network.model.state_dict(), self.loop.stage_two
        momentum = {} if stage_two is None else stage_two.optimizer.state_dict()
        return State(asdict(self.settings), step, model, self.optimizer.state_dict(), losses, log, momentum)

    def _classifier(self) -> Classifier:
        card = self.network.card
        return Classifier(self.network.model, card.model, card.input, card.labels, "in training")

    def _save(self, state: State) -> None:
        """The best weights first: if the run stops between the two, it comes to the same best again."""
        if best_row(state.log, self.settings.best) is state.log[-1]:
            self._checkpoint(BEST, state)
        self._keep(state)
        self._publish(state)

    def _keep(self, state: State) -> None:
        with writing(self.out / FILE):
            save_state(self.out, state)

    def _claim_events(self) -> None:
        with writing(self.out):
            claim(self.out, events(self.out))

    def _publish(self, state: State) -> None:
        """What else is in the folder follows from the state."""
        self._checkpoint(LAST, state)
        with writing(self.out):
            publish_log(self.out, state.log)

    def _checkpoint(self, name: str, state: State) -> None:
        with writing(self.out / name):
            save_checkpoint(self.out / name, self.network.model, self.network.described(state.log[-1], state.settings))

    def _bar(self, indices: Sequence[int], told: str) -> Iterable[int]:
        return tqdm(indices, told, unit="image", disable=not self.show)


def best_row(log: Sequence[dict[str, Any]], criterion: str) -> dict[str, Any]:
    """The first row with the highest figure."""
    measured = [row for row in log if f"val_{criterion}" in row]
    return max(measured, key=lambda row: float(row[f"val_{criterion}"]), default={})


def _silent(_: str) -> None:
    """Only the first process speaks."""
