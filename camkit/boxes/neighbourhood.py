"""What one pixel changes when it joins a set, as a table over the 256 states of the eight pixels round it.

A state is a byte: bit b says whether the neighbour ``RING[b]`` is in the set already. The ring runs clockwise from the
upper left: 0 to 2 lie above, 3 on the right, 4 to 6 below, 7 on the left.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RING = np.array([(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)])  # dy, dx


class Neighbourhood(NamedTuple):
    """The tables of one connectivity, a row a state.

    Attributes
    ----------
    ring : ndarray (8, 2), int64
        ``dy, dx`` of the neighbours.
    touched : ndarray (256,), int8
        How many parts of the ring the pixel touches. Pixels of one part are connected without it: they are in one
        region already, and one of them stands for all.
    contacts : ndarray (256, 4), int8
        The bit numbers of those that stand for a part.
    area, euler : ndarray (256,), int8
        What the pixel adds to twice the area of its 8-connected region, and to its Euler number.
    """

    ring: NDArray[np.int64]
    touched: NDArray[np.int8]
    contacts: NDArray[np.int8]
    area: NDArray[np.int8]
    euler: NDArray[np.int8]


def _square(state: int, centre: bool) -> NDArray[np.bool_]:
    """The 3x3 pixels of a state."""
    square = np.zeros((3, 3), dtype=bool)
    for bit, (dy, dx) in enumerate(RING):
        square[1 + dy, 1 + dx] = state >> bit & 1
    square[1, 1] = centre
    return square


def _quads(square: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The four 2x2 windows that hold the centre."""
    return [square[y : y + 2, x : x + 2] for y in (0, 1) for x in (0, 1)]


def _quad_area(quad: NDArray[np.bool_]) -> int:
    """Twice the area in a window of the polygon through pixel centres: 2 for a square (4 pixels), 1 for half of it."""
    return max(int(quad.sum()) - 2, 0)


def _quad_euler(quad: NDArray[np.bool_]) -> int:
    """A window's share of four times the Euler number of an 8-connected set (Gray 1971): (Q1 - Q3 - 2 QD) / 4."""
    diagonal = quad.sum() == 2 and quad[0, 0] == quad[1, 1]
    return -2 if diagonal else {1: 1, 3: -1}.get(int(quad.sum()), 0)


def _gain(state: int) -> tuple[int, int]:
    before, after = _quads(_square(state, False)), _quads(_square(state, True))
    area = sum(map(_quad_area, after)) - sum(map(_quad_area, before))
    euler = sum(map(_quad_euler, after)) - sum(map(_quad_euler, before))
    return area, euler // 4


def _neighbourhood(connectivity: NDArray[np.bool_]) -> Neighbourhood:
    touched, contacts = np.zeros(256, np.int8), np.zeros((256, 4), np.int8)
    for state in range(256):
        parts, _ = ndimage.label(_square(state, False), connectivity)
        touching = np.where(connectivity, parts, 0)[1 + RING[:, 0], 1 + RING[:, 1]]
        bits = [bit for bit, part in enumerate(touching) if part and part not in touching[:bit]]
        touched[state] = len(bits)
        contacts[state, : len(bits)] = bits
    area, euler = (np.array(gains, np.int8) for gains in zip(*map(_gain, range(256)), strict=True))
    return Neighbourhood(RING, touched, contacts, area, euler)


EIGHT = _neighbourhood(ndimage.generate_binary_structure(2, 2))
FOUR = _neighbourhood(ndimage.generate_binary_structure(2, 1))
