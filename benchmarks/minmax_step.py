"""What a stage-II step costs beside its floor, and beside a step that does not keep the plain images' features.

    python benchmarks/minmax_step.py --rounds 10

Floor: one forward pass of the mini-batch through the frozen network in eval mode and one backward pass to its input,
without a line of camkit. Kept: camkit's step, with feature maps fetched from `KeptFeatures`. Computed: the same step,
which runs the network on the plain images first. Every round times each of the three once, in an order that rotates, so
that a slow second of the machine meets all of them. Ratios are of seconds, round by round: the median and the middle
half of the rounds are printed.
"""

import platform
import statistics
import time
from collections.abc import Callable

import click
import torch

from camkit import CAM
from camkit.models import Classifier, load_classifier
from camkit.training import MinMax, StageTwo
from camkit.training.frozen import frozen
from camkit.training.minmax.kept import KeptFeatures


def seconds(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure(
    classifier: Classifier, sets: int, rounds: int, memory: float, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of every round, for each of the three."""
    torch.manual_seed(0)
    model, settings = classifier.model.to(device), MinMax(sets=sets)
    batch = sets * settings.set_size
    images = torch.randn(batch, 3, *classifier.input.size, device=device)
    cam = CAM(model, classifier.input.size)
    stage, kept = StageTwo(cam, settings), KeptFeatures(cam, batch, memory)
    labels = torch.arange(sets, device=device).remainder(cam.head.num_classes).repeat_interleave(settings.set_size)
    indices = list(range(batch))
    kept.of(indices, images)

    def floor() -> torch.Tensor:
        with frozen(model, []):
            inputs = images.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(model(inputs).sum(), inputs)
        return gradient

    sides = {
        "floor": floor,
        "kept": lambda: stage.step(images, labels, kept.of(indices, images)),
        "computed": lambda: stage.step(images, labels),
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


def told(over: list[float], under: list[float]) -> str:
    """The median of the rounds' ratios, and their middle half."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


@click.command()
@click.option("--model", "names", multiple=True, default=("mobilenet_v2", "resnet50", "tiny"), show_default=True)
@click.option("--weights", default="none", show_default=True)
@click.option("--sets", default=12, show_default=True, help="Of 5 images.")
@click.option("--rounds", default=10, show_default=True)
@click.option("--memory", default=4.0, show_default=True, help="GiB; 0 keeps the features on disk.")
@click.option("--threads", default=2, show_default=True)
@click.option("--device", default="cpu", show_default=True)
def main(
    names: tuple[str, ...], weights: str, sets: int, rounds: int, memory: float, threads: int, device: str
) -> None:
    torch.set_num_threads(threads)
    where = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    print(f"batch {5 * sets}, {rounds} rounds, {threads} threads, torch {torch.__version__}, {where}\n")
    print(
        "| network | input | floor, s | kept / floor | computed / floor | computed / kept |\n|---|---|---|---|---|---|"
    )
    for name in names:
        classifier = load_classifier(name, weights)
        times = measure(classifier, sets, rounds, memory, torch.device(device))
        height, width = classifier.input.size
        floor, kept, computed = (times[side] for side in ("floor", "kept", "computed"))
        print(f"| {name} | {height}x{width} | {statistics.median(floor):.3f} | {told(kept, floor)} "
              f"| {told(computed, floor)} | {told(computed, kept)} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
