"""Two small vision transformers for Tiny ImageNet, one read by its class token and one by attention pooling.

    python benchmarks/vits.py --root TINY_IMAGENET --out OUT

Each is trained from nothing on 20 of the 100 classes, the first in each five, 5,000 photographs of 64 x 64, for 20
epochs; OUT gets `token.safetensors` and `map.safetensors`, and the screen Top-1 Cls on the 500 photographs of `val`
that are of these classes. `camkit` takes a network with its weights as

    --model benchmarks/vits.py:token --weights OUT/token.safetensors
"""

from pathlib import Path

import click
import numpy as np
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from camkit.data import read_dataset, read_image

SIDE, EVERY, CLASSES = 64, 5, 20
EPOCHS, BATCH, RATE, DECAY, SHIFT = 20, 100, 1e-3, 0.05, 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def vit(pool: str) -> nn.Module:
    """64 patches of 8 x 8 pixels, six blocks of width 96."""
    network: nn.Module = timm.create_model(
        "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=96, depth=6, num_heads=3, num_classes=CLASSES,
        global_pool=pool, class_token=pool == "token", dynamic_img_size=True,
    )  # fmt: skip
    return network


def token() -> nn.Module:
    """Read by its class token."""
    return vit("token")


def map() -> nn.Module:
    """Read by one latent query that attends to the patches."""
    return vit("map")


def photographs(root: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 64, 64), uint8, and labels (N,) of every fifth class."""
    records = [record for record in read_dataset("tiny-imagenet", root, split).records if record.label % EVERY == 0]
    images = torch.stack([read_image(record.read()) for record in records])
    return images, torch.tensor([record.label // EVERY for record in records])


def normalized(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def augmented(images: Tensor) -> Tensor:
    """Shifted by up to eight pixels, and half of them mirrored."""
    padded = F.pad(images.float(), (SHIFT,) * 4, "reflect").to(torch.uint8)
    corners = torch.randint(2 * SHIFT + 1, (len(images), 2)).tolist()
    shifted = torch.stack([one[:, y : y + SIDE, x : x + SIDE] for one, (y, x) in zip(padded, corners, strict=True)])
    mirrored = torch.rand(len(images)) < 0.5
    shifted[mirrored] = shifted[mirrored].flip(-1)
    return normalized(shifted)


def train(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """AdamW, one cycle, label smoothing."""
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.2)
    network.train()
    for epoch in range(EPOCHS):
        losses = []
        for chosen in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(augmented(images[chosen]))
            loss = F.cross_entropy(logits.float(), labels[chosen], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        click.echo(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
    network.eval()


@click.command()
@click.option("--root", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(root: Path, out: Path) -> None:
    """Train both."""
    out.mkdir(parents=True, exist_ok=True)
    (images, labels), (shown, truth) = photographs(root, "train"), photographs(root, "val")
    for factory in (token, map):
        torch.manual_seed(0)
        network = factory()
        train(network, images, labels)
        with torch.no_grad():
            right = torch.cat([network(normalized(part)).argmax(1) for part in shown.split(BATCH)]) == truth
        click.echo(f"{factory.__name__}: Top-1 Cls {100 * right.float().mean():.1f}, n {len(truth)}")
        save_file(network.state_dict(), out / f"{factory.__name__}.safetensors")


if __name__ == "__main__":
    main()
