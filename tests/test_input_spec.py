"""What an input's sizes and normalisation can be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec


def test_values_become_plain_numbers():
    spec = InputSpec([np.int64(32), 48], np.int32(40), np.full(3, 0.5), [1, 1, np.float64(0.25)])
    assert spec == InputSpec((32, 48), 40, (0.5, 0.5, 0.5), (1.0, 1.0, 0.25))
    assert InputSpec(mean=np.float32(0.5), std=[0.25]) == InputSpec(mean=(0.5,) * 3, std=(0.25,) * 3)
    assert type(spec.size[0]) is int
    assert type(spec.mean[0]) is float


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"mean": (123.7, 116.3, 103.5)},
            r"mean 123.7,116.3,103.5: .*from 0 to 1; .*divide it by 255: 0.485,0.456,0.406",
        ),
        ({"mean": (0.485, 0.456, 406)}, r"mean 0.485,0.456,406: .*each number is from 0 to 1$"),
        ({"mean": (-0.1, 0, 0)}, "mean -0.1,0,0"),
        ({"mean": (math.nan, 0, 0)}, "three numbers"),
        ({"mean": (math.inf, 0, 0)}, "three numbers"),
        ({"mean": 5}, "mean 5: it is of RGB"),
        ({"mean": (0.5, 0.5)}, "three numbers"),
        ({"mean": True}, "three numbers"),
        ({"mean": "0.1"}, "three numbers"),
        ({"mean": (10**400, 0, 0)}, "three numbers"),
        ({"mean": (None, 0, 0)}, "three numbers"),
        ({"std": (58.395, 57.12, 57.375)}, r"above 0 and at most 1; .*0.229,0.224,0.225"),
        ({"std": (0.2, 0, 0.2)}, "std 0.2,0,0.2: .*above 0"),
        ({"size": 224}, r"size 224: give height and width"),
        ({"size": (224, 0)}, "size 0: give pixels"),
        ({"size": (22.4, 22)}, "size 22.4"),
        ({"resize": -1}, "resize -1"),
        ({"resize": True}, "resize True"),
        ({"interpolation": "lanczos"}, "'lanczos'.*bilinear or bicubic"),
    ],
)
def test_values_that_cannot_be_are_refused(given, told):
    with pytest.raises(CamkitError, match=told) as caught:
        InputSpec(**given)
    assert "\n" not in str(caught.value)


unit = st.floats(0, 1)


@given(st.tuples(unit, unit, unit), st.tuples(*[st.floats(0, 1, exclude_min=True)] * 3))
def test_all_that_can_be_is_taken(mean, std):
    assert (InputSpec(mean=mean, std=std).mean, InputSpec(mean=mean, std=std).std) == (mean, std)
