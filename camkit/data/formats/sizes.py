"""Sizes of images whose annotations do not state them, from the images' headers."""

from camkit.data.formats.draft import Images
from camkit.data.formats.entry import Entry
from camkit.data.formats.tables import quoted
from camkit.data.images import read_size
from camkit.errors import CamkitError

HAIR = 0.001


def measure(entry: Entry, images: Images, *, upright: bool) -> tuple[int, int] | None:
    """An image's height and width, which its entry has from then on.

    Returns
    -------
    (int, int) or None
        None where the image cannot be read, or is of another size than its annotation says; that is its problem then.
    """
    with entry.reading(f"{entry.where}: {quoted(entry.image)}"):
        entry.read = read = entry.read or images.reader(entry.image)
        entry.set_size(*read_size(read(), entry.image, upright))
    return None if entry.problem else entry.size


def in_pixels(shares: tuple[float, ...], size: tuple[int, int]) -> list[float]:
    """Numbers x, y, x, y, ... in pixels, of shares of the image's width and height in turn.

    Raises
    ------
    CamkitError
        One lies so far outside 0 and 1 that it is no share; rounding may leave a hair.
    """
    wrong = [share for share in shares if not -HAIR <= share <= 1 + HAIR]
    if wrong:
        raise CamkitError(
            f"{wrong[0]:g} does not lie between 0 and 1, as shares of the image's sides do; divide x by the image's "
            "width and y by its height"
        )
    height, width = size
    return [share * (height if index % 2 else width) for index, share in enumerate(shares)]
