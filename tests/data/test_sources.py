import os
import pickle
import warnings
import zipfile

import pytest

from camkit.data import sources
from camkit.data.file_names import checked_name
from camkit.data.sources import Archive, Folder, ZipMember, find_source, source
from camkit.errors import CamkitError, UnreadableImage


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "", ".", "a\\..\\..\\b", "\\a", "C:/a", ".."])
def test_a_name_stays_below_the_root(name):
    with pytest.raises(CamkitError, match="leads out of"):
        checked_name(name)


def test_a_zero_byte_is_called_that():
    with pytest.raises(CamkitError, match="holds a zero byte"):
        checked_name("a\0b")


@pytest.mark.parametrize("name", ["a.jpg", "a/b c/ü.png", "..a/b", "a..jpg"])
def test_other_names_are_left_alone(name):
    assert checked_name(name) == name


@pytest.mark.parametrize("top", ["", "val/"])
def test_a_zip_archive_stands_for_the_folder(tree, zipped, top):
    root = tree({"val/b/1.txt": "one", "val/a.txt": "two"})
    folder = source(root / "val")
    assert isinstance(folder, Folder)
    names, contents = list(folder.names()), [folder.reader(name)() for name in folder.names()]
    zipped(root / "val", top)
    archive = source(root / "val")
    assert isinstance(archive, Archive)
    assert list(archive.names()) == names == ["a.txt", "b/1.txt"]
    assert [pickle.loads(pickle.dumps(archive.reader(name)))() for name in names] == contents == [b"two", b"one"]
    with pytest.raises(CamkitError, match="no file 'c'"):
        archive.reader("c")
    with pytest.raises(CamkitError, match="leads out of"):
        archive.reader("../a.txt")
    assert find_source(root / "test") is None
    with pytest.raises(CamkitError, match=r"no folder .*test"):
        source(root / "test")


def test_a_forked_process_opens_the_archive_for_itself(tree, zipped):
    root = tree({"val/a.txt": "a" * 100_000, "val/b.txt": "b" * 100_000})
    zipped(root / "val")
    reads = [source(root / "val").reader(name) for name in ("a.txt", "b.txt")]
    assert reads[0]() == b"a" * 100_000
    child = os.fork()
    if child == 0:  # both processes read at once; with a shared file position they would mix
        os._exit(0 if all(reads[0]() == b"a" * 100_000 for _ in range(50)) else 1)
    assert all(reads[1]() == b"b" * 100_000 for _ in range(50))
    assert os.waitpid(child, 0)[1] == 0


