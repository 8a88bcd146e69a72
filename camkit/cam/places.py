"""Are positions of the map places of the image? Parts of an image are replaced, and the map says where it changes."""

import math
from collections.abc import Callable

import torch

from camkit.cam.changes import (
    APART,
    BLOCKS,
    apartness,
    at_home,
    centres,
    off_centre,
    places_told,
    scrambled,
    shares_of,
    squares,
    unlike,
)
from camkit.errors import HeadNotFound

NARROW = 1 / 64  # of the image's side: a centre crop of 224 from 232 leaves out that much on each side
ANYWHERE = "a change anywhere in an image moves the whole map: where it is bright need not be where the class is"
STRIPS = ((1, 2), (2, 4), (4, 6), (6, 7))  # eighths of the image
STRETCH = 5 / 8  # positions: one unpadded convolution on 16 pixels has 0.4 to 0.6, ten on 32 have 0.65 to 1.1
SILENT = 0.75  # share of positions at which all features are zero: what is left of the map says too little
ALIVE = 0.01  # share of numbers that are not zero: so few units see single things, wherever they are
DEAD = (
    "the feature map is zero nearly everywhere on images of noise, as in a network whose units have died: whether its "
    "positions are places of the image could not be checked"
)
UNMOVED = "changes of the image move the map by no more than rounding: its places could not be checked"

SIDES = ("upper", "lower", "left", "right")

Parts = list[tuple[slice, slice]]


def blocks_of(size: tuple[int, int]) -> Parts:
    """Blocks of an image of this size, a quarter of its sides each."""
    return [(_quarter(size[0], r), _quarter(size[1], c)) for r, c in BLOCKS]


def edges_of(size: tuple[int, int], shares: tuple[float, float]) -> Parts:
    """Strips along the four edges, such shares of the image's height and width, in the order of `SIDES`."""
    rows, columns = size
    high, wide = (math.ceil(side * share) for side, share in zip(size, shares, strict=True))
    whole = slice(None)
    upright = [(slice(0, high), whole), (slice(rows - high, rows), whole)]
    return [*upright, (whole, slice(0, wide)), (whole, slice(columns - wide, columns))]


