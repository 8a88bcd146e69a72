"""The training loop: plain PyTorch, one step after the other, and nothing in it that a resumed run could not repeat."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD
from torch.utils.data import DataLoader

from camkit.data import quiet_worker
from camkit.errors import CamkitError, Diverged
from camkit.process_group import ProcessGroup
from camkit.training.data import TrainingImages, stacked
from camkit.training.method import Method
from camkit.training.network import Network
from camkit.training.optimizer import set_learning_rate
from camkit.training.randomness import STEP, derived_seed, seed_generators
from camkit.training.sampler import DistributedBatchSampler, DistributedSetSampler
from camkit.training.schedules import schedule
from camkit.training.settings import TrainSettings

Losses = dict[str, float]
Batch = tuple[Tensor, Tensor]

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


class StepModule(nn.Module):
    """What a process computes of a step: the network, what the method trains beside it, and its loss of a
    batch. One module, so that a process group averages the gradients of all of it.

    Parameters
    ----------
    network : Network
    method : Method
    """

    def __init__(self, network: Network, method: Method) -> None:
        super().__init__()
        self.model, self.beside = network.model, network.modules
        self.network, self.method = network, method

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The figures of a step, of which ``"loss"`` is made small."""
        figures = self.method.step(self.network, images, labels)
        if not isinstance(figures, dict):
            return {"loss": figures}
        if "loss" not in figures:
            raise CamkitError(
                f"{type(self.method).__name__}.step gave {', '.join(figures) or 'nothing'}: one figure must be 'loss'"
            )
        return figures


class Loop:
    """A network, its method, its optimizer and its data.

    Parameters
    ----------
    network : Network
        On the processes' device, with the modules that the method trains beside it.
    method : Method
    optimizer : SGD
    images : TrainingImages
    settings : TrainSettings
    workers : int
        Processes that read images.
    """

    def __init__(
        self,
        network: Network,
        method: Method,
        optimizer: SGD,
        images: TrainingImages,
        settings: TrainSettings,
        workers: int,
    ) -> None:
        self.network, self.method, self.optimizer, self.settings = network, method, optimizer, settings
        self.group = network.group
        self.module = self.group.wrap(StepModule(network, method))
        self.batches = make_batches(images, method, settings, self.group)
        self.loader = DataLoader(
            images,
            batch_sampler=self.batches,
            num_workers=workers,
            collate_fn=stacked,
            pin_memory=self.group.device.type == "cuda",
            worker_init_fn=quiet_worker,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # it draws a number for the workers: not from the one that a step has seeded
        )
        self.share = schedule(settings, self.batches.steps)
        self.names: list[str] = []  # of a step's figures

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
            loss, and what else the method measures.
        clock : Clock
        after : callable
            Called with the number of steps done in the epoch, whenever all losses up to there are known to be finite.

        Raises
        ------
        CamkitError
            A loss is no finite number, the method diverges, or an image cannot be read.
        """
        self.batches.epoch, self.batches.start = epoch, len(losses)
        parts = self._parts(clock)
        self.module.train()
        waiting: list[Tensor] = []
        for step in range(len(losses), self.steps):
            waiting.append(self.step(epoch * self.steps + step, parts))
            clock.images += self.settings.batch_size
            if self._looks_after(step + 1):
                losses += self._finite(waiting, epoch, len(losses))
                waiting.clear()
                after(step + 1)

    def step(self, step: int, parts: Iterator[Batch]) -> Tensor:
        """One step of the run, counted from 0: this process's share of a batch; its figures, without gradient."""
        accumulate = self.settings.accumulate
        seed_generators(derived_seed(self.settings.seed, STEP, step, self.group.rank), self.group.device)
        set_learning_rate(self.optimizer, self.share(step))
        self.optimizer.zero_grad()
        batch, figures = list[Batch](), dict[str, Tensor]()
        try:
            for part in range(accumulate):
                batch.append(next(parts))
                with self._exchange(last=part == accumulate - 1):
                    its = {name: figure / accumulate for name, figure in self.module(*batch[-1]).items()}
                    its["loss"].backward()
                figures = {name: figures.get(name, 0) + figure.detach() for name, figure in its.items()}
            self.optimizer.step()
            images, labels = batch[0] if accumulate == 1 else map(torch.cat, zip(*batch, strict=True))
            with torch.no_grad():
                figures |= self.method.after_step(self.network, images, labels)
        except Diverged as error:
            raise self._stopped(step, f"{error.during} diverged", str(error)) from error
        self._check_names(figures)
        return torch.stack([figures[name].detach().float() for name in self.names])

    def _check_names(self, figures: dict[str, Tensor]) -> None:
        """Each step measures the same: the log has a column for each figure."""
        self.names = self.names or list(figures)
        if set(figures) != set(self.names):
            raise CamkitError(
                f"--method {self.settings.method}: a step gave {', '.join(figures)}, and the first one "
                f"{', '.join(self.names)}: give the same figures in every step"
            )

    def _parts(self, clock: Clock) -> Iterator[Batch]:
        """Images and labels on the device, with a clock on the wait for them."""
        before, device = time.perf_counter(), self.group.device
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
        if isinstance(self.module, DistributedDataParallel) and not last:
            return self.module.no_sync()
        return nullcontext()

    def _looks_after(self, steps: int) -> bool:
        saves = self.settings.save_every and steps % self.settings.save_every == 0
        return bool(saves) or steps % CHECKED == 0 or steps == self.steps

    def _finite(self, waiting: list[Tensor], epoch: int, done: int) -> list[Losses]:
        (means,) = self.group.mean([torch.stack(waiting)]) or []
        losses = [dict(zip(self.names, row, strict=True)) for row in means.tolist()]
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


def make_batches(
    images: TrainingImages, method: Method, settings: TrainSettings, group: ProcessGroup
) -> DistributedBatchSampler:
    """Which images a process sees, step by step."""
    share: Any = {"rank": group.rank, "world_size": group.world_size, "seed": settings.seed}
    wanted = method.class_sets()
    if wanted is not None:
        return DistributedSetSampler(images.labels, *wanted, **share)
    return DistributedBatchSampler(len(images), settings.batch_size, accumulate=settings.accumulate, **share)
