"""The pipeline: a drawn square is found where it is, whatever the fit, the batch size, the workers."""

import numpy as np
import pytest
import torch
from PIL import Image
from small import Plain, perturb
from torch import nn

from camkit import CamkitError, Localizer, MaxThreshold, Recipe, UnreadableImage
from camkit.data import View, find_images
from camkit.figures.overlay import picture_size
from camkit.input_spec import InputSpec
from camkit.localization import Failure, Localization

SPEC = InputSpec((32, 32), 40, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class Redness(nn.Module):
    """Class 0 is red, class 1 is blue: every pixel a position, so that a box is known beforehand."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        self.features.weight.data = torch.eye(3).reshape(3, 3, 1, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, 2, bias=False)
        self.fc.weight.data = torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]])

    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))


def picture(box, size=(64, 96), colour=(255, 0, 0)):
    image = np.zeros((*size, 3), np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = colour
    return image


def localizer(**options):
    options = {
        "recipe": Recipe("positive", MaxThreshold(0.5)),
        "input_spec": SPEC,
        "class_names": ("red", "blue"),
    } | options
    return Localizer(Redness().eval(), **options)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(9):
        noise = rng.integers(0, 255, (20 + 5 * i, 33, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    return tmp_path


class OneSize(Redness):
    def forward(self, x):
        torch._assert(x.shape[2:] == (32, 32), "one size")
        return super().forward(x)


def test_sides_are_kept_in_proportion_where_the_network_takes_that():
    wide = picture((24, 16, 60, 40))
    for network, fit in ((Redness(), "keep"), (OneSize(), "stretch")):
        by_default = Localizer(network.eval(), "cam", input_spec=SPEC)
        assert by_default.preprocess.fit == fit
        assert by_default.inference.seconds == 0  # the question is not counted among the images
        (found,), (same,) = by_default(wide), Localizer(network, "cam", input_spec=SPEC, fit=fit)(wide)
        assert found.box == same.box
    with pytest.raises(CamkitError, match="AssertionError one size"):
        Localizer(OneSize().eval(), "cam", input_spec=SPEC, fit="keep")(wide)


@pytest.mark.parametrize("fit", ["stretch", "keep"])
def test_a_red_square_is_found(fit):
    (found,) = localizer(fit=fit)(picture((24, 16, 60, 40)))
    assert (found.name, found.rank, found.size) == ("red", 1, (64, 96))
    assert np.abs(np.array(found.box) - (24, 16, 60, 40)).max() <= 2  # half an input pixel is 1 to 1.5 of the image's
    assert found.map.shape == (64, 96)
    assert found.map.max() == 1.0


def test_a_crop_shows_its_own_part_and_boxes_come_back():
    """64x96, short side to 40, crop 32: the window is x 22.4..73.6, y 6.4..57.6. The square reaches out on the left."""
    (found,) = localizer(fit="crop")(picture((0, 16, 60, 40)))
    assert found.view.window == pytest.approx((22.4, 6.4, 73.6, 57.6), abs=1.0)
    assert found.box[0] == round(found.view.window[0])
    assert np.abs(np.array(found.box[1:]) - (16, 60, 40)).max() <= 2
    outside = found.map.copy()
    outside[6:58, 22:74] = 0
    assert outside.max() == 0


def test_a_class_by_label_and_the_score_is_its_probability():
    image = picture((24, 16, 60, 40))
    image[50:60, 4:20] = (0, 0, 255)
    (red,), (blue,) = localizer()(image), localizer()(image, labels=[1])
    assert blue.name == "blue"
    assert np.abs(np.array(blue.box) - (4, 50, 20, 60)).max() <= 2
    assert red.score + blue.score == pytest.approx(1)
    both = localizer(topk=2)(image)
    assert [(f.label, f.rank, f.box) for f in both] == [(0, 1, red.box), (1, 2, blue.box)]


def test_the_same_boxes_whatever_the_batch_size_and_workers(folder):
    torch.manual_seed(0)
    model = perturb(Plain())
    files = find_images(folder)

    def boxes(**options):
        pipeline = Localizer(model, input_spec=SPEC, **options)
        return [(f.image, f.box, f.label) for found in pipeline.stream(files) for f in found]

    expected = boxes(batch_size=1)
    assert [image for image, *_ in expected] == [file.name for file in files]
    for options in ({"batch_size": 2}, {"batch_size": 7}, {"batch_size": 32}, {"batch_size": 4, "workers": 2}):
        assert boxes(**options) == expected
    kept = boxes(fit="keep", batch_size=4)
    assert [image for image, *_ in kept] == [file.name for file in files]
    assert boxes(fit="keep", batch_size=1) == kept


def test_one_broken_file_loses_nothing_else(folder):
    (folder / "4.png").write_bytes(b"no picture")
    results = list(localizer(batch_size=4).stream(find_images(folder)))
    assert [isinstance(result, Failure) for result in results] == [i == 4 for i in range(9)]
    assert results[4].image == "4.png"
    found = list(localizer(batch_size=4)(folder))
    assert [one.image for one in found] == [f"{i}.png" for i in range(9)]
    assert [one.error is None for one in found] == [i != 4 for i in range(9)]
    assert (found[4].box, found[4].name, found[4].error) == (None, None, results[4].reason)


def test_a_missing_label_is_a_failure_of_that_image(folder):
    files = find_images(folder)
    results = list(localizer().stream(files, {file.name: 1 for file in files[1:]}))
    assert isinstance(results[0], Failure)
    assert all(found[0].label == 1 for found in results[1:])


def test_nan_is_a_failure_with_a_reason():
    model = Redness().eval()
    pipeline = Localizer(model, input_spec=SPEC)
    model.fc.weight.data[:] = float("nan")
    pipeline.inference.cam.head.weight[:] = float("nan")
    with pytest.raises(UnreadableImage, match="NaN"):
        pipeline(picture((1, 1, 9, 9)))


def test_a_constant_image_has_an_empty_box():
    (found,) = localizer()(np.full((20, 30, 3), 7, np.uint8))
    assert found.box == (0, 0, 0, 0)
    assert found.overlay().shape[2] == 30 * 9  # pixels as squares, so that there is room for words


def test_pictures():
    (found,) = localizer()(picture((24, 16, 60, 40), size=(160, 120)))
    assert found._repr_png_().startswith(b"\x89PNG")
    ax = found.plot()
    assert ax.get_title() == found.title
    (box,) = ax.patches
    assert (box.get_x(), box.get_y(), box.get_width()) == (found.box[0], found.box[1], found.box[2] - found.box[0])
    drawn = found.overlay()
    times = 2
    assert drawn.shape[2] == 256 > 120 * times
    x0, y0, x1, y1 = (times * edge for edge in found.box)
    yellow = (drawn == torch.tensor([255, 214, 10])[:, None, None]).all(0)
    rows, columns = (torch.nonzero(yellow.any(axis)).flatten() for axis in (1, 0))
    assert (columns.min(), columns.max() + 1) == (x0 + 8, x1 + 8)  # in the middle of the canvas
    assert rows.max() + 1 - rows.min() == y1 - y0


@pytest.mark.parametrize(
    "options",
    [
        {"topk": 0},
        {"batch_size": 0},
        {"workers": -1},
        {"precision": "fp8"},
        {"device": "warp"},
        {"class_names": ["one"]},
        {"fit": "pad"},
    ],
)
def test_wrong_settings_are_refused_in_one_line(options):
    with pytest.raises(CamkitError) as refusal:
        localizer(**options)
    assert "\n" not in str(refusal.value)


def test_an_image_of_the_wrong_kind_is_refused():
    for image in (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), torch.zeros(4, 4)):
        with pytest.raises(CamkitError):
            localizer()(image)
    (grey,) = localizer()(np.zeros((4, 5), np.uint8))
    assert grey.size == (4, 5)


def test_bf16_moves_boxes_by_little(folder):
    torch.manual_seed(0)
    model = perturb(Plain())
    full, half = (Localizer(model, "cam", input_spec=SPEC, precision=p)(folder) for p in ("fp32", "bf16"))
    for a, b in zip(full, half, strict=True):
        spread = a.class_map.max() - a.class_map.min()
        if a.label == b.label:
            assert (a.class_map - b.class_map).abs().max() < 0.02 * max(spread, a.class_map.abs().max())


def test_two_files_of_one_name_keep_their_own_labels(tmp_path):
    """A red and a blue square in each picture; each list of labels asks for one of them by position."""
    image = picture((24, 16, 60, 40))
    image[50:60, 4:20] = (0, 0, 255)
    paths = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "a.png")
        Image.fromarray(image).save(paths[-1])
    (red,), (blue,) = (localizer()(image, labels=[label]) for label in (0, 1))
    for labels in ([0, 1, 0], [1, 0, 0], [1, 1, 0]):
        found = list(localizer(batch_size=2)(paths, labels=labels))
        assert [one.label for one in found] == labels
        assert [one.box for one in found] == [(red, blue)[label].box for label in labels]


def test_a_large_image_is_drawn_smaller():
    """Six million pixels become at most four; the box is where it was, and a small image is drawn as it is."""
    for height, width in ((3000, 2000), (300, 200)):
        view = View((height, width), (0, 0, width, height))
        found = Localization(
            "a", view.size, (width // 4, height // 4, width // 2, height // 2), 0, "n", 0.5, 1, 0.3,
            torch.zeros(3, 2), view, Recipe(), torch.zeros(3, height, width, dtype=torch.uint8),
        )  # fmt: skip
        h, w = picture_size((height, width))  # of the image; title and bar come on top
        assert h * w <= 4_000_000
        assert (h, w) == (height, width) if height * width <= 4_000_000 else abs(w / h - width / height) < 0.001
        picture = found.overlay().numpy()
        assert picture.shape[2] == max(w, 256)
        yellow = np.argwhere((picture[0] == 0xFF) & (picture[1] == 0xD6) & (picture[2] == 0x0A))
        (top, left), (bottom, right) = yellow.min(0), yellow.max(0) + 1
        x0 = (picture.shape[2] - w) // 2
        y0 = int((picture[:, :, x0 : x0 + w] < 255).any(0).all(1).argmax())  # the title above has white in each row
        corners = np.array([(left - x0) / w, (top - y0) / h, (right - x0) / w, (bottom - y0) / h])
        assert np.abs(corners - [0.25, 0.25, 0.5, 0.5]).max() < 0.002
        assert found.map.shape == (height, width)


def test_files_stream_and_images_in_memory_are_answered_at_once(folder):
    """A folder, a glob, a file, or a list with one among images: an iterator, of as many results as images."""
    pipeline = localizer(batch_size=2)
    for spec in (folder, str(folder), f"{folder}/*.png", folder / "1.png", sorted(folder.iterdir())):
        found = pipeline(spec)
        assert iter(found) is found
        assert next(found).error is None
    mixed = list(pipeline([folder / "2.png", picture((1, 1, 9, 9)), str(folder / "3.png")]))
    assert [one.image for one in mixed] == ["2.png", "image 1", "3.png"]
    assert isinstance(pipeline([picture((1, 1, 9, 9))]), list)


def test_a_stream_reads_no_further_than_it_is_asked(folder):
    """Of files that are taken away behind its back, those that were read in time have a result."""
    found = localizer(batch_size=1)(folder)
    assert next(found).image == "0.png"
    for file in folder.iterdir():
        file.unlink()
    rest = list(found)
    assert len(rest) == 8
    assert sum(one.error is not None for one in rest) >= 6  # at most two batches are on their way


def test_what_is_wrong_with_a_call_is_said_at_the_call(folder):
    for images, labels in ((folder / "nothing", None), (folder, [0] * 8), (["nothing.png"], None)):
        with pytest.raises(CamkitError):
            localizer()(images, labels)


def test_pixels_are_kept_when_they_are_asked_for(folder):
    pipeline = localizer()
    assert all(one.pixels is None for one in pipeline(folder))
    kept = list(pipeline(folder, keep_image=True))
    assert all(one.pixels.shape == (3, *one.size) for one in kept)
    (given,) = pipeline(picture((1, 1, 9, 9)))
    assert given.pixels is not None
    (bare,) = pipeline(folder / "3.png")
    assert bare.overlay().shape == kept[3].overlay().shape  # the map alone
    assert bare._repr_png_() != kept[3]._repr_png_()
    assert bare.plot().get_title() == bare.title


def test_several_recipes_from_one_pass_are_those_one_by_one(folder):
    recipes = {name: Recipe.named(name) for name in ("cam", "nwc", "positive+max", "signed+ivr")}
    together = list(localizer(batch_size=4).compare(folder, recipes, labels=[0, 1] * 4 + [0]))
    assert len(together) == 9
    for name, recipe in recipes.items():
        alone = localizer(recipe=recipe, batch_size=4)(folder, labels=[0, 1] * 4 + [0])
        assert [(one.image, one.label, one.box, one.tau) for one in alone] == [
            (of[name].image, of[name].label, of[name].box, of[name].tau) for of in together
        ]
    (folder / "4.png").write_bytes(b"no picture")
    again = list(localizer(batch_size=4).compare(folder, recipes))
    assert [isinstance(one, Failure) for one in again] == [i == 4 for i in range(9)]
    with pytest.raises(CamkitError, match="labels"):
        localizer().compare(folder, recipes, labels=[1])


def test_results_are_one_line_each(folder):
    (found,) = localizer(class_names=["red\n" * 50, "blue"])(picture((24, 16, 60, 40)))
    assert len(repr([found, found]).splitlines()) == 1
    assert len(repr(found)) < 300
    assert str(found.box) in repr(found)
    (folder / "4.png").write_bytes(b"no picture")
    assert len(repr(list(localizer()(folder))).splitlines()) == 1
