"""Where annotation tools leave the one file that describes a split, and its images."""

from collections.abc import Sequence
from glob import escape
from pathlib import Path

from camkit.data.formats.coco_files import Places
from camkit.errors import CamkitError


def find_listing(root: Path, split: str, names: Sequence[str]) -> tuple[Path, Places]:
    """The annotation file of a split and the places of its images.

    Parameters
    ----------
    root : Path
        The data set's folder, or the file itself, whatever the split.
    split : str
    names : sequence of str
        What the file may be called below the folder, ``{split}`` for the split, the likeliest first.

    Raises
    ------
    CamkitError
        There is no such file.
    """
    if root.is_file():
        return root, Places(root.parent, split, root.parent)
    for name in names:
        for listing in sorted(root.glob(name.format(split=escape(split)))):
            if listing.is_file():
                return listing, Places(root, split, listing.parent)
    wanted = ", ".join(name.format(split=split) for name in names)
    raise CamkitError(f"{root}: it holds none of {wanted}; check --root and --split, or give the file as --root")
