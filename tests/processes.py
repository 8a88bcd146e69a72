"""What each process of a test runs: a module of its own, because the processes import it."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small import Plain, perturb
from torch import nn

from camkit.cam import CAM
from camkit.cli import cli
from camkit.data import Record, read_dataset
from camkit.evaluation import Further
from camkit.input_spec import InputSpec
from camkit.metrics.localization import GTKnownLoc, MeanIoU
from camkit.metrics.pixels import PxAP
from camkit.models import Classifier, replace_pool
from camkit.nn import make_pool
from camkit.process_group import ProcessGroup
from camkit.recipe import Recipe
from camkit.runs.analyze import run_analyze
from camkit.runs.calibrate import run_calibrate
from camkit.runs.evaluate import run_ablate, run_evaluate
from camkit.runs.options import RunOptions
from camkit.training import Descent, Diverged, MinMax, Schedule, StageTwo, finetune_fc, train
from camkit.training.data import TrainingImages
from camkit.training.loop import Clock, Loop
from camkit.training.methods import load_method
from camkit.training.network import Network
from camkit.training.optimizer import make_optimizer
from camkit.training.trainer import with_batch_size

WHOLE = [0, 0, 10, 10]
BOXES = torch.tensor([[0, 0, 10, y] for y in range(10)])
MASK = np.arange(400).reshape(20, 20) % 3 == 0


def measured(rows):
    """Compute and result of three metrics, one a kind of state, on these of the ten images."""
    maps = torch.rand(10, 7, 7, generator=torch.Generator().manual_seed(0))
    metrics = [GTKnownLoc(), MeanIoU(), PxAP(step=0.1)]
    if rows.start < rows.stop:
        for metric in metrics[:2]:
            metric.update(BOXES[rows], [[WHOLE]] * len(BOXES[rows]))
        metrics[2].update(maps[rows], [(MASK, MASK & False)] * len(maps[rows]))
    results = [metric.result(np.random.default_rng(0)) for metric in metrics]
    return [(metric.compute().item(), result) for metric, result in zip(metrics, results, strict=True)]


def process(rank, address, out, shares):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(shares))
    torch.save(measured(shares[rank]), f"{out}/{rank}.pt")
    dist.destroy_process_group()


def small_classifier(bias=True):
    """A network of 8 channels for 3 classes and images of 32 pixels."""
    torch.manual_seed(0)
    spec = InputSpec((32, 32), 32, (0.5,) * 3, (0.5,) * 3)
    return Classifier(perturb(Plain(num_classes=3, bias=bias)), "small", spec, None, "random")


def finetuned(rank, address, out, processes):
    """Fine-tune in one of several processes; three sets to a mini-batch do not divide evenly."""
    torch.set_num_threads(1)
    if address:
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    images = read_dataset("shapes", "n=18,size=32,classes=3", "train")
    found = finetune_fc(small_classifier(), images, MinMax(sets=3, set_size=2), schedule=Schedule(steps=4),
                        descent=Descent(lr=0.05), device="cpu")  # fmt: skip
    torch.save({"fc": found.chosen.state, "crr": found.log()["crr"].tolist()}, f"{out}/{processes}-{rank}.pt")
    if address:
        dist.destroy_process_group()


def uneven(rank, address, out, processes):
    """Fine-tune a folded head with one set to a mini-batch, and choose on one image that has a mask and one that fails:
    of two processes one has neither a set nor an image that can be judged.
    """
    torch.set_num_threads(1)
    if address:
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    classifier = small_classifier()
    classifier.model.fc = nn.Sequential(nn.LayerNorm(8), classifier.model.fc)
    images = read_dataset("shapes", "n=12,size=32,classes=3", "train")
    good, bad = read_dataset("shapes", "n=2,size=32,classes=3", "val").records
    bad = Record(bad.image, lambda: b"no picture", bad.label, bad.boxes)
    found = finetune_fc(classifier, images, MinMax(sets=1, set_size=2), schedule=Schedule(steps=4, val_every=2),
                        validation=replace(images, split="val", records=[good, bad]), descent=Descent(lr=0.05),
                        device="cpu")  # fmt: skip
    failures = [(failure.image, failure.reason) for failure in found.failures]
    torch.save({"fc": found.trials[0].state, "score": found.before.localization["cam"]["gt_loc"].value,
                "failures": failures, "figures": found.trials[0].rows[-1]}, f"{out}/{processes}-{rank}.pt")  # fmt: skip
    if address:
        dist.destroy_process_group()


def half_spoiled(rank, address, out):
    """A step of stage II on images of which the first process's hold NaN; what is said of it."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    classifier = small_classifier()
    stage = StageTwo(CAM(classifier.model, classifier.input.size), MinMax(set_size=2))
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    if rank == 0:
        images[0] = torch.nan
    with pytest.raises(Diverged) as said:
        stage.step(images, torch.tensor([0, 0, 2, 2]))
    Path(out, str(rank)).write_text(str(said.value))
    dist.destroy_process_group()


