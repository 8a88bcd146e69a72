"""Adversarial erasing: train, find, paint what was found with the mean, train again; the union of what was found.

python examples/adversarial_erasing.py --config train.toml --dataset cub --root CUB_200_2011/ --split train --out erased
camkit evaluate --maps erased/maps --threshold 0:max --theta 0 --normalize none --dataset cub --root CUB_200_2011/ \
        --split train --out measured

--config holds settings of `camkit train`, such as the config.toml of an earlier run; what it says of the data is not
used. Each round starts from its weights, not from the round before, and costs a whole training.

Wei et al., CVPR 2017 (AE-PSL) published no code. The loop is the paper's. Of general knowledge are three rounds, and
"the top 20 % of the maximum", read here as: above 0.8 of the class map's maximum (--share 0.2). The paper trains on
VOC, with several classes to an image; here an image has one. Left out is what the paper does with the regions next,
segmentation with online prohibitive learning.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from camkit import Localizer, Recipe
from camkit.boxes import RegionChoice, Threshold
from camkit.data import Record, read_dataset, read_image
from camkit.errors import CamkitError, UnreadableImage
from camkit.training import TrainSettings, train
from camkit.training.config import make_settings, read_config


def mean_of(records: list[Record]) -> tuple[list[Record], np.ndarray]:
    """The images that can be read, and the mean colour of all their pixels (3,), uint8; the others are told."""
    total, pixels, readable = np.zeros(3), 0, []
    for record in records:
        try:
            image = read_image(record.read(), name=record.image)
        except UnreadableImage as error:
            print(record.image, error, file=sys.stderr)
            continue
        total += image.sum((1, 2), dtype=torch.int64).numpy()
        pixels += image[0].numel()
        readable.append(record)
    if not readable:
        raise CamkitError("no image can be read")
    return readable, np.rint(total / pixels).astype(np.uint8)


def region_file(out: Path, record: Record) -> Path:
    """Where the union of an image's regions is: a map of 0 and 1, as `camkit evaluate --maps` takes it."""
    return out / "maps" / f"{record.image}.npy"


def painted(records: list[Record], out: Path, folder: Path, mean: np.ndarray) -> tuple[list[Path], list[int]]:
    """The images without what was found so far, in a folder a class, and their classes' numbers there."""
    number_of = {label: number for number, label in enumerate(sorted({record.label for record in records}))}
    files, numbers = [], []
    for index, record in enumerate(records):
        image = read_image(record.read(), name=record.image).permute(1, 2, 0).numpy().copy()
        found = region_file(out, record)
        if found.exists():
            image[np.load(found) > 0] = mean
        numbers.append(number_of[record.label])
        files.append(folder / f"{numbers[-1]:06d}" / f"{index:08d}.png")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(files[-1])
    return files, numbers


def settings_of_round(config: Path, root: Path) -> TrainSettings:
    """The config's settings for the images of a round; no boxes are looked at, and the last epoch counts."""
    ours = {"dataset": "ilsvrc", "root": str(root), "split": "train", "val_split": "train", "best": "top1_cls"}
    settings = make_settings(read_config(config), ours)
    return make_settings(vars(settings), {"val_every": settings.epochs})


def add_regions(records: list[Record], out: Path, localizer: Localizer, files: list[Path], numbers: list[int]) -> int:
    """Each image's regions of its class join those of the rounds before; in how many images there are any."""
    several = 0
    for record, found in zip(records, localizer(files, numbers), strict=True):
        if found.error:
            raise CamkitError(f"{record.image}: {found.error}")
        region = found.masks().any(0)
        several += bool(region.any())
        file = region_file(out, record)
        if file.exists():
            region |= np.load(file) > 0
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, region.astype(np.uint8))
    return several


def main() -> int:
    """All rounds; 1 where an image could not be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dataset", "root", "split"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--config", type=Path, required=True, help="TOML file with settings of camkit train")
    parser.add_argument("--out", type=Path, required=True, help="a new folder: maps/, and a folder for each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.2, help="how far below a map's maximum its region reaches")
    options = parser.parse_args()
    recipe = Recipe("signed", Threshold(1 - options.share, 0.0, "max"), "none")
    if options.rounds < 1:
        raise CamkitError(f"--rounds {options.rounds}: give 1 or more")
    if options.out.exists():
        raise CamkitError(f"{options.out} is there already: name a new folder with --out")
    dataset = read_dataset(options.dataset, Path(options.root), options.split)
    if len({record.image for record in dataset.records}) < len(dataset.records):
        raise CamkitError(f"{options.root}: an image of several classes cannot be trained on: take one class an image")
    if any(record.label is None for record in dataset.records):
        raise CamkitError(f"{options.root}: an image has no class: adversarial erasing trains a classifier")
    settings_of_round(options.config, options.out)  # says what is wrong with it before images are read
    records, mean = mean_of(list(dataset.records))
    for number in range(1, options.rounds + 1):
        folder = options.out / f"round-{number}"
        files, numbers = painted(records, options.out, folder / "train", mean)
        settings = settings_of_round(options.config, folder)
        train(settings, folder / "run")
        model = str(folder / "run" / "last.safetensors")
        localizer = Localizer(model, recipe, regions=RegionChoice(None), device=settings.device)
        several = add_regions(records, options.out, localizer, files, numbers)
        print(f"round {number} of {options.rounds}: regions in {several} of {len(records)} images")
    return int(len(records) < len(dataset.records))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CamkitError as error:
        sys.exit(f"{error}")
