"""What a classifier beside the model says: of each image in its place, though a reader dies."""

import os
import signal
from dataclasses import replace

import torch
from processes import small_classifier
from torch.utils.data import get_worker_info

from camkit.data import read_dataset
from camkit.evaluation.predicted_classes import UNSEEN, class_predictions
from camkit.localization import Failure


def deadly():
    if get_worker_info() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return b""


def test_an_image_that_kills_its_reader_is_the_one_that_was_not_seen():
    classifier, images = small_classifier(), read_dataset("shapes", "n=5,size=32,classes=3", "val")
    expected = list(class_predictions(classifier, images, batch_size=2, device="cpu"))
    assert not any(isinstance(one, Failure) for one in expected)
    images.records[2] = replace(images.records[2], read=deadly)
    deaths = []
    said = list(class_predictions(classifier, images, batch_size=2, workers=1, device="cpu", deaths=deaths))
    assert said[2] == Failure(images.records[2].image, UNSEEN)
    assert len(deaths) == 1
    for one in (0, 1, 3, 4):
        assert torch.equal(said[one], expected[one])
