""".ci/pages.py: which commands it reads out of the pages, and that it finds all of them. It runs them in .ci/run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".ci"))

import pages  # noqa: E402 - beside .ci/run
import stand_ins  # noqa: E402

FILES = [str(path.relative_to(ROOT)) for glob in pages.PAGES for path in sorted(ROOT.glob(glob))]
TEXT = """# A page

```sh
camkit demo \\
    --model tiny
```

<!-- test -->
```sh
pip install x
```

```python
# not run: it would take a day
print(1)
```

```text
camkit nothing
```
"""


def test_blocks_with_their_lines_languages_and_reasons():
    found = pages.blocks("a.md", TEXT)
    assert [(block.name, block.language) for block in found] == [
        ("a.md:4", "sh"),
        ("a.md:10", "sh"),
        ("a.md:14", "python"),
    ]
    assert [block.reason for block in found] == [None, "test: by .ci/run", "it would take a day"]
    assert [block.installs for block in found] == [False, True, False]


def test_trainings_are_cut_and_nothing_else():
    cut = pages.shortened(
        "camkit train --dataset shapes \\\n    --root n=8 --epochs 6 --out a\ncamkit demo --model tiny\n"
    )
    assert cut == "camkit train --dataset shapes --root n=8 --epochs 6 --out a --epochs 1\ncamkit demo --model tiny"
    assert pages.shortened("cat > a <<'END'\nx = [\n    1,\n]\nEND\n") == "cat > a <<'END'\nx = [\n    1,\n]\nEND"


def test_a_block_says_how_it_ended(tmp_path):
    good, bad = (pages.Block("a.md", 1, "sh", f"echo said\n{end}\necho more\n") for end in ("true", "false"))
    assert good.run(tmp_path, {"PATH": "/usr/bin:/bin"}) == (0, "said\nmore\n")
    assert bad.run(tmp_path, {"PATH": "/usr/bin:/bin"}) == (1, "said\n")
    assert pages.Block("a.md", 1, "python", "raise SystemExit(3)").run(tmp_path, {})[0] == 3


@pytest.mark.parametrize("page", FILES)
def test_no_command_stands_where_it_is_not_read(page):
    """Commands are in fences of two languages; none is indented, which would be code that nobody runs."""
    text = (ROOT / page).read_text("utf-8")
    assert set(re.findall(r"^```(\w*)$", text, re.MULTILINE)) <= {"", "sh", "python", "text"}
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"^    (?:camkit|python|pip) .*", outside, re.MULTILINE)
    assert len(pages.blocks(page, text)) == len(re.findall(r"^```(?:sh|python)$", text, re.MULTILINE)) > 0


def test_every_stand_in_is_of_a_page_that_is_there():
    assert set(stand_ins.STAND_INS) <= set(FILES)
    assert set(stand_ins.PREAMBLES) <= set(FILES)


def test_a_failing_page_fails_the_script(tmp_path):
    """On a repository of one page, in the way that .ci/run calls it."""
    for name in ("pages.py", "stand_ins.py"):
        (tmp_path / ".ci").mkdir(exist_ok=True)
        (tmp_path / ".ci" / name).write_text((ROOT / ".ci" / name).read_text())
    page = tmp_path / "docs/tutorials/a.md"
    page.parent.mkdir(parents=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    for command, status, said in (("true", 0, "1 passed, 0 failed"), ("false", 1, "0 passed, 1 failed")):
        page.write_text(f"# One\n\n```sh\n{command}\n```\n")
        subprocess.run([*git, "add", "-A"], cwd=tmp_path, check=True)
        subprocess.run([*git, "commit", "-q", "-m", command], cwd=tmp_path, check=True)
        done = subprocess.run(
            [sys.executable, ".ci/pages.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout.splitlines()[-1]) == (status, said)
