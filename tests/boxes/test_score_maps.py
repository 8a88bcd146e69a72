import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from camkit.boxes import normalize_maps, pixels_inside, resize_maps
from camkit.boxes.score_maps import is_constant
from camkit.errors import CamkitError

SIDE = st.integers(1, 9)
MODES = ["bilinear", "bicubic"]


def random_maps(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def kernel(t: float, mode: str) -> float:
    t = abs(t)
    if mode == "bilinear":
        return max(0.0, 1 - t)
    if t <= 1:
        return 1.25 * t**3 - 2.25 * t**2 + 1
    return -0.75 * t**3 + 3.75 * t**2 - 6 * t + 3 if t < 2 else 0.0


def sample(class_map: np.ndarray, window: tuple, x: float, y: float, mode: str) -> float:
    """The map's value at one point of the image, cell by cell; beyond its border the outermost cells go on."""
    height, width = class_map.shape
    u = (x - window[0]) / (window[2] - window[0]) * width - 0.5
    v = (y - window[1]) / (window[3] - window[1]) * height - 0.5
    total = 0.0
    for j in range(math.floor(v) - 2, math.floor(v) + 4):
        for i in range(math.floor(u) - 2, math.floor(u) + 4):
            cell = class_map[min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
            total += kernel(u - i, mode) * kernel(v - j, mode) * cell
    return total


def test_two_cells_on_four_pixels_by_hand():
    cells = torch.tensor([[0.0, 4.0]])
    assert resize_maps(cells, (1, 4)).tolist() == [[0, 1, 3, 4]]
    assert resize_maps(cells, (1, 10), window=(2.0, 0, 6.0, 1)).tolist() == [[0, 1, 3, 4]]
    assert resize_maps(cells, (1, 10), window=(2.5, 0, 6.5, 1)).tolist() == [[0, 0, 2, 4]]


@pytest.mark.parametrize("mode", MODES)
@given(SIDE, SIDE, st.integers(1, 40), st.integers(1, 40))
def test_without_a_window_and_with_the_full_one_it_is_torchs_interpolate(mode, h, w, height, width):
    maps = random_maps(2, 3, h, w)
    expected = F.interpolate(maps, size=(height, width), mode=mode, align_corners=False)
    assert torch.equal(resize_maps(maps, (height, width), interpolation=mode), expected)
    full = resize_maps(maps.double(), (height, width), window=(0, 0, width, height), interpolation=mode)
    expected = F.interpolate(maps.double(), size=(height, width), mode=mode, align_corners=False)
    torch.testing.assert_close(full, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@given(SIDE, SIDE, st.floats(-5, 8), st.floats(-5, 8), st.floats(1.5, 20), st.floats(1.5, 20))
def test_a_window_samples_the_map_at_the_centres_of_the_pixels_in_it(mode, h, w, x0, y0, across, down):
    maps, size, window = random_maps(h, w, dtype=torch.float64), (9, 11), (x0, y0, x0 + across, y0 + down)
    try:
        rows, columns = pixels_inside(window, size)
    except CamkitError:
        return
    found = resize_maps(maps, size, window, mode)
    expected = [
        [sample(maps.numpy(), window, x + 0.5, y + 0.5, mode) for x in range(columns.start, columns.stop)]
        for y in range(rows.start, rows.stop)
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)


def test_leading_dimensions_and_dtype_stay():
    for window in (None, (1.5, 2.5, 8.0, 7.25)):
        resized = resize_maps(random_maps(2, 1, 3, 4, 4, dtype=torch.float64), (9, 8), window)
        assert resized.shape[:3] == (2, 1, 3)
        assert resized.dtype == torch.float64
    assert resize_maps(random_maps(4, 4), (9, 8)).shape == (9, 8)


def test_what_cannot_be_resized_is_refused():
    with pytest.raises(CamkitError, match="interpolation is 'nearest': give one of bilinear, bicubic"):
        resize_maps(random_maps(4, 4), (9, 8), interpolation="nearest")
    with pytest.raises(CamkitError, match="cannot resize class maps of shape"):
        resize_maps(torch.zeros(0, 4, 4), (9, 8))
    with pytest.raises(CamkitError, match="cannot resize class maps of shape"):
        resize_maps(torch.zeros(4, 4), (0, 8))


def test_minmax_brings_each_map_to_0_and_1_and_a_constant_one_to_zeros():
    maps = torch.tensor([[[-2.0, 0.0, 2.0]], [[5.0, 6.0, 5.25]], [[-3.0, -3.0, -3.0]]])
    assert normalize_maps(maps, "minmax").tolist() == [[[0, 0.5, 1]], [[0, 1, 0.25]], [[0, 0, 0]]]
    assert torch.equal(normalize_maps(maps, "none"), maps)


def test_normalized_maps_are_float32_or_float64():
    assert normalize_maps(random_maps(2, 3, 3).half()).dtype == torch.float32
    assert normalize_maps(random_maps(2, 3, 3).bfloat16(), "none").dtype == torch.float32
    assert normalize_maps(random_maps(2, 3, 3).double()).dtype == torch.float64


@pytest.mark.parametrize("normalization", ["minmax", "none"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_map_with_nan_or_infinity_is_named(normalization, bad):
    maps = random_maps(2, 2, 3, 3)
    maps[1, 0, 2, 1] = bad
    with pytest.raises(CamkitError, match=r"class map 2 \(of 4\) holds NaN or infinite values"):
        normalize_maps(maps, normalization)


def test_an_unknown_normalization_is_refused():
    with pytest.raises(CamkitError, match="normalization is 'max': give one of minmax, none"):
        normalize_maps(random_maps(3, 3), "max")


def test_a_map_flat_to_rounding_is_constant_in_float32_and_nothing_is_in_float64() -> None:
    rounding = 1 + 3e-7 * torch.arange(6.0).reshape(1, 2, 3)
    assert normalize_maps(rounding).tolist() == [[[0.0] * 3] * 2]
    exact = normalize_maps(1 + 3e-7 * torch.arange(6.0, dtype=torch.float64).reshape(1, 2, 3))
    torch.testing.assert_close(exact, torch.arange(6.0, dtype=torch.float64).reshape(1, 2, 3) / 5, rtol=1e-6, atol=1e-6)


def test_a_constant_is_told_from_a_map_in_its_own_precision():
    def says(span, dtype):
        return not is_constant(torch.tensor([[-1000.0, -1000.0 * (1 - span)]], dtype=torch.float64).to(dtype)).item()

    assert [says(span, torch.float32) for span in (1e-6, 1e-4)] == [False, True]
    assert [says(span, torch.float64) for span in (1e-13, 1e-6)] == [False, True]
    assert is_constant(torch.zeros(2, 3, 3)).flatten().tolist() == [True, True]
