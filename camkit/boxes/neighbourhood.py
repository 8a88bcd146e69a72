"""What one pixel changes when it joins a set, as a table over the 256 states of the eight pixels round it.

A state is a byte: bit b says whether the neighbour ``RING[b]`` is in the set already. The ring runs clockwise from the
upper left: 0 to 2 lie above, 3 on the right, 4 to 6 below, 7 on the left.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RING = np.array([(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)])  # dy, dx
EIGHT, FOUR = ndimage.generate_binary_structure(2, 2), ndimage.generate_binary_structure(2, 1)


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
    """(256, 5): how many parts of the ring the centre touches, and one bit number for each of them.

    Pixels of one part are connected without the centre: they are in one region already, and one stands for all of them.
    """
    table = np.zeros((256, 5), np.int8)
    for state in range(256):
        parts, count = ndimage.label(_square(state, False), connectivity)
        touched = [
            [bit for bit, (dy, dx) in enumerate(RING) if parts[1 + dy, 1 + dx] == part and connectivity[1 + dy, 1 + dx]]
            for part in range(1, count + 1)
        ]
        bits = [part[0] for part in touched if part]
        table[state, 0] = len(bits)
        table[state, 1 : 1 + len(bits)] = bits
    return table


CONTACTS_8, CONTACTS_4 = _contacts(EIGHT), _contacts(FOUR)
AREA_GAIN, EULER_GAIN = (np.array(gains, np.int8) for gains in zip(*map(_gain, range(256)), strict=True))
