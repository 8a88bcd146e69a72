"""Annotated images through a network or another map source, one observation each."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from camkit.analysis.observation import MapObservation, Observation, Requirements
from camkit.boxes import normalize_maps, resize_maps
from camkit.cam import CAM, Features
from camkit.data import AnnotatedSet, Batch, Sample
from camkit.errors import CamkitError
from camkit.evaluation import forward_dataset
from camkit.evaluation.forward import Jobs
from camkit.inference import Inference
from camkit.localization import Failure

T = TypeVar("T")
PLAIN = Requirements()


def as_it_is(observation: MapObservation) -> MapObservation:
    """The work of who wants the observations themselves."""
    return observation


def observe(
    inference: Inference,
    dataset: AnnotatedSet,
    requirements: Requirements = PLAIN,
    work: Callable[[Any], Any] = as_it_is,
    **reading: Any,
) -> Iterator[Any]:
    """Annotated images through a network, in order, one at a time.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
        Its records need a label; boxes are wanted by some analyses alone.
    requirements : Requirements
        ``requirements_of("dispersion", "masking")`` says what analyses want; one pass an image by default.
    work : callable
        What is made of each observation, by threads beside the network; the observations themselves by default.
    **reading
        As of `camkit.evaluation.forward_dataset`: fit, batch_size, workers, max_pixels.

    Yields
    ------
    Observation, or what `work` makes of it; Failure
        A `MapObservation` where the maps are not of the network's own head.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's, or a head is required and there is none.

    Examples
    --------
    >>> from camkit import analysis, load_classifier
    >>> from camkit.data import read_dataset
    >>> from camkit.inference import Inference
    >>> inference = Inference(load_classifier("tiny"), "cpu", "fp32")
    >>> dataset = read_dataset("tiny-imagenet", "tiny-imagenet/", "val").evenly(100)  # doctest: +SKIP
    >>> observations = list(analysis.observe(inference, dataset))  # doctest: +SKIP
    >>> analysis.ioa(observations).summary["negative"]  # doctest: +SKIP
    """
    headed = requirements.head or isinstance(inference.source, CAM)
    if headed:
        _ = inference.cam  # or the reason why there is none

    def start(batch: Batch, labels: Tensor) -> Jobs[Any]:
        jobs: Jobs[Any] = []
        its: Iterator[MapObservation] = (
            _passes(inference, batch, labels, dataset, requirements)
            if headed
            else _own_maps(inference, batch, labels, dataset)
        )
        for observation in its:
            image = observation.record.image
            if observation.record.label is None:
                jobs.append(partial(Failure, image, "it has no label, and no class map is its own"))
            elif not (observation.own_map.isfinite().all() and observation.logits.isfinite().all()):
                jobs.append(partial(Failure, image, "its class map or logits are NaN or infinite: try fp32"))
            else:
                jobs.append(partial(_try, work, observation))
        return jobs

    yield from forward_dataset(inference, dataset, start, keep_image=requirements.pixels, **reading)


def _own_maps(inference: Inference, batch: Batch, labels: Tensor, dataset: AnnotatedSet) -> Iterator[MapObservation]:
    """A batch through a map source."""
    out = inference.forward(batch).class_maps(labels)
    for i, sample in enumerate(batch.samples):
        yield MapObservation(
            **_facts(sample, int(labels[i]), dataset), logits=out.logits[i].cpu(), own_map=out.maps[i, 0].cpu()
        )


def _passes(
    inference: Inference, batch: Batch, labels: Tensor, dataset: AnnotatedSet, requirements: Requirements
) -> Iterator[Observation]:
    """A batch through the network as often as is needed."""
    features = _features(inference, batch)
    weights = features.class_weights(labels)[:, 0]
    masked, dimmed = None, {}
    if requirements.masked:
        maps = torch.einsum("nc,nchw->nhw", weights, features.features)
        masks = resize_maps(normalize_maps(maps.nan_to_num().cpu()), (batch.input.shape[-2], batch.input.shape[-1]))
        masked = _features(inference, replace(batch, input=batch.input * masks[:, None])).pooled.cpu()
    for intensity in requirements.intensities:
        dimmed[intensity] = _features(inference, replace(batch, input=batch.input * intensity)).pooled.cpu()
    own, logits, pooled = (tensor.cpu() for tensor in (features.features, features.logits, features.pooled))
    for i, sample in enumerate(batch.samples):
        yield Observation(
            **_facts(sample, int(labels[i]), dataset),
            features=own[i],
            weight=weights[i].cpu(),
            pooled=pooled[i],
            logits=logits[i],
            head=features.head,
            masked=None if masked is None else masked[i],
            dimmed={intensity: its[i] for intensity, its in dimmed.items()},
        )


def _facts(sample: Sample, label: int, dataset: AnnotatedSet) -> dict[str, Any]:
    """What is known of an image whatever its maps are made by."""
    assert sample.view is not None
    record = dataset.records[sample.index]
    return {
        "record": record,
        "index": dataset.place(sample.index),
        "label": label,
        "view": sample.view,
        "pixels": sample.image,
    }


def _features(inference: Inference, batch: Batch) -> Features:
    """A forward pass of the network's own head."""
    prediction = inference.forward(batch)
    assert isinstance(prediction, Features)
    return prediction


def _try(work: Callable[[Any], T], observation: MapObservation) -> T | Failure:
    try:
        return work(observation)
    except CamkitError as error:
        return Failure(observation.record.image, str(error))
