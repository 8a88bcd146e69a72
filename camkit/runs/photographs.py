"""Which images `camkit localize` is given, without pictures that camkit drew itself."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from camkit.data import ImageList, list_images
from camkit.data.names import written_text
from camkit.errors import CamkitError
from camkit.output.owned import is_own_picture


def photographs_in(images: Sequence[str], out: Path) -> tuple[ImageList, list[str]]:
    """The images to localize, without pictures that camkit drew, and a line that says so.

    Raises
    ------
    CamkitError
        There are none, or pictures would be drawn among them.
    """
    said, is_ours = " ".join(images), is_own_picture()
    drawn, first = 0, ""
    drawn_into = [(out / name).resolve() for name in ("overlays", "maps", "masks")]

    @cache
    def check(folder: Path) -> None:
        if any(folder.resolve().is_relative_to(place) for place in drawn_into):
            raise CamkitError(f"--images {said} lies where --out {out} draws its pictures: give another --out")

    def passed_over(spec: str, file: str) -> bool:
        nonlocal drawn, first
        by_name = spec.startswith("@") or Path(spec).is_file()  # a picture may be meant
        if not by_name and is_ours(file):
            drawn, first = drawn + 1, first or file
            return True
        check(Path(file).parent)
        return False

    files = list_images(images, passed_over)
    if not len(files):
        raise CamkitError(f"--images {said}: nothing but pictures that camkit drew; name the photographs' folder")
    told = f"{drawn} pictures below {said} are camkit's own and left out, such as {first}"
    return files, [told] if drawn else []


def common_root(files: ImageList) -> str | None:
    """The folder below which every image lies under its name; None where there is no one folder."""
    root = None
    for file in files:
        own = str(file.path.absolute()).removesuffix(f"/{file.name}")
        if file.inside or root not in (None, own):
            return None
        root = own
    return None if root is None else written_text(root)
