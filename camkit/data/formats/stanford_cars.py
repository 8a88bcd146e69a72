"""Stanford Cars (Krause et al. 2013): 196 models of cars, one box an image.

``devkit/cars_meta.mat`` (``class_names``), ``devkit/cars_train_annos.mat`` with ``cars_train/``, and
``cars_test_annos_withlabels.mat``, there or beside it, with ``cars_test/``. Or ``cars_annos.mat``, which has both
splits, with ``car_ims/``. Without labels, as ``cars_test_annos.mat`` is, nothing could be measured.

Corners ``bbox_x1, bbox_y1, bbox_x2, bbox_y2`` are **1-based** and **inclusive**, as MATLAB counts pixels. Classes
count from 1; a record's label is one less.
"""

from pathlib import Path
from typing import Any

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import INCLUSIVE_FROM_1
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.mat_files import load_mat, number_in
from camkit.data.formats.tables import quoted
from camkit.data.sources import source
from camkit.errors import CamkitError

ANNOTATIONS = {"train": "cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
IS_TEST = {"train": 0, "test": 1}


def read_stanford_cars(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The folder with ``devkit`` and the images' folders, which may be zip archives; or with ``cars_annos.mat``.
    split : {"train", "test"}

    Raises
    ------
    CamkitError
        The split is unknown, a file is missing or broken, or no image can be used.
    """
    if split not in ANNOTATIONS:
        raise CamkitError(f"Stanford Cars has no split {split!r}: use train or test")
    places = (root / "devkit", root)
    both = root / "cars_annos.mat"
    if both.is_file():
        listing, images, names = both, source(root / "car_ims"), _names(load_mat(both, "class_names"))
    else:
        meta = next((place / "cars_meta.mat" for place in places if (place / "cars_meta.mat").is_file()), None)
        names = _names(load_mat(meta or places[0] / "cars_meta.mat", "class_names"))
        found = [place / ANNOTATIONS[split] for place in places]
        listing = next((path for path in found if path.is_file()), found[0])
        images = source(root / f"cars_{split}")
    draft = Draft("stanford-cars", split, listing)
    for number, row in enumerate(load_mat(listing, "annotations"), 1):
        if listing != both or _is_of(row, split):
            _add(draft, row, f"{listing}, image {number}", len(names))
    return draft.finish(images, names, with_label_and_box)


def _names(written: Any) -> list[str]:
    return [str(name).strip() for name in written]


def _is_of(row: Any, split: str) -> bool:
    """Whether a row is of the split; one that does not say is listed with both, and told as a problem of each."""
    test = _field(row, "test")
    return test not in IS_TEST.values() or int(test) == IS_TEST[split]


def _add(draft: Draft, row: Any, where: str, classes: int) -> None:
    name = _field(row, "fname") if "fname" in (row.dtype.names or ()) else _field(row, "relative_im_path")
    if not isinstance(name, str) or not name:
        draft.stray(where, f"fname {quoted(name)} is no image's name")
        return
    entry = draft.add(name, name.replace("\\", "/").rpartition("/")[2], where)
    with entry.reading(where):
        if "test" in (row.dtype.names or ()) and _field(row, "test") not in IS_TEST.values():
            raise CamkitError(f"test {quoted(_field(row, 'test'))} is neither 0 nor 1")
        label = number_in(_field(row, "class"))
        if label % 1 or not 1 <= label <= classes:
            raise CamkitError(f"class {label:g} is none of the {classes} in cars_meta.mat, which count from 1")
        entry.set_label(int(label) - 1)
        x0, y0, x1, y1 = (number_in(_field(row, f"bbox_{corner}")) for corner in ("x1", "y1", "x2", "y2"))
        entry.add_box((x0, y0, x1, y1), INCLUSIVE_FROM_1)


def _field(row: Any, name: str) -> Any:
    """A field of one row; `CamkitError` where rows have none of that name."""
    if name not in (row.dtype.names or ()):
        raise CamkitError(f"its annotations have no {name}; those with labels are wanted, fetch them")
    value = row[name]
    return value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
