"""A split of CUB's kind by the wsol protocol: camkit's metrics against the public evaluation's loops, in OpenCV."""

import warnings
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from alternate import Settings, Work

from camkit.metrics import MaxBoxAcc, MaxBoxAccV2, PxAP
from camkit.metrics.wsol import protocol_boxes, protocol_map

GROUP = "The public evaluation"
SIDE, DELTAS, STEP = 224, (0.3, 0.5, 0.7), 0.001
CUB_TEST = 5794
SHARE = 20  # a twentieth of CUB's test split in full, of the small budget a tenth of that


def work(settings: Settings) -> Iterator[Work]:
    cv2.setNumThreads(1)
    n = CUB_TEST // (SHARE if settings.full else 10 * SHARE)
    maps, truths, masks = class_maps(n), boxes(n), objects(n)

    def boxes_by_camkit() -> tuple[float, ...]:
        metrics = MaxBoxAcc(STEP), MaxBoxAccV2(STEP)
        for class_map, true in zip(maps, truths, strict=True):
            score_map, truth = protocol_map(class_map), protocol_boxes(true, (SIDE, SIDE))
            for metric in metrics:
                metric.append(metric.outcome(score_map, truth))
        with warnings.catch_warnings():  # torchmetrics' own `update` was not called
            warnings.simplefilter("ignore")
            return tuple(metric.compute().item() for metric in metrics)

    def pixels_by_camkit() -> float:
        metric = PxAP(STEP)
        metric.update(maps, masks)
        return metric.compute().item()

    def boxes_in_public() -> tuple[float, ...]:
        return tuple(public_boxes(maps, truths, every_contour=every) for every in (False, True))

    yield Work(GROUP, f"MaxBoxAcc and MaxBoxAccV2, {n} maps of 14x14, {round(1 / STEP)} thresholds",
               {"camkit": boxes_by_camkit, "the public loop, a run each": boxes_in_public}, n,
               {"the public loop, a run each": 20})  # fmt: skip
    yield Work(GROUP, f"PxAP, {n} maps of 14x14", {"camkit": pixels_by_camkit,
               "the public loop": lambda: public_pixels(maps, masks)}, n, {"the public loop": 1})  # fmt: skip


def class_maps(n: int, cells: int = 14) -> list[torch.Tensor]:
    """Maps of several kinds in turn: a bump, a bump in noise, several bumps, noise, what ReLU leaves of it, nothing."""
    draw = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : cells * 1j, -1 : 1 : cells * 1j]

    def bump() -> np.ndarray:
        (across, down), wide = draw.uniform(-0.6, 0.6, 2), draw.uniform(0.2, 0.7)
        return np.exp(-((x - across) ** 2 + (y - down) ** 2) / wide**2)

    kinds = [
        bump,
        lambda: bump() + 0.2 * draw.normal(size=x.shape),
        lambda: bump() + bump() + 0.5 * bump(),
        lambda: draw.normal(size=x.shape),
        lambda: np.maximum(draw.normal(size=x.shape) - 1, 0),
        lambda: bump() + 0.05 * draw.normal(size=x.shape),
    ]
    found = [kinds[number % len(kinds)]() for number in range(n - 1)]
    return [torch.from_numpy(one.astype(np.float32)) for one in [*found, np.zeros_like(x)]]


def boxes(n: int) -> list[list[list[int]]]:
    """One true box an image, half open."""
    draw = np.random.default_rng(1)
    corners = np.sort(draw.integers(0, SIDE, (n, 2, 2)), axis=1) + np.array([[0, 0], [1, 1]])
    return corners.reshape(n, 1, 4).tolist()


def objects(n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """A mask, and what is ignored round it, at the size of a photograph."""
    draw, (y, x) = np.random.default_rng(2), np.mgrid[:333, :500]
    found = []
    for _ in range(n):
        down, across = draw.uniform(100, 230), draw.uniform(150, 350)
        away = ((y - down) / draw.uniform(40, 90)) ** 2 + ((x - across) / draw.uniform(40, 140)) ** 2
        found.append((away < 1, (away >= 1) & (away < 1.1)))
    return found


def score_map(class_map: torch.Tensor) -> np.ndarray:
    resized = cv2.resize(class_map.numpy().astype(np.float64), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    low, high = resized.min(), resized.max()
    return (resized - low) / (high - low) if high > low else np.zeros_like(resized)


def contour_boxes(grey: np.ndarray, threshold: float, *, every: bool) -> list[list[int]]:
    """Of one threshold; the far corner at the last pixel at most."""
    _, mask = cv2.threshold(grey, int(threshold * grey.max()), 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not len(contours):
        return [[0, 0, 0, 0]]
    if not every:
        contours = [max(contours, key=cv2.contourArea)]
    found = []
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        found.append([x, y, min(x + width, SIDE - 1), min(y + height, SIDE - 1)])
    return found


def ious(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Inclusive corners, all pairs."""
    near, far = np.maximum(found[:, None, :2], truth[None, :, :2]), np.minimum(found[:, None, 2:], truth[None, :, 2:])
    both = np.maximum(far - near + 1, 0).prod(-1)
    areas = [(of[:, 2:] - of[:, :2] + 1).prod(-1) for of in (found, truth)]
    return both / (areas[0][:, None] + areas[1][None] - both)


def public_boxes(maps: list[torch.Tensor], truths: list[list[list[int]]], *, every_contour: bool) -> float:
    """MaxBoxAccV2, or with one contour MaxBoxAcc: every threshold anew, then the IoU of all boxes at once."""
    thresholds = np.arange(0, 1, STEP)
    right = np.zeros((len(DELTAS), len(thresholds)))
    for class_map, truth in zip(maps, truths, strict=True):
        grey = (score_map(class_map) * 255).astype(np.uint8)
        found = [contour_boxes(grey, threshold, every=every_contour) for threshold in thresholds]
        corners = np.array(truth) - [0, 0, 1, 1]
        best = ious(np.concatenate(found), corners).max(1)
        ends = np.cumsum([len(one) for one in found])
        of_each = np.array([best[end - len(one) : end].max() for one, end in zip(found, ends, strict=True)])
        for row, delta in zip(right, DELTAS, strict=True):
            row[of_each >= delta] += 1
    accuracies = 100 * right / len(maps)
    return float(accuracies.max(1).mean() if every_contour else accuracies[DELTAS.index(0.5)].max())


def public_pixels(maps: list[torch.Tensor], masks: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """PxAP: two histograms an image."""
    bins = np.append(np.arange(0, 1, STEP), [1.0, 2.0, 3.0])
    true, false = np.zeros(len(bins) - 1), np.zeros(len(bins) - 1)
    for class_map, both in zip(maps, masks, strict=True):
        scores = score_map(class_map)
        mask, ignored = (cv2.resize(one.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0.5
                         for one in both)  # fmt: skip
        kind = np.where(mask, 1, np.where(ignored, 255, 0))
        true += np.histogram(scores[kind == 1], bins)[0]
        false += np.histogram(scores[kind == 0], bins)[0]
    hits, misses = true[::-1].cumsum(), false[::-1].cumsum()
    precision = np.divide(hits, hits + misses, out=np.zeros_like(hits), where=hits + misses > 0)
    return float(100 * (precision[1:] * np.diff(hits / hits[-1])).sum())
