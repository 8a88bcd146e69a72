"""What is camkit's in a folder: that much is removed, and no more; and it is not taken for photographs."""

import json

import pytest
from commands import call, make_place, rows, run
from PIL import Image

from camkit.data import find_images, read_dataset
from camkit.data.names import read_path
from camkit.errors import CamkitError
from camkit.output import check_free, claim, owned_files, photographs, remove
from camkit.output.journal import Journal
from camkit.output.owned import MANIFEST


@pytest.fixture
def place(tmp_path):
    return make_place(tmp_path)


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_only_what_the_manifest_and_the_journal_say_is_removed(tmp_path):
    out = tmp_path / "out"
    mine = ["overlays/mine.png", "maps/deep/mine.npy", "notes.txt", "boxes.jsonl"]
    ours = ["overlays/a/b.png", "maps/a/b.npy", "boxes.csv"]
    for name in (*mine, *ours):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("x")
    claim(out, ["boxes.csv", ".camkit-journal.jsonl", MANIFEST])
    journal = Journal(out, {})
    journal.write({"image": "a/b", "files": ours[:2]})
    journal.close()
    assert owned_files(out) == sorted([*ours, ".camkit-journal.jsonl", MANIFEST])
    remove(out)
    assert below(out) == sorted(mine)
    assert not (out / "overlays/a").exists()


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "overlays/../../outside", "linked/file", "", ".", "\0"]
)
def test_a_manifest_from_elsewhere_owns_nothing_outside(tmp_path, name):
    (tmp_path / "outside").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("x")
    out = tmp_path / "out"
    out.mkdir()
    (out / "linked").symlink_to(tmp_path / "elsewhere")
    (out / MANIFEST).write_text(json.dumps({"camkit-files": [name]}))
    journal = Journal(out, {})
    journal.write({"image": "a", "files": [name, "boxes.csv"]})  # tables are not the journal's to give away
    journal.close()
    assert owned_files(out) == []
    remove(out)
    assert below(tmp_path) == ["elsewhere/file", "out/linked/file", "outside"] or below(tmp_path) == [
        "elsewhere/file",
        "outside",
    ]


@pytest.mark.parametrize("text", ["", "[]", '{"camkit-files": 3}', '{"camkit-files": [3]}', "\xff", "[" * 100_000])
def test_a_damaged_manifest_owns_nothing(tmp_path, text):
    (tmp_path / MANIFEST).write_bytes(text.encode("latin-1"))
    (tmp_path / "boxes.csv").write_text("mine")
    assert owned_files(tmp_path) == []
    with pytest.raises(CamkitError, match=r"holds boxes.csv, which no run of camkit wrote.*another --out"):
        check_free(tmp_path, ["boxes.csv"], overwrite=True)


def test_a_users_own_files_are_neither_removed_nor_written_over(place):
    maps = place / "out/maps"
    maps.mkdir(parents=True)
    (maps / "a.png.npy").write_text("mine")
    assert call(place)[0] == 0  # needs no maps
    assert (maps / "a.png.npy").read_text() == "mine"
    assert call(place, "--overwrite")[0] == 0
    assert (maps / "a.png.npy").read_text() == "mine"
    for option in ("--overwrite", "--resume"):
        status, _, error = call(place, "--save-maps", option)
        assert status == 2, error
    assert "holds maps/, which no run of camkit wrote" in call(place, "--save-maps", "--overwrite")[2]
    assert (maps / "a.png.npy").read_text() == "mine"


def test_an_overwritten_run_leaves_nothing_behind(place):
    assert call(place, "--topk", "2", "--save-maps", "--formats", "csv,coco,jsonl")[0] == 0
    assert call(place, "--formats", "csv", "--overwrite")[0] == 0
    tables = [".camkit-files.json", ".camkit-journal.jsonl", "boxes.csv", "failures.csv", "run.json"]
    pictures = [f"overlays/{name}" for name in ("a.png", "b, with comma.png", "below/c.jpg.png", "below/=d.png")]
    assert below(place / "out") == sorted([*tables, *pictures])


