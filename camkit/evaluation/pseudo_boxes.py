"""Boxes in the place of true ones, for the choice of a threshold without an annotator (Murtaza et al., WACV 2025)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.transform import resize

from camkit.boxes import box_of, largest_region, pixels_inside
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit, Record, load_image, read_size
from camkit.data.found_boxes import FoundBoxes
from camkit.data.found_files import read_found_boxes
from camkit.errors import CamkitError
from camkit.evaluation.found_images import images_meant
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.source import EvaluationSource, measure_images
from camkit.inference import Progress, no_progress
from camkit.localization import Failure
from camkit.metrics.pointing import on_image
from camkit.recipe import RECIPES

MAPS = "signed"  # the plain class map makes them: what is chosen must not choose by its own maps alone
SIDE = 300  # pixels of the longer side at which proposals are looked for
BASED_ON_MAPS = ("map-otsu", "selective-search")

Box = NDArray[np.float64]


def with_pseudo_boxes(
    kind: str,
    source: EvaluationSource,
    dataset: AnnotatedSet,
    *,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = no_progress,
) -> tuple[AnnotatedSet, list[Failure]]:
    """The data set with pseudo boxes alone, of those images that have one, and the others.

    Parameters
    ----------
    kind : str
        "map-otsu": round the largest region of the plain class map above Otsu's threshold. "selective-search": of the
        proposals in the image the one whose share of the map's positive mass exceeds its share of the image by most.
        Else a file, see `boxes_in`.
    source : Inference or MapFolder
    dataset : AnnotatedSet
        Its own boxes are not looked at.
    fit, batch_size, workers, max_pixels, progress
        See `evaluate`.

    Raises
    ------
    CamkitError
        The file is none, OpenCV has no selective search, or no image has a pseudo box.
    """
    if kind not in BASED_ON_MAPS:
        return with_boxes_of(Path(kind), dataset)
    measure = otsu_box if kind == "map-otsu" else partial(best_proposal, require_selective_search(), dataset.upright)
    found = measure_images(source, dataset, [MAPS], measure, fit=fit, batch_size=batch_size, workers=workers,
                           max_pixels=max_pixels)  # fmt: skip
    return _with(list(progress(found, len(dataset.records))), dataset, kind)


def with_boxes_of(path: Path, dataset: AnnotatedSet) -> tuple[AnnotatedSet, list[Failure]]:
    """The same, of boxes in a file, see `boxes_in`: no network has a say."""
    return _with(boxes_in(path, dataset), dataset, str(path))


def _with(boxes: list[Box | Failure], dataset: AnnotatedSet, kind: str) -> tuple[AnnotatedSet, list[Failure]]:
    records = [replace(record, boxes=box.reshape(-1, 4)) for record, box in zip(dataset.records, boxes, strict=True)
               if not isinstance(box, Failure)]  # fmt: skip
    failures = [box for box in boxes if isinstance(box, Failure)]
    if not records:
        first = f": {failures[0].image}: {failures[0].reason}" if failures else ""
        raise CamkitError(f"no image of {dataset.name} {dataset.split} has a pseudo box by {kind}{first}")
    return replace(dataset, records=records), failures


def boxes_in(path: Path, dataset: AnnotatedSet) -> list[Box | Failure]:
    """Each image's boxes (M, 4) in a file that `read_found_boxes` reads: of the first rank, else of the highest score.

    Where it has neither rank nor score they are all of an image's boxes, of whichever class.

    Raises
    ------
    CamkitError
        The file cannot be read, or a line holds no box.
    """
    found = read_found_boxes(path)
    for problem in found.problems.values():
        raise CamkitError(problem)
    meant = images_meant(found.boxes, (record.image for record in dataset.records))
    listed = {image: name for name, image in meant.items()}
    return [_first(found, listed.get(record.image, ""), record, dataset.upright) for record in dataset.records]


def _first(found: FoundBoxes, name: str, record: Record, upright: bool) -> Box | Failure:
    boxes = [box for box in found.boxes.get(name, []) if not box.is_empty]
    best = [box for box in boxes if (box.rank, box.score) == (boxes[0].rank, boxes[0].score)]
    if not best:
        return Failure(record.image, f"it has no box in {found.path}")
    if not found.shares:
        return np.array([box.corners for box in best], np.float64)
    try:
        size = record.size or read_size(record.read(), record.image, upright)
    except CamkitError as error:
        return Failure(record.image, str(error))
    return np.array([found.in_pixels(box, size) for box in best], np.float64)


def otsu_box(prediction: ImagePrediction) -> Box:
    """Round the largest region of the plain map above Otsu's threshold (1979), in pixels of the image.

    Raises
    ------
    CamkitError
        The map is constant.
    """
    recipe, size, window = RECIPES["cam"], prediction.size, prediction.window
    score_map = recipe.score_maps(prediction.maps[MAPS], size, window).numpy()
    if not score_map.any():
        raise CamkitError("its map is constant, and gives no pseudo box")
    box = box_of(largest_region(score_map > threshold_otsu(score_map))).astype(np.float64)
    if window is None:
        return box
    rows, columns = pixels_inside(window, size)
    return np.asarray(box + np.array([columns.start, rows.start] * 2))


def best_proposal(search: Callable[[NDArray[np.uint8]], Box], upright: bool, prediction: ImagePrediction) -> Box:
    """Of the proposals in the image, in its pixels, the one in which the plain map is most concentrated."""
    record, size = prediction.record, prediction.size
    pixels = load_image(record.read(), name=record.image, upright=upright).pixels.permute(1, 2, 0).numpy()
    boxes = proposals(search, pixels)
    if not len(boxes):
        raise CamkitError("selective search proposes nothing in it, and there is no pseudo box")
    gains = concentration(on_image(prediction.maps[MAPS], size, prediction.window), boxes)
    if not gains.max() > 0:
        raise CamkitError("its map is concentrated in no proposal, and there is no pseudo box")
    return np.asarray(boxes[gains.argmax()], np.float64)


def proposals(search: Callable[[NDArray[np.uint8]], Box], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Boxes (P, 4) of an image (H, W, 3), sorted by their corners, so that their order is not the search's chance."""
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    small = pixels
    if scale < 1:
        shape = max(1, round(height * scale)), max(1, round(width * scale))
        small = resize(pixels, shape, anti_aliasing=True, preserve_range=True).round().astype(np.uint8)
    found = search(small) * np.array([width / small.shape[1], height / small.shape[0]] * 2)
    clipped = np.round(found).astype(np.int64).clip(0, np.array([width, height] * 2))
    return np.unique(clipped[(clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])], axis=0)


