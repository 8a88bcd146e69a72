import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from camkit.data import ImageDataset, Preprocess, collate, find_images, read_image
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
    assert sample.error == "MemoryError: cannot allocate"
