"""MaxBoxAcc, MaxBoxAccV2 and PxAP of a whole split: camkit's against plain OpenCV and numpy.

    python benchmarks/wsol_equality.py --model tiny --dataset shapes --root n=500 --split test
    python benchmarks/wsol_equality.py --model model.py:mobilenet_v2 --weights weights.safetensors \
        --dataset tiny-imagenet --root DIR --split val

The plain evaluator resizes with OpenCV (bicubic, float64), tries one threshold after the other on the quantised map,
finds contours, takes the largest (or all), and counts. Both start from the same class maps; whether the classes are the
model's own does not matter here. Figures must agree to the last digit.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from camkit.data import read_dataset
from camkit.evaluation import ImagePrediction, measure_images
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.metrics import MaxBoxAcc, MaxBoxAccV2, PxAP
from camkit.models import load_classifier

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import opencv_reference as opencv

SIDE, DELTAS = 224, (0.3, 0.5, 0.7)


def normalised(class_map: np.ndarray) -> np.ndarray:
    resized = cv2.resize(class_map.astype(np.float64), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    low, high = resized.min(), resized.max()
    return (resized - low) / (high - low) if high > low else np.zeros_like(resized)


def truth_boxes(seen: ImagePrediction) -> np.ndarray:
    """Inclusive corners on the grid, truncated."""
    height, width = seen.size
    boxes = seen.record.boxes - [0, 0, 1, 1]
    return np.trunc(boxes * SIDE / [width, height, width, height]).astype(int)


def iou(box: tuple, truth: np.ndarray) -> float:
    x0, y0, x1, y1 = box[0], box[1], min(box[2], SIDE - 1), min(box[3], SIDE - 1)
    best = 0.0
    for a0, b0, a1, b1 in truth.tolist():
        both = max(0, min(x1, a1) - max(x0, a0) + 1) * max(0, min(y1, b1) - max(y0, b0) + 1)
        union = (x1 - x0 + 1) * (y1 - y0 + 1) + (a1 - a0 + 1) * (b1 - b0 + 1) - both
        best = max(best, both / union)
    return best


def best_ious(score_map: np.ndarray, truth: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the one box and of all contours' boxes, at each threshold; a level that was tried is not tried again."""
    grey = (score_map * 255).astype(np.uint8)
    known: dict[int, tuple[float, float]] = {}
    rows = []
    for threshold in thresholds:
        level = int(threshold * grey.max())
        if level not in known:
            one = iou(opencv.largest_by_border(grey, level), truth)
            every = max([iou(box, truth) for box in opencv.all_contours(grey, level)] or [iou((0, 0, 0, 0), truth)])
            known[level] = one, every
        rows.append(known[level])
    one, every = np.array(rows).T
    return one, every


def histograms(score_map: np.ndarray, mask: np.ndarray, ignore: np.ndarray, bins: np.ndarray) -> np.ndarray:
    mask, ignore = (cv2.resize(m.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) > 0.5
                    for m in (mask, ignore))  # fmt: skip
    background = ~mask & ~ignore
    return np.array([np.histogram(score_map[pixels], bins)[0] for pixels in (mask, background)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "dataset", "root"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--weights", default="DEFAULT")
    parser.add_argument("--split", default="val")
    parser.add_argument("--step", type=float, default=0.001)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)

    dataset = replace(read_dataset(arguments.dataset, arguments.root, arguments.split), class_names=None)
    inference = Inference(load_classifier(arguments.model, arguments.weights), "cpu", "fp32")
    thresholds = np.arange(0, 1, arguments.step)
    bins = np.append(thresholds, [1.0, 2.0, 3.0])
    own = {
        "MaxBoxAcc": MaxBoxAcc(arguments.step),
        "MaxBoxAccV2": MaxBoxAccV2(arguments.step),
        "PxAP": PxAP(arguments.step),
    }
    right = np.zeros((len(DELTAS), len(thresholds)), int)
    right_v2, counts, n = right.copy(), np.zeros((2, len(bins) - 1), np.int64), 0
    masks = dataset.records[0].read_mask is not None
    spent = {"camkit": 0.0, "OpenCV": 0.0}
    for seen in measure_images(inference, dataset, ["signed"], lambda seen: seen):
        if isinstance(seen, Failure):
            print(seen.image, seen.reason)
            continue
        n += 1
        maps, truths, sizes = [seen.maps["signed"]], [seen.record.boxes], [seen.size]
        start = time.thread_time()
        own["MaxBoxAcc"].update(maps, truths, sizes)
        own["MaxBoxAccV2"].update(maps, truths, sizes)
        spent["camkit"] += time.thread_time() - start
        start = time.thread_time()
        score_map = normalised(seen.maps["signed"].numpy())
        one, every = best_ious(score_map, truth_boxes(seen), thresholds)
        right += one >= np.array(DELTAS)[:, None]
        right_v2 += every >= np.array(DELTAS)[:, None]
        spent["OpenCV"] += time.thread_time() - start
        if masks:
            both = seen.record.read_mask()
            own["PxAP"].update(maps, [both])
            counts += histograms(score_map, *both, bins)
    plain = {
        "MaxBoxAcc": (100 * right / n)[DELTAS.index(0.5)].max(),
        "MaxBoxAccV2": (100 * right_v2 / n).max(axis=1).mean(),
    }
    if masks:
        true, false = counts[:, ::-1].cumsum(axis=1)
        precision = np.divide(true, true + false, out=np.zeros(len(true)), where=true + false > 0)
        plain["PxAP"] = 100 * (precision[1:] * np.diff(true / true[-1])).sum()
    print(f"{n} maps of {arguments.model} on {dataset.name} {dataset.split}, {len(thresholds)} thresholds")
    for name, value in plain.items():
        print(f"{name:<12} camkit {own[name].compute().item()!r}  plain {value!r}")
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items())
    print(f"CPU time of MaxBoxAcc and V2: {times}, which tries each level once")


if __name__ == "__main__":
    main()
