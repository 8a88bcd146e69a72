"""From a classifier and annotated images to figures with intervals: every recipe and measure from one forward pass."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from camkit.boxes import pixels_inside
from camkit.data import MAX_PIXELS, AnnotatedSet, Batch, Fit, Preprocess, Record, RecordDataset, Sample, View, collate
from camkit.errors import CamkitError
from camkit.inference import Inference, in_order
from camkit.localization import Failure, window_of
from camkit.metrics import (
    Comparison,
    Coverage,
    GTKnownLoc,
    MaxBoxAcc,
    MaxBoxAccV2,
    MeanIoU,
    PxAP,
    Result,
    TopKCls,
    TopKLoc,
    compare,
)
from camkit.recipe import Recipe, Weighting


@dataclass(frozen=True, eq=False)
class Judged:
    """What one image leaves for the measures.

    Attributes
    ----------
    record : Record
    label : int
        As the model numbers classes.
    size : tuple of int
        Height and width of the image.
    predicted : Tensor (k,)
        The likeliest classes, best first.
    boxes : mapping from recipe name to ndarray (1 + k, 4)
        Of the image's own class, then of the predicted ones.
    own_maps : mapping from weighting to Tensor (h, w)
        Class maps of the image's own class.
    """

    record: Record
    label: int
    size: tuple[int, int]
    predicted: torch.Tensor
    boxes: Mapping[str, NDArray[np.int64]]
    own_maps: Mapping[Weighting, torch.Tensor]


class Measures:
    """All measures of one recipe.

    Parameters
    ----------
    recipe : Recipe
    step : float
        Between the thresholds of MaxBoxAcc, MaxBoxAccV2 and PxAP.
    k : int
        The k of Top-k beside 1.
    masks : bool
        Whether the images come with masks, for PxAP.
    """

    def __init__(self, recipe: Recipe, step: float, k: int, masks: bool) -> None:
        self.recipe, self.k = recipe, k
        self.gt_loc, self.top1_loc, self.topk_loc = GTKnownLoc(), TopKLoc(1), TopKLoc(k)
        self.mean_iou, self.coverage = MeanIoU(), Coverage()
        self.max_box_acc, self.max_box_acc_v2 = MaxBoxAcc(step), MaxBoxAccV2(step)
        self.pxap = PxAP(step) if masks else None

    def update(self, name: str, judged: Judged) -> None:
        """Take in one image; `name` is the recipe's."""
        truths, boxes = [judged.record.boxes], torch.from_numpy(judged.boxes[name])
        own, predicted = boxes[:1], boxes[None, 1:]
        classes, label = judged.predicted[None], torch.tensor([judged.label])
        self.gt_loc.update(own, truths)
        self.mean_iou.update(own, truths)
        self.coverage.update(own, truths, [judged.size])
        self.top1_loc.update(predicted, classes, label, truths)
        self.topk_loc.update(predicted, classes, label, truths)
        own_map = [judged.own_maps[self.recipe.weighting]]
        self.max_box_acc.update(own_map, truths, [judged.size])
        self.max_box_acc_v2.update(own_map, truths, [judged.size])
        if self.pxap is not None and judged.record.read_mask is not None:
            self.pxap.update(own_map, [judged.record.read_mask()])

    def results(self, rng: np.random.Generator) -> dict[str, Result]:
        """Each figure under its name, with its interval."""
        named = {
            "gt_loc": self.gt_loc,
            "top1_loc": self.top1_loc,
            f"top{self.k}_loc": self.topk_loc,
            "max_box_acc": self.max_box_acc,
            "max_box_acc_v2": self.max_box_acc_v2,
            "mean_iou": self.mean_iou,
        }
        found: dict[str, Result] = {name: metric.result(rng) for name, metric in named.items()}
        if self.pxap is not None:
            found["pxap"] = self.pxap.result(rng)
        return found | {f"coverage_{name}": share for name, share in self.coverage.result(rng).items()}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    classification : dict from name to Result
        top1_cls, top5_cls.
    localization : dict from recipe name to dict from name to Result
    curves : DataFrame
        Columns recipe, threshold, iou_0.3, iou_0.5, iou_0.7: MaxBoxAccV2's accuracies over its thresholds.
    per_image : DataFrame
        A row an image and recipe.
    against : dict from recipe name to Comparison
        GT-known Loc against the first recipe's, image by image.
    failures : list of Failure
    """

    classification: dict[str, Result]
    localization: dict[str, dict[str, Result]]
    curves: pd.DataFrame
    per_image: pd.DataFrame
    against: dict[str, Comparison]
    failures: list[Failure]


def evaluate(
    inference: Inference,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    step: float = 0.001,
    seed: int = 0,
    progress: Callable[[Iterator[Judged | Failure], int], Iterator[Judged | Failure]] = lambda results, _: results,
) -> Evaluation:
    """Measure localization of every recipe on one split.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
        Its records need a label and at least one box; others are failures.
    recipes : mapping from name to Recipe
        The first is what the others are compared with.
    step : float
        Between the thresholds of MaxBoxAcc and MaxBoxAccV2.
    seed : int
        Of the bootstrap.
    progress : callable
        Wraps the results (and their number) in a progress bar.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's, or no image could be judged.
    """
    k = min(5, inference.cam.head.num_classes)
    numbers = class_numbers(dataset, inference.cam.head.num_classes)
    measures = {
        name: Measures(recipe, step, k, all(record.read_mask for record in dataset.records))
        for name, recipe in recipes.items()
    }
    top1, topk = TopKCls(1), TopKCls(k)
    failures = [Failure("", problem) for problem in dataset.problems]
    rows: list[Judged] = []
    results = judge(inference, dataset, recipes, numbers, k, fit, batch_size, workers, max_pixels)
    for judged in progress(results, len(dataset.records)):
        if isinstance(judged, Failure):
            failures.append(judged)
            continue
        rows.append(judged)
        label = torch.tensor([judged.label])
        top1.update(judged.predicted[None], label)
        topk.update(judged.predicted[None], label)
        for name, measure in measures.items():
            measure.update(name, judged)
    if not rows:
        raise CamkitError(f"none of the {len(failures)} images of {dataset.name} could be judged: {failures[0].reason}")
    rng = np.random.default_rng(seed)
    first, *others = measures
    baseline = measures[first].gt_loc.per_image()[:, 0]
    return Evaluation(
        classification={"top1_cls": top1.result(rng), f"top{k}_cls": topk.result(rng)},
        localization={name: measure.results(rng) for name, measure in measures.items()},
        curves=pd.concat([m.max_box_acc_v2.curve().assign(recipe=name) for name, m in measures.items()]),
        per_image=pd.concat([_table(name, measure, rows) for name, measure in measures.items()]),
        against={name: compare(baseline, measures[name].gt_loc.per_image()[:, 0], rng) for name in others},
        failures=failures,
    )


def class_numbers(dataset: AnnotatedSet, num_classes: int) -> Callable[[int], int]:
    """From the data set's labels to the model's classes.

    They are the same, unless the model has ImageNet's 1,000 and the data set says which of them its classes are.
    """
    if dataset.imagenet_labels is not None and num_classes == 1000:
        return dataset.imagenet_labels.__getitem__
    highest = max((record.label or 0 for record in dataset.records), default=0)
    if highest >= num_classes:
        raise CamkitError(
            f"{dataset.name} has a class {highest} and the model {num_classes} classes: "
            "evaluate a model that was trained on these classes"
        )
    return lambda label: label


def judge(
    inference: Inference,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    numbers: Callable[[int], int],
    k: int,
    fit: Fit,
    batch_size: int,
    workers: int,
    max_pixels: int,
) -> Iterator[Judged | Failure]:
    """Boxes and maps of every record, in order."""
    preprocess = Preprocess(inference.classifier.input, fit)
    records = RecordDataset(dataset.records, preprocess, max_pixels, upright=dataset.upright)
    loader = DataLoader(records, batch_size, num_workers=workers, collate_fn=collate)
    weightings: set[Weighting] = {recipe.weighting for recipe in recipes.values()}

    def start(batch: Batch) -> list[Callable[[], Judged | Failure]]:
        features = inference.forward(batch)
        own = [dataset.records[sample.index].label for sample in batch.samples]
        labels = torch.tensor([numbers(label) if label is not None else 0 for label in own])
        top = features.top(k).cpu()
        classes = torch.cat([labels[:, None], top], 1)
        maps = {weighting: features.class_maps(classes, weighting).maps.cpu() for weighting in weightings}
        jobs: list[Callable[[], Judged | Failure]] = []
        for i, sample in enumerate(batch.samples):
            record, its = dataset.records[sample.index], {weighting: m[i] for weighting, m in maps.items()}
            if record.label is None or not len(record.boxes):
                jobs.append(partial(Failure, sample.name, "it has no label or no box, and nothing can be measured"))
            else:
                jobs.append(partial(_judge_one, record, int(labels[i]), sample.view, top[i], its, recipes))
        return jobs

    yield from in_order(loader, start, _unread)


def _unread(sample: Sample) -> Judged | Failure:
    return Failure(sample.name, sample.error or "")


def _judge_one(
    record: Record,
    label: int,
    view: View | None,
    predicted: torch.Tensor,
    maps: Mapping[Weighting, torch.Tensor],
    recipes: Mapping[str, Recipe],
) -> Judged | Failure:
    assert view is not None
    rows, columns = pixels_inside(view.window, view.size)
    corner = np.array([columns.start, rows.start] * 2)
    boxes = {}
    for name, recipe in recipes.items():
        try:
            found, _ = recipe.boxes(recipe.score_maps(maps[recipe.weighting], view.size, window_of(view)))
        except CamkitError as error:
            return Failure(record.image, str(error))
        boxes[name] = np.where((found[:, 2] > found[:, 0])[:, None], found + corner, found)
    return Judged(record, label, view.size, predicted, boxes, {weighting: m[0] for weighting, m in maps.items()})


def _table(name: str, measures: Measures, rows: list[Judged]) -> pd.DataFrame:
    boxes = np.array([judged.boxes[name][0] for judged in rows])
    return pd.DataFrame(
        {
            "recipe": name,
            "image": [judged.record.image for judged in rows],
            "label": [judged.label for judged in rows],
            "predicted": [int(judged.predicted[0]) for judged in rows],
            **dict(zip(("x0", "y0", "x1", "y1"), boxes.T, strict=True)),
            "iou": measures.mean_iou.per_image()[:, 0],
            "gt_loc": measures.gt_loc.per_image()[:, 0],
            "top1_loc": measures.top1_loc.per_image()[:, 0],
            f"top{measures.k}_loc": measures.topk_loc.per_image()[:, 0],
        }
    )
