"""The reader that docs/formats.md shows: it stands there as it runs here."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs" / "formats.md"


@pytest.fixture(scope="module")
def read_plum():
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    [code] = [block for block in blocks if "def read_plum" in block]
    names = {}
    exec(compile(code, DOCS.name, "exec"), names)
    return names["read_plum"]


def test_corners_count_from_1_and_are_inclusive(read_plum, tree, summary):
    root = tree({"val.txt": "a.png 3 1 1 8 6\nb.png 0 2 2 2 2\na.png 3 3 3 4 4\n", "a.png": (8, 6), "b.png": (8, 6)})
    data = read_plum(root, "val")
    assert summary(data) == [("a.png", 3, [[0, 0, 8, 6], [2, 2, 4, 4]]), ("b.png", 0, [[1, 1, 2, 2]])]
    assert data.problems == []


def test_a_broken_line_is_its_own_problem(read_plum, tree, summary):
    root = tree({"val.txt": "a.png 3 1 1 8 6\na.png 3 1 x 8 6\nb.png 1 1\n", "a.png": (8, 6), "b.png": (8, 6)})
    data = read_plum(root, "val")
    assert summary(data) == [("a.png", 3, [[0, 0, 8, 6]])]
    assert [problem.removeprefix(f"{root}/val.txt, ") for problem in data.problems] == [
        "line 2: 'x' is not a number; mend it or take it out",
        "line 3: it has 3 fields where 6 belong; it may be cut off",
    ]
