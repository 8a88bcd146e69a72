"""Images by a URI: the same as in the folder, by file:// and from an S3 server on this computer."""

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


@pytest.fixture(scope="module")
def endpoint():
    """Address of an S3 server of one's own, whose credentials are any."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any"), ("REGION", "us-east-1")):
            patch.setenv(f"AWS_{name}", value)
        yield f"{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def bucket(place, endpoint):
    from pyarrow.fs import LocalFileSystem, S3FileSystem, copy_files

    system = S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True)
    system.create_dir("bucket")
    copy_files(str(place / "photos"), "bucket/a place/photos", source_filesystem=LocalFileSystem(),
               destination_filesystem=system)  # fmt: skip
    return system


@pytest.mark.parametrize("by", ["the environment", "the URI"])
def test_a_bucket_is_searched_as_a_folder(place, bucket, endpoint, monkeypatch, by):
    uri = "s3://bucket/a%20place/photos"
    if by == "the URI":
        uri += f"?endpoint_override={endpoint}&scheme=http"
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{endpoint}")
    by_path = find_images(place / "photos")
    by_uri = [pickle.loads(pickle.dumps(file)) for file in find_images(uri)]
    assert [file.name for file in by_uri] == [file.name for file in by_path]
    for far, near in zip(by_uri, by_path, strict=True):
        assert far.source() == near.path.read_bytes()
        assert far.shown == f"s3://bucket/a place/photos/{near.name}"


def test_what_a_bucket_lacks_is_told(bucket, endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{endpoint}")
    with bucket.open_output_stream("bucket/gone/gone.png") as file:
        file.write(b"soon")
    (file,) = find_images("s3://bucket/gone/gone.png")
    bucket.delete_file("bucket/gone/gone.png")
    with pytest.raises(UnreadableImage, match=r"cannot read 's3://bucket/gone/gone.png'"):
        file.source()
    for uri in ("s3://bucket/nowhere", "s3://no-such-bucket/photos"):
        with pytest.raises(CamkitError, match=rf"{uri}: cannot be listed"):
            find_images(uri)
