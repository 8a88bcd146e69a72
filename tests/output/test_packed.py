"""What goes through a journal comes out as it was, to the last bit and type."""

import json
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import pytest
import torch

from camkit.errors import CamkitError
from camkit.output.packed import packed, unpacked


@dataclass(frozen=True, eq=False)
class Part:
    row: dict
    curve: np.ndarray
    more: "Part | None" = None


def through(value, *classes):
    return unpacked(json.loads(json.dumps(packed(value))), *classes)


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and same(one.numpy(), other.numpy())
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def test_values_come_out_as_they_were():
    rng = np.random.default_rng(0)
    part = Part({"a": 0.1 + 0.2, "b": float("nan"), "c": 1 << 60, "é\n": None}, rng.random(5).astype(np.float32))
    value = [(1, 2.5), {"x": torch.tensor([[3, 4]])}, Part({}, rng.random((2, 3)) < 0.5, part), np.empty((0, 4), "u1")]
    assert same(through(value, Part), value)
    assert through({"rank": np.float64(0.3), "n": np.int64(4), "yes": np.bool_(1)}) == {
        "rank": 0.3,
        "n": 4,
        "yes": True,
    }
    through(np.zeros(3))[0] = 1  # an array may be written to


@pytest.mark.parametrize("change", [("zlib", "no base64!"), ("dtype", "no type"), ("shape", [7]), ("$is", "Part"),
                                    ("zlib", None)])  # fmt: skip
def test_what_is_damaged_or_of_another_class_is_refused(change):
    line = packed(np.arange(4.0)) | dict([change])
    with pytest.raises(CamkitError, match="cannot be read; give --overwrite or another --out"):
        unpacked(line)


def test_what_json_cannot_hold_is_a_mistake():
    with pytest.raises(TypeError, match="object cannot be written"):
        packed([object()])
