"""What reading in other processes leads to: deaths, images without memory, and damaged ones that are counted."""

import csv
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from attending import SIZE, ViT
from PIL import Image
from torch import nn

from camkit.data import FilledImages, ImageDataset, Preprocess, Record, RecordDataset, find_images
from camkit.errors import is_out_of_memory, killed_reader
from camkit.inference import Inference, as_classifier
from camkit.input_spec import InputSpec
from camkit.threads import in_order

SPEC = InputSpec(size=(16, 16))


@pytest.fixture
def inference():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    return Inference(as_classifier(model, SPEC, None), "cpu", "fp32")


def test_a_class_token_of_one_size_is_shown_stretched_images():
    """Its head is found anew at each size, and fails where the network does."""
    made = Inference(as_classifier(ViT().eval(), InputSpec(size=SIZE), None), "cpu", "fp32")
    assert (made.fits, made.default_fit) == (("stretch", "crop"), "stretch")


def test_a_network_of_any_size_keeps_the_images_shape(inference):
    assert inference.default_fit == "keep"


def jpeg():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


NETWORK = """
import os, signal
import camkit.data.dataset as dataset
from torch import nn

read = dataset.load_image

def load_image(path, *settings, **more):
    if path.name == "07.jpg":  # as the system ends a process that takes too much memory
        os.kill(os.getpid(), signal.SIGKILL)
    return read(path, *settings, **more)

dataset.load_image = load_image

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="readers must be forked, to die as they are told")
def test_a_reader_that_dies_is_replaced_and_the_image_that_kills_it_is_a_failure(tmp_path):
    (tmp_path / "network.py").write_text(NETWORK)
    (tmp_path / "photos").mkdir()
    for index in range(12):
        (tmp_path / "photos" / f"{index:02}.jpg").write_bytes(jpeg())
    command = [sys.executable, "-m", "camkit", "localize", "--model", f"{tmp_path}/network.py:build",
               "--weights", "none", "--images", tmp_path / "photos", "--out", tmp_path / "out", "--workers", "2",
               "--batch-size", "2", "--size", "32", "--no-overlays", "--device", "cpu"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert re.search(r"note: a process that reads images has died.*DataLoader worker.*It was replaced", done.stdout)
    (failure,) = csv.DictReader((tmp_path / "out/failures.csv").open())
    assert failure["image"] == "07.jpg"
    assert failure["reason"].startswith("the process that reads it dies of it")
    boxes = [row["image"] for row in csv.DictReader((tmp_path / "out/boxes.csv").open())]
    assert boxes == [f"{index:02}.jpg" for index in range(12) if index != 7]


def test_the_death_of_a_reader_is_known_by_what_torch_says_of_it():
    dead = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    assert "a process that reads images has died" in str(killed_reader(dead))
    assert killed_reader(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert killed_reader(ValueError("DataLoader worker (pid 7)")) is None
    shared = "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are "
    assert "--workers 0" in str(killed_reader(RuntimeError(shared + "out of shared memory.")))


def test_memory_that_is_used_up_is_known_whoever_says_it():
    for make in (
        lambda: np.ones(1 << 58, np.uint8),
        lambda: torch.ones(1 << 58, dtype=torch.uint8),
        lambda: bytearray(1 << 60),
    ):
        with pytest.raises((MemoryError, RuntimeError)) as error:
            make()
        assert is_out_of_memory(error.value)
    assert not is_out_of_memory(RuntimeError("sizes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("ahead", [True, False])
def test_an_image_without_memory_for_its_maps_fails_alone(inference, ahead):
    records = [Record(f"{index}.jpg", jpeg) for index in range(4)]
    images = RecordDataset(records, Preprocess(SPEC))

    def start(batch):
        def work(index):
            return torch.ones(1 << 58, dtype=torch.uint8) if index == 2 else index

        return [lambda index=sample.index: work(index) for sample in batch.samples]

    results = list(in_order(inference.batches(images, 3, 0), start, lambda sample: sample.error, ahead=ahead))
    assert results[:2] + results[3:] == [0, 1, 3]
    assert "32 x 24 pixels" in results[2]
    with pytest.raises(RuntimeError, match="another"):
        list(
            in_order(
                inference.batches(images, 3, 0),
                lambda batch: [_another for _ in batch.samples],
                lambda sample: sample.error,
                ahead=ahead,
            )
        )


def _another():
    raise RuntimeError("another error")


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_images_that_are_filled_are_counted(inference, workers, tmp_path):
    for index in range(5):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg()[: -40 if index in (1, 3) else None])
    files = find_images(tmp_path)
    strict = ImageDataset(files, Preprocess(SPEC))
    failures = [failure.name for _, failures in inference.batches(strict, 2, workers) for failure in failures]
    assert failures == ["1.jpg", "3.jpg"]
    filled = FilledImages()
    lenient = ImageDataset(files, Preprocess(SPEC), filled=filled)
    assert filled.names() == []
    seen = list(inference.batches(lenient, 2, workers))
    assert sum(len(batch.samples) for batches, _ in seen for batch in batches) == 5
    assert filled.names() == ["1.jpg", "3.jpg"]
