"""Fixtures of all rooms."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder with real weights and photographs; tests that need it skip without the variable CAMKIT_REAL."""
    folder = os.environ.get("CAMKIT_REAL")
    if not folder:
        pytest.skip("needs real photographs: set CAMKIT_REAL to their folder")
    return Path(folder)
