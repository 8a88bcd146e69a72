"""The examples in docstrings run as they stand, and the main public objects have one."""

import doctest
import importlib
from pathlib import Path

import pytest

import camkit
from camkit import boxes, metrics

PACKAGE = Path(camkit.__file__).parent
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>>" in path.read_text("utf-8"))
MAIN = (
    camkit.CAM,
    camkit.Localizer,
    camkit.Recipe,
    camkit.Threshold,
    camkit.MaxThreshold,
    camkit.PercentileThreshold,
    camkit.ThresholdedAvgPool2d,
    camkit.register_weighting,
    boxes.boxes_from_maps,
    boxes.boxes_at_taus,
    boxes.largest_region,
    boxes.normalize_maps,
    boxes.resize_maps,
    metrics.GTKnownLoc,
    metrics.MaxBoxAcc,
    metrics.MeanIoU,
    metrics.TopKCls,
    metrics.compare,
    metrics.half_open_iou,
    metrics.inclusive_iou,
)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_examples(path):
    name = ".".join(("camkit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed


@pytest.mark.parametrize("thing", MAIN, ids=lambda thing: thing.__name__)
def test_the_main_things_have_one(thing):
    assert ">>>" in (thing.__doc__ or "")