def _quarter(side: int, i: int) -> slice:
    return slice(i * side // 4, (i + 1) * side // 4)


def replaced(images: torch.Tensor, where: Parts) -> torch.Tensor:
    """The first of two images, with each part in turn taken from the second."""
    changed = images[:1].repeat(len(where), 1, 1, 1)
    for image, (rows, columns) in zip(changed, where, strict=True):
        image[:, rows, columns] = images[1, :, rows, columns]
    return changed


def check_places(
    images: torch.Tensor,
    features: Callable[[torch.Tensor], torch.Tensor],
    followed: Callable[[], bool] = lambda: False,
) -> str:
    """Refuse a map that is laid over places of the image that it does not show.

    Parameters
    ----------
    images : Tensor (2, channels, H, W)
    features : callable
        From images (n, channels, H, W) to their feature maps (n, C, h, w).
    followed : callable
        Whether positions are known, by the operations that made them, to be places of the image however they change;
        asked where their changes do not tell: of few units that are left, or of changes that reach far.

    Returns
    -------
    str
        A note where no change of the image can be told from another by where the map changes, or where the map is zero
        nearly everywhere, "" otherwise.

    Raises
    ------
    HeadNotFound
        A part of the image has no part in the map, the map changes elsewhere than the image, or its positions change
        with any part of the image alike and their number does not follow the image's size.
    """
    size = (images.shape[-2], images.shape[-1])
    before = features(images[:1])
    map_size = (before.shape[-2], before.shape[-1])
    if map_size == (1, 1) or min(size) < 4:
        return ""
    if float((before == 0).all(1).double().mean()) > SILENT:
        return DEAD
    position = (max(1 / 16, 1 / map_size[0]), max(1 / 16, 1 / map_size[1]))
    precise = before.dtype in {torch.float32, torch.float64}  # a narrow strip's change drowns in the others' rounding
    narrow = (NARROW, NARROW) if precise else (position[0] / 2, position[1] / 2)
    blocks, edges = blocks_of(size), edges_of(size, narrow)

    after = features(replaced(images, blocks + edges))
    changes = squares(after - before)
    rounding = float((16 * torch.finfo(before.dtype).eps) ** 2 * squares(before).sum())
    if float(changes.sum((1, 2)).max()) <= 100 * rounding:
        return UNMOVED
    unseen = changes[len(blocks) :].sum((1, 2)) <= rounding
    if unseen.any():
        whole = squares(features(replaced(images, edges_of(size, position))) - before).sum((1, 2))
        _refuse_unseen(unseen, whole <= rounding, size, map_size)
    moved = (after - before)[: len(blocks)]
    shares = shares_of(moved)
    if apartness(shares) < APART:
        if (
            followed()
            or _follows_size(images, features, map_size)
            or (places_told(shares_of(unlike(moved, before))) and strips_lie(images, features, before, left=True))
        ):
            return ANYWHERE
        raise HeadNotFound(
            f"a change anywhere in the image moves all positions of the {name(map_size)} map alike: its axes are no "
            "places of the image"
        )
    displaced = scrambled(shares)
    if not displaced and (off := off_centre(shares)) and not strips_lie(images, features, before):
        displaced = off
    alive = float((before != 0).double().mean())
    if displaced and (alive < ALIVE or at_home(shares)) and followed():
        return DEAD if alive < ALIVE else ""
    if displaced:
        raise HeadNotFound(
            f"the {name(map_size)} map changes elsewhere than the image does ({displaced}): it does not lie over the "
            "image as it is (a crop, a border, tokens before the patches or in another order), and boxes would be wrong"
        )
    return ""


def _refuse_unseen(narrow: torch.Tensor, whole: torch.Tensor, size: tuple[int, int], map_size: tuple[int, int]) -> None:
    """Refuse a map that leaves out both ends of an axis, or a position at one: strides from an edge leave less.

    Parameters
    ----------
    narrow, whole : Tensor (4,), bool
        Whether a strip along each of `SIDES`, a narrow one or one of a whole position, changes nothing.
    """
    opposite = narrow & narrow[[1, 0, 3, 2]]
    sides = [side for side, unseen in zip(SIDES, (opposite | whole).tolist(), strict=True) if unseen]
    if sides:
        raise HeadNotFound(
            f"the {name(map_size)} map does not see the {', '.join(sides)} edge of the {name(size)} image: it covers a "
            "part of it, and laid over the whole its boxes would be wrong; take an input size that the network sees "
            "all of, or cut images before"
        )


def name(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def strips_lie(
    images: torch.Tensor,
    features: Callable[[torch.Tensor], torch.Tensor],
    before: torch.Tensor,
    *,
    left: bool = False,
) -> bool:
    """Whether strips across the whole image change the map where they are.

    Where a block changes few positions, their centre is a guess, and that of a right map can be too far by chance. A
    strip changes whole rows of positions, and eight strips have a mean that is surer still: it must not lie outwards by
    more than `STRETCH` positions, as in maps that leave the image's edges out.

    Parameters
    ----------
    images : Tensor (2, channels, H, W)
    features : callable
    before : Tensor (1, C, h, w)
        Of the first image as it is.
    left : bool
        Of changes, what is left once what moves all positions alike is taken away.
    """
    size, whole = (images.shape[-2], images.shape[-1]), slice(None)
    strips = [[slice(a * side // 8, b * side // 8) for a, b in STRIPS] for side in size]
    parts = [(strip, whole) for strip in strips[0]] + [(whole, strip) for strip in strips[1]]
    moved = features(replaced(images, parts)) - before
    halves = shares_of(unlike(moved, before) if left else moved).split(len(STRIPS))
    outwards = []
    for axis, shares in enumerate(halves):
        n = shares.shape[1 + axis]
        centre, _ = centres(shares, axis, median=left)
        wanted = torch.tensor([(strip.start + strip.stop) / 2 / size[axis] for strip in strips[axis]]).to(centre)
        if float((centre - wanted).abs().max()) > min(1.5 / n, 1 / 8):
            return False
        outwards.append(n * (centre - wanted) * (wanted - 0.5).sign())
    return float(torch.cat(outwards).mean()) <= STRETCH


def _follows_size(
    images: torch.Tensor, features: Callable[[torch.Tensor], torch.Tensor], map_size: tuple[int, int]
) -> bool:
    """Whether an image with twice the rows has a map with more rows, and as many columns."""
    try:
        taller = features(images[:1].repeat(1, 1, 2, 1))
    except (HeadNotFound, RuntimeError, ValueError, AssertionError, IndexError):
        return False  # the network takes one size, and nothing speaks for places
    return taller.shape[-2] >= 1.5 * map_size[0] and taller.shape[-1] == map_size[1]
