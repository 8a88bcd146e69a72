"""MATLAB's .mat files, in which the older data sets keep their lists."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from camkit.data.formats.tables import REMEDY, quoted
from camkit.errors import CamkitError


def load_mat(path: Path, name: str) -> NDArray[Any]:
    """A variable of a file, as an array of one axis.

    Raises
    ------
    CamkitError
        The file is missing or no .mat of version 7 or older, or has no such variable.
    """
    if not path.is_file():
        raise CamkitError(f"{path}: cannot be read: there is no such file; {REMEDY}")
    try:
        content = loadmat(path, squeeze_me=True, variable_names=[name])
    except Exception as error:  # scipy raises nearly every type on a broken file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CamkitError(f"{path}: cannot be read as a .mat file ({reason}); fetch it again") from None
    if name not in content:
        raise CamkitError(f"{path}: it has no variable {name!r}; {REMEDY}")
    found: NDArray[Any] = np.atleast_1d(content[name])
    return found


def number_in(value: Any) -> float:
    """A value of a .mat file as a finite number; `CamkitError` where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise CamkitError(f"{quoted(value)} is not a number")
    return number
