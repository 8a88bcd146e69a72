"""NABirds (Van Horn et al. 2015) in its official folder: 555 kinds of North American birds, one box an image.

``images.txt`` (``id path``), ``train_test_split.txt`` (``id 1`` for training, ``id 0`` for test), ``classes.txt``
(``class name``, inner nodes of ``hierarchy.txt`` among them), ``image_class_labels.txt`` (``id class``),
``bounding_boxes.txt`` (``id x y width height``) and ``sizes.txt`` (``id width height``).

Labels number those classes that have images, in either split, in the order of their numbers: 0 to 554. The corner
``x, y`` is **0-based**; a box is **half open**, ``x, y, x + width, y + height``.
"""

from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.cub import list_images
from camkit.data.formats.draft import with_label_and_box
from camkit.data.formats.entry import Entry
from camkit.data.formats.tables import WHOLE, Line, lines, mending
from camkit.data.sources import source
from camkit.errors import CamkitError


def read_nabirds(root: Path, split: str) -> AnnotatedSet:
    """Read the official folder.

    Parameters
    ----------
    root : Path
        The folder ``nabirds``. ``images`` may be a zip archive.
    split : {"train", "test"}

    Raises
    ------
    CamkitError
        The split is unknown, a file is missing, or no image can be used.
    """
    draft, others = list_images("nabirds", root, split)
    names: dict[int, str] = {}
    for line in lines(root / "classes.txt", 2):
        with mending(line):
            names[line.whole(0)] = line.fields[1]
    classes = list(lines(root / "image_class_labels.txt", 2))
    used = {int(line.fields[1]) for line in classes if not line.fault and WHOLE.fullmatch(line.fields[1])}
    labels = {number: label for label, number in enumerate(sorted(used & set(names)))}

    def label(entry: Entry, line: Line) -> None:
        if line.whole(1) not in names:
            raise CamkitError(f"class {line.whole(1)} is none of the {len(names)} in classes.txt")
        entry.set_label(labels[line.whole(1)])

    def box(entry: Entry, line: Line) -> None:
        x, y, width, height = line.numbers(1, 5)
        if entry.has_box:
            raise CamkitError("a second box for the image")
        entry.add_box((x, y, x + width, y + height), HALF_OPEN)

    def size(entry: Entry, line: Line) -> None:
        entry.set_size(line.whole(2), line.whole(1))

    boxes, sizes = lines(root / "bounding_boxes.txt", 5), lines(root / "sizes.txt", 3)
    for found, read in ((classes, label), (boxes, box), (sizes, size)):
        for line in found:
            if line.fields[0] not in others:
                with draft.reading(line) as entry:
                    line.check()
                    read(entry, line)
    return draft.finish(source(root / "images"), [names[number] for number in labels], with_label_and_box)
