"""The benchmark's own arithmetic: turns, ratios and the part of the page that it writes."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "benchmarks" / "bench"


@pytest.fixture
def alternate(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import alternate

    yield alternate
    del sys.modules["alternate"]


def test_sides_take_turns_and_each_is_warmed_up(alternate):
    called = []
    work = alternate.Work("group", "work", {side: lambda side=side: called.append(side) for side in ("camkit", "B")})
    found = alternate.measure(work, alternate.Settings(False, re.compile(""), 2, "cpu"))
    assert called == ["camkit", "B", "camkit", "B", "B", "camkit"]
    assert {side: len(times) for side, times in found.times.items()} == {"camkit": 2, "B": 2}


def test_ratios_are_made_round_by_round(alternate):
    found = alternate.Measured("g", "n", {"camkit": [1.0, 10.0, 2.0], "B": [2.0, 10.0, 8.0]}, {"B": 1.5})
    assert found.ratio("B") == (2.0, 1.0, 4.0)


def test_the_page_keeps_what_is_round_the_marks(alternate, tmp_path):
    import page

    path = tmp_path / "page.md"
    path.write_text(f"before\n{page.BEGIN}\nold \\1\n{page.END}\nafter\n")
    row = alternate.Measured("group", "work", {"camkit": [1.0, 1.0], "floor": [2.0, 1.8]}, {"floor": 2.0})
    page.written(
        path, list(page.lines_of([row], [], alternate.Settings(False, re.compile(""), 2, "cpu"), "a \\1 command"))
    )
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| work | 1 (1) | floor | 1.9 (1.8) | 1.9 (1.8 to 2) | 2: **missed** |" in text
    del sys.modules["page"]


def test_what_is_raced_against_gives_the_same_figures(alternate, monkeypatch):
    """The public evaluation's loops, to the last digit, a constant map among the others."""
    pytest.importorskip("cv2")
    import wsol

    monkeypatch.setattr(wsol, "CUB_TEST", 1400)  # seven maps, one of each kind

    for work in wsol.work(alternate.Settings(False, re.compile(""), 1, "cpu")):
        ours, theirs = (side() for side in work.sides.values())
        assert ours == theirs, work.name
    del sys.modules["wsol"]


def test_commands_of_the_pages_are_there():
    """An emptied file ends with 0 and measures nothing."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"python (benchmarks/[\w/.]+)", page.read_text("utf-8"))}
    assert len(named) > 20
    for name in named:
        file = ROOT / name if name.endswith(".py") else ROOT / name / "__main__.py"
        source = file.read_text("utf-8")
        assert f"python {name}" in (ast.get_docstring(ast.parse(source)) or ""), name
        assert re.search(r"^(if __name__ ==|    main\(\)$)", source, re.MULTILINE), name
