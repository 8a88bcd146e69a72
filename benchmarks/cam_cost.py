"""What class maps cost: the forward pass with maps for 1 and for 5 classes against the bare one, alternating.

    python benchmarks/cam_cost.py --rounds 20

Both sides get the same images, no gradients and the network in eval mode. Every round times each of the three once, in
an order that rotates, so that a slow second of the machine meets all of them. The ratio is of throughputs: bare seconds
over seconds with maps, round by round; the median and the middle half of the rounds are printed.
"""

import platform
import statistics
import time
from collections.abc import Callable

import click
import torch
from torchvision import models

from camkit import CAM


def seconds(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


@torch.no_grad()
def measure(name: str, batch: int, size: int, rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of every round, for each of the three."""
    torch.manual_seed(0)
    model = models.get_model(name, weights=None).eval().to(device)
    images = torch.randn(batch, 3, size, size, device=device)
    cam = CAM(model, (size, size))
    sides = {
        "bare": lambda: model(images),
        "1 class": lambda: cam(images),
        "5 classes": lambda: (found := cam.features(images)).class_maps(found.top(5)),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for work in sides.values():
        seconds(work, device)  # the first pass pays for memory
    order = list(sides)
    for turn in range(rounds):
        shift = turn % len(order)
        for side in order[shift:] + order[:shift]:
            times[side].append(seconds(sides[side], device))
    return times


@click.command()
@click.option("--model", "names", multiple=True, default=("resnet50", "mobilenet_v2"), show_default=True)
@click.option("--batch", default=16, show_default=True)
@click.option("--size", default=224, show_default=True)
@click.option("--rounds", default=20, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def main(names: tuple[str, ...], batch: int, size: int, rounds: int, device: str) -> None:
    """Print a line for each network and number of classes."""
    threads = torch.get_num_threads()
    click.echo(f"torch {torch.__version__}, Python {platform.python_version()}, {device}, {threads} threads")
    for name in names:
        times = measure(name, batch, size, rounds, torch.device(device))
        click.echo(f"{name}, batch {batch} of {size}x{size}: bare {statistics.median(times['bare']):.3f} s")
        for side in ("1 class", "5 classes"):
            ratios = [bare / own for bare, own in zip(times["bare"], times[side], strict=True)]
            low, _, high = statistics.quantiles(ratios, n=4)
            middle = statistics.median(ratios)
            click.echo(f"  {side:<9} {middle:.1%} of its throughput ({low:.1%} to {high:.1%}), n = {rounds} rounds")


if __name__ == "__main__":
    main()
