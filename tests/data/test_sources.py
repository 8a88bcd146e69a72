import os
import pickle
import zipfile

import pytest

from camkit.data.sources import Archive, Folder, ZipMember, checked_name, find_source, source
from camkit.errors import CamkitError, UnreadableImage


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "", ".", "a\\b", "C:/a", "a\0b", ".."])
def test_a_name_stays_below_the_root(name):
    with pytest.raises(CamkitError, match="leads out of"):
        checked_name(name)


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


def test_a_file_that_is_gone_or_no_file(tree):
    root = tree({"a.txt": "a"})
    read = Folder(root).reader("a.txt")
    (root / "a.txt").unlink()
    for _ in range(2):
        with pytest.raises(UnreadableImage, match="no such file"):
            read()
        if not (root / "a.txt").exists():
            os.mkfifo(root / "a.txt")
