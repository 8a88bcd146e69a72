"""The training loop: plain PyTorch, one step after the other, and nothing in it that a resumed run could not repeat."""

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
from camkit.training.data import TrainingImages, stacked
from camkit.training.distributed import Processes
from camkit.training.methods import Method
from camkit.training.optimizer import set_learning_rate
from camkit.training.randomness import STEP, derived_seed, seed_generators
from camkit.training.sampler import SharedBatches
from camkit.training.schedules import schedule
from camkit.training.settings import TrainSettings

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
    ) -> None:
        self.network, self.method, self.optimizer = together.wrap(model), method, optimizer
        self.num_classes, self.settings, self.together = num_classes, settings, together
        self.batches = SharedBatches(
            len(images),
            settings.batch_size,
            rank=together.rank,
            processes=together.count,
            accumulate=settings.accumulate,
            seed=settings.seed,
        )
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

    def epoch(self, epoch: int, losses: list[float], clock: Clock, after: Callable[[int], None]) -> None:
        """The steps of an epoch that are not done yet.

        Parameters
        ----------
        epoch : int
            From 0.
        losses : list of float
            Of the steps that are done; those of the others are added, averaged over all processes.
        clock : Clock
        after : callable
            Called with the number of steps done in the epoch, whenever all losses up to there are known to be finite.

        Raises
        ------
        CamkitError
            A loss is no finite number, or an image cannot be read.
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
        """One step of the run, counted from 0: this process's share of a batch; returns its loss, without gradient."""
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
        return total

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The method's loss of one part of a batch."""
        device = self.together.device
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        images, labels = self.method.mix(images, labels.to(device, non_blocking=True), self.num_classes)
        with torch.autocast(device.type, self.autocast) if self.autocast else nullcontext():
            logits = self.network(images)
        return self.method.loss(logits.float(), smoothed(labels, self.settings.label_smoothing, self.num_classes))

    def _parts(self, clock: Clock) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels, with a clock on the wait for them."""
        before = time.perf_counter()
        for batch in self.loader:
            clock.waiting += time.perf_counter() - before
            if isinstance(batch, str):
                raise CamkitError(f"{batch}; then go on with --resume")
            yield batch
            before = time.perf_counter()

    def _exchange(self, last: bool) -> Any:
        """Gradients are averaged over the processes with the last part of a batch alone."""
        if isinstance(self.network, DistributedDataParallel) and not last:
            return self.network.no_sync()
        return nullcontext()

    def _looks_after(self, steps: int) -> bool:
        saves = self.settings.save_every and steps % self.settings.save_every == 0
        return bool(saves) or steps % CHECKED == 0 or steps == self.steps

    def _finite(self, waiting: list[Tensor], epoch: int, done: int) -> list[float]:
        values: list[float] = self.together.mean(torch.stack(waiting)).tolist()
        for step, value in enumerate(values, done + 1):
            if value - value != 0:  # NaN or infinite
                raise CamkitError(
                    f"the loss is {value} at epoch {epoch + 1}, step {step} of {self.steps}: training stopped, and "
                    "what was saved before is still there; try a lower --lr"
                )
        return values


def smoothed(labels: Tensor, share: float, num_classes: int) -> Tensor:
    """Labels (N,) or probabilities (N, K) with a share of each given to all classes alike (Szegedy et al. 2016)."""
    if share == 0:
        return labels
    probabilities = F.one_hot(labels, num_classes).float() if labels.ndim == 1 else labels
    return (1 - share) * probabilities + share / num_classes
