"""The training loop: plain PyTorch, one step after the other, and nothing in it that a resumed run could not repeat."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD
from torch.utils.data import DataLoader

from camkit.errors import CamkitError
from camkit.processes import Processes
from camkit.training.data import TrainingImages, stacked
from camkit.training.methods import Method
from camkit.training.minmax.stages import Diverged, StageTwo
from camkit.training.optimizer import set_learning_rate
from camkit.training.randomness import STEP, derived_seed, seed_generators
from camkit.training.sampler import SharedBatches, SharedSets
from camkit.training.schedules import schedule
from camkit.training.settings import TrainSettings

Losses = dict[str, float]

NAMES = ("loss", "crr", "frr")
CHECKED = 10  # steps from one look at the losses to the next: each look makes a GPU wait


@dataclass
class Clock:
    """Where an epoch's time went, in seconds, and the images that all processes trained on meanwhile."""

    start: float = field(default_factory=time.perf_counter)
    waiting: float = 0.0
    images: int = 0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    @property
    def rate(self) -> float:
        return self.images / self.seconds

    @property
    def waiting_share(self) -> float:
        """For data, of the time."""
        return self.waiting / self.seconds


class Loop:
    """A network, its optimizer and its data.

    Parameters
    ----------
    model : nn.Module
        On the processes' device.
    method : Method
    optimizer : SGD
    images : TrainingImages
    num_classes : int
    settings : TrainSettings
    together : Processes
    workers : int
    stage_two : StageTwo, optional
        MinMaxCAM's second half of each step.
    """

    def __init__(
        self,
        model: nn.Module,
        method: Method,
        optimizer: SGD,
        images: TrainingImages,
        num_classes: int,
        settings: TrainSettings,
        together: Processes,
        workers: int,
        stage_two: StageTwo | None = None,
    ) -> None:
        self.network, self.method, self.optimizer = together.wrap(model), method, optimizer
        self.num_classes, self.settings, self.together = num_classes, settings, together
        self.stage_two = stage_two
        self.batches = make_batches(images, settings, together)
        self.loader = DataLoader(
            images,
            batch_sampler=self.batches,
            num_workers=workers,
            collate_fn=stacked,
            pin_memory=together.device.type == "cuda",
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # it draws a number for the workers: not from the one that a step has seeded
        )
        self.share = schedule(settings, self.batches.steps)
        self.autocast = torch.bfloat16 if settings.precision == "bf16" else None

    @property
    def steps(self) -> int:
        """In one epoch."""
        return self.batches.steps

    def epoch(self, epoch: int, losses: list[Losses], clock: Clock, after: Callable[[int], None]) -> None:
        """The steps of an epoch that are not done yet.

        Parameters
        ----------
        epoch : int
            From 0.
        losses : list of dict from name to float
            Of the steps that are done; those of the others are added, averaged over all processes. A step has its
            loss, and with a second stage crr and frr.
        clock : Clock
        after : callable
            Called with the number of steps done in the epoch, whenever all losses up to there are known to be finite.

        Raises
        ------
        CamkitError
            A loss is no finite number, the second stage diverges, or an image cannot be read.
        """
        self.batches.epoch, self.batches.start = epoch, len(losses)
        parts = self._parts(clock)
        self.network.train()
        waiting: list[Tensor] = []
        for step in range(len(losses), self.steps):
            waiting.append(self.step(epoch * self.steps + step, parts))
            clock.images += self.settings.batch_size
            if self._looks_after(step + 1):
                losses += self._finite(waiting, epoch, len(losses))
                waiting.clear()
                after(step + 1)

    def step(self, step: int, parts: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
        """One step of the run, counted from 0: this process's share of a batch; its losses, without gradient."""
        device, accumulate = self.together.device, self.settings.accumulate
        seed_generators(derived_seed(self.settings.seed, STEP, step, self.together.rank), device)
        set_learning_rate(self.optimizer, self.share(step))
        self.optimizer.zero_grad()
        total = torch.zeros((), device=device)
        for part in range(accumulate):
            images, labels = next(parts)
            with self._exchange(last=part == accumulate - 1):
                loss = self.loss(images, labels) / accumulate
                loss.backward()
            total += loss.detach()
        self.optimizer.step()
        return total[None] if self.stage_two is None else torch.stack([total, *self._regularize(step, images, labels)])

    def _regularize(self, step: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The second stage: on images as they are, with the backbone that the first left; CRR and FRR before it."""
        assert self.stage_two is not None
        set_learning_rate(self.stage_two.optimizer, self.share(step))
        try:
            crr, frr, _ = self.stage_two.step(images, labels)
        except CamkitError as error:  # from a network that stage I broke, too
            remedy = str(error) if isinstance(error, Diverged) else "try a lower --lr"
            raise self._stopped(step, "stage II diverged", remedy) from error
        return crr, frr

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The method's loss of one part of a batch."""
        images, labels = self.method.mix(images, labels, self.num_classes)
        with torch.autocast(images.device.type, self.autocast) if self.autocast else nullcontext():
            logits = self.network(images)
        return self.method.loss(logits.float(), smoothed(labels, self.settings.label_smoothing, self.num_classes))

    def _parts(self, clock: Clock) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels on the device, with a clock on the wait for them."""
        before, device = time.perf_counter(), self.together.device
        for batch in self.loader:
            clock.waiting += time.perf_counter() - before
            if isinstance(batch, str):
                raise CamkitError(f"{batch}; then go on with --resume")
            images, labels = batch
            yield (
                images.to(device, non_blocking=True, memory_format=torch.channels_last),
                labels.to(device, non_blocking=True),
            )
            before = time.perf_counter()

    def _exchange(self, last: bool) -> Any:
        """Gradients are averaged over the processes with the last part of a batch alone."""
        if isinstance(self.network, DistributedDataParallel) and not last:
            return self.network.no_sync()
        return nullcontext()

    def _looks_after(self, steps: int) -> bool:
        saves = self.settings.save_every and steps % self.settings.save_every == 0
        return bool(saves) or steps % CHECKED == 0 or steps == self.steps

    def _finite(self, waiting: list[Tensor], epoch: int, done: int) -> list[Losses]:
        losses = [dict(zip(NAMES, row, strict=False)) for row in self.together.mean(torch.stack(waiting)).tolist()]
        for step, its in enumerate(losses, done):
            if not math.isfinite(its["loss"]):
                raise self._stopped(epoch * self.steps + step, f"the loss is {its['loss']}", "try a lower --lr")
        return losses

    def _stopped(self, step: int, what: str, remedy: str) -> CamkitError:
        epoch, of_epoch = divmod(step, self.steps)
        return CamkitError(
            f"{what} at epoch {epoch + 1}, step {of_epoch + 1} of {self.steps}: training stopped, and what was saved "
            f"before is still there; {remedy}"
        )


def make_batches(images: TrainingImages, settings: TrainSettings, together: Processes) -> SharedBatches:
    """Which images a process sees, step by step."""
    share: Any = {"rank": together.rank, "processes": together.count, "seed": settings.seed}
    if settings.minmax:
        return SharedSets(images.labels, settings.sets, settings.set_size, **share)
    return SharedBatches(len(images), settings.batch_size, accumulate=settings.accumulate, **share)


def smoothed(labels: Tensor, share: float, num_classes: int) -> Tensor:
    """Labels (N,) or probabilities (N, K) with a share of each given to all classes alike (Szegedy et al. 2016)."""
    if share == 0:
        return labels
    probabilities = F.one_hot(labels, num_classes).float() if labels.ndim == 1 else labels
    return (1 - share) * probabilities + share / num_classes
