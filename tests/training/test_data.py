"""Training images: the same whoever reads them, and splits that cannot be trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from camkit.data import AnnotatedSet, Record, read_dataset
from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.training.data import TrainingImages, augmentation, check_classes, stacked, training_splits
from camkit.training.methods import load_method
from camkit.training.settings import TrainSettings

SETTINGS = TrainSettings(
    dataset="shapes", root="n=12,size=40,classes=3", size=(24, 32), resize=36, epochs=4, jitter=0.3
)
KEYS = [[(0, 3), (0, 4)], [(3, 3), (2, 11)], [(1, 0), (1, 0)]]


def images(settings=SETTINGS):
    return TrainingImages(read_dataset("shapes", settings.root, "train"), settings, InputSpec())


def batches(data, workers=0):
    return list(DataLoader(data, batch_sampler=KEYS, num_workers=workers, collate_fn=stacked))


def same(first, second):
    return all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, crop_scale=0.3)], ids=["crop", "resized crop"])
def test_an_image_depends_on_seed_epoch_and_index_alone(settings):
    data = images(settings)
    alone = batches(data)
    torch.rand(5)
    assert same(alone, batches(images(settings), workers=2))
    data.cache()
    assert data.cached is not None
    assert same(alone, batches(data))
    assert torch.equal(alone[2][0][0], alone[2][0][1])
    other = batches(images(replace(settings, seed=1)))
    assert not torch.equal(alone[0][0], other[0][0])
    assert [batch[0].shape[-1] for batch in alone] == [24, 32, 24]
    assert not torch.equal(data[0, 3][0], data[1, 3][0])


def test_reading_leaves_the_generator_as_it_was():
    before = torch.random.get_rng_state()
    _ = images()[0, 0]
    assert torch.equal(before, torch.random.get_rng_state())


def test_without_anything_random_it_is_the_validations_input():
    settings = replace(SETTINGS, size=(36,), resize=36, flip=False, jitter=0.0)
    data = images(settings)
    spec = InputSpec(size=(36, 36))
    from camkit.data import Preprocess

    expected, _ = Preprocess(spec)(data.originals.read(5))
    found, label = data[2, 5]
    assert label == 2
    assert (found - expected).abs().max() < 0.05  # torchvision's two versions resize uint8 in other arithmetic


def test_half_of_the_images_are_upside_down():
    plain = replace(SETTINGS, size=(36,), resize=36, flip=False, jitter=0.0, epochs=10)
    as_they_are, turned = images(plain), images(replace(plain, flip_vertical=True))
    upright = 0
    for index in range(12):
        for epoch in range(10):
            before, after = as_they_are[epoch, index][0], turned[epoch, index][0]
            assert torch.equal(after, before) or torch.equal(after, before.flip(-2))
            upright += torch.equal(after, before)
    assert upright == pytest.approx(60, abs=22)  # of 120: four standard deviations


def test_googlenet_s_crops_come_before_has_whose_cells_are_the_crop_s():
    """A crop of some 8 to 100 % of the area and sides of 3:4 to 4:3 fills the input, where whole cells are hidden."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    image = torch.stack([y, x, torch.full_like(y, 255)]).byte()
    settings = replace(SETTINGS, crop_scale=0.08, flip=False, jitter=0.0)
    cropped = augmentation(settings, 64, InputSpec(mean=(0.0,) * 3, std=(1.0,) * 3))
    crops = torch.stack([cropped(image) for _ in range(200)])
    heights, widths = ((crops[:, i].amax((1, 2)) - crops[:, i].amin((1, 2))) * 255 + 1 for i in (0, 1))
    share, ratio = heights * widths / 200**2, widths / heights
    assert 0.07 < share.min() < 0.12
    assert 0.9 < share.max() <= 1
    assert 0.7 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.42
    hidden, _ = load_method("has", grid="0,16").mix(crops, torch.zeros(200), 1)
    cells = (hidden[:, 2] == 0).unfold(1, 16, 16).unfold(2, 16, 16).flatten(-2)
    assert torch.equal(cells.all(-1), cells.any(-1))
    assert 0.15 < cells.float().mean() < 0.35  # half of the cells of half of the images


def test_no_cache_where_the_images_do_not_fit():
    data = images(replace(SETTINGS, cache=12 * 36 * 36 * 3 / 2**30 - 1e-9))
    data.cache()
    assert data.cached is None


def record(name, label):
    return Record(name, bytes, label)


def split(labels, names=("a", "b"), name="set", part="train"):
    return AnnotatedSet(name, part, [record(f"{i}.png", label) for i, label in enumerate(labels)], names, [])


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (split([0, 1, 2]), split([0]), "'2.png' has label 2, and there are 2 classes"),
        (split([0, 1]), split([0, 5], part="val"), "split val: '1.png' has label 5"),
        (split([0, None, 1]), split([0]), "'1.png' has no label"),
        (split([0, 0]), split([0]), r"1 of 2 classes have no training image, such as 1 \(b\)"),
        (split([0, 2], None), split([0], None), "1 of 3 classes have no training image, such as 1;"),
        (split([0], ("a",)), split([0], ("a",)), "1 classes"),
        (split([0, 1]), split([0, 1], ("a", "c")), "not the same; the first difference: 'b'"),
    ],
)
def test_splits_that_do_not_make_a_classifier_are_refused(train, val, message):
    with pytest.raises(CamkitError, match=message):
        check_classes(train, val)


def class_folder(root, name, count):
    (root / name).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((40, 40, 3), 20 * i, np.uint8)).save(root / name / f"{name}_{i}.png")


def test_a_class_folder_without_images_is_named(tmp_path):
    for part in ("train", "val"):
        class_folder(tmp_path / part, "n01", 2)
        class_folder(tmp_path / part, "n02", 0)
        class_folder(tmp_path / part, "n03", 2)
    with pytest.raises(CamkitError, match="n02: the class folder holds no image"):
        training_splits(TrainSettings(dataset="ilsvrc", root=str(tmp_path)))


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    class_folder(tmp_path / "train", "n01", 2)
    class_folder(tmp_path / "train", "n02", 2)
    (tmp_path / "train" / "n02" / "n02_1.png").write_bytes(b"no picture")
    data = TrainingImages(read_dataset("ilsvrc", tmp_path, "train"), SETTINGS, InputSpec())
    assert "n02_1.png" in stacked([data[0, 0], data[0, 3]])
    with pytest.raises(CamkitError, match=r"n02_1\.png"):
        data.cache()
