"""Tiny ImageNet: photographs of 64 x 64 pixels with ImageNet's boxes, in its official layout or as a table.

Official: ``wnids.txt`` (the classes), ``val/val_annotations.txt`` (``file wnid x0 y0 x1 y1``) with ``val/images``, and
``train/<wnid>/<wnid>_boxes.txt`` (``file x0 y0 x1 y1``) with ``train/<wnid>/images``. Labels number the sorted wnids;
``words.txt`` (``wnid name``) names them. Two classes of one name get the wnid behind it.

Table: ``boxes.csv`` (``split,image,label,wnid,x0,y0,x1,y1``), ``classes.csv`` (``label,wnid,imagenet_label,name``), and
each split's images in a folder or zip archive of its name.

Corners are **0-based** and **inclusive** in both: a box over a whole image is ``0 0 63 63``, a record's ``0 0 64 64``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import INCLUSIVE
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.entry import Entry
from camkit.data.formats.tables import Line, Table, lines, mending, quoted
from camkit.data.sources import source
from camkit.errors import CamkitError

SPLITS = ("train", "val", "test")


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
        `class_names` are the names in ``classes.csv``, with their `imagenet_labels`, or those in ``words.txt``, or the
        wnids, which are in `wnids` in any case.

    Raises
    ------
    CamkitError
        A file is missing or empty, or no image can be used.
    """
    return _from_table(root, split) if (root / "boxes.csv").exists() else _official(root, split)


def _add_box(entry: Entry, line: Line, start: int) -> None:
    x0, y0, x1, y1 = line.numbers(start, start + 4)
    entry.add_box((x0, y0, x1, y1), INCLUSIVE)


def _from_table(root: Path, split: str) -> AnnotatedSet:
    names: dict[int, str] = {}
    imagenet_labels: dict[int, int] = {}
    wnids: dict[int, str] = {}
    for line in Table(root / "classes.csv").lines(("label", "imagenet_label", "name", "wnid")):
        with mending(line):
            if line.whole(0) in names:
                raise CamkitError(f"a second class {line.whole(0)}")
            names[line.whole(0)], imagenet_labels[line.whole(0)] = line.fields[2], line.whole(1)
            wnids[line.whole(0)] = line.fields[3]
    if sorted(names) != list(range(len(names))):
        raise CamkitError(f"{root / 'classes.csv'}: its labels do not count from 0 without a gap; mend it")
    draft = Draft("tiny-imagenet", split, root / "boxes.csv")
    for line in Table(draft.listing).lines(("image", "split", "label", "x0", "y0", "x1", "y1")):
        image = line.fields[0]
        if line.fault is None and line.fields[1] != split and line.fields[1] in SPLITS:
            continue
        if image not in draft.entries:
            draft.add(image, image, line.where)
        with draft.annotation(line) as entry:
            if line.text(1) != split:
                raise CamkitError(f"{quoted(line.text(1))} is none of the splits {', '.join(SPLITS)}")
            entry.set_label(line.whole(2), len(names))
            _add_box(entry, line, 3)
    done = draft.finish(source(root / split), [names[label] for label in range(len(names))], with_label_and_box)
    numbers = range(len(names))
    return replace(
        done,
        imagenet_labels=tuple(imagenet_labels[label] for label in numbers),
        wnids=tuple(wnids[label] for label in numbers),
    )


def _official(root: Path, split: str) -> AnnotatedSet:
    wnids = sorted({line.fields[0] for line in lines(root / "wnids.txt", 1)})
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    draft, images = _train(root, labels) if split == "train" else _val(root, split, labels)
    done = draft.finish(source(images), _names(root / "words.txt", wnids), with_label_and_box)
    return replace(done, wnids=tuple(wnids))


def _train(root: Path, labels: Mapping[str, int]) -> tuple[Draft, Path]:
    draft = Draft("tiny-imagenet", "train", root / "wnids.txt")
    for wnid, label in labels.items():
        for line in lines(root / "train" / wnid / f"{wnid}_boxes.txt", 5):
            entry = draft.add_line(line, f"{wnid}/images/{line.fields[0]}")
            with entry.reading(line.where):
                entry.set_label(label)
                _add_box(entry, line, 1)
    return draft, root / "train"


def _val(root: Path, split: str, labels: Mapping[str, int]) -> tuple[Draft, Path]:
    draft = Draft("tiny-imagenet", split, root / split / f"{split}_annotations.txt")
    for line in lines(draft.listing, 6):
        entry = draft.add_line(line)
        with entry.reading(line.where):
            if line.text(1) not in labels:
                raise CamkitError(f"{quoted(line.text(1))} is none of the {len(labels)} classes in wnids.txt")
            entry.set_label(labels[line.text(1)])
            _add_box(entry, line, 2)
    return draft, root / split / "images"


def _names(words: Path, wnids: Sequence[str]) -> list[str]:
    """The classes' names, each once; the wnid of a class that ``words.txt`` does not name."""
    found = {line.fields[0]: line.fields[1] for line in lines(words, 2) if not line.fault} if words.exists() else {}
    names = [found.get(wnid, wnid) for wnid in wnids]
    count = Counter(names)
    return [f"{name} ({wnid})" if count[name] > 1 else name for name, wnid in zip(names, wnids, strict=True)]
