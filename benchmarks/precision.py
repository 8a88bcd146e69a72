"""What lower precision does to class maps and boxes, against float32 on the same images and classes.

python benchmarks/precision.py --model tiny --images photos/ --precision bf16
"""

import platform

import click
import numpy as np
import torch

from camkit import CAM, Recipe, load_classifier
from camkit.data import ImageDataset, Preprocess, collate, find_images
from camkit.inference import DTYPES


@click.command()
@click.option("--model", required=True)
@click.option("--weights", default="DEFAULT")
@click.option("--images", required=True)
@click.option("--precision", type=click.Choice(list(DTYPES)), default="bf16")
@click.option("--every", default=1, help="Take every n-th image.")
@click.option("--batch-size", default=50)
def main(model: str, weights: str, images: str, precision: str, every: int, batch_size: int) -> None:
    classifier, recipe = load_classifier(model, weights), Recipe()
    cam = CAM(classifier.model, classifier.input.size)
    dataset = ImageDataset(find_images(images)[::every], Preprocess(classifier.input))
    moved, deviation, agree = [], [], []
    for start in range(0, len(dataset), batch_size):
        batches, failures = collate([dataset[i] for i in range(start, min(start + batch_size, len(dataset)))])
        if failures:
            raise click.ClickException(failures[0].error or failures[0].name)
        for batch in batches:
            full = cam.features(batch.input)
            with torch.autocast("cpu", DTYPES[precision]):
                lower = cam.features(batch.input)
            classes = full.top(1)
            agree += (classes == lower.top(1))[:, 0].tolist()
            signed = [features.class_maps(classes, "signed").maps for features in (full, lower)]
            span = signed[0].amax((1, 2, 3)) - signed[0].amin((1, 2, 3))
            deviation += ((signed[0] - signed[1]).abs().amax((1, 2, 3)) / span).tolist()
            maps = [features.class_maps(classes, recipe.weighting).maps for features in (full, lower)]
            for sample, *pair in zip(batch.samples, *maps, strict=True):
                assert sample.view is not None
                one, other = (recipe.boxes(recipe.score_maps(m, sample.view.size))[0][0] for m in pair)
                height, width = sample.view.size
                moved.append((np.abs(one - other) / [width, height, width, height]).max())
    low, middle, high = np.quantile(deviation, [0.05, 0.5, 0.95])
    click.echo(f"{model.rsplit('/', 1)[-1]}, {precision} autocast, n = {len(moved)}")
    click.echo(f"largest deviation of a map, share of float32's range: median {middle:.1%} ({low:.1%} to {high:.1%})")
    click.echo(f"boxes moved by less than 3 % of the side: {np.mean(np.array(moved) < 0.03):.1%} of the images")
    click.echo(f"the same predicted class: {np.mean(agree):.1%}")
    click.echo(f"torch {torch.__version__}, Python {platform.python_version()}, CPU")


if __name__ == "__main__":
    main()