def evaluated(rank, address, out, processes):
    """Evaluate, ablate, analyze and calibrate in one of several processes, to folders that they share."""
    torch.set_num_threads(1)
    if address:
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    runs = {"evaluated": measure_one, "ablated": ablate_two, "analyzed": analyze_one, "calibrated": calibrate_one}
    for name, run in runs.items():
        root, folder = Path("n=22,size=32,classes=3"), Path(out, f"{name}-{processes}")
        options = RunOptions("shapes", root, "val", folder, device="cpu", batch_size=3)
        report = run(options)
        assert bool(report.lines) == (rank == 0)
    if address:
        dist.destroy_process_group()


def measure_one(options):
    return run_evaluate(shapes_classifier(), Recipe.named("nwc+pas"), options)


def ablate_two(options):
    return run_ablate(shapes_classifier(), options, tap=shapes_classifier(), further=Further(by_class=True), steps=1)


def analyze_one(options):
    return run_analyze(shapes_classifier(), ["zipf", "channels", "overlap", "sweep"], options, {})


def calibrate_one(options):
    return run_calibrate(shapes_classifier(), Recipe.named("nwc+pas"), options, test_split="test", fits=["stretch"],
                         weightings=["signed", "positive"], thresholds=["minmax", "pas"])  # fmt: skip


def shapes_classifier():
    """The small classifier, by the names of the shapes."""
    return replace(
        small_classifier(), class_names=tuple(read_dataset("shapes", "n=3,size=32,classes=3", "val").class_names)
    )


def called(rank, address, processes, arguments):
    """A command in one of several processes, which met before."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    with pytest.raises(SystemExit) as done:
        cli.main(arguments, standalone_mode=False)
    assert done.value.code == 0
    dist.destroy_process_group()


def training(rank, address, processes, settings, out, threads):
    """A run of several processes; a single one needs no address, and goes on where the one before was killed."""
    torch.set_num_threads(threads)
    if processes > 1:
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    train(settings, out, resume=True)
    if processes > 1:
        dist.destroy_process_group()


def looped(group, settings):
    """The losses of a network of some hundred parameters, and its last weights."""
    data = read_dataset("shapes", settings.root, "train")
    method = load_method(settings.method, **settings.method_options)
    settings = with_batch_size(settings, method)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    if settings.pool != "gap":
        model = replace_pool(model.eval(), make_pool(settings.pool), (settings.size[-1],) * 2).train()
    images = TrainingImages(data, settings, InputSpec())
    images.cache()
    network = Network(
        model, 4, data.class_names, (settings.size[-1],) * 2, group, label_smoothing=settings.label_smoothing
    )
    network.modules.update(method.modules(network))
    optimizer = make_optimizer(model, (), settings, {name: (one, None) for name, one in network.modules.items()})
    method.prepare(network, optimizer)
    loop = Loop(network, method, optimizer, images, settings, 0)
    losses = []
    for epoch in range(settings.epochs):
        of_epoch = []
        loop.epoch(epoch, of_epoch, Clock(), lambda _: None)
        losses += [value for its in of_epoch for value in its.values()]
    return losses, [tensor.detach() for tensor in [*model.parameters(), *network.modules.state_dict().values()]]


def assert_two_are_one(folder, every):
    """Trainings of the small network in two processes come to what they come to in one."""
    multiprocessing.set_forkserver_preload(["camkit.training.run"])
    mp.start_processes(looping_each, (f"file://{folder}/meeting", 2, every, str(folder)), nprocs=2,
                       start_method="forkserver")  # fmt: skip
    found = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for one in every:
        losses, weights = looped(ProcessGroup(0, 1, torch.device("cpu")), one)
        for others, its in (of_rank[named(one)] for of_rank in found):
            assert losses == pytest.approx(others, abs=1e-4), named(one)
            assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(weights, its, strict=True)), named(one)


def named(settings):
    return f"{settings.method}, {settings.pool}"


def looping(rank, address, processes, settings, out):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    torch.save(looped(ProcessGroup(rank, processes, torch.device("cpu")), settings), f"{out}/{rank}.pt")
    dist.destroy_process_group()


def looping_each(rank, address, processes, every, out):
    """The same for several settings, in a group that meets once."""
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
    group = ProcessGroup(rank, processes, torch.device("cpu"))
    torch.save({named(settings): looped(group, settings) for settings in every}, f"{out}/{rank}.pt")
    dist.destroy_process_group()
