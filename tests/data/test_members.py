"""Images in tar and zip archives and in Parquet files: found under their names, and read in place to the same bytes."""

import io
import tarfile
import zipfile

import pytest
from commands import NAMES, call, make_place

from camkit.data import find_images, list_images
from camkit.data.image_list import ImageList
from camkit.errors import CamkitError, UnreadableImage

FILES = {name: f"bytes of {name}".encode() * 50 for name in ("a/1.jpg", "a/2.PNG", "b/caf\u00e9.jpg", "3.jpg")}
OTHERS = {"a/1.json": b"{}", ".hidden/x.jpg": b"x", "a/._1.jpg": b"litter", "readme": b""}


def in_tar(path, files, mode="w", **settings):
    with tarfile.open(path, mode, **settings) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def in_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read(spec):
    return {file.name: file.source() for file in find_images(spec)}


MAKERS = {
    "x.tar": in_tar,
    "pax.tar": lambda path, files: in_tar(path, files, format=tarfile.PAX_FORMAT),
    "ustar.tar": lambda path, files: in_tar(path, files, format=tarfile.USTAR_FORMAT),
    "x.zip": in_zip,
    "stored.zip": lambda path, files: in_zip(path, files, zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("name", MAKERS)
def test_members_have_their_names_and_bytes(tmp_path, name):
    archive = MAKERS[name](tmp_path / name, FILES | OTHERS)
    assert list(read(archive).items()) == list(FILES.items())
    assert read(f"{tmp_path}/*.{name[-3:]}") == FILES


def test_a_long_name_and_a_leading_dot(tmp_path):
    files = {f"{'x' * 120}/{'y' * 150}.jpg": b"1", "./z.jpg": b"2"}
    assert list(read(in_tar(tmp_path / "x.tar", files)).values()) == [b"1", b"2"]
    assert list(read(tmp_path / "x.tar"))[1] == "z.jpg"


def test_shards_of_a_range(tmp_path):
    for number in range(8, 12):
        in_tar(tmp_path / f"shard-{number:03d}.tar", {f"{number}.jpg": b"x", f"{number}.cls": b"3"})
    assert list(read(f"{tmp_path}/shard-{{009..011}}.tar")) == ["9.jpg", "10.jpg", "11.jpg"]
    with pytest.raises(CamkitError, match=r"no such file or folder: .*shard-012\.tar"):
        find_images(f"{tmp_path}/shard-{{011..012}}.tar")
    with pytest.raises(CamkitError, match=r"the range \{5\.\.1\} counts nothing"):
        find_images(f"{tmp_path}/shard-{{5..1}}.tar")


def test_two_of_one_name_are_an_error_that_names_both(tmp_path):
    for name in ("one.tar", "other.tar"):
        in_tar(tmp_path / name, {"a/1.jpg": b"x", f"{name}.jpg": b"y"})
    with pytest.raises(CamkitError, match=r"named 'a/1\.jpg', of .*/one\.tar and of .*/other\.tar: rename one"):
        find_images(f"{tmp_path}/*.tar")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.tar", b"no archive at all" * 100, "cannot be read as a tar archive"),
        ("x.zip", b"no archive", "cannot be read as a zip archive"),
        ("x.tar.gz", b"", "a packed archive has no place to read an image from"),
        ("x.tar", bytes(10240), "no images in"),
    ],
)
def test_what_is_no_archive_is_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CamkitError, match=says) as error:
        find_images(tmp_path / name)
    assert "\n" not in str(error.value)


def test_names_that_lead_out_and_methods_that_are_not_read_are_refused(tmp_path):
    with pytest.raises(CamkitError, match="leads out of"):
        find_images(in_tar(tmp_path / "x.tar", {"../up.jpg": b"x"}))
    with pytest.raises(CamkitError, match="packed by method 12; repack"):
        find_images(in_zip(tmp_path / "x.zip", {"a.jpg": b"x"}, zipfile.ZIP_BZIP2))


