"""ILSVRC CLS-LOC (ImageNet-1k) in torchvision's layout and in Kaggle's.

torchvision's: ``<split>/<wnid>/*.JPEG``. Kaggle's: ``ILSVRC/Data/CLS-LOC/<split>``, flat for val, and
``LOC_<split>_solution.csv`` (``ImageId,PredictionString``, the latter ``wnid xmin ymin xmax ymax`` for each object).
Boxes come from that CSV where it is there, else from XML files, one an image: ``ILSVRC/Annotations/CLS-LOC/<split>`` in
Kaggle's layout, ``Annotations/CLS-LOC/<split>`` or ``Annotations/<split>`` in torchvision's, flat or by wnid.

Of train less than half of the images have boxes: the others have their label alone.

Labels number the WordNet ids (wnids) in sorted order, as ImageNet-1k's classifiers do.

Corners are **0-based** and **inclusive**, in the CSV and in the XML: boxes at the right border of an image of 500
pixels end at 499. A record's box ends one further, at 500.
"""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from camkit.data.annotations import AnnotatedSet
from camkit.data.file_names import SUFFIXES
from camkit.data.formats.corners import INCLUSIVE
from camkit.data.formats.draft import Draft, with_label, with_label_and_box
from camkit.data.formats.tables import Line, Table, lines, quoted
from camkit.data.formats.voc_xml import read_voc_xml
from camkit.data.sources import Folder, source
from camkit.errors import CamkitError

MAPPING = "LOC_synset_mapping.txt"
WNID = re.compile(r"n\d+")
PARTLY = "train"  # boxes of 544,546 of its 1,281,167 images are public
GROUP = 5  # wnid xmin ymin xmax ymax


def read_ilsvrc(root: Path, split: str) -> AnnotatedSet:
    """Read a split, in the layout that is found.

    Parameters
    ----------
    root : Path
        torchvision's root, or the folder into which Kaggle's archive was unpacked. A split's images may be a zip
        archive.
    split : {"train", "val"}

    Returns
    -------
    AnnotatedSet
        `class_names` are the wnids: of ``LOC_synset_mapping.txt``, else of the class folders, else those annotated.
        Without boxes where there is neither CSV nor XML.

    Raises
    ------
    CamkitError
        There are no images, a class folder is empty and nothing else tells the classes, or no image can be used.
    """
    images = source(root / "ILSVRC" / "Data" / "CLS-LOC" / split, root / split)
    draft = Draft("ilsvrc", split, Path(str(images)))
    for name in images.names():
        if PurePosixPath(name).suffix.lower() in SUFFIXES:
            draft.add(PurePosixPath(name).stem, name, str(images))
    draft.require_images()
    if isinstance(images, Folder) and not (root / MAPPING).exists():
        _require_full_folders(images, draft)
    wnids = _Wnids(root, draft)
    for entry in draft.entries.values():
        if "/" in entry.image:
            entry.set_label(wnids.label(PurePosixPath(entry.image).parts[0]))
    solution = root / f"LOC_{split}_solution.csv"
    places = [root / "ILSVRC/Annotations/CLS-LOC", root / "Annotations/CLS-LOC", root / "Annotations"]
    folder = next((place / split for place in places if (place / split).is_dir()), None)
    complete = with_label if split == PARTLY else with_label_and_box
    if solution.exists():
        _read_solution(solution, draft, wnids)
    elif folder is not None:
        _read_xml(folder, draft, wnids)
    else:
        complete = with_label
    return replace(draft.finish(images, wnids.all, complete), wnids=tuple(wnids.all))


def _require_full_folders(images: Folder, draft: Draft) -> None:
    """An empty class folder would renumber all classes after it."""
    full = {PurePosixPath(entry.image).parts[0] for entry in draft.entries.values()}
    folders = [path for path in images.root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    empty = sorted(path for path in folders if path.name not in full)
    if empty:
        raise CamkitError(f"{empty[0]}: the class folder holds no image; add some, or remove it")


class _Wnids:
    """The classes: which there are is known before the first label is given."""

    def __init__(self, root: Path, draft: Draft) -> None:
        mapping, solution = root / MAPPING, root / f"LOC_{draft.split}_solution.csv"
        if mapping.exists():
            found = {line.fields[0].strip() for line in lines(mapping, 2)}
        else:
            found = {PurePosixPath(entry.image).parts[0] for entry in draft.entries.values() if "/" in entry.image}
        if not found and solution.exists():
            said = (line.fields[1].split(" ")[0] for line in Table(solution).lines(("ImageId", "PredictionString")))
            found = set(filter(WNID.fullmatch, said))
        if not found:
            raise CamkitError(
                f"{root}: nothing says which classes there are; add LOC_synset_mapping.txt, or sort the images of "
                f"{draft.split} into folders by wnid"
            )
        self.all = sorted(found)
        self._label = {wnid: label for label, wnid in enumerate(self.all)}

    def label(self, wnid: str) -> int:
        if wnid not in self._label:
            raise CamkitError(f"{quoted(wnid)} is none of the {len(self.all)} classes")
        return self._label[wnid]


def _read_solution(path: Path, draft: Draft, wnids: _Wnids) -> None:
    for line in Table(path).lines(("ImageId", "PredictionString")):
        with draft.reading(line) as entry:
            fields = line.text(1).split()
            if not fields or len(fields) % GROUP:
                raise CamkitError(f"{len(fields)} fields are no groups of wnid xmin ymin xmax ymax; it may be cut off")
            for start in range(0, len(fields), GROUP):
                with entry.annotation(f"{line.where}, object {start // GROUP + 1}"):
                    x0, y0, x1, y1 = Line(line.where, fields).numbers(start + 1, start + GROUP)
                    entry.set_label(wnids.label(fields[start]))
                    entry.add_box((x0, y0, x1, y1), INCLUSIVE)


def _read_xml(folder: Path, draft: Draft, wnids: _Wnids) -> None:
    for key, entry in draft.entries.items():
        by_class = folder / PurePosixPath(entry.image).with_suffix(".xml")
        path = by_class if by_class.exists() else folder / f"{key}.xml"
        if draft.split == PARTLY and not path.exists():
            continue
        with entry.reading(str(path)):
            annotation = read_voc_xml(path)
            entry.set_size(*annotation.size)
            for thing in annotation.objects:
                with entry.annotation(f"{path}, object {thing.number}"):
                    entry.set_label(wnids.label(thing.name))
                    entry.add_box(thing.corners(), INCLUSIVE)
