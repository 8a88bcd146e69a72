"""Tiny ImageNet: photographs of 64 x 64 pixels with ImageNet's boxes, in its official layout or as a table.

Official: ``wnids.txt`` (the classes), ``val/val_annotations.txt`` (``file wnid x0 y0 x1 y1``) with ``val/images``, and
``train/<wnid>/<wnid>_boxes.txt`` (``file x0 y0 x1 y1``) with ``train/<wnid>/images``. Labels number the sorted wnids.

Table: ``boxes.csv`` (``split,image,label,wnid,x0,y0,x1,y1``), ``classes.csv`` (``label,wnid,imagenet_label,name``), and
each split's images in a folder or zip archive of its name.

Corners are **0-based** and **inclusive** in both: a box over a whole image is ``0 0 63 63``, a record's ``0 0 64 64``.
"""

from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.draft import Draft, Entry, with_label_and_box
from camkit.data.formats.tables import Line, lines, mending, table
from camkit.data.sources import source
from camkit.errors import CamkitError


def read_tiny_imagenet(root: Path, split: str) -> AnnotatedSet:
    """Read a split, in the layout that is found.

    Parameters
    ----------
    root : Path
        The folder with ``wnids.txt`` or ``boxes.csv``.
    split : {"train", "val"}

    Returns
    -------
    AnnotatedSet
        `labels` are the names in ``classes.csv``, with their `imagenet_labels`, or the wnids.

    Raises
    ------
    CamkitError
        A file is missing or empty, or no image can be used.
    """
    return _from_table(root, split) if (root / "boxes.csv").exists() else _official(root, split)


def _add_box(entry: Entry, line: Line, start: int) -> None:
    x0, y0, x1, y1 = line.numbers(start, start + 4)
    entry.add_box(x0, y0, x1 + 1, y1 + 1)


def _from_table(root: Path, split: str) -> AnnotatedSet:
    names: dict[int, str] = {}
    imagenet_labels: dict[int, int] = {}
    for line in table(root / "classes.csv", ("label", "imagenet_label", "name")):
        with mending(line):
            if line.whole(0) in names:
                raise CamkitError(f"a second class {line.whole(0)}")
            names[line.whole(0)], imagenet_labels[line.whole(0)] = line.fields[2], line.whole(1)
    if sorted(names) != list(range(len(names))):
        raise CamkitError(f"{root / 'classes.csv'}: its labels do not count from 0 without a gap; mend it")
    draft = Draft("tiny-imagenet", split, root / "boxes.csv")
    for line in table(draft.listing, ("image", "split", "label", "x0", "y0", "x1", "y1")):
        image = line.fields[0]
        if line.fault is None and line.fields[1] != split:
            continue
        if image not in draft.entries:
            draft.add(image, image, line.where)
        with draft.reading(line) as entry:
            entry.set_label(line.whole(2), len(names))
            _add_box(entry, line, 3)
    done = draft.finish(source(root / split), [names[label] for label in range(len(names))], with_label_and_box)
    return replace(done, imagenet_labels=tuple(imagenet_labels[label] for label in range(len(names))))


def _official(root: Path, split: str) -> AnnotatedSet:
    wnids = sorted({line.fields[0] for line in lines(root / "wnids.txt", 1)})
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    if split == "train":
        draft = Draft("tiny-imagenet", split, root / "wnids.txt")
        for wnid in wnids:
            for line in lines(root / "train" / wnid / f"{wnid}_boxes.txt", 5):
                image = f"{wnid}/images/{line.fields[0]}"
                with draft.add(image, image, line.where).reading(line) as entry:
                    entry.set_label(labels[wnid])
                    _add_box(entry, line, 1)
        return draft.finish(source(root / "train"), wnids, with_label_and_box)
    draft = Draft("tiny-imagenet", split, root / split / f"{split}_annotations.txt")
    for line in lines(draft.listing, 6):
        with draft.add(line.fields[0], line.fields[0], line.where).reading(line) as entry:
            if line.text(1) not in labels:
                raise CamkitError(f"{line.text(1)!r} is none of the {len(wnids)} classes in wnids.txt")
            entry.set_label(labels[line.text(1)])
            _add_box(entry, line, 2)
    return draft.finish(source(root / split / "images"), wnids, with_label_and_box)
