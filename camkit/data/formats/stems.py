"""Images by their names without endings, as formats refer to them that have one annotation file an image."""

from pathlib import PurePosixPath

from camkit.data.file_names import SUFFIXES, unicode_form
from camkit.data.sources import Source
from camkit.errors import CamkitError


class Stems:
    """The images of a source by stem: the path without the ending.

    Attributes
    ----------
    source : Source
    names : dict from str to list of str
        The images of each stem.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.names: dict[str, list[str]] = {}
        for name in source.names():
            if self.without_ending(name) != name:
                self.names.setdefault(unicode_form(self.without_ending(name)), []).append(name)

    @staticmethod
    def without_ending(name: str) -> str:
        """The name without the ending of an image file, if it has one."""
        path = PurePosixPath(name)
        return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else name

    def image(self, stem: str, stated: str = "") -> str:
        """The image of a stem; of several, the one that the annotation states, else the one that ends in ``.jpg``.

        Where there is none, the image that the annotation states, and where that is not there either, the name that
        should have been.

        Raises
        ------
        CamkitError
            Several images have this stem, and none of them is the one meant.
        """
        stated = stated.replace("\\", "/").rpartition("/")[2]
        found = self.names.get(unicode_form(stem), [])
        for name in found:
            if PurePosixPath(name).name == stated or name == f"{stem}.jpg":
                return name
        if len(found) > 1:
            raise CamkitError(f"{found[0]!r} and {found[1]!r} both have its name; take one out")
        if found:
            return found[0]
        if stated in self.names.get(unicode_form(self.without_ending(stated)), []):
            return stated
        return stated if self.without_ending(stated) == stem else f"{stem}.jpg"
