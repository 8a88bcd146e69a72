"""Are positions of the map places of the image? Parts of an image are replaced, and the map says where it changes."""

import math
from collections.abc import Callable

import torch

from camkit.errors import HeadNotFound

BLOCKS = ((0, 1), (1, 3), (2, 0), (3, 2))  # of a 4 x 4 grid: row and column tell each from any other, also swapped
APART = 0.5  # share of a position's change that one block has, where blocks are told apart; 0.25 by chance
SHARPLY = 0.8  # the same, where the change is narrow: a wide one is cut off by the map's edges, and looks nearer
NARROW = 1 / 64  # of the image's side: a centre crop of 224 from 232 leaves out that much on each side
OWN = 0.4  # share of the change at a block's own place that is due to it; 0.25 by chance
ANYWHERE = "a change anywhere in an image moves the whole map: where it is bright need not be where the class is"
SILENT = 0.75  # share of positions at which all features are zero: what is left of the map says too little
DEAD = (
    "the feature map is zero at most positions of images of noise, as in a network whose units have died: whether its "
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
    *,
    followed: bool = False,
    weighed: bool = False,
) -> str:
    """Refuse a map that is laid over places of the image that it does not show.

    Parameters
    ----------
    images : Tensor (2, channels, H, W)
    features : callable
        From images (n, channels, H, W) to their feature maps (n, C, h, w).
    followed : bool
        Positions were followed back to a map of rows and columns, so that they are places of the image however they
        change.
    weighed : bool
        Positions have a weight of attention each, which may differ by orders: the change of each counts in shares of
        what it was and is, so that the heaviest do not outweigh the place that was replaced.

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
    changes = _squares(after - before)
    rounding = float((16 * torch.finfo(before.dtype).eps) ** 2 * _squares(before).sum())
    if float(changes.sum((1, 2)).max()) <= 100 * rounding:
        return UNMOVED
    unseen = changes[len(blocks) :].sum((1, 2)) <= rounding
    if unseen.any():
        whole = _squares(features(replaced(images, edges_of(size, position))) - before).sum((1, 2))
        _refuse_unseen(unseen, whole <= rounding, size, map_size)
    if weighed:
        changes = changes / (_squares(before) + _squares(after)).clamp(min=1e-300)
    shares = changes[: len(blocks)] / changes[: len(blocks)].sum((1, 2), keepdim=True).clamp(min=1e-300)
    if apartness(shares) < APART:
        if followed or _follows_size(images, features, map_size):
            return ANYWHERE
        raise HeadNotFound(
            f"a change anywhere in the image moves all positions of the {name(map_size)} map alike: its axes are no "
            "places of the image"
        )
    displaced = displacement(shares)
    if displaced:
        raise HeadNotFound(
            f"the {name(map_size)} map changes elsewhere than the image does ({displaced}): it does not lie over the "
            "image as it is (a crop, a border, tokens before the patches or in another order), and boxes would be wrong"
        )
    return ""


def _squares(features: torch.Tensor) -> torch.Tensor:
    """Of all channels together, (n, h, w)."""
    return features.double().square().sum(1)


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


def apartness(shares: torch.Tensor) -> float:
    """Which share of a position's change the block that moves it most has, over all positions: 0.25 to 1.

    Parameters
    ----------
    shares : Tensor (blocks, h, w) or (blocks, n)
        Where the map changes with each block; each sums to 1.
    """
    return float(shares.amax(0).sum() / shares.sum().clamp(min=1e-300))


def displacement(shares: torch.Tensor) -> str:
    """How far the map's change lies from the block that caused it, in words, where that is too far; else "".

    One position is allowed for (strides begin at an edge, not in the middle). Towards the middle of the map only what
    is sharp can be too far, and by more than it is spread.
    """
    sharp = apartness(shares) >= SHARPLY
    own = torch.stack([_at(shares, r, c) for r, c in BLOCKS])  # (places, blocks)
    if float((own.diagonal() / own.sum(1).clamp(min=1e-300)).mean()) < OWN:
        return "the place that was replaced changes no more than others"
    for axis, what in ((0, "rows"), (1, "columns")):
        profile = shares.sum(2 - axis)
        n = profile.shape[1]
        if sharp and n >= len(BLOCKS) and apartness(profile) < APART:
            return f"{what} of the image are not told apart by those of the map"
        profile = profile - profile.amin(1, keepdim=True)  # what changes everywhere alike tells no place
        places = (torch.arange(n, device=profile.device) + 0.5) / n
        total = profile.sum(1).clamp(min=1e-300)
        centre = (profile * places).sum(1) / total
        spread = ((profile * (places - centre[:, None]).square()).sum(1) / total).sqrt()
        wanted = torch.tensor([(block[axis] + 0.5) / 4 for block in BLOCKS]).to(centre)
        outwards = (centre - wanted) * (wanted - 0.5).sign()
        allowed = 1 / n + 0.02
        off = (outwards > allowed) | ((-outwards > allowed + spread) & sharp)
        off &= profile.sum(1) > 0
        if off.any():
            i = int(off.nonzero()[0])
            return f"{what} around {wanted[i]:.0%} of the image change those around {centre[i]:.0%} of the map"
    return ""


def _at(shares: torch.Tensor, row: int, column: int) -> torch.Tensor:
    """Share of each block's change that lies where the block in this row and column is, (blocks,)."""
    h, w = shares.shape[1:]
    r, c = ((_footprint(n, i)) for n, i in ((h, row), (w, column)))
    return shares[:, r, c].sum((1, 2))


def _footprint(n: int, i: int) -> slice:
    """The positions of n whose centres lie in the i-th quarter, at least the one in its middle."""
    first, last = -((-2 * i * n + 4) // 8), -((-2 * (i + 1) * n + 4) // 8)
    middle = (2 * i + 1) * n // 8
    return slice(min(first, middle), max(last, middle + 1))


def _follows_size(
    images: torch.Tensor, features: Callable[[torch.Tensor], torch.Tensor], map_size: tuple[int, int]
) -> bool:
    """Whether an image with twice the rows has a map with more rows, and as many columns."""
    try:
        taller = features(images[:1].repeat(1, 1, 2, 1))
    except (HeadNotFound, RuntimeError, ValueError, AssertionError, IndexError):
        return False  # the network takes one size, and nothing speaks for places
    return taller.shape[-2] >= 1.5 * map_size[0] and taller.shape[-1] == map_size[1]
