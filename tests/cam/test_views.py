"""Test-time views, held against maps that are averaged by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from camkit import CAM, Localizer
from camkit.cam import AveragedMaps, Views, heads_of
from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.recipe import Recipe

SIZE = 16


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 5, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, 4),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("weighting", ["signed", "positive"])
def test_maps_are_the_mean_of_those_of_each_view(network, images, weighting):
    cam = CAM(network, (SIZE, SIZE))
    averaged = AveragedMaps(cam, Views.parse("flip,scales=0.5:1:1.5"), (SIZE, SIZE))
    prediction = averaged.predict(images)
    classes = torch.tensor([[1, 3], [0, 2]])
    found = prediction.class_maps(classes, weighting)
    by_hand = []
    for side in (8, 16, 24):
        shown = images if side == SIZE else F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        for flipped in (False, True):
            maps = cam.predict(shown.flip(3) if flipped else shown).class_maps(classes, weighting).maps
            by_hand.append(F.interpolate(maps.flip(3) if flipped else maps, (SIZE, SIZE), mode="bilinear"))
    torch.testing.assert_close(found.maps, torch.stack(by_hand).mean(0))
    assert found.classes.tolist() == classes.tolist()
    torch.testing.assert_close(prediction.logits, cam.predict(images).logits)
    torch.testing.assert_close(prediction.probabilities(), cam.predict(images).probabilities())


def test_classes_are_those_of_the_image_as_it_comes(network, images):
    cam = CAM(network, (SIZE, SIZE))
    averaged = AveragedMaps(cam, Views(scales=(0.5, 1.0)), (SIZE, SIZE))
    assert averaged.predict(images).class_maps().classes.tolist() == cam.predict(images).top(1).tolist()
    assert (averaged.completeness, averaged.map_size, averaged.num_classes) == (None, (SIZE, SIZE), 4)
    assert "no longer the logit's own" in averaged.notes[0]
    assert heads_of(averaged) == (cam.head,)


def test_flipped_views_give_a_flipped_image_the_flipped_map(network):
    pixels = np.random.default_rng(2).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    given = {"device": "cpu", "fit": "stretch", "input_spec": InputSpec((SIZE, SIZE))}
    localizer = Localizer(network, Recipe("signed"), views=Views(flip=True), **given)
    (one,), (other,) = localizer(pixels, labels=[1]), localizer(pixels[:, ::-1].copy(), labels=[1])
    np.testing.assert_allclose(one.map, other.map[:, ::-1], atol=1e-5)
    (plain,) = Localizer(network, Recipe("signed"), **given)(pixels, labels=[1])
    assert np.abs(plain.map - one.map).max() > 1e-3
    assert one.score == pytest.approx(plain.score)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write flip, scales="), ("turn", "write flip"), ("scales=1", "alone are none"), ("scales=", "write flip"),
        ("scales=0.5:2", "scale 1 is missing"), ("scales=1:1", "give each once"), ("scales=1:9", "from 0.1 to 4"),
        ("scales=1:-2", "write flip"), ("flip,scales=1:0", "from 0.1 to 4"),
    ],
)  # fmt: skip
def test_views_that_are_none(text, reason):
    with pytest.raises(CamkitError, match=reason) as raised:
        Views.parse(text)
    assert "\n" not in str(raised.value)


def test_views_are_written_as_they_are_read():
    for text in ("flip", "scales=0.75:1:1.25", "flip,scales=0.5:1"):
        assert str(Views.parse(text)) == text


def test_a_network_of_one_input_size_takes_flips_alone():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), _Square(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    cam = CAM(network.eval(), (SIZE, SIZE))
    images = torch.rand(1, 3, SIZE, SIZE)
    AveragedMaps(cam, Views(flip=True), (SIZE, SIZE)).predict(images)
    with pytest.raises(CamkitError, match=r"takes no input of 8x8 pixels, scale 0\.5 .*leave scales out"):
        AveragedMaps(cam, Views(scales=(1.0, 0.5)), (SIZE, SIZE)).predict(images)


class _Square(nn.Module):
    def forward(self, features):
        if features.shape[-1] != SIZE:
            raise RuntimeError("only 16")
        return features
