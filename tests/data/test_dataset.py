import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from camkit.data import ImageDataset, Preprocess, Record, RecordDataset, collate, find_images, quiet_worker, read_image
from camkit.data.sources import FileBytes, source
from camkit.input_spec import InputSpec


@pytest.fixture
def files(tmp_path):
    for index, size in enumerate([(40, 20), (20, 40), (40, 20), (21, 20), (20, 40), (40, 20)]):
        Image.new("RGB", size, (40 * index, 0, 0)).save(tmp_path / f"{index}.png")
    (tmp_path / "3a.jpg").write_text("no photograph")
    Image.new("RGB", (1, 300)).save(tmp_path / "9.png")
    return find_images(tmp_path)


@pytest.mark.parametrize(("workers", "context"), [(0, None), (2, "fork"), (1, "spawn")])
def test_failures_cost_nothing_else_and_equal_shapes_travel_together(files, workers, context):
    preprocess = Preprocess(InputSpec(size=(16, 16)), "keep")
    dataset = ImageDataset(files, preprocess, keep_image=True)
    loader = DataLoader(dataset, 8, num_workers=workers, multiprocessing_context=context, collate_fn=collate)
    [(batches, failures)] = list(loader)
    names = [[sample.name for sample in batch.samples] for batch in batches]
    assert names == [["0.png", "2.png", "5.png"], ["1.png", "4.png"], ["3.png"]]
    assert [batch.input.shape for batch in batches] == [(3, 3, 16, 32), (2, 3, 32, 16), (1, 3, 16, 16)]
    assert [failure.name for failure in failures] == ["3a.jpg", "9.png"]
    assert ["JPEG" in failures[0].error, "--fit stretch" in failures[1].error] == [True, True]
    for batch in batches:
        for row, sample in zip(batch.input, batch.samples, strict=True):
            image = read_image(files[sample.index].path)
            expected, view = preprocess(image)
            assert torch.equal(row, expected)
            assert torch.equal(sample.image, image)
            assert (sample.view, sample.input, sample.error) == (view, None, None)


def test_limits_and_defaults(files):
    dataset = ImageDataset(files, Preprocess(InputSpec(size=(16, 16))), max_pixels=500)
    samples = [dataset[index] for index in range(len(dataset))]
    assert [sample.index for sample in samples] == list(range(8))
    assert [sample.error is None for sample in samples] == [False, False, False, True, False, False, False, True]
    assert "--max-pixels 800" in samples[0].error
    assert samples[3].image is None
    assert collate([]) == ([], [])


def test_an_error_that_nobody_foresaw_is_a_failure_too(files):
    def no_memory(image):
        raise MemoryError("cannot\nallocate")

    sample = ImageDataset(files, no_memory)[0]
    assert sample.error == "not enough memory for it; leave it out, or lower --max-pixels"

    def unforeseen(image):
        raise KeyError("a\nb")

    assert ImageDataset(files, unforeseen)[0].error == r"KeyError: 'a\nb'"


@pytest.mark.parametrize(("workers", "context"), [(0, None), (2, "fork"), (1, "spawn")])
def test_records_are_read_as_files_are_and_travel_to_workers(tmp_path, workers, context):
    with zipfile.ZipFile(tmp_path / "val.zip", "w") as archive:
        for index in range(6):
            Image.new("RGB", (20, 10), (40 * index, 0, 0)).save(tmp_path / f"{index}.png")
            archive.write(tmp_path / f"{index}.png", f"{index}.png")
    zipped = source(tmp_path / "val")
    whole, outside = np.array([[0.0, 0, 20, 10]]), np.array([[0.0, 0, 20, 10], [5, 5, 22, 6]])
    records = [
        Record("0", zipped.reader("0.png"), 3, whole, (10, 20)),
        Record("1", FileBytes(str(tmp_path / "1.png")), 3, whole),
        Record("2", zipped.reader("2.png"), 3, outside),
        Record("3", zipped.reader("3.png"), 3, whole, (20, 10)),
        Record("4", FileBytes(str(tmp_path / "gone.png"))),
        Record("5", zipped.reader("5.png")),
    ]
    preprocess = Preprocess(InputSpec(size=(16, 16)))
    dataset = RecordDataset(records, preprocess)
    loader = DataLoader(dataset, 6, num_workers=workers, multiprocessing_context=context, collate_fn=collate)
    [([batch], failures)] = list(loader)
    assert [(sample.index, sample.name) for sample in batch.samples] == [(0, "0"), (1, "1"), (5, "5")]
    for row, sample in zip(batch.input, batch.samples, strict=True):
        assert torch.equal(row, preprocess(read_image(tmp_path / f"{sample.name}.png"))[0])
    assert [failure.error for failure in failures] == [
        "'2': the box from 5, 5 to 22, 6 (half open) reaches outside the image of 20 x 10 pixels; "
        "mend the box, or the image is another one",
        "'3' has 20 x 10 pixels, and its annotation speaks of 10 x 20",
        f"cannot read '{tmp_path / 'gone.png'}': No such file or directory; check the path and its rights",
    ]


def test_records_show_stored_pixels_unless_upright_is_asked_for(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # shown turned by 90 degrees
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    record = Record("a.jpg", FileBytes(str(tmp_path / "a.jpg")))
    preprocess = Preprocess(InputSpec(size=(16, 16)))
    assert RecordDataset([record], preprocess)[0].view.size == (10, 20)
    assert RecordDataset([record], preprocess, upright=True)[0].view.size == (20, 10)


def test_a_closed_connection_is_no_news_of_a_reader(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    quiet_worker(0)
    for error in (ConnectionResetError("gone"), EOFError(), BrokenPipeError()):
        sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == ""
    sys.excepthook(ValueError, ValueError("a bug"), None)
    assert "a bug" in capsys.readouterr().err