def concentration(score_map: NDArray[np.floating[Any]], boxes: NDArray[np.int64]) -> NDArray[np.float64]:
    """By how much each box's share of a map's positive mass exceeds its share of the image, (P,).

    Parameters
    ----------
    score_map : ndarray (H, W)
    boxes : ndarray (P, 4), int64
        ``x0, y0, x1, y1``, half open.
    """
    positive = np.maximum(score_map, 0).astype(np.float64)
    if not positive.any():
        return np.zeros(len(boxes))
    sums = np.pad(positive.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    x0, y0, x1, y1 = boxes.T
    inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
    return np.asarray(inside / sums[-1, -1] - (x1 - x0) * (y1 - y0) / positive.size)


def require_selective_search() -> Callable[[NDArray[np.uint8]], Box]:
    """OpenCV's selective search (Uijlings et al. 2013), its quick setting: an image (H, W, 3) to boxes (P, 4).

    Raises
    ------
    CamkitError
        OpenCV is not there, or without its extra modules.
    """
    try:
        cv2: Any = import_module("cv2")
        make = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation
    except (ImportError, AttributeError):
        raise CamkitError(
            "selective search is in OpenCV's extra modules, and they are not installed: pip install "
            "'camkit[selective-search]' (where opencv-python is not), or give map-otsu or a file of boxes"
        ) from None

    def search(pixels: NDArray[np.uint8]) -> Box:
        found = make()
        found.setBaseImage(np.ascontiguousarray(pixels[..., ::-1]))  # OpenCV's order of colours
        found.switchToSelectiveSearchFast()
        boxes = np.asarray(found.process(), np.float64).reshape(-1, 4)
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])

    return search
