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
