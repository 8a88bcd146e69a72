"""A batch that does not fit into memory is halved, and that is said."""

import numpy as np
import pytest
import torch
from small import Plain, perturb

from camkit import CamkitError, Localizer
from camkit.runs.facts import source_lines


class Greedy(Plain):
    """Has memory for so many images at a time."""

    most = 3

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().forward(x)


def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (32, 32 + 16 * (number % 2), 3), np.uint8) for number in range(20)]


def found(model, batch_size):
    localizer = Localizer(perturb(model), batch_size=batch_size, device="cpu", fit="keep", optimize=False)
    rows = [(one.image, one.label, round(one.score, 4), one.box) for one in localizer(images())]
    return rows, localizer.inference


def test_halves_have_the_results_of_the_whole_in_their_order():
    torch.manual_seed(0)
    model = Greedy()
    cut, inference = found(model, 20)  # ten of each shape: 10, 5, 2
    assert inference.most == 2
    (note,) = source_lines(inference)
    assert note.startswith(
        "note: out of memory: batches were cut to 2 images, which may move last digits; --batch-size 2"
    )
    model.most = 100
    whole, inference = found(model, 20)
    assert (inference.most, source_lines(inference)) == (None, [])
    assert cut == whole


def test_a_single_image_that_does_not_fit_ends_it_in_one_line():
    torch.manual_seed(0)
    model = perturb(Greedy())
    localizer = Localizer(model, device="cpu", fit="keep", optimize=False)
    model.most = 0
    with pytest.raises(CamkitError, match="out of memory with 1 images at a time"):
        localizer(images()[:3])
