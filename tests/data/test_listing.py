import os
import sys

import pytest

from camkit.data import find_images, read_image
from camkit.errors import CamkitError, UnreadableImage


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def album(tmp_path):
    for name in ("b/2.JPG", "b/1.png", "a/1.png", "a/notes.txt", "z.Tiff", ".hidden/1.png", "b/.1.png", "photo.heic"):
        file = tmp_path / "album" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path / "album"


def names(spec):
    return [file.name for file in find_images(spec)]


def test_a_folder(album):
    assert names(album) == names(str(album)) == ["a/1.png", "b/1.png", "b/2.JPG", "photo.heic", "z.Tiff"]
    assert [file.path for file in find_images(album)] == [album / name for name in names(album)]


def test_files_globs_lists_and_several_at_once(album, tmp_path):
    assert names(album / "a" / "notes.txt") == ["notes.txt"]
    assert names(f"{album}/*/1.png") == ["a/1.png", "b/1.png"]
    assert names(f"{album}/**/*.png") == ["a/1.png", "b/1.png"]
    assert names(f"{album}/b*") == ["b/1.png", "b/2.JPG"]
    listing = album / "list.txt"
    listing.write_text(f"# two here, one elsewhere\n\nb/1.png\nb/missing.jpg\r\n{tmp_path}/other.png\n", "utf-8-sig")
    found = find_images(f"@{listing}")
    assert [file.name for file in found] == ["b/1.png", "b/missing.jpg", "other.png"]
    assert found[2].path == tmp_path / "other.png"
    assert names([album / "z.Tiff", album, f"{album}/z.*"]) == ["z.Tiff", "a/1.png", "b/1.png", "b/2.JPG", "photo.heic"]


def test_names_that_clash_are_lengthened(album):
    assert names([album / "a" / "1.png", album / "b" / "1.png", album / "z.Tiff"]) == ["a/1.png", "b/1.png", "z.Tiff"]
    assert names([album / "a", album / "b"]) == ["a/1.png", "b/1.png", "2.JPG"]
    (album / "a" / "list.txt").write_text("../b/2.JPG")
    assert names(f"@{album}/a/list.txt") == ["2.JPG"]


def test_what_exists_is_meant_literally(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("@home", "[1]"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").touch()
        assert names(folder) == ["x.png"]


def test_links(album):
    (album / "a" / "loop").symlink_to(album)
    (album / "a" / "again.png").symlink_to(album / "a" / "1.png")
    (album / "c").symlink_to(album / "b")
    (album / "gone.png").symlink_to(album / "nowhere")
    found = names(album)
    assert sorted(n.rsplit("/")[-1] for n in found) == sorted(
        ["1.png", "1.png", "2.JPG", "again.png", "gone.png", "photo.heic", "z.Tiff"]
    )
    assert len(names(f"{album}/**/*.png")) == 4


def test_nothing_found_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.txt").write_text("# nothing\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x01")
    for spec, words in {
        f"{tmp_path}/empty": r"no images below .*empty.*\.jpg",
        f"{tmp_path}/missing": "no such file or folder: .*missing.*check the path",
        f"{tmp_path}/*.jpg": "no image matches .*jpg.*check the pattern",
        f"@{tmp_path}/blank.txt": "names no image",
        f"@{tmp_path}/binary.txt": "not UTF-8",
        f"@{tmp_path}/none.txt": "No such file",
    }.items():
        with pytest.raises(CamkitError, match=words) as error:
            find_images(spec)
        assert one_line(error)
    with pytest.raises(CamkitError, match="no images given"):
        find_images([])


def test_lists_from_other_systems(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("caf\u00e9.jpg", "two lines\u2028.jpg", "plain.jpg"):
        (tmp_path / "photos" / name).touch()
    lines = ["photos\\plain.jpg", "photos/cafe\u0301.jpg", "", "photos/two lines\u2028.jpg", "  "]
    for ending in ("\n", "\r\n"):
        text = "\ufeff# a list" + ending + ending.join(lines)
        (tmp_path / "list.txt").write_bytes(text.encode())
        found = find_images(f"@{tmp_path}/list.txt")
        assert [file.path.name for file in found] == ["plain.jpg", "caf\u00e9.jpg", "two lines\u2028.jpg"]
        assert all(file.path.exists() for file in found)
    (tmp_path / "utf16.txt").write_text("photos/plain.jpg\n", encoding="utf-16")
    with pytest.raises(CamkitError, match="UTF-8") as error:
        find_images(f"@{tmp_path}/utf16.txt")
    assert one_line(error)
    (tmp_path / "long.txt").write_text("9" * 5000 + ".jpg\n")
    (missing,) = find_images(f"@{tmp_path}/long.txt")
    with pytest.raises(UnreadableImage, match="File name too long"):
        read_image(missing.path)


def test_two_files_that_differ_in_unicode_form_alone_are_not_guessed_between(tmp_path):
    names = ["\u1e69.jpg", "s\u0323\u0307.jpg"]  # one character, and three; the list has a third form
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("s\u0307\u0323.jpg\n" + names[0], encoding="utf-8")
    missing, exact = find_images(f"@{tmp_path}/list.txt")
    assert not missing.path.exists()
    assert exact.path.name == names[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only here are names bytes")
def test_names_that_are_no_utf8_or_hold_line_ends(tmp_path):
    odd = os.fsdecode(b"\xff\xe9.jpg")
    for name in (odd, "a\nb.jpg"):
        (tmp_path / name).touch()
    assert names(tmp_path) == sorted([odd, "a\nb.jpg"])
    (tmp_path / "list.txt").write_bytes(b"\xff\xe9.jpg\n")
    assert names(f"@{tmp_path}/list.txt") == [odd]
    with pytest.raises(UnreadableImage, match="empty") as error:
        read_image(tmp_path / odd)
    assert one_line(error).isprintable()


def test_brackets_in_the_name_of_a_folder_are_no_pattern(tmp_path):
    for folder in ("set[1]", "set1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{len(folder)}.png").touch()
    assert names(f"{tmp_path}/set[1]/*.png") == ["6.png"]
    assert names(f"{tmp_path}/set[12]/*.png") == ["set1/4.png"]


def test_what_is_no_file_is_found_and_then_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "folder.jpg" / "inside.png").touch()
    assert names(tmp_path) == ["circle.jpg", "device.jpg", "folder.jpg/inside.png", "pipe.jpg"]
    for name, words in {"pipe.jpg": "not a file", "device.jpg": "not a file", "circle.jpg": "symbolic links"}.items():
        with pytest.raises(UnreadableImage, match=words):
            read_image(tmp_path / name)
