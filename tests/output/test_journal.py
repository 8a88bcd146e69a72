"""Journals that were cut, damaged, or never were one: one line, or the run goes on."""

import json

import pytest

from camkit.errors import CamkitError
from camkit.output.entries import Entries
from camkit.output.journal import JOURNAL, Journal, drawn

ROW = {"image": "a", "width": 6, "height": 4, "rank": 1, "label": 0, "name": "n", "score": 0.5,
       "x0": 0, "y0": 0, "x1": 1, "y1": 1, "tau": 0.25}  # fmt: skip
DONE = {"image": "a", "rows": [ROW], "source": {}}
LINES = [{"session": {}}, {"image": "a", "files": ["overlays/a.png"]}, DONE, {"image": "b", "reason": "broken"}]


@pytest.fixture
def folder(tmp_path):
    journal = Journal(tmp_path, {"topk": 1})
    for line in LINES:
        journal.write(line)
    journal.close()
    return tmp_path


def opened(folder):
    journal = Journal(folder, {})
    journal.close()
    return journal


def entry(folder, image):
    journal = Journal(folder, {}, read_only=True)
    found = journal.entry(image)
    journal.close()
    return found


def test_it_reads_what_it_wrote(folder):
    journal = opened(folder)
    assert journal.settings == {"topk": 1}
    assert [name for name, _ in journal.entries] == ["a", "b"]
    assert (entry(folder, "a"), entry(folder, "b")) == (DONE, LINES[3])
    assert (journal.entries.done, len(journal.entries)) == (1, 2)
    assert journal.sessions == [{}]
    assert list(drawn(folder)) == ["overlays/a.png"]


@pytest.mark.parametrize("noted", [False, True])
def test_a_line_whose_writing_a_signal_interrupted_counts_once(folder, noted, monkeypatch):
    journal, note = Journal(folder, {}), Entries.note

    def interrupted(*args, **options):
        if noted:
            note(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Entries, "note", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.write({**DONE, "image": "c"})
    for _ in range(2):
        journal.catch_up()
        assert (journal.entries.done, len(journal.entries)) == (2, 3)
    assert journal.entry("c") == {**DONE, "image": "c"}
    journal.close()


def test_cut_anywhere_after_its_first_line_it_goes_on(folder):
    content = (folder / JOURNAL).read_bytes()
    first = content.index(b"\n") + 1
    for end in range(first, len(content)):
        (folder / JOURNAL).write_bytes(content[:end])
        before = content[:end].count(b"\n")
        journal = Journal(folder, {})
        journal.write(LINES[3])
        journal.close()
        assert (folder / JOURNAL).read_bytes().count(b"\n") == before + 1
        assert entry(folder, "b") == LINES[3]


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"null",
        b"{",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b"\0\0\0",
        b'{"image": 3, "reason": "x"}',
        b'{"image": "a"}',
        b'{"image": "a", "rows": null, "source": {}}',
        b'{"image": "a", "rows": [], "source": {}}',
        b'{"image": "a", "rows": [{"image": "a"}], "source": {}}',
        b'{"image": "a", "rows": [%s]}' % json.dumps(ROW).encode(),
        b'{"image": "a", "rows": [%s], "source": {}}' % json.dumps({**ROW, "width": "6"}).encode(),
        b'{"image": "a", "rows": [%s], "source": {}}' % json.dumps({**ROW, "score": True}).encode(),
        b'{"image": "a", "files": [3]}',
        b'{"session": 3}',
        b'{"image": "a", "reason": ' + b"1" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_none_is_named(folder, line):
    content = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / JOURNAL).write_bytes(b"".join([*content[:2], line + b"\n", *content[2:]]))
    with pytest.raises(CamkitError, match=rf"{JOURNAL}, line 3: .*--overwrite or another --out") as said:
        Journal(folder, {})
    assert "\n" not in str(said.value)
    assert list(drawn(folder)) == ["overlays/a.png"]  # what is known to be camkit's is removed all the same


@pytest.mark.parametrize(
    "first", [b"", b"[]\n", b"{}\n", b'{"settings": {}}\n', b'{"camkit-journal": 1}\n', b"\xff\n", b"{"]
)
def test_a_file_that_is_no_journal_is_named(tmp_path, first):
    (tmp_path / JOURNAL).write_bytes(first)
    with pytest.raises(CamkitError, match=rf"{JOURNAL}, line 1: "):
        Journal(tmp_path, {})
    assert (tmp_path / JOURNAL).read_bytes() == first
