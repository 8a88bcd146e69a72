"""Names of pictures: one each, whatever the other images are called."""

import pytest
from commands import call, make_place
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from camkit.output.pictures import picture_name

parts = st.sampled_from(["a", ".", ".png", ".PNG", ".jpg", ".JPG", ".image", ".1", ".2", "/", "b"])
names = st.lists(parts, min_size=1, max_size=6).map("".join)


@pytest.mark.parametrize(
    ("image", "picture"),
    [
        ("camera.png", "camera.png"),
        ("below/camera.png", "below/camera.png"),
        ("camera.jpg", "camera.jpg.png"),
        ("camera.PNG", "camera.PNG.png"),
        ("camera.jpg.png", "camera.jpg.png.png"),
        ("camera", "camera.image.png"),
        ("camera.image.png", "camera.image.png.png"),
        ("v1.5.png", "v1.5.png"),
    ],
)
def test_names_by_hand(image, picture):
    assert picture_name(image) == picture
    assert picture_name(image, 3) == picture.removesuffix("png") + "3.png"


@given(names, names, st.none() | st.integers(1, 3), st.integers(1, 3))
def test_two_images_have_two_pictures(first, second, rank, other):
    if first != second:
        assert picture_name(first, rank) != picture_name(second, rank)
        assert rank is None or picture_name(first, rank) != picture_name(second, other)


def test_images_that_differ_in_their_suffix_alone(tmp_path):
    place = make_place(tmp_path)
    for name in ("a.jpg", "a.jpg.png", "a.PNG"):
        Image.new("RGB", (30, 20), "red").save(place / "photos" / name)
    assert call(place)[0] == 0
    drawn = {path.name for path in (place / "out/overlays").glob("a*")}
    assert drawn == {"a.png", "a.jpg.png", "a.jpg.png.png", "a.PNG.png"}


@given(names, names, st.none() | st.integers(1, 3), st.integers(1, 3))
def test_two_images_have_two_pictures_as_jpeg_too(first, second, rank, other):
    if first != second:
        one, two = (picture_name(name, rank, ".jpg") for name in (first, second))
        assert one != two
        assert rank is None or one != picture_name(second, other, ".jpg")


def test_names_of_jpegs_by_hand():
    pairs = {
        "a.jpg": "a.jpg",
        "a.png": "a.png.jpg",
        "a.JPG": "a.JPG.jpg",
        "a": "a.image.jpg",
        "a.png.jpg": "a.png.jpg.jpg",
    }
    assert {name: picture_name(name, ending=".jpg") for name in pairs} == pairs
    assert picture_name("a.jpg", 2, ".jpg") == "a.2.jpg"


def test_overlays_as_jpeg_at_screen_size(tmp_path):
    place = make_place(tmp_path)
    Image.new("RGB", (900, 600), "red").save(place / "photos" / "wide.png")
    assert call(place, "--overlay-format", "jpeg", "--overlay-side", "300")[0] == 0
    drawn = place / "out/overlays"
    assert not list(drawn.glob("*.png"))
    with Image.open(drawn / "wide.png.jpg") as picture:
        assert picture.format == "JPEG"
        assert picture.width == 300
        assert 200 < picture.height < 300
    status, _, said = call(place, "--overlay-format", "png", "--resume")
    assert status != 0
    assert "overlay_format" in said
