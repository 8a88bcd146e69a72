"""Kept features are those of a forward pass, computed once, in memory and on disk."""

import shutil
import tempfile
from collections import namedtuple

import numpy as np
import pytest
import torch
from small import Plain, perturb

from camkit.cam import CAM
from camkit.errors import CamkitError
from camkit.nn import ThresholdedAvgPool2d
from camkit.training.minmax.kept import KeptFeatures

IMAGES = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pool", [torch.nn.AdaptiveAvgPool2d(1), ThresholdedAvgPool2d(0.1)])
@pytest.mark.parametrize("memory", [1.0, 0.0])
def test_each_image_is_computed_once(memory, pool):
    torch.manual_seed(0)
    model = perturb(Plain())
    model.pool = pool
    cam, passed = CAM(model, (16, 16)), []
    expected = cam.features(IMAGES)
    model.register_forward_pre_hook(lambda _, args: passed.append(len(args[0])))
    kept = KeptFeatures(cam, 5, memory)
    for indices in ([0, 3], [3, 1, 1], [4, 0], []):
        found = kept.of(indices, IMAGES[indices])
        torch.testing.assert_close(found.features, expected.features[indices])
        torch.testing.assert_close(found.pooled, expected.pooled[indices])
    assert passed == [2, 2, 1]
    assert ("disk" in kept.where) == (memory == 0)


def test_the_file_has_no_name_that_could_be_left_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = KeptFeatures(CAM(perturb(Plain()), (16, 16)), 5, 0.0)
    assert isinstance(kept.maps, np.memmap)
    assert kept.maps.nbytes == 5 * 8 * 4 * 4 * 4
    assert not list(tmp_path.iterdir())
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10))
    with pytest.raises(CamkitError, match="set TMPDIR to a larger disk"):
        KeptFeatures(CAM(perturb(Plain()), (16, 16)), 5, 0.0)


def test_all_processes_of_a_machine_share_the_bound():
    cam = CAM(perturb(Plain()), (16, 16))
    gib = 5 * 8 * 4 * 4 * 4 / 2**30
    assert "memory" in KeptFeatures(cam, 5, gib * 2, processes=2).where
    assert "disk" in KeptFeatures(cam, 5, gib * 2, processes=3).where
