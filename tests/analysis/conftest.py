"""Observations made by hand: features, weights and boxes that a test can count on its fingers."""

import numpy as np
import pytest
import torch
from small import Plain

from camkit import CAM
from camkit.analysis import Observation
from camkit.data import Record, View


@pytest.fixture(scope="session")
def head():
    """A head with plain average pooling."""
    return CAM(Plain().eval(), (32, 32)).head


@pytest.fixture
def seen(head):
    """Makes an observation whose map has a position for each pixel of the image."""

    def make(features, weight, boxes=(), label=0, image="a.png", **more):
        features = torch.as_tensor(features, dtype=torch.float32)
        size = features.shape[1:]
        return Observation(
            record=Record(image, bytes, label, np.array(boxes, float).reshape(-1, 4)),
            index=0,
            label=label,
            view=View(tuple(size), (0, 0, size[1], size[0])),
            features=features,
            weight=torch.as_tensor(weight, dtype=torch.float32),
            pooled=more.pop("pooled", features.mean((1, 2))),
            logits=torch.zeros(2),
            head=head,
            **more,
        )

    return make
