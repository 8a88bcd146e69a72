"""FGVC-Aircraft (Maji et al. 2013), 2013a and b: aircraft by variant, family or manufacturer, one box an image.

``images_variant_<split>.txt`` (``image name``; likewise ``family``, ``manufacturer``), ``variants.txt``
(``families.txt``, ``manufacturers.txt``) in the order of labels, ``images_box.txt`` (``image xmin ymin xmax ymax``) and
``images/<image>.jpg``, all in ``data``. Each photograph has a banner of 20 pixels at the bottom, which stays.

Corners are **1-based**, the upper left pixel is (1, 1), and **inclusive**.
"""

from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import INCLUSIVE_FROM_1
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.tables import lines, mending, quoted
from camkit.data.sources import source
from camkit.errors import CamkitError

LEVELS = {"variant": "variants.txt", "family": "families.txt", "manufacturer": "manufacturers.txt"}
SPLITS = ("train", "val", "trainval", "test")


def read_fgvc_aircraft(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The folder with ``data``, or that folder. ``images`` may be a zip archive.
    split : str
        train, val, trainval or test, by variant; by another level as the official code writes it: family_test,
        manufacturer_test.

    Raises
    ------
    CamkitError
        The split is unknown, a file is missing, or no image can be used.
    """
    level, _, part = split.rpartition("_")
    level = level or "variant"
    if level not in LEVELS or part not in SPLITS:
        raise CamkitError(
            f"FGVC-Aircraft has no split {split!r}: use {', '.join(SPLITS)}, or by another level, such as family_test"
        )
    data = root if (root / "images_box.txt").is_file() else root / "data"
    names: dict[str, int] = {}
    for line in lines(data / LEVELS[level], 1):
        with mending(line):
            if names.setdefault(line.text(0), len(names)) != len(names) - 1:
                raise CamkitError(f"a second class {quoted(line.text(0))}")
    draft = Draft("fgvc-aircraft", split, data / f"images_{level}_{part}.txt")
    for line in lines(draft.listing, 2):
        image = line.fields[0]
        entry = draft.add(image, f"{image}.jpg", line.where)
        with entry.reading(line.where):
            if line.text(1) not in names:
                raise CamkitError(f"{quoted(line.text(1))} is none of the {len(names)} classes in {LEVELS[level]}")
            entry.set_label(names[line.text(1)])
    for line in lines(data / "images_box.txt", 5):
        if line.fields[0] in draft.entries:  # the others are of other splits
            with draft.reading(line) as entry:
                x0, y0, x1, y1 = line.numbers(1, 5)
                if entry.has_box:
                    raise CamkitError("a second box for the image")
                entry.add_box((x0, y0, x1, y1), INCLUSIVE_FROM_1)
    return draft.finish(source(data / "images"), list(names), with_label_and_box)