def test_broken_archives_are_said_in_one_line(tree):
    root = tree({"a.zip": "no archive"})
    with pytest.raises(CamkitError, match=r"a\.zip: cannot be read as a zip archive"):
        source(root / "a")
    with zipfile.ZipFile(root / "b.zip", "w") as archive:
        archive.writestr("x", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x", "2")
    with pytest.raises(CamkitError, match="holds 'x' twice"):
        source(root / "b")
    with zipfile.ZipFile(root / "c.zip", "w") as archive:
        archive.writestr("x", "content")
    read = source(root / "c").reader("x")
    (root / "c.zip").write_bytes((root / "c.zip").read_bytes().replace(b"content", b"CONTENT"))
    for broken in (read, ZipMember(str(root / "c.zip"), "y"), ZipMember(str(root / "d.zip"), "x")):
        with pytest.raises(UnreadableImage, match=r"cannot read '[xy]' of") as error:
            broken()
        assert "\n" not in str(error.value)


def archive_of(path, *members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            archive.writestr(name, content)
    return source(path)


def test_the_litter_of_file_managers_is_no_part_of_an_archive(tmp_path):
    litter = [("__MACOSX/imgs/._a.jpg", "x"), ("imgs/.DS_Store", "x"), ("imgs/._a.jpg", "x"), ("imgs/Thumbs.db", "x")]
    archive = archive_of(tmp_path / "imgs.zip", ("imgs/a.jpg", "a"), *litter)
    assert list(archive.names()) == ["a.jpg"]
    assert archive.reader("a.jpg")() == b"a"
    for name, content in [("imgs/a.jpg", "a"), *litter]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert list(Folder(tmp_path / "imgs").names()) == ["a.jpg"]


def test_a_folder_with_another_name_that_holds_all_of_an_archive(tmp_path):
    archive = archive_of(tmp_path / "val.zip", ("imgs/n1/a.jpg", "a"), ("imgs/n2/a.jpg", "b"))
    assert archive.reader("n2/a.jpg")() == archive.reader("imgs/n2/a.jpg")() == b"b"
    assert list(archive.names()) == ["imgs/n1/a.jpg", "imgs/n2/a.jpg"]  # of one class alone, imgs might be the class
    two = archive_of(tmp_path / "two.zip", ("x/a.jpg", "a"), ("y/a.jpg", "b"))
    with pytest.raises(UnreadableImage, match=r"no file 'a\.jpg'"):
        two.reader("a.jpg")
    nested = archive_of(tmp_path / "nested.zip", ("x/x/a.jpg", "inner"), ("x/a.jpg", "outer"))
    assert [nested.reader(name)() for name in ("x/a.jpg", "a.jpg")] == [b"outer", b"outer"]


def test_an_archive_as_the_root_of_a_data_set(tmp_path):
    root = tmp_path / "cub.zip"
    archive_of(root, ("cub/images/a.jpg", "a"), ("cub/val.csv", "image"), ("cub/masks/m/a.png", "m"))
    assert source(root).reader("images/a.jpg")() == b"a"
    assert source(root / "images", root).reader("a.jpg")() == b"a"
    assert source(root / "masks" / "m").reader("a.png")() == b"m"
    assert list(source(root / "masks").names()) == ["m/a.png"]
    assert find_source(root / "segmentations") is None
    assert source(root / "segmentations", root).reader("images/a.jpg")() == b"a"


def test_names_with_backslashes_and_in_other_unicode_forms(tmp_path):
    composed, decomposed = "caf\u00e9/a.jpg", "cafe\u0301/a.jpg"
    archive = archive_of(tmp_path / "a.zip", ("n1\\b.jpg", "b"), (decomposed, "a"))
    (tmp_path / "f" / "n1").mkdir(parents=True)
    (tmp_path / "f" / "n1" / "b.jpg").write_text("b")
    (tmp_path / "f" / decomposed).parent.mkdir()
    (tmp_path / "f" / decomposed).write_text("a")
    for place in (archive, Folder(tmp_path / "f")):
        assert sorted(place.names()) == sorted(["n1/b.jpg", decomposed])
        assert place.reader("n1/b.jpg")() == place.reader("n1\\b.jpg")() == b"b"
        assert place.reader(composed)() == place.reader(decomposed)() == b"a"
        for name in ("n1\\..\\..\\b.jpg", "..\\b.jpg"):
            with pytest.raises(CamkitError, match="leads out of"):
                place.reader(name)
    (tmp_path / "f" / composed).parent.mkdir()
    (tmp_path / "f" / composed).write_text("another")
    assert Folder(tmp_path / "f").reader(composed)() == b"another"
    both = archive_of(tmp_path / "both.zip", ("s\u0323\u0307.jpg", "1"), ("\u1e69.jpg", "2"))
    with pytest.raises(UnreadableImage, match="no file"):
        both.reader("s\u0307\u0323.jpg")


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "x/../../a.jpg", "..\\a.jpg", "C:\\a.jpg"])
def test_archives_whose_names_lead_out_are_refused(tmp_path, name):
    with pytest.raises(CamkitError, match=r"a\.zip: .*leads out.*repack it"):
        archive_of(tmp_path / "a.zip", ("b.jpg", "b"), (name, "a"))
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def test_a_member_that_is_there_twice_with_the_same_content_is_one(tmp_path):
    archive = archive_of(tmp_path / "a.zip", ("a.jpg", "a"), ("a.jpg", "a"))
    assert list(archive.names()) == ["a.jpg"]
    assert archive.reader("a.jpg")() == b"a"


def test_members_that_cannot_be_unpacked_say_why(tmp_path, monkeypatch):
    read = archive_of(tmp_path / "a.zip", ("a.jpg", "content")).reader("a.jpg")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(signature) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"'a\.jpg' of .*encrypted; unpack"):
        read()
    monkeypatch.setattr(sources, "MAX_BYTES", 1 << 20)
    bomb = archive_of(tmp_path / "b.zip", ("a.jpg", bytes((1 << 20) + 1)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UnreadableImage, match="unpacks to more than 1 MiB"):
        bomb.reader("a.jpg")()


def test_links_in_circles_are_walked_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert [name for name in Folder(tmp_path).names() if name.endswith("x.jpg")] == ["a/x.jpg"]


def test_a_file_that_is_gone_or_no_file(tree):
    root = tree({"a.txt": "a"})
    read = Folder(root).reader("a.txt")
    (root / "a.txt").unlink()
    for _ in range(2):
        with pytest.raises(UnreadableImage, match=r"No such file|not a file"):
            read()
        if not (root / "a.txt").exists():
            os.mkfifo(root / "a.txt")
