import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms._presets import ImageClassification
from torchvision.tv_tensors import BoundingBoxes

from camkit.data import Preprocess
from camkit.errors import CamkitError, UnreadableImage
from camkit.input_spec import InputSpec

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def noise(height, width, seed=0):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("crop", "resize"), [(224, 256), (224, 232), (299, 342), (288, 288), (64, 40)])
@pytest.mark.parametrize("size", [(375, 500), (501, 333), (64, 64), (256, 256), (1, 1), (3, 200), (257, 1000)])
def test_crop_is_the_preprocessing_of_torchvisions_weights(size, crop, resize, interpolation):
    spec = InputSpec(size=(crop, crop), resize=resize, interpolation=interpolation)
    theirs = ImageClassification(
        crop_size=crop, resize_size=resize, interpolation=InterpolationMode(interpolation), mean=spec.mean, std=spec.std
    )
    image = noise(*size)
    ours, view = Preprocess(spec, "crop")(image)
    assert ours.dtype == torch.float32
    assert view.size == size
    assert torch.equal(ours, theirs(image))


def test_stretch_by_hand():
    image = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8).repeat(3, 1, 1)
    spec = InputSpec(size=(1, 1), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 0.1))
    out, view = Preprocess(spec)(image)
    # The antialiased reduction to one pixel is the mean, 102 of 255 = 0.4.
    torch.testing.assert_close(out.flatten(), torch.tensor([-0.2, 0.6, 4.0]))
    assert (view.size, view.window) == ((2, 2), (0, 0, 2, 2))


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.integers(1, 64))
@settings(deadline=None, max_examples=60)
def test_shapes_and_windows_of_whole_images(height, width, h, w):
    image, spec = noise(height, width), InputSpec(size=(h, w))
    out, view = Preprocess(spec, "stretch")(image)
    assert out.shape == (3, h, w)
    assert (view.size, view.window) == ((height, width), (0, 0, width, height))
    if max(height, width) <= 100 * min(height, width):
        out, view = Preprocess(spec, "keep")(image)
        short, long = min(h, w), min(h, w) * max(height, width) // min(height, width)
        assert out.shape == ((3, short, long) if height < width else (3, long, short))
        assert (view.size, view.window) == ((height, width), (0, 0, width, height))


sizes = st.integers(20, 400)


@given(sizes, sizes, st.integers(8, 96), st.integers(8, 96), st.integers(0, 30), st.data())
@settings(deadline=None, max_examples=150)
def test_a_box_goes_where_torchvision_takes_it_and_comes_back(height, width, h, w, extra, data):
    """A window is right if the box that follows an image through resize and crop comes back."""
    resize = max(h, w) + extra
    _, view = Preprocess(InputSpec(size=(h, w), resize=resize), "crop")(
        torch.zeros(3, height, width, dtype=torch.uint8)
    )
    x = sorted(data.draw(st.lists(st.floats(0, width), min_size=2, max_size=2)))
    y = sorted(data.draw(st.lists(st.floats(0, height), min_size=2, max_size=2)))
    box = torch.tensor([[x[0], y[0], x[1], y[1]]], dtype=torch.float64)
    followed = BoundingBoxes(box, format="XYXY", canvas_size=(height, width))
    followed = v2.functional.resize(followed, [resize])
    followed = v2.functional.center_crop(followed, [h, w]).as_subclass(torch.Tensor)
    x0, y0, x1, y1 = view.window
    back = followed * torch.tensor([(x1 - x0) / w, (y1 - y0) / h] * 2) + torch.tensor([x0, y0] * 2)
    # torchvision clamps what the crop cuts off.
    seen = box.clamp(torch.tensor([x0, y0] * 2), torch.tensor([x1, y1] * 2))
    torch.testing.assert_close(back, seen, atol=1e-3, rtol=0)


@pytest.mark.parametrize("fit", ["stretch", "crop", "keep"])
@pytest.mark.parametrize("size", [(60, 256), (256, 256), (150, 256), (255, 256)])
@pytest.mark.parametrize(("crop", "resize"), [((56, 56), 64), ((51, 40), 64), ((75, 90), 64), ((64, 64), 64)])
def test_an_input_pixel_shows_the_place_that_the_window_says(size, fit, crop, resize):
    """Each pixel of a ramp is its own x coordinate (turned: y), so the input reads off where it looks."""
    ramp = torch.arange(256, dtype=torch.uint8).expand(3, size[0], 256).contiguous()
    spec = InputSpec(size=crop, resize=resize, **PLAIN)
    for image, axis in ((ramp, 0), (ramp.transpose(-2, -1), 1)):
        out, view = Preprocess(spec, fit)(image)
        start, stop = view.window[axis], view.window[axis + 2]
        line = out[0].amax(axis)  # the zeros of a padding say nothing
        count = len(line)
        seen = start + (torch.arange(count) + 0.5) / count * (stop - start)  # in pixels, centres at 0.5, 1.5, ...
        inside = (seen > 8) & (seen < 248)  # the borders are not linear
        assert inside.sum() > 20
        torch.testing.assert_close(line[inside] * 255 + 0.5, seen[inside], atol=0.6, rtol=0)


@pytest.mark.parametrize(("short", "crop", "left"), [(10, 13, 1), (10, 14, 2), (10, 10, 0), (11, 10, 0), (13, 10, 2)])
def test_the_window_reaches_outside_where_torchvision_pads(short, crop, left):
    """White, 1:1: the zeros are the padding. By hand: 10 to 13 is padded 1 and 2, 13 to 10 loses 2 and 1."""
    image = torch.full((3, short, short), 255, dtype=torch.uint8)
    out, view = Preprocess(InputSpec(size=(crop, crop), resize=short, **PLAIN), "crop")(image)
    x0, y0, x1, y1 = view.window
    assert (x0, x1) == (y0, y1)
    assert x1 - x0 == crop
    assert x0 == (left if short > crop else -left)
    assert int((out[0, crop // 2] == 0).sum()) == max(crop - short, 0)
    assert int((out[0, crop // 2, : max(-int(x0), 0) + 1] == 0).sum()) == max(-x0, 0)


@pytest.mark.parametrize("fit", ["stretch", "crop", "keep"])
@pytest.mark.parametrize("size", [(1, 1), (1, 100), (100, 1), (1, 5000), (5000, 1), (7, 3)])
def test_tiny_and_extreme_images_work_or_are_refused_in_one_line(size, fit):
    image = torch.full((3, *size), 200, dtype=torch.uint8)
    preprocess = Preprocess(InputSpec(size=(32, 32), resize=32, **PLAIN), fit)
    if fit != "stretch" and max(size) > 100:
        with pytest.raises(UnreadableImage, match=f"{size[1]} x {size[0]}.*--fit stretch") as error:
            preprocess(image)
        assert "\n" not in str(error.value)
    else:
        out, _ = preprocess(image)
        torch.testing.assert_close(out, torch.full_like(out, 200 / 255))
        assert min(out.shape[1:]) == 32


def test_a_strided_image_gives_the_same_input():
    image = noise(90, 120)
    strided = torch.from_numpy(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    for fit in ("stretch", "crop", "keep"):
        preprocess = Preprocess(InputSpec(), fit)
        assert torch.equal(preprocess(image)[0], preprocess(strided)[0])


def test_settings_are_checked_and_travel():
    with pytest.raises(CamkitError, match=r"'squash'.*stretch, crop, keep"):
        Preprocess(InputSpec(), "squash")
    preprocess = Preprocess(InputSpec(size=(10, 12)), "crop")
    assert pickle.loads(pickle.dumps(preprocess)) == preprocess
