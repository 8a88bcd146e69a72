"""What a training method costs: its step against that of plain training, on the same network and images of noise.

python benchmarks/method_step.py
python benchmarks/method_step.py --backbone vgg16 --size 224 --batch-size 16 --classes 200 spg eil
python benchmarks/method_step.py --option spg.width=64 spg

Plain training and the methods take turns, step by step; the ratio is that of the medians. Memory is the most that one
step took on a GPU.
"""

import platform
import time
from collections.abc import Sequence

import click
import numpy as np
import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.process_group import ProcessGroup, process_group
from camkit.training import TrainSettings
from camkit.training.initial import make_network
from camkit.training.loop import StepModule
from camkit.training.methods import METHODS, load_method
from camkit.training.network import Network
from camkit.training.optimizer import make_optimizer


class Run:
    """A network, a method and its optimizer; `step` takes seconds and bytes."""

    def __init__(
        self, name: str, options: dict[str, str], settings: TrainSettings, classes: int, group: ProcessGroup
    ) -> None:
        torch.manual_seed(0)
        initial = make_network(settings, classes, None)
        self.method = load_method(name, **options)
        self.method.attach(initial.model, initial.adl_at)
        device = group.device
        model = initial.model.to(device).to(memory_format=torch.channels_last)
        side = settings.size[-1]
        self.network = Network(model, classes, None, (side, side), group, settings.precision, places=initial.places)
        for key, module in self.method.modules(self.network).items():
            self.network.modules[key] = module.to(device)
        beside = {key: (module, None) for key, module in self.network.modules.items()}
        self.optimizer = make_optimizer(model, (), settings, beside)
        self.method.prepare(self.network, self.optimizer)
        self.module, self.device = StepModule(self.network, self.method).train(), device

    def step(self, images: Tensor, labels: Tensor) -> tuple[float, int]:
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        self.optimizer.zero_grad()
        self.module(images, labels)["loss"].backward()
        self.optimizer.step()
        with torch.no_grad():
            self.method.after_step(self.network, images, labels)
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - start, torch.cuda.max_memory_allocated() if on_gpu else 0


@click.command()
@click.argument("methods", nargs=-1)
@click.option("--option", "options", multiple=True, help="METHOD.KEY=VALUE")
@click.option("--backbone", default="vgg-small")
@click.option("--size", default=64)
@click.option("--batch-size", default=30)
@click.option("--classes", default=10)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32")
@click.option("--device", default="auto")
@click.option("--rounds", default=9)
def main(
    methods: Sequence[str], options: Sequence[str], backbone: str, size: int, batch_size: int, classes: int,
    precision: str, device: str, rounds: int,
) -> None:  # fmt: skip
    settings = TrainSettings("shapes", "n=1", backbone=backbone, weights="none", size=(size,), resize=size, lr=1e-4,
                             precision=precision)  # fmt: skip
    names = [name for name in methods or METHODS if name != "none"]
    own: dict[str, dict[str, str]] = {name: {} for name in names}
    for option in options:
        method, _, rest = option.partition(".")
        key, _, value = rest.partition("=")
        own[method][key] = value
    with process_group(device) as group:
        images = torch.randn(batch_size, 3, size, size).to(group.device, memory_format=torch.channels_last)
        labels = (torch.arange(batch_size) // 5 % classes).to(group.device)  # sets of five of a class
        runs = {}
        for name in ("none", *names):
            try:
                runs[name] = Run(name, own.get(name, {}), settings, classes, group)
            except CamkitError as error:
                click.echo(f"{name:<8} {error}")
        measured: dict[str, list[tuple[float, int]]] = {name: [] for name in runs}
        for _ in range(rounds + 2):
            for name, run in runs.items():
                measured[name].append(run.step(images, labels))
        plain = float(np.median([seconds for seconds, _ in measured["none"][2:]]))
        for name, its in measured.items():
            seconds, most = float(np.median([one for one, _ in its[2:]])), max(held for _, held in its[2:])
            memory = f", {most / 2**20:.0f} MiB" if most else ""
            click.echo(f"{name:<8} {1000 * seconds:8.2f} ms a step, {seconds / plain:.2f} of plain training's{memory}")
        click.echo(
            f"{backbone}, {size} pixels, batch {batch_size}, {classes} classes, {precision}, {group.device}, "
            f"{torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}"
        )


if __name__ == "__main__":
    main()
