"""The boxes of a map at all thresholds: one pass over the pixels against OpenCV's contours, threshold by threshold.

    python benchmarks/component_tree.py times --maps 140 --thresholds 1000
    python benchmarks/component_tree.py equality --maps 2000

Both sides start from the same float64 score maps of 224x224 pixels, from 0 to 1, quantise them, find the boxes and
score them against one ground-truth box with the IoU of the `wsol` protocol, map after map, on one thread. OpenCV's side
does at each threshold what the public evaluators do, the map's maximum included. The IoU at each threshold must be
equal, so must be all boxes at all grey levels; both are counted. Times are the thread's CPU time, the median over a
kind's maps; compilation, or loading it from the cache, is in none of them and has its own line.
"""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from camkit.boxes.score_maps import normalize_maps
from camkit.boxes.tree import all_level_boxes, level_boxes
from camkit.metrics.wsol import quantise

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import opencv_reference as opencv

SIZE = (224, 224)
TRUTH = np.array([60, 50, 170, 180])


def iou(boxes: np.ndarray) -> np.ndarray:
    """IoU with `TRUTH`, inclusive corners; half-open boxes (M, 4) with the far corner clipped into the map."""
    x0, y0, x1, y1 = np.minimum(boxes, SIZE[0] - 1).T
    width = np.maximum(np.minimum(x1, TRUTH[2]) - np.maximum(x0, TRUTH[0]) + 1, 0)
    height = np.maximum(np.minimum(y1, TRUTH[3]) - np.maximum(y0, TRUTH[1]) + 1, 0)
    both = width * height
    truth = (TRUTH[2] - TRUTH[0] + 1) * (TRUTH[3] - TRUTH[1] + 1)
    return both / ((x1 - x0 + 1) * (y1 - y0 + 1) + truth - both)


NO_BOX = iou(np.zeros((1, 4), int))[0]


def levels_of(grey: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return (thresholds * int(grey.max())).astype(int)


def one_opencv(score_map: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    grey = opencv.quantize(score_map)
    return iou(np.array([opencv.largest_by_border(grey, int(t * grey.max())) for t in thresholds]))


def one_camkit(score_map: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    grey = quantise(score_map)
    return iou(level_boxes(grey, "border"))[levels_of(grey, thresholds)]


def all_opencv(score_map: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    grey = opencv.quantize(score_map)
    found = [opencv.all_contours(grey, int(t * grey.max())) or [(0, 0, 0, 0)] for t in thresholds]
    values = iou(np.concatenate(found))
    return np.maximum.reduceat(values, np.cumsum([0] + [len(boxes) for boxes in found[:-1]]))


def all_camkit(score_map: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    grey = quantise(score_map)
    contours = all_level_boxes(grey)
    return contours.highest(iou(contours.boxes), nothing=NO_BOX)[levels_of(grey, thresholds)]


SIDES = {"one": (one_opencv, one_camkit), "all": (all_opencv, all_camkit)}


def different_levels(score_map: np.ndarray) -> dict[str, int]:
    """At how many of the 256 levels boxes differ: of the one region, by border and by pixels, and of all contours."""
    grey = opencv.quantize(score_map)
    border, pixels, contours = level_boxes(grey, "border"), level_boxes(grey, "pixels"), all_level_boxes(grey)
    one_border, one_pixels, every = (f"levels where {what} differ" for what in ("border", "pixels", "contours"))
    different = dict.fromkeys((one_border, one_pixels, every), 0)
    for level in range(256):
        if level == 0 or (grey == level).any():  # else the mask is that of the level before
            expected_border = opencv.largest_by_border(grey, level)
            expected_pixels = opencv.largest_by_pixels(grey, level)
            expected_contours = sorted(opencv.all_contours(grey, level))
        there = contours.boxes[(contours.low <= level) & (level <= contours.high)]
        different[one_border] += tuple(border[level].tolist()) != expected_border
        different[one_pixels] += tuple(pixels[level].tolist()) != expected_pixels
        different[every] += sorted(map(tuple, there.tolist())) != expected_contours
    return different


def times(score_maps: list[np.ndarray], thresholds: np.ndarray) -> list[dict[str, float]]:
    """For each map milliseconds of the thread's time on both sides, and at how many thresholds their IoU differs.

    Each side goes through the maps in a row, as an evaluator does: what it finds in the caches is its own.
    """
    rows: list[dict[str, float]] = [{} for _ in score_maps]
    for which, sides in SIDES.items():
        values = []
        for name, side in zip(("opencv", "camkit"), sides, strict=True):
            for row, score_map in zip(rows, score_maps, strict=True):
                start = time.thread_time()
                values.append(side(score_map, thresholds))
                row[f"{which} {name} ms"] = 1e3 * (time.thread_time() - start)
        for i, row in enumerate(rows):
            row[f"{which} IoU differ"] = int((values[i] != values[i + len(rows)]).sum())
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["times", "equality"])
    parser.add_argument("--maps", type=int, default=140)
    parser.add_argument("--thresholds", type=int, default=1000, help="for times; equality is of all 256 levels")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    thresholds = np.arange(0, 1, 1 / arguments.thresholds)
    cv2.setNumThreads(1)

    start = time.thread_time()
    level_boxes(np.eye(9, dtype=np.uint8), "border"), all_camkit(np.eye(*SIZE), thresholds)
    print(f"compilation, or loading it from the cache: {time.thread_time() - start:.1f} s")

    maps = defaultdict(list)
    for kind, score_map in opencv.score_maps(arguments.maps, SIZE, arguments.seed):
        maps[kind].append(normalize_maps(torch.from_numpy(score_map)).numpy())
    rows = []
    for kind, score_maps in tqdm(maps.items(), unit="kind"):
        measured = (
            times(score_maps, thresholds) if arguments.what == "times" else list(map(different_levels, score_maps))
        )
        rows += [{"kind": kind, "levels": 256, **row} for row in measured]
    print(table(rows).to_string(float_format="{:.2f}".format))


def table(rows: list[dict]) -> pd.DataFrame:
    """A row a kind of map, and one over all maps: counts are summed, times are medians."""
    measured = pd.DataFrame(rows)
    both = pd.concat([measured, measured.assign(kind="all maps")])
    grouped = both.groupby("kind", sort=False)
    result = grouped.size().to_frame("maps")
    for column in measured.columns.drop("kind"):
        result[column] = grouped[column].median() if column.endswith("ms") else grouped[column].sum()
    for which in SIDES:
        if f"{which} camkit ms" in result:
            ratio = result[f"{which} opencv ms"] / result[f"{which} camkit ms"]
            result.insert(result.columns.get_loc(f"{which} camkit ms") + 1, f"{which} times faster", ratio)
    return result.T


if __name__ == "__main__":
    main()
