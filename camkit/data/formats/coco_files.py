"""Where the annotations and images of a data set in COCO's format lie, as its many exporters leave them."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from camkit.data.sources import Read, Source, find_source
from camkit.errors import CamkitError, UnreadableImage

OF_SPLIT = (
    "annotations/instances_{split}.json",  # COCO, CVAT
    "annotations/{split}.json",
    "{split}.json",
    "{split}/_annotations.coco.json",  # Roboflow
    "{split}/labels.json",  # FiftyOne
    "{split}/result.json",  # Label Studio
)
WITHOUT_SPLITS = ("_annotations.coco.json", "labels.json", "result.json", "annotations/instances_default.json")
IMAGES = ("{split}/data", "{split}/images", "{split}", "images/{split}", "images", "data", "")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^/]*/")


def find_annotations(root: Path, split: str) -> tuple[Path, "Places"]:
    """The JSON file of a split and the places of its images.

    Parameters
    ----------
    root : Path
        The data set's folder, or the JSON file itself, whatever the split.
    split : str

    Raises
    ------
    CamkitError
        There is no such file.
    """
    if root.is_file():
        top = root.parent.parent if root.parent.name == "annotations" else root.parent
        return root, Places(top, split, root.parent)
    for name in (*OF_SPLIT, *WITHOUT_SPLITS):
        listing = root / name.format(split=split)
        if listing.is_file():
            return listing, Places(root, split, listing.parent)
    found = sorted(path.relative_to(root).as_posix() for depth in ("*", "*/*") for path in root.glob(f"{depth}.json"))
    there = f"; there are {', '.join(found[:5])}" if found else ""
    raise CamkitError(
        f"{root / OF_SPLIT[0].format(split=split)}: cannot be read: there is no such file, nor one of the other names "
        f"that annotations of {split!r} have{there}; check --root and --split"
    )


class Places:
    """Folders and archives in which a data set's images may lie, the likeliest first.

    Parameters
    ----------
    root : Path
    split : str
    beside : Path
        The folder of the annotations, which is looked into last.
    """

    def __init__(self, root: Path, split: str, beside: Path) -> None:
        folders = [root / name.format(split=split) for name in IMAGES]
        found = [(folder, find_source(folder)) for folder in dict.fromkeys([*folders, beside])]
        self.sources: list[tuple[Path, Source]] = [(folder, source) for folder, source in found if source is not None]

    def find(self, listed: str) -> tuple[str, Read]:
        """The name and the reader of the image that an annotation file lists.

        A relative path may repeat the folder that the images lie in (``images/a.jpg`` in ``images``). Of a path that is
        absolute, or a URL, as much counts as there is below such a folder: the longest end of it that is a file's name.

        Raises
        ------
        CamkitError
            There is no such image, or the path leads out of the folders.
        """
        path = listed.replace("\\", "/")
        absolute = bool(URL.match(path) or PureWindowsPath(path).drive or path.startswith("/"))
        parts = PurePosixPath(URL.sub("", path)).parts
        if PureWindowsPath(path).drive or path.startswith("/"):
            parts = parts[1:]
        for dropped in range(len(parts)):
            for folder, source in self.sources:
                if dropped == 0 or absolute or folder.parts[-dropped:] == parts[:dropped]:
                    name = "/".join(parts[dropped:])
                    try:
                        return name, source.reader(name)
                    except UnreadableImage:
                        continue
        where = ", ".join(str(source) for _, source in self.sources)
        raise UnreadableImage(f"there is no file {listed!r} in {where}; add it, or mend the name")

    def reader(self, name: str) -> Read:
        """As `find`, of the reader alone."""
        return self.find(name)[1]
