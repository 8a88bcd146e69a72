"""The JSON of a settings file, as far as it can be read without torch."""

import json
from pathlib import Path
from typing import Any

from camkit.errors import CamkitError


def read_held(path: Path) -> dict[str, Any]:
    """What a settings file holds.

    Raises
    ------
    CamkitError
        It cannot be read, or is none.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CamkitError(f"{path}: cannot be read: {error.strerror}; check --settings") from error
    except (ValueError, RecursionError) as error:  # not JSON, nested too deep, a number too long
        raise none(path) from error
    if not isinstance(held, dict) or "recipe" not in held:
        raise none(path)
    return held


def none(path: Path) -> CamkitError:
    """What is said of a file that is no settings file."""
    return CamkitError(f"{path}: no settings file; camkit calibrate writes settings.json")
