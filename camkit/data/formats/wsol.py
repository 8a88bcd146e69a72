"""The public WSOL splits (Choe et al. 2020): CUB and CUBV2, ILSVRC and ImageNetV2, OpenImages30K.

A split is a folder of four text files: ``image_ids.txt`` (one id a line, the image's path), ``class_labels.txt``
(``id,label``, labels from 0), ``image_sizes.txt`` (``id,width,height``; not with OpenImages30K) and
``localization.txt``, which holds either boxes, ``id,x0,y0,x1,y1``, one a line, or masks,
``id,mask_path,ignore_path``, one object a line, the ignore path on one of an image's lines. The train splits of ILSVRC
and OpenImages30K have labels alone: their ``localization.txt`` is empty.

Corners are numbers of pixels, 0-based and **inclusive**: boxes at the right border of an image of 500 pixels end at
499. A record's box ends one further, at 500.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import INCLUSIVE
from camkit.data.formats.draft import Draft, with_label, with_label_and_box
from camkit.data.formats.entry import Entry, Incomplete
from camkit.data.formats.masks import MaskFiles
from camkit.data.formats.tables import lines
from camkit.data.records import Record
from camkit.data.sources import Read, Source, find_source, source
from camkit.errors import CamkitError

BOX_FIELDS, MASK_FIELDS = 5, 3


def read_wsol(root: Path, split: str, name: str = "wsol") -> AnnotatedSet:
    """Read a split in the public metadata format.

    Parameters
    ----------
    root : Path
        The data set's metadata folder, with a folder for each split. Images lie in ``root/images``, else where the
        public code has them, ``root/../../dataset/<root's name>``, else in ``root`` itself; masks in ``root/masks``,
        else beside the images. Each may be a zip archive.
    split : str
        Such as train, val or test.
    name : str

    Returns
    -------
    AnnotatedSet
        Without boxes and masks where the split has no ``localization.txt``, or an empty one.

    Raises
    ------
    CamkitError
        A file is missing, or no image can be used.
    """
    folder = root / split
    draft = Draft(name, split, folder / "image_ids.txt")
    for line in lines(draft.listing, 1):
        draft.add_line(line)
    draft.require_images()
    for line in lines(folder / "class_labels.txt", 2, ","):
        with draft.reading(line) as entry:
            entry.set_label(line.whole(1))
    if (folder / "image_sizes.txt").exists():
        for line in lines(folder / "image_sizes.txt", 3, ","):
            with draft.reading(line) as entry:
                entry.set_size(line.whole(2), line.whole(1))
    images = source(root / "images", root.resolve().parent.parent / "dataset" / root.resolve().name, root)
    localization = folder / "localization.txt"
    wanted = _fields_of(localization)
    if wanted is None:
        return draft.finish(images, None, with_label)
    if wanted == MASK_FIELDS:
        masks = _MaskPaths(draft, localization, find_source(root / "masks") or images)
        return draft.finish(images, None, masks.complete)
    for line in lines(localization, wanted, ","):
        with draft.annotation(line) as entry:
            x0, y0, x1, y1 = line.numbers(1, BOX_FIELDS)
            entry.add_box((x0, y0, x1, y1), INCLUSIVE)
    return draft.finish(images, None, with_label_and_box)


def read_openimages(root: Path, split: str) -> AnnotatedSet:
    """Read a split of OpenImages30K, as `read_wsol`."""
    return read_wsol(root, split, "openimages")


def _fields_of(path: Path) -> int | None:
    """How many fields a line has, as most lines have them, of a box or of a mask; None where there is no line."""
    if not path.exists():
        return None
    widths = Counter(len(line.fields) for line in lines(path, BOX_FIELDS, ","))
    wanted = BOX_FIELDS if widths[BOX_FIELDS] >= widths[MASK_FIELDS] else MASK_FIELDS
    if widths and not widths[wanted]:
        raise CamkitError(f"{path}: no line is id,x0,y0,x1,y1 or id,mask_path,ignore_path; mend or remove the file")
    return wanted if widths else None


class _MaskPaths:
    """The mask files of each image."""

    def __init__(self, draft: Draft, localization: Path, files: Source) -> None:
        self.instances: dict[str, list[Read]] = {}
        self.ignore: dict[str, Read] = {}
        for line in lines(localization, MASK_FIELDS, ","):
            with draft.reading(line) as entry:
                mask, ignore = line.text(1), line.text(2)
                self.instances.setdefault(entry.image, []).append(files.reader(mask))
                if ignore and self.ignore.setdefault(entry.image, files.reader(ignore)) != files.reader(ignore):
                    raise CamkitError("a second ignore region for the image")

    def complete(self, entry: Entry, record: Record) -> list[Record]:
        if entry.image not in self.instances:
            raise Incomplete("it has no mask")
        masks = MaskFiles(tuple(self.instances[entry.image]), self.ignore.get(entry.image))
        return with_label(entry, replace(record, read_mask=masks))
