"""Images by a URI: the same as in the folder, here by file://, the one file system that needs no server."""

import pickle

import pytest
from commands import NAMES, call, make_place

from camkit import CamkitError, UnreadableImage
from camkit.data import find_images

pytest.importorskip("pyarrow", reason="needs the extra parquet")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = make_place(tmp_path_factory.mktemp("a place with 100% spaces"))
    (place / "photos/notes.txt").write_text("no image")
    (place / "photos/.hidden.png").write_text("hidden")
    (place / "photos/below.jpg").write_bytes(b"beside the folder")
    return place


def test_a_uri_is_searched_as_a_folder(place):
    by_path = find_images(place / "photos")
    by_uri = [pickle.loads(pickle.dumps(file)) for file in find_images((place / "photos").as_uri())]
    assert [file.name for file in by_uri] == [file.name for file in by_path]
    assert {file.name for file in by_uri} == {*NAMES, "below.jpg"}
    for far, near in zip(by_uri, by_path, strict=True):
        assert far.source() == near.path.read_bytes()
        assert far.shown == f"file://{near.path}"


def test_a_file_by_its_uri(place):
    (file,) = find_images((place / "photos/a.png").as_uri())
    assert (file.name, file.source()) == ("a.png", (place / "photos/a.png").read_bytes())
    with pytest.raises(CamkitError, match=r"notes.txt: images and folders of images are read there"):
        find_images((place / "photos/notes.txt").as_uri())


def test_what_is_not_there_is_told(place, tmp_path):
    (tmp_path / "gone.png").write_bytes(b"")
    (file,) = find_images((tmp_path / "gone.png").as_uri())
    (tmp_path / "gone.png").unlink()
    with pytest.raises(UnreadableImage, match=rf"cannot read 'file://{tmp_path}/gone.png'"):
        file.source()
    with pytest.raises(CamkitError, match="cannot be listed"):
        find_images((place / "nowhere").as_uri())
    with pytest.raises(CamkitError, match="nothing://x/: cannot be listed"):
        find_images("nothing://x")
    status, _, error = call(place, images="s3://bucket/photos")
    assert (status, "--images s3://bucket/photos: is read with --engine ray" in error) == (2, True), error
