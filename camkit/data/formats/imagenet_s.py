"""ImageNet-S (Gao et al. 2022): masks of 50, 300 or 919 of ImageNet's classes.

``<split>/<wnid>/*.JPEG`` and ``<split>-segmentation/<wnid>/*.png``, as its own scripts lay them out: validation and
train-semi have masks; train has labels alone.

A mask's number is ``R + 256 * G``: 1 for the first of the sorted WordNet ids, 0 is anything else, 1000 does not count.
A record's mask is of its folder's class; objects of other classes are background. There are no boxes.

Numbers depend on which classes there are: those of ``ImageNetS_categories_im50.txt`` (300, 919) where it lies beside,
else the class folders, which then have to be 50, 300 or 919.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from camkit.data.annotations import AnnotatedSet
from camkit.data.file_names import SUFFIXES
from camkit.data.formats.draft import Draft, with_label
from camkit.data.formats.entry import Entry
from camkit.data.formats.masks import MaskValues
from camkit.data.formats.tables import lines, quoted
from camkit.data.records import Record
from camkit.data.sources import find_source, source
from camkit.errors import CamkitError

COUNTS = (50, 300, 919)
IGNORED = 1000
WITHOUT_MASKS = ("train", "train-full", "test")


def read_imagenet_s(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        ``ImageNetS50``, ``ImageNetS300`` or ``ImageNetS919``. A split's images and masks may be zip archives.
    split : {"validation", "train-semi", "train"}
        val is validation.

    Returns
    -------
    AnnotatedSet
        `class_names` are the wnids.

    Raises
    ------
    CamkitError
        There are no images, the classes cannot be numbered, masks are missing, or no image can be used.
    """
    folder = "validation" if split == "val" else split
    images = source(root / folder)
    draft = Draft("imagenet-s", split, Path(str(images)))
    for name in images.names():
        if PurePosixPath(name).suffix.lower() in SUFFIXES:
            draft.add(name, name, str(images))
    draft.require_images()
    wnids = _wnids(root, draft)
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    for entry in draft.entries.values():
        with entry.reading(f"{images}: {quoted(entry.image)}"):
            wnid = PurePosixPath(entry.image).parts[0]
            if wnid not in labels:
                raise CamkitError(f"{quoted(wnid)} is none of the {len(wnids)} classes")
            entry.set_label(labels[wnid])
    masks = find_source(root / f"{folder}-segmentation")
    if masks is None and folder not in WITHOUT_MASKS:
        raise CamkitError(f"{root / folder}-segmentation: there is no such folder of masks; check --root and --split")

    def complete(entry: Entry, record: Record) -> list[Record]:
        if masks is None:
            return with_label(entry, record)
        read = masks.reader(PurePosixPath(record.image).with_suffix(".png").as_posix())
        mask = MaskValues(read, objects=(entry.label or 0) + 1, ignored=IGNORED, pairs=True)
        return with_label(entry, replace(record, read_mask=mask))

    return replace(draft.finish(images, wnids, complete), wnids=tuple(wnids))


def _wnids(root: Path, draft: Draft) -> list[str]:
    """The classes in sorted order, all of them: a class that is missing would shift the others' numbers."""
    stated = sorted(root.glob("ImageNetS_categories*.txt"))
    if len(stated) > 1:
        raise CamkitError(f"{stated[0]} and {stated[1].name} both list classes; leave one")
    if stated:
        return sorted({line.text(0) for line in lines(stated[0], 1)})
    found = sorted({PurePosixPath(entry.image).parts[0] for entry in draft.entries.values()})
    if len(found) not in COUNTS:
        raise CamkitError(
            f"{draft.listing}: {len(found)} class folders are none of ImageNet-S's 50, 300 or 919, so the masks' "
            "numbers are not known; put ImageNetS_categories_im50.txt (300, 919) beside it"
        )
    return found
