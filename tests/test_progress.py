"""One form for all bars: what is said, and that nothing is said where nobody looks."""

import io

from camkit import progress
from camkit.progress import progress_bar


def test_what_a_bar_says(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    bar = progress_bar(what="epoch 1/2", total=4, unit="step", done=1, shown=True)
    bar.update()
    bar.set_postfix_str("loss 0.500")
    said = screen.getvalue().split("\r")[-1]
    assert said.startswith("epoch 1/2:  50%|")
    assert "| 2/4 steps, " in said
    assert said.rstrip().endswith("left, loss 0.500")
    bar.close()
    assert screen.getvalue().split("\r")[-2].strip() == ""  # gone once it is done
    assert list(progress_bar("ab", what="x", total=2, shown=False)) == ["a", "b"]
    assert "x:" not in screen.getvalue()


def test_every_bar_is_this_one():
    from pathlib import Path

    files = Path(progress.__file__).parent.rglob("*.py")
    assert [file.name for file in files if "import tqdm" in file.read_text(encoding="utf-8")] == ["progress.py"]
