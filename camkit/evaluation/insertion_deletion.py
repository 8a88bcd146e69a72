"""Insertion and deletion of a data set's images: passes of their own, so many for each image and weighting."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camkit.boxes import resize_maps
from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Fit
from camkit.errors import CamkitError
from camkit.evaluation.forward import Jobs, forward_dataset
from camkit.evaluation.measures import Results
from camkit.inference import Inference, Progress, no_progress
from camkit.localization import Failure
from camkit.metrics import AreaUnder
from camkit.metrics.perturbation import area_under, deletion_images, insertion_images

Curves = dict[str, dict[str, Tensor]]
Areas = dict[str, dict[str, float]]
IMAGES = {"insertion": insertion_images, "deletion": deletion_images}


def insertion_deletion(
    inference: Inference,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    steps: int,
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = no_progress,
) -> tuple[dict[str, Results], list[Failure]]:
    """By weighting the figures `insertion` and `deletion`, of the own class's map and probability, and failures.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
    weightings : sequence of str
    steps : int
        In so many steps all pixels are exchanged: 2 * (steps + 1) more images through the network for each image and
        weighting.
    fit, batch_size, workers, max_pixels, progress
        See `evaluate`.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's, or no image is left.
    """
    areas, failures = ChangedAreas(weightings), []
    found = changed_areas(inference, dataset, weightings, steps, fit=fit, batch_size=batch_size, workers=workers,
                          max_pixels=max_pixels)  # fmt: skip
    for its in progress(found, len(dataset.records)):
        failures.append(its) if isinstance(its, Failure) else areas.add(its)
    return areas.results(), failures


class ChangedAreas:
    """The figures of insertion and deletion, by weighting; with `on_disk` images' areas are in temporary files."""

    def __init__(self, weightings: Sequence[str], on_disk: bool = False) -> None:
        self.metrics = {weighting: {name: AreaUnder(name) for name in IMAGES} for weighting in weightings}
        for metric in (metric for named in self.metrics.values() for metric in named.values() if on_disk):
            metric.keep_on_disk()

    def add(self, areas: Areas) -> None:
        """Take in an image."""
        for weighting, named in areas.items():
            for name, area in named.items():
                self.metrics[weighting][name].append(torch.tensor([[area]], dtype=torch.float64))

    def results(self) -> dict[str, Results]:
        """The figures of each weighting."""
        rng = np.random.default_rng(0)  # nothing is drawn
        return {weighting: {name: metric.result(rng) for name, metric in named.items()}
                for weighting, named in self.metrics.items()}  # fmt: skip


def changed_areas(
    inference: Inference,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    steps: int,
    *,
    batch_size: int = 16,
    **reading: Any,
) -> Iterator[Areas | Failure]:
    """Of each image, in order, by weighting and name the area under the class's probability; arguments as above."""
    start = partial(_of_batch, inference, weightings, steps, batch_size)
    for curves in forward_dataset(inference, dataset, start, batch_size=batch_size, **reading):
        if isinstance(curves, Failure):
            yield curves
        else:
            yield {weighting: {name: float(area_under(curve)) for name, curve in named.items()}
                   for weighting, named in curves.items()}  # fmt: skip


def _of_batch(
    inference: Inference, weightings: Sequence[str], steps: int, batch_size: int, batch: Batch, labels: Tensor
) -> Jobs[Curves]:
    prediction = inference.forward(batch)
    maps = {weighting: prediction.class_maps(labels, weighting).maps[:, 0].cpu() for weighting in weightings}

    def curves_of(i: int) -> Curves | Failure:
        found: Curves = {}
        label = int(labels[i])
        for weighting, stack in maps.items():
            score_map = resize_maps(stack[i].float(), (batch.input.shape[-2], batch.input.shape[-1]))
            found[weighting] = {
                name: _probabilities(inference, list(changed(batch.input[i], score_map, steps)), label, batch_size)
                for name, changed in IMAGES.items()
            }
        if all(curve.isfinite().all() for named in found.values() for curve in named.values()):
            return found
        return Failure(batch.samples[i].name, "its class's probability is no number where pixels are exchanged")

    results = [curves_of(i) for i in range(len(batch.samples))]  # here: the network works for one thread at a time
    return [partial(_given, result) for result in results]


def _given(result: Curves | Failure) -> Curves | Failure:
    return result


def _probabilities(inference: Inference, images: Sequence[Tensor], label: int, batch_size: int) -> Tensor:
    """The class's probability of each input, (S + 1,)."""
    parts = [Batch(torch.stack(list(images[i : i + batch_size])), []) for i in range(0, len(images), batch_size)]
    return torch.cat([inference.forward(part).probabilities().cpu()[:, label] for part in parts]).double()


def require_network(source: object) -> Inference:
    """`CamkitError` where there is no network to show changed images to."""
    if not isinstance(source, Inference):
        raise CamkitError("insertion and deletion show the network changed images, and --maps has none: leave them out")
    return source
