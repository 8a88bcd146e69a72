"""A training run's parts, put together from its settings, and its epochs one after the other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.metrics.threshold_splits import FIXED
from camkit.models import Card, Classifier, load_weights, save_checkpoint, with_one_map
from camkit.models.card import EPOCH_BY
from camkit.output import claim
from camkit.process_group import ProcessGroup
from camkit.progress import progress_bar
from camkit.training.data import TrainingImages, number_of_classes, training_splits
from camkit.training.folder import BEST, LAST, events, publish_curve, publish_log, writing
from camkit.training.initial import InitialNetwork, make_network
from camkit.training.loop import Clock, Loop, Losses
from camkit.training.method import Method
from camkit.training.network import Network
from camkit.training.optimizer import make_optimizer
from camkit.training.randomness import WEIGHTS, derived_seed, seed_generators
from camkit.training.sets import describe_small_classes
from camkit.training.settings import TrainSettings
from camkit.training.state import FILE, State, save_state
from camkit.training.tensorboard import TensorBoardLog
from camkit.training.validation import Validation, chosen_by, criterion, with_validation_boxes

USUAL_BATCH = 32


class Trainer:
    """Everything that a run is made of; `go` runs it.

    Parameters
    ----------
    settings : TrainSettings
        By `with_batch_size`.
    method : Method
    out : Path
    group : ProcessGroup
    show : bool
        Whether to show progress.
    echo : callable
        Takes a line that a user wants to read before the end.
    """

    def __init__(
        self,
        settings: TrainSettings,
        method: Method,
        out: Path,
        group: ProcessGroup,
        show: bool,
        echo: Callable[[str], None],
    ) -> None:
        self.settings, self.method, self.out, self.group = settings, method, out, group
        self.show = show
        data, val = training_splits(settings)
        self.filled = data.filled
        val, without_box = with_validation_boxes(val, settings)
        self.problems = data.problems + val.problems + without_box
        self.epoch_by = chosen_by(settings, val)
        self.initial = self._initial(data)
        echo(self.initial.loaded)
        self.network = self._network()
        self.optimizer = make_optimizer(
            self.network.model,
            self.initial.new,
            settings,
            {name: (module, method.lr_factor(name)) for name, module in self.network.modules.items()},
        )
        method.prepare(self.network, self.optimizer)
        self._saved()  # what cannot be saved is refused before the first step
        self.images = TrainingImages(data, settings, self.initial.card.input)
        self.images.cache(self._bar)
        workers = (4 if group.device.type == "cuda" else 0) if settings.workers < 0 else settings.workers
        self.loop = Loop(self.network, method, self.optimizer, self.images, settings, workers)
        if small := self.loop.batches.small:
            echo(describe_small_classes(list(small)))
        self.validation = Validation(val, settings, workers, group)

    def _initial(self, data: AnnotatedSet) -> InitialNetwork:
        seed_generators(derived_seed(self.settings.seed, WEIGHTS), self.group.device)
        return make_network(self.settings, number_of_classes(data), data.class_names)

    def _network(self) -> Network:
        """The network on its device, with the method's hooks, and with what the method trains beside it."""
        model, card, settings = self.initial.model, self.initial.card, self.settings
        self.method.attach(model, settings.adl_at or self.initial.adl_at)
        device, side = self.group.device, settings.size[-1]
        model.to(device).to(memory_format=torch.channels_last)
        network = Network(
            model, card.num_classes, card.class_names, (side, side), self.group, settings.precision,
            settings.label_smoothing, self.initial.places,
        )  # fmt: skip
        for name in settings.adl_at:
            _runs(network, name)
        for name, module in self.method.modules(network).items():
            network.modules[name] = module.to(device)
        return network

    def at_first(self) -> State:
        """The state before the first step."""
        return self._at(0, [], [])

    def go(self, state: State | None) -> State:
        """All epochs that are not done yet; returns the state after the last."""
        state = self.at_first() if state is None else state
        self._load(state)
        with TensorBoardLog(self.out, state.step, self.settings.tensorboard and self.group.is_main) as board:
            if self.group.is_main:
                with writing(self.out):
                    claim(self.out, events(self.out))
            for epoch in range(state.step // self.loop.steps, self.settings.epochs):
                row = self._epoch(epoch, state)
                state = self._at((epoch + 1) * self.loop.steps, [], [*state.log, row])
                if self.group.is_main:
                    self._save(state)
                board.add(row)
        if self.group.is_main:
            self._publish(state)
            with writing(self.out):
                publish_curve(self.out, state.log)
        return state

    def _epoch(self, epoch: int, state: State) -> dict[str, Any]:
        """Train and validate; a row of the log."""
        losses, clock, settings = state.losses, Clock(), self.settings
        which = f"epoch {epoch + 1}/{settings.epochs}"
        with progress_bar(what=which, total=self.loop.steps, unit="step", done=len(losses), shown=self.show) as bar:

            def after(done: int) -> None:
                bar.update(done - bar.n)
                bar.set_postfix_str(
                    f"loss {losses[-1]['loss']:.3f}, {clock.rate:.0f} images/s, "
                    f"{clock.waiting_share:.0%} waiting for data"
                )
                due = settings.save_every and done % settings.save_every == 0 and done < self.loop.steps
                if due and self.group.is_main:
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
            row |= self._validated()
        return row

    def _validated(self) -> dict[str, float]:
        model, card = self._saved()
        figures, problems = self.validation(Classifier(model, card.model, card.input, card.class_names, "in training"))
        self.problems += [line for line in problems if line not in self.problems]
        return {f"val_{name}": value for name, value in figures.items()}

    def _saved(self) -> tuple[nn.Module, Card]:
        """What is measured and saved; the maps of a class that are there only while training are one."""
        return with_one_map(*self.method.saved(self.network, self.initial.card))

    def _at(self, step: int, losses: list[Losses], log: list[dict[str, Any]]) -> State:
        return State(
            asdict(self.settings),
            step,
            self.network.model.state_dict(),
            self.optimizer.state_dict(),
            losses,
            log,
            self.method.state_dict(),
            self.network.modules.state_dict(),
        )

    def _load(self, state: State) -> None:
        """Everything as it was after the state's step."""
        load_weights(self.network.model, state.model, self.out / FILE)
        load_weights(self.network.modules, state.modules, self.out / FILE)
        self.optimizer.load_state_dict(state.optimizer)
        self.method.load_state_dict(state.method)

    def _save(self, state: State) -> None:
        """The best weights first: if the run stops between the two, it comes to the same best again."""
        if best_row(state.log, criterion(self.settings)) is state.log[-1]:
            self._checkpoint(BEST, state, self.epoch_by)
        self._keep(state)
        self._publish(state)

    def _keep(self, state: State) -> None:
        with writing(self.out / FILE):
            save_state(self.out, state)

    def _publish(self, state: State) -> None:
        """What else is in the folder follows from the state."""
        self._checkpoint(LAST, state, FIXED)
        with writing(self.out):
            publish_log(self.out, state.log)

    def _checkpoint(self, name: str, state: State, epoch_by: str) -> None:
        """The saved network, with how it was trained, what it scored, and what chose the epoch."""
        model, card = self._saved()
        card = replace(card, facts={"trained": state.settings, **state.log[-1], EPOCH_BY: epoch_by})
        with writing(self.out / name):
            save_checkpoint(self.out / name, model, card)

    def _bar(self, indices: Sequence[int], told: str) -> Iterable[int]:
        return progress_bar(indices, what=told, total=len(indices), shown=self.show)  # type: ignore[no-any-return]


def with_batch_size(settings: TrainSettings, method: Method) -> TrainSettings:
    """The settings with the images of a batch counted, where the method's sets or nobody says how many.

    Raises
    ------
    CamkitError
        They contradict the method's sets.
    """
    wanted = method.class_sets()
    if wanted is None:
        return replace(settings, batch_size=settings.batch_size or USUAL_BATCH)
    sets, size = wanted
    told = f"--method {settings.method} takes {sets} sets of {size} images of one class"
    if settings.batch_size not in (0, sets * size):
        raise CamkitError(f"--batch-size {settings.batch_size}: {told}, which make {sets * size}: leave it out")
    if settings.accumulate > 1:
        raise CamkitError(f"--accumulate {settings.accumulate}: {told}, in one part; leave it out, or take fewer sets")
    return replace(settings, batch_size=sets * size)


def _runs(network: Network, name: str) -> None:
    """Refused where the network never runs the module that ``--adl-at`` names: its hook would do nothing."""
    try:
        network.channels_at(name)
    except CamkitError as error:
        raise CamkitError(f"--adl-at {name}: {error}") from error


def best_row(log: Sequence[dict[str, Any]], criterion: str) -> dict[str, Any]:
    """The first row with the highest figure."""
    measured = [row for row in log if f"val_{criterion}" in row]
    return max(measured, key=lambda row: float(row[f"val_{criterion}"]), default={})
