"""camkit's training loop against a bare PyTorch loop over the same network and the same images, cached and augmented.

python benchmarks/train_step.py --backbone vgg-small --size 64 --precision bf16
python benchmarks/train_step.py --backbone resnet50 --size 224 --images 64 --batch-size 8 --precision bf16

The two take turns, epoch by epoch; the ratio is that of the medians of their epochs' times.
"""

import copy
import platform
import time
from contextlib import nullcontext

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from camkit.data import read_dataset
from camkit.process_group import process_group
from camkit.training import TrainSettings
from camkit.training.data import TrainingImages
from camkit.training.initial import make_network
from camkit.training.loop import Clock, Loop
from camkit.training.methods import load_method
from camkit.training.network import Network
from camkit.training.optimizer import make_optimizer


class Plain(Dataset[tuple[Tensor, int]]):
    """The same images and augmentation, without seeds."""

    def __init__(self, images: TrainingImages, size: int) -> None:
        self.images, self.labels, self.augment = images.cached or [], images.labels, images.augmentations[size]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.augment(self.images[index]), self.labels[index]


def bare_epoch(
    model: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]], optimizer: torch.optim.SGD, device: torch.device,
    precision: str,
) -> float:  # fmt: skip
    model.train()
    total = 0.0
    for images, labels in loader:
        inputs = images.to(device, memory_format=torch.channels_last, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext():
            logits = model(inputs)
        loss = F.cross_entropy(logits.float(), labels.to(device, non_blocking=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


@click.command()
@click.option("--backbone", default="vgg-small")
@click.option("--size", default=64)
@click.option("--images", default=640)
@click.option("--batch-size", default=32)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32")
@click.option("--workers", default=0)
@click.option("--device", default="auto")
@click.option("--rounds", default=9)
def main(
    backbone: str, size: int, images: int, batch_size: int, precision: str, workers: int, device: str, rounds: int
) -> None:
    settings = TrainSettings(
        dataset="shapes", root=f"n={images},size={size}", backbone=backbone, weights="none", size=(size,), resize=size,
        epochs=rounds + 1, batch_size=batch_size, lr=1e-3, precision=precision, workers=workers, device=device,
    )  # fmt: skip
    with process_group(device) as group:
        data = read_dataset("shapes", settings.root, "train")
        initial = make_network(settings, 10, None)
        cached = TrainingImages(data, settings, initial.card.input)
        cached.cache()
        own = initial.model.to(group.device).to(memory_format=torch.channels_last)
        other = copy.deepcopy(own)
        network = Network(own, 10, None, (size, size), group, precision)
        loop = Loop(network, load_method("none"), make_optimizer(own, (), settings), cached, settings, workers)
        loader = DataLoader(
            Plain(cached, size), batch_size, shuffle=True, drop_last=True, num_workers=workers,
            persistent_workers=workers > 0, pin_memory=group.device.type == "cuda",
        )  # fmt: skip
        optimizer = torch.optim.SGD(other.parameters(), 1e-3, 0.9, weight_decay=5e-4, nesterov=True)
        seconds: dict[str, list[float]] = {"camkit": [], "bare": []}
        for epoch in range(rounds + 1):
            start = time.perf_counter()
            loop.epoch(epoch, [], Clock(), lambda _: None)
            between = time.perf_counter()
            bare_epoch(other, loader, optimizer, group.device, precision)
            seconds["camkit"].append(between - start)
            seconds["bare"].append(time.perf_counter() - between)
        medians = {name: float(np.median(times[1:])) / loop.steps for name, times in seconds.items()}
        spread = {name: np.quantile(times[1:], [0.25, 0.75]) / loop.steps for name, times in seconds.items()}
        for name, median in medians.items():
            low, high = 1000 * spread[name]
            click.echo(f"{name:<7} {1000 * median:8.2f} ms a step (quartiles {low:.2f} to {high:.2f})")
        click.echo(f"ratio   {medians['camkit'] / medians['bare']:.3f}")
        click.echo(
            f"{backbone}, {size} pixels, batch {batch_size}, {precision}, {workers} workers, {group.device}, "
            f"{torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}"
        )


if __name__ == "__main__":
    main()