def test_one_command_may_replace_what_another_left(place):
    (place / "names.txt").write_text("shape 0\nshape 1\nshape 2")
    command = ["evaluate", "--model", f"{place}/net.py:build", "--class-names", place / "names.txt", "--dataset",
               "shapes", "--root", "n=6,size=32,classes=3", "--step", "0.1", "--out", place / "out"]  # fmt: skip
    assert call(place)[0] == 0
    (place / "out/curve.csv").write_text("mine")
    status, _, error = run(*command)
    assert (status, "already holds a run" in error) == (2, True)
    status, _, error = run(*command, "--overwrite")
    assert (status, "holds curve.csv, which no run of camkit wrote" in error) == (2, True)
    assert (place / "out/boxes.csv").exists()
    (place / "out/curve.csv").unlink()
    assert run(*command, "--overwrite")[0] == 0
    assert below(place / "out") == [".camkit-files.json", ".camkit-journal.jsonl", "curve.csv", "curve.png",
                                    "failures.csv", "metrics.json", "per_image.csv", "run.json"]  # fmt: skip
    (place / "out/.camkit-new").symlink_to("/dev/full")  # nothing can be written: all of the run before stays
    before = {name: (place / "out" / name).read_bytes() for name in below(place / "out") if name[0] != "."}
    assert run(*command, "--overwrite")[0] == 2
    assert {name: (place / "out" / name).read_bytes() for name in before} == before


def test_pictures_of_earlier_runs_are_no_photographs(place):
    photos = place / "photos"
    for number in range(2):  # --out inside --images, and another beside it
        for out in ("found", "below/found"):
            option = ["--resume"] if number else []
            status, said, _ = call(place, "--out", str(photos / out), *option)
            assert status == 0
            assert "4 images" in said
            assert ("camkit's own and left out" in said) == (number > 0 or out != "found")
    Image.new("RGB", (9, 9)).save(photos / "found/mine.png")
    kept, drawn = photographs(find_images(photos))
    assert {file.name for file in kept} == {
        "a.png",
        "b, with comma.png",
        "below/c.jpg",
        "below/=d.png",
        "found/mine.png",
    }
    assert len(drawn) == 8


def test_images_in_the_folder_of_the_results(place):
    """--images inside --out, or the same; but not where the pictures go."""
    assert call(place, "--out", str(place / "photos"))[0] == 0
    assert call(place, "--out", str(place / "photos"), "--overwrite")[0] == 0
    assert call(place, "--out", str(place))[0] == 0
    assert len(find_images(place / "photos")) == 8
    (place / "mine/overlays").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(place / "mine/overlays/a.png")
    status, _, error = call(place, "--out", str(place / "mine"), images=place / "mine/overlays")
    assert (status, "draws its pictures: give another --out" in error) == (2, True)
    assert below(place / "mine") == ["overlays/a.png"]


def test_names_come_back_as_labels_and_as_a_data_set(place):
    """What localize writes, --labels and --dataset csv read."""
    picture = (place / "photos/a.png").read_bytes()
    names = [
        "=a.png",
        "-b.png",
        "+c.png",
        "@d.png",
        "e\r\n.png",
        b"\xff.png".decode(errors="surrogateescape"),
        "f\\n.png",
    ]
    for name in names:
        (place / "photos" / name).write_bytes(picture)
    assert call(place)[0] == 0
    table = rows(place)
    status, _, error = call(place, "--labels", place / "out/boxes.csv", "--out", str(place / "again"))
    assert status == 0, error
    assert (place / "again/boxes.csv").read_text() == (place / "out/boxes.csv").read_text()
    assert len(table) == 11
    (place / "photos/found.csv").write_text((place / "out/boxes.csv").read_text())
    data = read_dataset("csv", place / "photos", "found")
    assert (len(data.records), data.problems) == (11, [])
    assert {record.image for record in data.records} == {read_path(row["image"]) for row in table}
    assert all(record.read() for record in data.records)
