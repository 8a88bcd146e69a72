"""Threads that read: small images beside one another, large ones one after the other."""

import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

from camkit.data import Batch, ImageDataset, Preprocess, find_images, images, large, preprocess, read_batches
from camkit.input_spec import InputSpec


@pytest.fixture
def files(tmp_path):
    for number in range(4):
        file = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 255, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(file, "JPEG")
        (tmp_path / f"{number}.jpg").write_bytes(file.getvalue())
    return list(find_images(tmp_path))


@pytest.mark.parametrize(("beside", "most"), [(600, 4), (599, 1)])
def test_large_images_are_decoded_and_fitted_alone(files, monkeypatch, beside, most):
    monkeypatch.setattr(large, "BESIDE", beside)
    monkeypatch.setattr("camkit.data.readers.THREADS", 4)
    together, lock, now, seen = threading.Barrier(most), threading.Lock(), set(), []

    def watched(made):
        def work(*args, **kwargs):
            together.wait(60)  # of four small images, all are in here at a time; a large one would wait for ever
            with lock:
                now.add(threading.get_ident())
                seen.append(len(now))
            time.sleep(0.05)
            found = made(*args, **kwargs)
            with lock:
                now.discard(threading.get_ident())
            return found

        return work

    monkeypatch.setattr(images, "decode_jpeg", watched(images.decode_jpeg))
    monkeypatch.setattr(preprocess.F, "resize", watched(preprocess.F.resize))
    data = ImageDataset(files, Preprocess(InputSpec((8, 8), 8)))
    (((batch,), failures),) = read_batches(data, [[0, 1, 2, 3]], 0, [])
    assert isinstance(batch, Batch)
    assert ([sample.index for sample in batch.samples], failures, len(seen)) == ([0, 1, 2, 3], [], 8)
    assert most > 1 or max(seen) == 1
