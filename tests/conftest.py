"""Fixtures of all rooms."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests/small.py


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder with real weights and photographs; tests that need it skip without the variable CAMKIT_REAL."""
    folder = os.environ.get("CAMKIT_REAL")
    if not folder:
        pytest.skip("needs real photographs: set CAMKIT_REAL to their folder")
    return Path(folder)
