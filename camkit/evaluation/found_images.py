"""Which image of a data set each name in a file of boxes means."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from camkit.errors import CamkitError


def images_meant(names: Iterable[str], images: Iterable[str]) -> dict[str, str]:
    """The data set's image by the file's name, of all names that mean one.

    The very same path; else the one image whose path ends with the name, or is the end of it, in whole folders:
    ``a/cat.jpg`` is ``images/a/cat.jpg``, and so is ``/data/images/a/cat.jpg``.

    Raises
    ------
    CamkitError
        Two names would mean the same image.
    """
    known = set(images)
    by_end: defaultdict[str, set[str]] = defaultdict(set)
    for image in known:
        for end in _ends(image):
            by_end[end].add(image)
    met: dict[str, str] = {}
    of: dict[str, str] = {}
    for name in names:
        meant = _meant(name, known, by_end)
        if meant is None:
            continue
        if meant in of:
            raise CamkitError(f"{of[meant]!r:.120} and {name!r:.120} both would be the image {meant!r:.120}: give "
                              "names that tell them apart")  # fmt: skip
        met[name], of[meant] = meant, name
    return met


def _ends(path: str) -> list[str]:
    parts = PurePosixPath(path).parts
    return ["/".join(parts[dropped:]) for dropped in range(1, len(parts))]


def _meant(name: str, known: set[str], by_end: dict[str, set[str]]) -> str | None:
    for same in (name, name.replace("\\", "/").removeprefix("./")):
        if same in known:
            return same
    name = name.replace("\\", "/")
    longer = by_end.get(name, set())
    if longer:
        return next(iter(longer)) if len(longer) == 1 else None
    return next((end for end in _ends(name) if end in known), None)
