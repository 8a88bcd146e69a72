"""What engines call: the rows of `camkit localize`, from columns of bytes, of paths, or decoded elsewhere."""

import pickle

import numpy as np
import pytest
from commands import NAMES, call, make_place, rows

from camkit import CamkitError, DecodeBatch, LocalizeBatch
from camkit.batch import INPUTS, RESULTS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Photographs, one of them damaged, and what the command found in them."""
    place = make_place(tmp_path_factory.mktemp("place"))
    (place / "photos/d.jpg").write_text("no picture")
    assert call(place, "--topk", "2", "--no-overlays")[0] == 1
    return place


@pytest.fixture(scope="module")
def localize(place):
    return LocalizeBatch(f"{place}/net.py:build", topk=2, device="cpu", batch_size=2)


def files(place):
    return [place / "photos" / name for name in (*NAMES, "d.jpg")]


def columns(place, **more):
    content = np.empty(5, object)
    content[:] = [file.read_bytes() for file in files(place)]
    return {"id": np.arange(5) * 10, "bytes": content, **more}


def with_path(place):
    return columns(place, path=np.array([str(file) for file in files(place)]))


def by_command(place):
    """The rows that the command wrote, by image, and the reason of the damaged one."""
    (failed,) = rows(place, "failures.csv")
    return {row["image"].removeprefix("./"): row for row in rows(place) if row["rank"] == "1"}, failed["reason"]


def same(found, place):
    """Whether every row is the command's, figure by figure."""
    table = rows(place)
    expected = [row for name in NAMES for row in table if row["image"].removeprefix("./") == name]
    assert [row["image"].removeprefix("./") for row in expected] == [name for name in NAMES for _ in range(2)]
    assert found["id"].tolist() == [0, 0, 10, 10, 20, 20, 30, 30, 40]
    for name in set(RESULTS) - {"error"}:
        written = [str(value) for value in found[name][:8]]
        assert written == [row[name] for row in expected], name
    assert (found["rank"][8], found["label"][8], found["name"][8], found["x1"][8]) == (0, -1, "", 0)
    assert np.isnan(found["score"][8])
    assert found["error"][:8].tolist() == [""] * 8


def test_rows_are_those_of_the_command(place, localize):
    found = localize(with_path(place))
    same(found, place)
    assert found["path"].tolist() == [str(file) for file in files(place) for _ in range(2)][:9]
    reason = rows(place, "failures.csv")[0]["reason"]
    assert found["error"][8] == reason.replace(str(place / "photos/d.jpg"), str(files(place)[4]))
    same(localize({name: column for name, column in with_path(place).items() if name != "bytes"}), place)
    same(localize(columns(place)), place)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_rows_do_not_depend_on_how_columns_are_cut(place, localize, size):
    whole, batch = localize(with_path(place)), with_path(place)
    parts = [localize({name: column[i : i + size] for name, column in batch.items()}) for i in range(0, 5, size)]
    for name, column in whole.items():
        joined = np.concatenate([part[name] for part in parts])
        assert joined.dtype == column.dtype
        assert list(map(str, joined)) == list(map(str, column))


def test_columns_have_one_type_in_every_batch(localize):
    empty = localize({"id": np.zeros(0, int), "bytes": np.zeros(0, object)})
    bad = localize({"id": np.array([1]), "bytes": np.array([None], object)})
    for found in (empty, bad):
        assert {name: found[name].dtype for name in RESULTS} == RESULTS
    assert [len(column) for column in empty.values()] == [0] * len(empty)
    assert bad["error"].tolist() == ["cannot read '<bytes>': there are no bytes"]


def test_decoding_stands_alone(place, localize):
    decode = pickle.loads(pickle.dumps(localize.decode))
    assert isinstance(decode, DecodeBatch)
    assert len(pickle.dumps(decode)) < 2000
    fitted = decode(with_path(place))
    assert list(fitted) == ["id", "path", *INPUTS]
    assert [one.shape for one in fitted["input"]] == [(3, 32, 48)] * 4 + [(3, 0, 0)]
    assert (fitted["height"].tolist(), fitted["width"].tolist()) == ([40] * 4 + [0], [60] * 4 + [0])
    assert fitted["window"][0].tolist() == [0, 0, 60, 40]
    same(localize(fitted), place)


def test_it_travels_as_its_arguments(place, localize):
    sent = pickle.dumps(localize)
    assert len(sent) < 1000  # the network alone has more
    same(pickle.loads(sent)(columns(place)), place)
    assert repr(localize).startswith(f"LocalizeBatch(model='{place}/net.py:build', weights='DEFAULT'")
    with pytest.raises(CamkitError, match="a Conv2d does not travel"):
        LocalizeBatch(__import__("torch").nn.Conv2d(3, 3, 1))


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ({"id": [1]}, "columns id: give it one of bytes, file, path"),
        ({"bytes": [b""], "label": [3]}, "label have names of results: rename"),
        ({"bytes": [b"", b""], "id": [3]}, "different lengths: id 1, bytes 2"),
        ({"bytes": np.array([b"a\0"])}, "drops zero bytes"),
        ({"input": [np.zeros((3, 2, 2))], "height": [2]}, "without width, window, error"),
    ],
)
def test_columns_that_are_no_batch_are_refused(localize, batch, says):
    with pytest.raises(CamkitError, match=says):
        localize(batch)
