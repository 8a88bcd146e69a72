"""A part of a split kept apart."""

from dataclasses import replace

import numpy as np
import pytest

from camkit.data import AnnotatedSet, Record, hold_out, read_splits
from camkit.errors import CamkitError


def split(labels):
    return AnnotatedSet("set", "train", [Record(f"{i}.png", bytes, label) for i, label in enumerate(labels)], None, [])


def test_the_last_of_each_class_are_held_out():
    train, val = hold_out(split([0, 1, 0, 0, 1, 1, 0]), 2)
    assert [r.image for r in train.records] == ["0.png", "1.png", "2.png"]
    assert [r.image for r in val.records] == ["3.png", "4.png", "5.png", "6.png"]
    assert val.split == "holdout:2"


def test_images_with_boxes_are_held_out_and_those_without_a_class_stay():
    records = split([0, 0, 0, 1, 1, None, 1]).records
    boxes = {0: [[0, 0, 2, 2]], 1: [[0, 0, 2, 2]], 3: [[1, 1, 2, 2]]}
    records = [replace(r, boxes=np.array(boxes[i], float)) if i in boxes else r for i, r in enumerate(records)]
    train, val = hold_out(AnnotatedSet("set", "train", records, None, []), 1)
    assert [r.image for r in val.records] == ["1.png", "3.png"]
    assert [r.image for r in train.records] == ["0.png", "2.png", "4.png", "5.png", "6.png"]
    with pytest.raises(CamkitError, match="holdout:2: class 1 of set has 3 images, 1 of them with boxes"):
        hold_out(AnnotatedSet("set", "train", records, None, []), 2)


def test_a_class_must_keep_an_image():
    with pytest.raises(CamkitError, match="class 1 of set has 1 images"):
        hold_out(split([0, 0, 1]), 1)


def test_splits_by_name_or_held_out():
    shapes = ("shapes", "n=9,size=32,classes=3", "train")
    train, val = read_splits(*shapes, "val")
    assert (len(train.records), len(val.records), val.split) == (9, 9, "val")
    train, val = read_splits(*shapes, "holdout:1")
    assert (len(train.records), len(val.records), val.split) == (6, 3, "holdout:1")
    for wrong in ("holdout:some", "holdout:0", "holdout:"):
        with pytest.raises(CamkitError, match=f"--val-split {wrong}: write holdout:N"):
            read_splits(*shapes, wrong)
    with pytest.raises(CamkitError, match=r"^--val-split value: shapes has no split 'value'.*; holdout:10 keeps"):
        read_splits(*shapes, "value")