def test_an_archive_that_is_cut_costs_its_last_images(tmp_path):
    archive = in_tar(tmp_path / "x.tar", FILES)
    found = find_images(archive)
    archive.write_bytes(archive.read_bytes()[:1500])
    assert found[0].source() == FILES["a/1.jpg"]
    with pytest.raises(UnreadableImage, match=r"cannot read '.*x\.tar/a/2\.PNG': the archive ends before it"):
        found[1].source()
    packed = in_zip(tmp_path / "x.zip", FILES)
    (first, *_) = find_images(packed)
    content = bytearray(packed.read_bytes())
    content[45:60] = bytes(15)
    packed.write_bytes(content)
    with pytest.raises(UnreadableImage, match="check the archive"):
        first.source()
    packed.unlink()
    with pytest.raises(UnreadableImage, match="No such file"):
        first.source()


def test_parquet(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    content = [*FILES.values(), None]
    tables = {
        "bytes": {"name": [*FILES, "gone.jpg"], "bytes": content},
        "image": {"image": [None if one is None else {"bytes": one, "path": "p"} for one in content]},
        "path": {"path": ["files/0.jpg", "files/1.jpg"], "id": ["x/0", "x/1"]},
    }
    for name, columns in tables.items():
        parquet.write_table(arrow.table(columns), tmp_path / f"{name}.parquet", row_group_size=2)
    found = find_images(tmp_path / "bytes.parquet")
    assert [file.name for file in found] == tables["bytes"]["name"]
    assert [file.source() for file in found[:4]] == content[:4]
    with pytest.raises(UnreadableImage, match=r"bytes\.parquet/gone\.jpg': the cell is empty"):
        found[4].source()
    assert [file.name for file in find_images(tmp_path / "image.parquet")] == [f"image/{n:09d}" for n in range(5)]
    assert find_images(tmp_path / "image.parquet")[3].source() == content[3]
    (tmp_path / "files").mkdir()
    (tmp_path / "files/0.jpg").write_bytes(b"zero")
    zero, one = find_images(tmp_path / "path.parquet")
    assert (zero.name, zero.source()) == ("x/0", b"zero")
    with pytest.raises(UnreadableImage, match="No such file"):
        one.source()
    parquet.write_table(arrow.table({"text": ["x"], "n": [1]}), tmp_path / "none.parquet")
    with pytest.raises(CamkitError, match=r"none of its columns \(text, n\) holds images"):
        find_images(tmp_path / "none.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(CamkitError, match="cannot be read as Parquet"):
        find_images(tmp_path / "broken.parquet")


def test_the_command_finds_in_an_archive_what_it_finds_in_the_folder(tmp_path):
    place = make_place(tmp_path)
    assert call(place, "--no-overlays")[0] == 0
    folder = (place / "out/boxes.csv").read_text()
    order = [line.split(".")[0] for line in folder.splitlines()[1:]]
    assert order == ["a", '"b, with comma', "below/=d", "below/c"]
    photos = {name: (place / "photos" / name).read_bytes() for name in sorted(NAMES)}
    for archive in (in_tar(place / "photos.tar", photos), in_zip(place / "photos.zip", photos)):
        status, _, error = call(place, "--no-overlays", "--overwrite", images=archive)
        assert status == 0, error
        assert (place / "out/boxes.csv").read_text() == folder
        assert call(place, "--no-overlays", "--resume", images=archive)[0] == 0
    assert call(place, "--no-overlays", "--resume")[0] == 0  # the same bytes, unpacked
    other = in_tar(place / "photos.tar", photos | {"a.png": photos["below/c.jpg"]})
    status, _, error = call(place, "--no-overlays", "--resume", images=other)
    assert (status, "--images: a.png holds other bytes" in error) == (2, True)


def test_a_list_is_cut_into_batches_and_parts(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.png").touch()
    images = list_images(tmp_path)
    assert isinstance(images, ImageList)
    batches = [[file.name for file in batch] for batch in images.part(1, 6).batches(2)]
    assert batches == [["1.png", "2.png"], ["3.png", "4.png"], ["5.png"]]
    assert ("1.png" in images.part(1, 6), "0.png" in images.part(1, 6), "0.png" in images) == (True, False, True)
    assert len(images.part(5, 99)) == 2
