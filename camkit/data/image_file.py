"""An image on disk: a file, or a part of an archive that is read in place."""

import os
from dataclasses import dataclass
from pathlib import Path

from camkit.data import remote
from camkit.data.members import read_member
from camkit.errors import UnreadableImage


@dataclass(frozen=True)
class ImageFile:
    """An image file and the name that it has in every output.

    Attributes
    ----------
    path : Path
        Where the file lies, or the archive that it lies in.
    name : str
        Relative, with forward slashes, without "..", and unique among the files found together.
    inside : str
        Where in an archive, as `camkit.data.members` writes it; empty of a file of its own.
    """

    path: Path
    name: str
    inside: str = ""

    @property
    def shown(self) -> str:
        """What messages call it."""
        if self.inside.startswith(remote.KIND):
            return remote.shown(self.inside)
        return f"{self.path}/{self.name}" if self.inside else str(self.path)

    def source(self) -> Path | bytes:
        """What `camkit.data.read_image` reads: the path, or the bytes of a member.

        Raises
        ------
        UnreadableImage
            The archive is gone or broken there.
        """
        if not self.inside:
            return self.path
        try:
            return read_member(os.fspath(self.path), self.inside)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise UnreadableImage(f"cannot read {self.shown!r}: {reason}; check the archive") from None
