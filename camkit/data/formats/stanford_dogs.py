"""Stanford Dogs (Khosla et al. 2011): 120 breeds out of ImageNet, boxes in XML files.

``Images/<wnid>-<breed>/<id>.jpg``, ``Annotation/<wnid>-<breed>/<id>`` (Pascal VOC's XML, without an ending), and
``train_list.mat`` and ``test_list.mat`` (``file_list``, ``labels``), in ``lists`` or in the folder itself. Labels
number the folders in sorted order, as the lists do from 1; the breed is a class's name.

Corners are **0-based** and **inclusive**, as in ILSVRC, whose annotations they are.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from camkit.data.annotations import AnnotatedSet
from camkit.data.file_names import SUFFIXES
from camkit.data.formats.corners import INCLUSIVE
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.mat_files import load_mat, number_in
from camkit.data.formats.tables import quoted
from camkit.data.formats.voc_xml import read_voc_xml
from camkit.data.sources import source
from camkit.errors import CamkitError

SPLITS, ALL = ("train", "test"), "all"


def read_stanford_dogs(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The folder with ``Images``, which may be a zip archive, ``Annotation`` and the lists.
    split : {"train", "test", "all"}
        All needs no list.

    Raises
    ------
    CamkitError
        The split is unknown, a file is missing, or no image can be used.
    """
    if split not in (*SPLITS, ALL):
        raise CamkitError(f"Stanford Dogs has no split {split!r}: use train or test, or all, which needs no list")
    annotations, images = root / "Annotation", source(root / "Images")
    if not annotations.is_dir():
        raise CamkitError(f"{annotations}: there is no such folder of annotations; check --root")
    folders = sorted(path.name for path in annotations.iterdir() if path.is_dir() and not path.name.startswith("."))
    labels = {folder: label for label, folder in enumerate(folders)}
    found = [place / f"{split}_list.mat" for place in (root / "lists", root)]
    listing = Path(str(images)) if split == ALL else next((path for path in found if path.is_file()), found[1])
    draft = Draft("stanford-dogs", split, listing)
    if split == ALL:
        listed = [(name, None) for name in images.names() if PurePosixPath(name).suffix.lower() in SUFFIXES]
    else:
        names, numbers = load_mat(listing, "file_list"), load_mat(listing, "labels")
        if len(names) != len(numbers):
            raise CamkitError(f"{listing}: {len(names)} files and {len(numbers)} labels; fetch it again")
        listed = [(str(name), number) for name, number in zip(names, numbers, strict=True)]
    for place, (name, number) in enumerate(listed, 1):
        where = f"{listing}, image {place}"
        entry = draft.add(name, name, where)
        with entry.reading(where):
            folder = name.partition("/")[0]
            if folder not in labels:
                raise CamkitError(f"{quoted(folder)} is none of the {len(labels)} classes in {annotations}")
            if number is not None and number_in(number) != labels[folder] + 1:
                raise CamkitError(f"label {number} is not that of {folder}, which is {labels[folder] + 1}")
            entry.set_label(labels[folder])
            path = annotations / PurePosixPath(name).with_suffix("")
            annotation = read_voc_xml(path)
            entry.set_size(*annotation.size)
            for thing in annotation.objects:
                with entry.annotation(f"{path}, object {thing.number}"):
                    entry.add_box(thing.corners(), INCLUSIVE)
    done = draft.finish(images, [folder.partition("-")[2] or folder for folder in folders], with_label_and_box)
    return replace(done, wnids=tuple(folder.partition("-")[0] for folder in folders))
