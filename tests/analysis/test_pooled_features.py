"""Dispersion, intensity and masking on networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from camkit import CamkitError
from camkit.analysis import Requirements, dispersion, intensity, masking, observe
from camkit.analysis.dispersion import distances_to_centre
from camkit.data import read_dataset
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier


class Proportional(nn.Module):
    """A 1x1 convolution without bias, ReLU, average pooling: features in proportion to the input, pixel by pixel."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.fc = nn.Conv2d(3, 6, 1, bias=False), nn.Linear(6, 3, bias=False)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def inference():
    spec = InputSpec(size=(32, 32), resize=32, mean=(0, 0, 0), std=(1, 1, 1))
    return Inference(Classifier(Proportional().eval(), "proportional", spec, None, "seed 1"), "cpu", "fp32")


@pytest.fixture(scope="module")
def shapes():
    return read_dataset("shapes", "n=6,size=32,classes=3", "val")


def vector(*numbers):
    return torch.tensor(numbers, dtype=torch.float32)


def test_dispersion_by_hand(seen):
    """Two unit vectors at a right angle lie sqrt(1/2) from their mean; two of one direction lie on it."""
    wide = [vector(3, 0), vector(0, 0.2)]
    close = [vector(1, 0), vector(7, 0)]
    images = [seen(np.ones((2, 2, 2)), [1, 1], pooled=f_o, masked=f) for f_o, f in zip(wide, close, strict=True)]
    found = dispersion(images)
    assert found.table["image"].tolist() == [image.record.image for image in images]
    assert found.table["distance_image"].tolist() == pytest.approx([0.5**0.5] * 2)
    assert found.table["distance_object"].tolist() == pytest.approx([0, 0])
    assert found.summary["image"].value == pytest.approx(0.5**0.5)
    assert found.summary["difference"].value == pytest.approx(-(0.5**0.5))
    assert found.summary["classes_closer"].value == 1
    assert found.notes == ()


def test_a_class_with_one_image_counts_in_no_figure(seen):
    images = [
        seen(np.ones((2, 2, 2)), [1, 1], label=label, pooled=f, masked=f)
        for label, f in ((0, vector(1, 0)), (0, vector(0, 1)), (5, vector(1, 1)))
    ]
    found = dispersion(images)
    assert found.summary["image"].n == 2
    assert found.summary["classes_of_one_image"] == 1
    assert found.notes[0].startswith("1 classes have a single image")
    alone = dispersion(images[2:])
    assert "image" not in alone.summary
    assert alone.plot().figure.axes[1:]


def test_mean_square_distance_is_one_minus_the_centres_square():
    vectors = np.random.default_rng(0).normal(size=(40, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    squares = distances_to_centre(vectors, np.zeros(40, int)) ** 2
    assert squares.mean() == pytest.approx(1 - np.linalg.norm(vectors.mean(0)) ** 2)
    labels = np.arange(40) % 2
    slow = [np.linalg.norm(v - vectors[labels == label].mean(0)) for v, label in zip(vectors, labels, strict=True)]
    assert distances_to_centre(vectors, labels) == pytest.approx(slow)


def test_a_network_in_proportion_answers_in_proportion(inference, shapes):
    intensities = (0.25, 0.5, 1.5)
    images = list(observe(inference, shapes, Requirements(intensities=intensities)))
    found = intensity(images, intensities)
    for a in intensities:
        its = found.summary[str(a)]
        assert its["distance"].value == pytest.approx(abs(1 - a), abs=1e-5)
        assert its["cosine"].value == pytest.approx(1)
        assert its["length"].value == pytest.approx(a)
        logits = [(a - 1) * float(image.logits[image.label]) for image in images]
        assert its["logit"].value == pytest.approx(np.mean(logits), rel=1e-4)
    pooled = [image.pooled.numpy() for image in images]
    apart = np.mean([((f - g) ** 2).sum() for f in pooled for g in pooled])
    slow = np.sqrt(apart / np.mean([(f**2).sum() for f in pooled]))
    assert found.summary["between_images"] == pytest.approx(slow, rel=1e-4)


def test_where_each_position_sees_itself_alone_both_masks_are_one(inference, shapes):
    """A pixelwise network in proportion: B(I * H) is B(I) * H, for maps at the input's size."""
    images = list(observe(inference, shapes, Requirements(masked=True)))
    found = masking(images)
    assert found.summary["between"].value == pytest.approx(1)
    table = found.table
    for measure in ("distance", "cosine", "logit"):
        assert table[f"{measure}_image"].to_numpy() == pytest.approx(table[f"{measure}_features"].to_numpy(), abs=1e-4)
    image = images[0]
    f = (image.features * image.soft_mask()).mean((1, 2))
    change = (f - image.pooled).norm() / image.pooled.norm()
    assert table["distance_features"][0] == pytest.approx(float(change), abs=1e-6)
    assert table["logit_features"][0] == pytest.approx(float(image.weight @ (f - image.pooled)), abs=1e-6)
    assert found.summary["cosine_difference"].value == pytest.approx(
        (table["cosine_features"] - table["cosine_image"]).mean()
    )


def test_a_pass_that_was_not_taken_is_asked_for(inference, shapes, seen):
    bare = [seen(np.ones((2, 2, 2)), [1, 1])]
    for analysis in (dispersion, masking, intensity):
        with pytest.raises(CamkitError, match=r"observe with Requirements\("):
            analysis(bare)
    for wrong in ((), (1.0,), (-0.5,), (float("nan"),)):
        with pytest.raises(CamkitError, match="intensities"):
            intensity(bare, wrong)
