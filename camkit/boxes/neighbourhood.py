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
    contacts : ndarray (256, 5), int8
        How many parts of the ring the pixel touches, then one bit number for each. Pixels of one part are connected
        without it: they are in one region already, and one stands for all of them.
    area, euler : ndarray (256,), int8
        What the pixel adds to twice the area of its 8-connected region, and to its Euler number.
    """

    ring: NDArray[np.int64]
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


def _contacts(connectivity: NDArray[np.bool_]) -> NDArray[np.int8]:
    table = np.zeros((256, 5), np.int8)
    for state in range(256):
        parts, count = ndimage.label(_square(state, False), connectivity)
        touched = [
            [bit for bit, (dy, dx) in enumerate(RING) if parts[1 + dy, 1 + dx] == part and connectivity[1 + dy, 1 + dx]]
            for part in range(1, count + 1)
        ]
        bits = [part[0] for part in touched if part]
        table[state, : 1 + len(bits)] = [len(bits), *bits]
    return table


_AREA, _EULER = (np.array(gains, np.int8) for gains in zip(*map(_gain, range(256)), strict=True))
EIGHT = Neighbourhood(RING, _contacts(ndimage.generate_binary_structure(2, 2)), _AREA, _EULER)
FOUR = Neighbourhood(RING, _contacts(ndimage.generate_binary_structure(2, 1)), _AREA, _EULER)
