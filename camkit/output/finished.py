"""Which folders hold a finished run that the page can be made of."""

from pathlib import Path

from camkit.errors import CamkitError

ENDS = ("run.json", "calibration.json")  # what runs end with


def refuse_unfinished(path: Path) -> None:
    """`CamkitError` where there is no such folder, or no run has ended in it."""
    if not path.is_dir():
        raise CamkitError(f"{path}: there is no such folder; give a folder that a command of camkit wrote")
    if not any((path / name).is_file() for name in ENDS):
        raise unfinished(path)


def unfinished(path: Path) -> CamkitError:
    """What is said of a folder without a run of those that a page is made of."""
    return CamkitError(f"{path}: holds no finished run of localize, codetect, evaluate, ablate, calibrate or analyze "
                       "(run.json is what they end with)")  # fmt: skip
