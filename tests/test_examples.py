"""The examples run as they stand."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_in_python(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "in_python.py")], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    lines = done.stdout.splitlines()
    assert lines[1].startswith("espresso")
    (mean,), (logit,) = ([float(w) for w in line.split(":")[1:]] for line in lines[3:5])
    assert abs(mean - logit) < 1e-3
    assert len(lines) == 9


def test_table3_on_shapes(tmp_path):
    options = {
        "seeds": 1,
        "methods": "none",
        "epochs": 1,
        "images": 32,
        "test-images": 8,
        "classes": 2,
        "size": 32,
        "precision": "fp32",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, str(EXAMPLES / "table3_on_shapes.py"), "--out", str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (tmp_path / "table3.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 4
    assert "| none | x | x | x |" in done.stdout
