"""Overlays: colours by their lightness, the contour by hand, words that are never cut, sizes within bounds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from scipy.ndimage import minimum_filter
from skimage.color import rgb2lab

from camkit.figures.heat import LEVELS, STRENGTH, colours, heat, share_of
from camkit.figures.overlay import (
    BOX,
    LARGEST,
    LONGEST,
    _draw_box,
    _font,
    broken,
    eroded,
    overlay,
    picture_size,
    printable,
)


def test_the_palette_rises_evenly_in_lightness_and_is_not_washed_out_at_its_peak():
    lightness, a, b = rgb2lab(colours()[None] / 255)[0].T
    steps = np.diff(lightness)
    assert (np.diff(lightness[::4]) > 0).all()  # in 256 steps a colour may be its neighbour's
    rise = lightness[LEVELS // 2] - lightness[0], lightness[-1] - lightness[LEVELS // 2]
    assert rise[0] == pytest.approx(rise[1], rel=0.2)
    assert steps.sum() > 65
    assert math.hypot(a[-1], b[-1]) > 70  # a full colour, where inferno's own peak has 39
    assert lightness[-1] < 80


def test_heat_is_a_blend():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 7, 9), np.uint8)
    score_map = rng.normal(size=(7, 9)).astype(np.float32)
    share = (score_map - score_map.min()) / (score_map.max() - score_map.min())
    shades = colours()[np.rint(255 * share).astype(int)]
    slow = (1 - STRENGTH) * pixels.transpose(1, 2, 0) + STRENGTH * shades
    assert abs(heat(torch.from_numpy(pixels), score_map) - slow).max() < 2.5


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_a_grey_print_shows_where_the_map_is_high(shade):
    """On an image of any one shade."""
    ramp = np.linspace(0, 1, 300, dtype=np.float32)[None]
    lightness = rgb2lab(heat(torch.full((3, 1, 300), shade, dtype=torch.uint8), ramp) / 255)[0, :, 0]
    assert (np.diff(lightness[::10]) > 0).all()
    assert lightness[-1] - lightness[0] > 25


def test_shares_of_a_map():
    score_map = np.array([[-2.0, 0.0], [2.0, 6.0]], np.float32)
    assert [share_of(value, score_map) for value in (-2, 0, 6, 10)] == [0, 0.25, 1, 1.5]
    assert math.isnan(share_of(1.0, np.ones((2, 2), np.float32)))


def drawn(score_map, box, tau, title="name 0.50", rule="a rule"):
    pixels = torch.full((3, *score_map.shape), 90, dtype=torch.uint8)
    return overlay(pixels, score_map, [box], title, tau, rule).permute(1, 2, 0).numpy()


def test_the_contour_lies_round_what_is_above_tau():
    score_map = np.zeros((260, 300), np.float32)
    score_map[100:140, 50:110] = 1
    score_map[0, 0] = 0.4  # not above tau
    picture = drawn(score_map, (0, 0, 0, 0), 0.5)
    white = (picture == 255).all(2)
    top = int(np.argmax(~white[:, -1]))  # the name above the image does not reach its right edge
    found = white[top : top + 260]
    expected = np.zeros((260, 300), bool)
    expected[100:140, 50:110] = True
    expected[101:139, 51:109] = False
    assert (found == expected).all()


def test_the_bar_says_where_the_map_was_cut():
    ramp = np.tile(np.linspace(-1, 3, 400, dtype=np.float32), (300, 1))
    picture, other = drawn(ramp, (100, 0, 400, 300), 0.0), drawn(ramp, (100, 0, 400, 300), 2.0)
    bar = picture.shape[0] - 1 - np.argmax((picture[::-1, 7:-7] == colours()[-1]).all(2).any(1))  # its lowest row
    marks = [np.flatnonzero((one[bar - 2, 7:393] == 255).all(1)).mean() for one in (picture, other)]
    assert marks == pytest.approx([0.25 * 385, 0.75 * 385], abs=1)
    ends = np.abs(picture[bar, [7, 392]].astype(int) - colours()[[0, -1]])
    assert ends.max() == 0


def test_what_has_no_region_is_said():
    flat = drawn(np.ones((50, 300), np.float32), (0, 0, 0, 0), 1.0)
    above = drawn(np.eye(300, dtype=np.float32)[:50], (0, 0, 0, 0), 2.0)
    boxed = drawn(np.eye(300, dtype=np.float32)[:50], (0, 0, 40, 40), 0.5)
    assert (flat[-20:] < 100).any()
    assert not np.array_equal(above[-20:], boxed[-20:])


@given(st.text(st.characters(codec="utf-8"), max_size=80), st.integers(20, 400))
def test_no_letter_of_a_name_is_cut(text, width):
    font, plain = _font(12.0), printable(text)
    lines = broken(plain, font, width)
    assert "".join(lines).replace(" ", "") == plain.replace(" ", "")
    assert all(font.getlength(line) <= width or len(line) == 1 for line in lines)
    assert plain.isprintable() or plain == ""


def test_a_name_beyond_all_use_ends_in_an_ellipsis():
    assert printable("x" * 10**6) == "x" * (LONGEST - 1) + "…"
    assert printable("a\nb\x1b c") == "a b� c"


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (20, 1500), (900, 20), (300, 400)])
def test_a_long_name_makes_the_picture_taller_and_nothing_narrower(size):
    height, width = picture_size(size)
    score_map = np.random.default_rng(0).random((height, width), np.float32)
    short, long = (drawn(score_map, (0, 0, width, height), 0.5, title) for title in ("cat 0.5", "a long name " * 60))
    assert short.shape[1] == long.shape[1] == max(width, 256)
    assert height < short.shape[0] < long.shape[0]


@given(st.integers(1, 10**5), st.integers(1, 10**5))
def test_pictures_have_a_bound_and_keep_their_shape(height, width):
    h, w = picture_size((height, width))
    assert h * w <= max(LARGEST, 256 * 512)
    assert max(h, w) >= 256
    if min(h, w) > 10:
        assert h / w == pytest.approx(height / width, rel=0.2)
    if max(height, width) >= 256 and height * width <= LARGEST:
        assert (h, w) == (height, width)


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))), st.integers(1, 9))
def test_erosion_is_scipys_minimum_filter(mask, reach):
    expected = minimum_filter(mask, 2 * reach + 1, mode="nearest")
    np.testing.assert_array_equal(eroded(mask, reach), expected)
    np.testing.assert_array_equal(
        eroded(eroded(mask, reach), reach), minimum_filter(mask, 4 * reach + 1, mode="nearest")
    )


SIDES = st.integers(16, 200)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 600), st.integers(0, 280), SIDES, SIDES, st.sampled_from([300, 800]))
def test_the_frame_of_a_box_is_pillows(x, y, across, down, side):
    """Of boxes that have room for it; in smaller ones Pillow draws beyond the box."""
    box = (x, y, min(x + across, 900), min(y + down, side))
    assume(box[3] - box[1] >= 16)
    picture = np.zeros((side, 900, 3), np.uint8)
    image, line = Image.fromarray(picture), 2 * max(1, round(side / 250))
    draw = ImageDraw.Draw(image)
    draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=BOX, width=line)
    _draw_box(picture, box)
    inside = (np.array(image) != 0).any(2)
    np.testing.assert_array_equal(picture[inside], np.array(image)[inside])
    assert not picture[~inside].any()
