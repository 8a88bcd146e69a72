"""Where the time goes beside the network: each step for one photograph of 460x400 pixels, and how others do it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from alternate import Settings, Work
from boxes import class_map
from networks import photographs
from PIL import Image
from scipy import ndimage

from camkit import Recipe
from camkit.boxes import boxes_from_maps
from camkit.data import Preprocess
from camkit.data.images import load_image
from camkit.figures import overlay
from camkit.input_spec import InputSpec

GROUP = "Beside the network"
TIMES = 10  # a step takes a millisecond or less
BIG = 10**8


def work(_settings: Settings, folder: Path) -> Iterator[Work]:
    (path,) = photographs(folder, 1)
    pixels, preprocess = load_image(path, BIG).pixels, Preprocess(InputSpec())
    recipe, one = Recipe.named("nwc+pas"), class_map(7, 0)[None]
    score_map = recipe.score_maps(one, (400, 460))
    values, tau = score_map.double().numpy().ravel(), recipe.tau(score_map)
    yield step("decode", camkit=lambda: load_image(path, BIG), PIL=lambda: Image.open(path).convert("RGB").load())
    yield step("fit and normalise", camkit=lambda: preprocess(pixels))
    yield step("class map to score map", camkit=lambda: recipe.score_maps(one, (400, 460)))
    yield step("threshold (PaS)", camkit=lambda: recipe.tau(score_map), numpy=lambda: np.percentile(values, 90))
    yield step("box", camkit=lambda: boxes_from_maps(score_map, lambda _: tau),
               scipy=lambda: labelled(score_map[0].numpy() > tau[0]))  # fmt: skip
    drawn = lambda: overlay(pixels, score_map[0].numpy(), [(90, 80, 300, 300)], "a name 0.50", float(tau[0]), "a rule")  # noqa: E731
    picture = Image.fromarray(drawn().permute(1, 2, 0).contiguous().numpy())
    yield step("draw the picture", camkit=drawn)
    yield step("encode it as PNG", camkit=lambda: picture.save(BytesIO(), "PNG", compress_level=1))
    yield step("encode it as JPEG", camkit=lambda: picture.save(BytesIO(), "JPEG", quality=90))


def step(name: str, **sides: object) -> Work:
    repeated = {side: lambda run=run: [run() for _ in range(TIMES)] for side, run in sides.items()}
    return Work(GROUP, name, repeated, TIMES)


def labelled(mask: np.ndarray) -> tuple[slice, ...]:
    """The largest component's box, by labels."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    return ndimage.find_objects(labels)[np.bincount(labels.ravel())[1:].argmax()]
