"""Where a feature map changes when parts of the image do, and whether that is where the parts lie."""

import torch

BLOCKS = ((0, 1), (1, 3), (2, 0), (3, 2))  # of a 4 x 4 grid: row and column tell each from any other, also swapped
APART = 0.5  # share of a position's change that one block has, where blocks are told apart; 0.25 by chance
SHARPLY = 0.8  # the same, where the change is narrow: a wide one is cut off by the map's edges, and looks nearer
OWN = 0.4  # share of the change at a block's own place that is due to it; 0.25 by chance


def squares(features: torch.Tensor) -> torch.Tensor:
    """Of all channels together, (n, h, w)."""
    return features.double().square().sum(1)


def shares_of(moved: torch.Tensor) -> torch.Tensor:
    """Where each part of the image moves the map, (parts, h, w); each sums to 1."""
    changes = squares(moved)
    return changes / changes.sum((1, 2), keepdim=True).clamp(min=1e-300)


def unlike(moved: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """What is left of changes once what they do to all positions alike is taken away.

    In each channel that is a shift and a factor, as attention that is even and squeeze-and-excitation bring them about:
    the line through the values before, by least squares.

    Parameters
    ----------
    moved : Tensor (parts, C, h, w)
    before : Tensor (1, C, h, w)

    Returns
    -------
    Tensor (parts, C, h, w)
    """
    moved, before = moved.double(), before.double()
    moved, before = (one - one.mean((2, 3), keepdim=True) for one in (moved, before))
    along = before.square().sum((2, 3), keepdim=True).clamp(min=1e-300)
    return moved - (moved * before).sum((2, 3), keepdim=True) / along * before


def apartness(shares: torch.Tensor) -> float:
    """Which share of a position's change the block that moves it most has, over all positions: 0.25 to 1.

    Parameters
    ----------
    shares : Tensor (blocks, h, w) or (blocks, n)
        Where the map changes with each block; each sums to 1.
    """
    return float(shares.amax(0).sum() / shares.sum().clamp(min=1e-300))


def own_shares(shares: torch.Tensor) -> torch.Tensor:
    """At each block's own place, the share of the change that is due to it, (blocks,); NaN where nothing changes."""
    at = torch.stack([_at(shares, r, c) for r, c in BLOCKS])  # (places, blocks)
    return at.diagonal() / at.sum(1)


def at_home(shares: torch.Tensor) -> bool:
    """Whether each block changes its own place more than all others do, wherever else it changes the map."""
    return bool((own_shares(shares) >= APART).all())


def places_told(shares: torch.Tensor) -> bool:
    """Whether changes lie where the image's do at each of the four places, among positions enough to be no chance."""
    enough = min(shares.shape[1:]) >= len(BLOCKS)
    return enough and bool((own_shares(shares) >= OWN).all()) and not (scrambled(shares) or off_centre(shares))


def scrambled(shares: torch.Tensor) -> str:
    """In words, how blocks of the image are not where they change the map; "" where they are."""
    if not float(own_shares(shares).nanmean()) >= OWN:
        return "the place that was replaced changes no more than others"
    for axis, what in ((0, "rows"), (1, "columns")):
        profile = shares.sum(2 - axis)
        if is_sharp(shares) and profile.shape[1] >= len(BLOCKS) and apartness(profile) < APART:
            return f"{what} of the image are not told apart by those of the map"
    return ""


def is_sharp(shares: torch.Tensor) -> bool:
    """Whether hardly any position is changed by two blocks."""
    return apartness(shares) >= SHARPLY


def off_centre(shares: torch.Tensor) -> str:
    """How far the map's change lies from the block that caused it, in words, where that is too far; else "".

    One position is allowed for (strides begin at an edge, not in the middle). Towards the middle of the map only what
    is sharp can be too far, and by more than it is spread.
    """
    for axis, what in ((0, "rows"), (1, "columns")):
        n = shares.shape[1 + axis]
        centre, spread = centres(shares, axis)
        wanted = torch.tensor([(block[axis] + 0.5) / 4 for block in BLOCKS]).to(centre)
        outwards = (centre - wanted) * (wanted - 0.5).sign()
        off = (outwards > allowed(n)) | ((-outwards > allowed(n) + spread) & is_sharp(shares))
        off &= shares.sum((1, 2)) > 0
        if off.any():
            i = int(off.nonzero()[0])
            return f"{what} around {wanted[i]:.0%} of the image change those around {centre[i]:.0%} of the map"
    return ""


def allowed(n: int) -> float:
    """Of an axis with n positions, how far a centre may be off."""
    return 1 / n + 0.02


def centres(shares: torch.Tensor, axis: int, *, median: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Along rows (0) or columns (1), where each part changes the map, 0 to 1, and the standard deviation, (parts,).

    What changes everywhere tells no place, and is taken away: the least of all rows, or their median, which is less of
    a chance where parts change a minority of them and the others by unequal amounts.
    """
    profile = shares.sum(2 - axis)
    n = profile.shape[1]
    floor = profile.median(1, keepdim=True).values if median else profile.amin(1, keepdim=True)
    profile = (profile - floor).clamp(min=0)
    places = (torch.arange(n, device=profile.device) + 0.5) / n
    total = profile.sum(1).clamp(min=1e-300)
    centre = (profile * places).sum(1) / total
    return centre, ((profile * (places - centre[:, None]).square()).sum(1) / total).sqrt()


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
