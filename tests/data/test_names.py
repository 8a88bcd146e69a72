"""Names in tables: nothing is lost, nothing is a formula, and plain names are left alone."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from camkit.data.names import read_path, read_text, written_path, written_text

# surrogates too: a byte of a file name that is no UTF-8 is one in Python
TEXTS = st.text(st.characters(codec=None, categories=None) | st.sampled_from("=+-@\\\n\r\tnu0./\"',;\ud800\udcff"))
PATHS = TEXTS.filter(lambda name: not name.startswith("./"))


@given(TEXTS)
@example("\\u0041")
@example("\\")
@example("=\\n")
def test_text_comes_back(text):
    assert read_text(written_text(text)) == text


@given(PATHS)
@example("-a\\u0041.png")
@example("=\n")
def test_paths_come_back(name):
    assert read_path(written_path(name)) == name


@given(TEXTS)
def test_what_is_written_stands_in_one_cell_of_one_line_and_is_no_formula(text):
    for cell in (written_text(text), written_path(text)):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert len(cell.splitlines()) <= 1
        cell.encode()  # is UTF-8


@pytest.mark.parametrize("name", ["a.png", "é 猫 \u3000🐈.jpg", "a b, c/d'e\".png", "100%.png", "n01-1.JPEG", "#1", ""])
def test_plain_names_are_left_alone(name):
    assert written_text(name) == written_path(name) == name


def test_by_hand():
    assert written_path("=cmd|' C'!A0.png") == "./=cmd|' C'!A0.png"
    assert written_path("below/=d.png") == "below/=d.png"
    assert written_text("-1 degrees") == r"\u002d1 degrees"
    assert written_text("a\r\nb\x1b\\") == r"a\r\nb\u001b\\"
    assert written_path(b"\xff.png".decode(errors="surrogateescape")) == r"\udcff.png"
    assert written_text(" a b\u3000") == r"\u0020a b\u3000"
    assert read_path("./././/a.png") == "a.png"
    assert read_text(r"C:\photos\x") == r"C:\photos\x"  # no escapes: \p, \x


@given(st.lists(TEXTS.filter(lambda text: text.strip() not in ("", "NA", "nan")), min_size=1))
def test_pandas_reads_the_same_cells(texts):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([["name", "x"], *([written_text(text), -1] for text in texts)])
    table = pd.read_csv(io.StringIO(file.getvalue()), keep_default_na=False, dtype={"name": str})
    assert [read_text(cell) for cell in table["name"]] == texts
    assert (table["x"] == -1).all()
