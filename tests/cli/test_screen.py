"""Colours on terminals alone: the words are the same everywhere."""

import click
import pytest

from camkit.cli.screen import PALETTE, coloured, finish
from camkit.runs.closing import Report


def test_one_palette(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for kind in PALETTE:
        assert coloured("words", kind) != "words"
        assert click.unstyle(coloured("words", kind)) == "words"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("words", "error") == "words"


@pytest.mark.parametrize("colour", [True, False])
def test_failures_and_notes_are_coloured_where_somebody_looks(capsys, monkeypatch, colour):
    monkeypatch.delenv("NO_COLOR", raising=False)
    report = Report(["3 images", "note: a note: twice"], 1, ["a.png: broken"])
    with click.Context(click.Command("localize"), info_name="localize", color=colour), pytest.raises(SystemExit):
        finish(report)
    said = capsys.readouterr().out
    assert click.unstyle(said) == "a.png: broken\n3 images\nnote: a note: twice\n"
    expected = "\x1b[31ma.png: broken\x1b[0m\n3 images\n\x1b[33mnote:\x1b[0m a note: twice\n"
    assert said == (expected if colour else click.unstyle(expected))
