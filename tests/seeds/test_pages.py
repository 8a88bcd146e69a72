"""The papers' pages say what is built: each row of their equation tables is held to it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "seeds" / paper / "README.md" for paper in ("rethinking-cam", "minmaxcam")]
HEADING = "| in the paper | what | camkit | file | status | how far |"


def equation_rows(page: Path) -> list[list[str]]:
    """(equation, what, dotted name, file, status, remark) of each row, backticks taken off."""
    _, _, below = page.read_text(encoding="utf-8").partition(f"{HEADING}\n")
    rows = below.split("\n\n", maxsplit=1)[0].splitlines()[1:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


ROWS = [(f"{page.parent.name}: {row[0]}", row) for page in PAGES for row in equation_rows(page)]
BUILT = [pytest.param(row, id=name) for name, row in ROWS if row[4] == "built"]
NOT_YET = [pytest.param(row, id=name) for name, row in ROWS if row[4] == "not yet"]


def defines(path: Path, name: str) -> bool:
    """Whether a file, or any below a folder, has a function or a class of this name."""
    files = [path] if path.is_file() else path.rglob("*.py")
    definitions = (ast.FunctionDef, ast.ClassDef)
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in files)
    return any(isinstance(node, definitions) and node.name == name for tree in trees for node in tree.body)


def test_rows_are_well_formed() -> None:
    assert {row[4] for _, row in ROWS} <= {"built", "not yet"}
    for _, row in ROWS:
        assert len(row) == 6
        assert row[2].startswith("camkit.")
        assert (row[3] == "–") == (row[4] == "not yet")


@pytest.mark.parametrize(("paper", "equations"), [("rethinking-cam", 6), ("minmaxcam", 5)])
def test_every_equation_has_a_row(paper: str, equations: int) -> None:
    rows = equation_rows(ROOT / "seeds" / paper / "README.md")
    assert [row[0] for row in rows if row[0].startswith("Eq.")] == [f"Eq. {n}" for n in range(1, equations + 1)]


@pytest.mark.parametrize("row", BUILT)
def test_what_is_built_is_in_its_file(row: list[str]) -> None:
    _, _, dotted, file, *_ = row
    assert (ROOT / file).exists(), f"{file} is not there"
    assert defines(ROOT / file, dotted.rsplit(".", maxsplit=1)[-1]), f"{file} does not define {dotted}"


@pytest.mark.parametrize("row", NOT_YET)
def test_what_is_not_yet_built_is_not_there(row: list[str]) -> None:
    *rooms, name = row[2].split(".")
    room = ROOT.joinpath(*rooms)
    assert not defines(room, name), f"{row[2]} is built: its row may say so, with the file and how far it goes"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "seeds" / "README.md"], ids=lambda page: page.parent.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [part.split(")", maxsplit=1)[0] for part in page.read_text(encoding="utf-8").split("](")[1:]]
    assert targets
    assert [target for target in targets if not (page.parent / target).exists()] == []
