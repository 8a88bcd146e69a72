"""Trains `tiny`, the classifier inside camkit, on Tiny ImageNet (train.zip, val.zip, boxes.csv, classes.csv).

    python examples/train_tiny.py --root DIR --out camkit/models/tiny.safetensors

Two phases: CutMix and a high learning rate, then a few epochs without CutMix from a low one (`--init FILE` starts
there). The input size is chosen on training images held out for it (the last `--holdout` of each class), not on
val.zip, which is scored at the end.
"""

import csv
import json
import time
import zipfile
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2
from tqdm import tqdm

from camkit.input_spec import InputSpec
from camkit.models import Card, TinyResNet, save_checkpoint

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TRAIN_SIZES = (
    40,
    48,
    56,
    64,
)  # a quarter of the epochs each: small pictures first, most of the learning for less of the time
TEST_SIZES = (64, 72, 80, 96, 112, 128)


class Photos(Dataset):
    """Decoded images (N, 3, 64, 64), uint8, in memory, with a transform for each."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, transform: v2.Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[i]), int(self.labels[i])


def read(root: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [row for row in csv.DictReader((root / "boxes.csv").open()) if row["split"] == split]
    labels = {row["image"]: int(row["label"]) for row in rows}
    with zipfile.ZipFile(root / f"{split}.zip") as archive:
        members = {
            name: name.removeprefix(f"{split}/") for name in archive.namelist() if name.lower().endswith(".jpeg")
        }
        names = sorted(name for name in members if members[name] in labels)
        if not names:
            raise click.ClickException(f"{root / f'{split}.zip'}: none of its images is listed in boxes.csv")
        images = [
            decode_jpeg(torch.frombuffer(bytearray(archive.read(n)), dtype=torch.uint8), ImageReadMode.RGB)
            for n in names
        ]
    return torch.stack(images), torch.tensor([labels[members[name]] for name in names])


def split_off(labels: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices to train on, and the last `count` of each class."""
    held = torch.cat([(labels == k).nonzero().flatten()[-count:] for k in labels.unique()])
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[held] = False
    return keep.nonzero().flatten(), held


def augment(size: int) -> v2.Transform:
    return v2.Compose([
        v2.RandomResizedCrop(size, scale=(0.3, 1), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3)], p=0.5),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ])  # fmt: skip


@torch.inference_mode()
def top1(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, size: int) -> float:
    """In float32, the way camkit runs it: resized to the square, antialiased."""
    model.eval()
    prepare = v2.Compose(
        [v2.Resize((size, size), antialias=True), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    )
    hits = [(model(prepare(x)).argmax(1) == y).sum() for x, y in zip(images.split(125), labels.split(125), strict=True)]
    return sum(hits).item() / len(images)


def train(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    sizes: tuple[int, ...],
    mix: float,
    epochs: int,
    batch: int,
    lr: float,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    cutmix = v2.RandomApply([v2.CutMix(num_classes=int(labels.max()) + 1)], p=mix)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 5e-4}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True)
    steps = len(labels) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, epochs * steps, pct_start=0.15, cycle_momentum=False)
    model.to(memory_format=torch.channels_last)
    for epoch in range(epochs):
        size = sizes[epoch * len(sizes) // epochs]
        loader = DataLoader(
            Photos(images, labels, augment(size)),
            batch,
            shuffle=True,
            drop_last=True,
            num_workers=1,
            collate_fn=lambda rows: cutmix(*default_collate(rows)),
            generator=torch.Generator().manual_seed(seed * 1000 + epoch),
        )
        model.train()
        total, start = 0.0, time.perf_counter()
        for x, y in tqdm(loader, f"epoch {epoch + 1}/{epochs} at {size}", leave=False, disable=None):
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x.to(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), y, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}: size {size}, loss {total / steps:.4f}, {time.perf_counter() - start:.0f} s", flush=True
        )


@click.command()
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--epochs", default=48)
@click.option("--finish", default=9, help="Epochs of the second phase.")
@click.option("--init", type=click.Path(dir_okay=False, path_type=Path), help="Weights to start the second phase from.")
@click.option("--batch", default=128)
@click.option("--lr", default=0.1)
@click.option("--seed", default=0)
@click.option("--holdout", default=10, help="Training images of each class kept apart to choose the input size.")
def main(
    root: Path, out: Path, epochs: int, finish: int, init: Path | None, batch: int, lr: float, seed: int, holdout: int
) -> None:
    images, labels = read(root, "train")
    keep, held = split_off(labels, holdout)
    torch.manual_seed(seed)
    model = TinyResNet(int(labels.max()) + 1)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{len(keep)} images, {len(held)} held out, {parameters} parameters, torch {torch.__version__}", flush=True)
    start = time.perf_counter()
    photos = images[keep], labels[keep]
    if init is None:
        train(model, *photos, sizes=TRAIN_SIZES, mix=0.5, epochs=epochs, batch=batch, lr=lr, seed=seed)
    else:
        model.load_state_dict(load_file(init))
    train(model, *photos, sizes=TRAIN_SIZES[-1:], mix=0.0, epochs=finish, batch=batch, lr=lr / 5, seed=seed + 1)
    minutes = (time.perf_counter() - start) / 60
    model.half().float()  # what is stored is what is scored
    held_out = {size: top1(model, images[held], labels[held], size) for size in TEST_SIZES}
    size = max(held_out, key=lambda s: held_out[s])
    accuracy = top1(model, *read(root, "val"), size)
    names = [row["name"].split(",")[0] for row in csv.DictReader((root / "classes.csv").open())]
    facts = {
        "top1_val": accuracy,
        "top1_held_out": held_out,
        "epochs": [epochs, finish],
        "batch": batch,
        "lr": lr,
        "seed": seed,
        "minutes": round(minutes, 1),
        "torch": torch.__version__,
    }
    print(json.dumps({"size": size, **facts}, indent=1), flush=True)
    spec = InputSpec((size, size), size, MEAN, STD)
    save_checkpoint(out, model.half(), Card("tiny", len(names), spec, tuple(names), facts=facts))


if __name__ == "__main__":
    main()
