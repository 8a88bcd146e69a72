import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch.utils.data import DataLoader

from camkit.data.formats.shapes import Shapes
from camkit.data.formats.shapes_drawing import MOST_CLASSES, draw
from camkit.errors import CamkitError

quick = settings(max_examples=25, deadline=None)
drawings = st.builds(
    draw, index=st.integers(0, 10**6), label=st.integers(0, 9), size=st.integers(32, 96), seed=st.integers(0, 10**6)
)


@quick
@given(drawings)
def test_box_is_the_masks_own(drawing):
    y, x = drawing.mask.nonzero()
    assert drawing.box.tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]


@quick
@given(drawings)
def test_the_object_is_one_piece_inside_the_image(drawing):
    assert ndimage.label(drawing.mask, np.ones((3, 3)))[1] == 1
    size = len(drawing.mask)
    assert drawing.box.min() >= 0
    assert drawing.box.max() <= size
    assert not drawing.mask[[0, -1]].any()
    assert not drawing.mask[:, [0, -1]].any()


@quick
@given(drawings)
def test_the_head_is_a_small_part_of_the_object(drawing):
    assert drawing.part.any()
    assert not (drawing.part & ~drawing.mask).any()
    assert drawing.part.sum() < 0.35 * drawing.mask.sum()


def test_on_average_the_head_is_an_eighth_of_the_object_and_the_object_an_eighth_of_the_image():
    data = [draw(index, index % 10) for index in range(60)]
    assert np.mean([drawing.part.sum() / drawing.mask.sum() for drawing in data]) == pytest.approx(1 / 8, rel=0.25)
    assert np.mean([drawing.mask.mean() for drawing in data]) == pytest.approx(1 / 8, rel=0.25)


@quick
@given(st.integers(0, 10**6), st.integers(0, 29), st.integers(0, 29), st.sampled_from([32, 64]))
def test_only_the_head_knows_the_class_and_the_coat_its_half(index, label, other, size):
    first, second = draw(index, label, size), draw(index, other, size)
    elsewhere = ~(first.part | second.part)
    differs = (first.image != second.image).any(-1) & elsewhere
    assert differs.any() == ((label - other) % 2 == 1)
    assert first.mask[differs].all()  # on the body alone
    assert (first.mask[elsewhere] == second.mask[elsewhere]).all()


@pytest.mark.parametrize("size", [32, 64])
def test_all_heads_differ(size):
    images = {draw(7, label, size).image.tobytes() for label in range(MOST_CLASSES)}
    assert len(images) == MOST_CLASSES


def test_image_depends_on_seed_and_index_alone():
    few, many = Shapes(3), Shapes(1000)
    for index in (2, 0, 1):  # in any order
        assert (few[index][0] == many[index][0]).all()
    assert (Shapes(3)[0][0] == few[0][0]).all()
    assert (Shapes(3, seed=1)[0][0] != few[0][0]).any()


@pytest.mark.parametrize("size", [32, 33, 101, 224])
def test_any_size(size):
    image, label, box, mask, part = Shapes(1, size)[0]
    assert image.shape == (3, size, size)
    assert image.dtype == torch.uint8
    assert label == 0
    assert box.shape == (4,)
    assert mask.shape == part.shape == (size, size)


def test_a_larger_image_shows_the_same_scene():
    small, large = (draw(3, 3, size) for size in (64, 256))
    assert large.box == pytest.approx(4 * small.box, abs=12)
    reduced = large.mask.reshape(64, 4, 64, 4).mean(axis=(1, 3)) > 0.5
    assert (reduced & small.mask).sum() > 0.7 * (reduced | small.mask).sum()


def test_classes_take_turns():
    data = Shapes(7, num_classes=3)
    assert [data[i][1] for i in range(len(data))] == [0, 1, 2, 0, 1, 2, 0]
    with pytest.raises(IndexError):
        data[7]


def test_loads_in_batches():
    images, labels, boxes, masks, parts = next(iter(DataLoader(Shapes(4, 32), batch_size=4)))
    assert images.shape == (4, 3, 32, 32)
    assert labels.tolist() == [0, 1, 2, 3]
    assert boxes.shape == (4, 4)
    assert masks.shape == parts.shape == (4, 32, 32)


def test_records_give_the_same_images():
    data = Shapes(4, 48, seed=5)
    records = pickle.loads(pickle.dumps(data.records()))
    assert len({record.image for record in records}) == len(records) == 4
    for record, (image, label, box, mask, _) in zip(records, data, strict=True):
        decoded = np.asarray(Image.open(io.BytesIO(record.read())))
        assert (decoded == image.permute(1, 2, 0).numpy()).all()
        assert record.boxes.tolist() == [box.tolist()]
        assert (record.label, record.size) == (label, (48, 48))
        object_mask, ignore = record.read_mask()
        assert (object_mask == mask.numpy()).all()
        assert not ignore.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_images": 0}, "0 images: give at least 1"),
        ({"num_images": 1, "size": 31}, "31 pixels a side: give at least 32"),
        ({"num_images": 1, "num_classes": 31}, "31 classes: give 1 to 30"),
        ({"num_images": 1, "seed": -1}, "seed -1: give 0 or more"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, message):
    with pytest.raises(CamkitError, match=message):
        Shapes(**arguments)
