"""The two sources of class maps of annotated images: a network, and a folder of maps.

Only this file knows which of them it is. A map in a folder is of its image's own class, covers the whole image and has
no class weights behind it; no network runs, and of an image no more than its size is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import torch

from camkit.cam import heads_of, refuse_undefined, refuse_unfit
from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Fit, Sample, read_size
from camkit.data.annotations import check_inside
from camkit.data.map_files import MapFolder
from camkit.errors import CamkitError
from camkit.evaluation.classes import ClassMatch, match_classes
from camkit.evaluation.forward import Jobs, forward_dataset
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.predicted_classes import TOP_K, PredictedClasses
from camkit.evaluation.shared import gathered
from camkit.inference import Inference
from camkit.localization import Failure, window_of
from camkit.process_group import ALONE, ProcessGroup
from camkit.recipe import Recipe
from camkit.threads import in_threads
from camkit.worker_threads import THREADS

CHUNK = 64  # maps that are read while as many are measured

T = TypeVar("T")
EvaluationSource = Inference | MapFolder
Measure = Callable[[ImagePrediction], T]


def match_source(
    source: EvaluationSource, dataset: AnnotatedSet, classes: PredictedClasses | None = None
) -> ClassMatch | None:
    """Which of the model's classes the data set's are; None of a folder of maps, which are of the images' own classes.

    A class map beside a folder of maps names the classes of the classifier that `classes` come from.

    Raises
    ------
    CamkitError
        It cannot be told, or the class map names classes of a model and there is none.
    """
    if isinstance(source, MapFolder):
        if dataset.class_map and classes is None:
            raise CamkitError(
                f"{dataset.class_map_file} names classes of a model, and --maps has none: keep only its lines with -, "
                "or give the model with --classifier"
            )
        return None
    return match_classes(dataset, source.classifier, source.source.num_classes)


def num_predicted(source: EvaluationSource) -> int:
    """How many of the likeliest classes the source itself predicts: at most five, none without a network."""
    return 0 if isinstance(source, MapFolder) else min(TOP_K, source.source.num_classes)


def has_class_weights(source: EvaluationSource) -> bool:
    """Whether there are weightings to choose from."""
    return isinstance(source, Inference) and bool(heads_of(source.source))


def check_weightings(source: EvaluationSource, weightings: Iterable[str]) -> None:
    """`CamkitError` where a weighting does not hold on the network's head."""
    for head in heads_of(source.source) if isinstance(source, Inference) else ():
        for weighting in weightings:
            refuse_unfit(weighting, head)


