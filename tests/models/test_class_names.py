"""A model's classes by number and by name, and files of names."""

import pytest

from camkit.errors import CamkitError
from camkit.imagenet import imagenet_names
from camkit.models.class_names import ClassNames, read_class_names


def refusal(call, *args):
    with pytest.raises(CamkitError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_by_number_and_by_name():
    model = ClassNames(3, ["cat", "dog", "2"])
    assert [model.find(text) for text in ("0", "cat", "dog", "1", "2", "Dog")] == [0, 0, 1, 1, 2, 1]
    assert ClassNames(3).find("2") == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3", "there is no class 3: the model's 3 classes count from 0"),
        ("1" * 5000, "there is no class 11111111111111111111:"),
        ("007", "is called '007'"),
        ("-1", "is called '-1'"),
        ("1.0", "is called '1.0'"),
        ("\N{SUPERSCRIPT TWO}", "is called"),
        ("", "is called ''"),
        ("x" * 5000, "is called 'xxxx"),
        ("1", "the name of the model's class 2 ('1')"),
        ("cot", "did you mean cat?"),
    ],
)
def test_what_is_no_class_is_told(text, told):
    message = refusal(ClassNames(3, ["cat", "dog", "1"]).find, text)
    assert told in message
    assert len(message) < 300


def test_a_file_of_names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}cat\r\nTurdus merula \r\nk\N{LINE SEPARATOR}9\r\n\r\n".encode())
    assert read_class_names(path) == ("cat", "Turdus merula", "k\N{LINE SEPARATOR}9")
    path.write_text("cat\n\ndog\n")
    assert f"{path}, line 2: no name" in refusal(read_class_names, path)
    path.write_text("\n")
    assert "line 1" in refusal(read_class_names, path)
    path.write_bytes(b"\xff\xfe")
    assert "cannot be read as text" in refusal(read_class_names, path)
    assert "cannot be read as text" in refusal(read_class_names, tmp_path)


def test_imagenet_is_a_file_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_class_names("imagenet") == imagenet_names()
    (tmp_path / "imagenet").write_text("cat\ndog")
    assert read_class_names("imagenet") == ("cat", "dog")