def recipes_for(source: EvaluationSource, recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The recipes that differ on this source: without class weights, those that differ in more than the weighting."""
    weighted = has_class_weights(source)
    return {name: recipe for name, recipe in recipes.items() if weighted or recipe.weighting == "signed"}


def measure_images(
    source: EvaluationSource,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    measure: Measure[T],
    *,
    classes: PredictedClasses | None = None,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    gather: ProcessGroup = ALONE,
) -> Iterator[T | Failure]:
    """What `measure` makes of the prediction for each image of a data set, in order.

    Parameters
    ----------
    source : Inference or MapFolder
        A network runs once an image, whatever the number of weightings. Of a folder's maps the image's size alone is
        wanted, and no image is read where the annotation states it.
    dataset : AnnotatedSet
    weightings : sequence of str
    measure : callable
        Works in threads; see `camkit.threads.in_order`.
    classes : PredictedClasses, optional
        Another classifier's predicted classes; the maps are the source's.
    fit, batch_size, workers, max_pixels
        See `camkit.Localizer`. A folder's maps are read by `workers` threads (0: one a core, at most four), and `fit`
        and `batch_size` play no part.
    gather : ProcessGroup
        These processes share the images out, and each gets the results of all. Not beside `classes`.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's.
    """

    def measured(images: AnnotatedSet) -> Iterator[T | Failure]:
        if isinstance(source, MapFolder):
            return _of_folder(source, images, weightings, measure, classes, workers, max_pixels)
        start = partial(_of_batch, source, images, weightings, measure, classes)
        return forward_dataset(source, images, start, fit=fit, batch_size=batch_size, workers=workers,
                               max_pixels=max_pixels)  # fmt: skip

    if classes is not None and gather.world_size > 1:
        raise CamkitError("another classifier's classes are numbered by the whole split: measure in one process")
    yield from gathered(measured, dataset, batch_size, gather)


def _of_batch(
    inference: Inference,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    measure: Measure[T],
    classes: PredictedClasses | None,
    batch: Batch,
    labels: torch.Tensor,
) -> Jobs[T]:
    """A batch's forward pass; what is left to do for each of its images."""
    prediction = inference.forward(batch)
    maps = {weighting: prediction.class_maps(labels, weighting).maps[:, 0].cpu() for weighting in weightings}
    top, numbers = prediction.top(TOP_K).cpu(), prediction.logits.isfinite().all(1).tolist()
    scores = prediction.probabilities().gather(1, prediction.choose(labels)).flatten().tolist()

    def job(i: int, sample: Sample) -> T | Failure:
        assert sample.view is not None
        record = dataset.records[sample.index]
        its = {weighting: stack[i] for weighting, stack in maps.items()}
        try:
            for weighting in weightings if numbers[i] else ():
                refuse_undefined(weighting, its[weighting])
            predicted = (int(labels[i]), top[i]) if classes is None else classes.of(record, sample.index)
        except CamkitError as error:
            return Failure(sample.name, str(error))
        seen = sample.view.size, window_of(sample.view)
        return _measured(ImagePrediction(record, *seen, its, *predicted, scores[i]), measure)

    return [partial(job, i, sample) for i, sample in enumerate(batch.samples)]


def _of_folder(
    folder: MapFolder,
    dataset: AnnotatedSet,
    weightings: Sequence[str],
    measure: Measure[T],
    classes: PredictedClasses | None,
    threads: int,
    max_pixels: int,
) -> Iterator[T | Failure]:
    def job(index: int) -> T | Failure:
        record = dataset.records[index]
        try:
            size = record.size or read_size(record.read(), record.image, dataset.upright)
            check_pixels(size, max_pixels)
            check_inside(record.boxes.tolist(), size)
            own_map = torch.from_numpy(folder.read(record.image, record.label))
            _check_upright(tuple(own_map.shape), size)
            predicted = (None, None) if classes is None else classes.of(record, index)
        except CamkitError as error:
            return Failure(record.image, str(error))
        return _measured(ImagePrediction(record, size, None, dict.fromkeys(weightings, own_map), *predicted), measure)

    n = len(dataset.records)
    chunks: Iterator[list[Callable[[], T | Failure]]]
    chunks = ([partial(job, i) for i in range(start, min(start + CHUNK, n))] for start in range(0, n, CHUNK))
    yield from in_threads(chunks, threads or THREADS)


def none_measured(dataset: AnnotatedSet, failures: Sequence[Failure]) -> CamkitError:
    """The error of a data set of which no image could be measured."""
    first = f": {failures[0].image} {failures[0].reason}" if failures else ""
    return CamkitError(f"none of the {len(failures)} images of {dataset.name} could be judged{first}")


def _check_upright(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """`CamkitError` where a map has the image's sides, but swapped: stretched over it, its box would be wrong."""
    if shape == size[::-1] and size[0] != size[1]:
        raise CamkitError(
            f"its map is {shape[0]} x {shape[1]} and the image {size[0]} x {size[1]} (height, width): one of them has "
            "its sides swapped; turn the map, or mend the listed size"
        )


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    height, width = size
    if height * width > max_pixels:
        raise CamkitError(
            f"an image of {width} x {height} pixels, by its annotation or its file, and {max_pixels} are allowed: mend "
            "the size, or give --max-pixels"
        )


def _measured(prediction: ImagePrediction, measure: Measure[T]) -> T | Failure:
    if prediction.record.label is None:
        return Failure(prediction.record.image, "it has no label, and no map is its own")
    try:
        return measure(prediction)
    except CamkitError as error:
        return Failure(prediction.record.image, str(error))
