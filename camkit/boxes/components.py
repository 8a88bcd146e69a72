"""Every connected region of ``grey > level``, for all levels, in one pass over the pixels (a component tree).

The pixels are taken from bright to dark, within one grey value in raster order. Each joins the regions it touches
(union-find), and each region carries along what it will be asked for: box, first pixel, count, area, Euler number.
Whenever a region is about to change, what it was is written down with the levels at which it was so: the number of
levels costs nothing that way.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.compiled import compiled
from camkit.boxes.neighbourhood import Neighbourhood

Region = Any  # an element of Regions
Regions = NDArray[np.void]

#: One region as it is at all levels low..high: its box (half open), its first pixel in raster order (``y << 16 | x``),
#: its number of pixels, twice the area of its 2x2 windows (1 for four pixels, 1/2 for three), its Euler number.
REGION = np.dtype(
    [(name, np.int32) for name in ("low", "high", "x0", "y0", "x1", "y1", "first", "count", "area", "euler")]
)


@compiled
def regions_of_all_levels(grey: NDArray[np.uint8], neighbourhood: Neighbourhood) -> Regions:
    """All regions of ``grey > level`` at the levels 0 to 254.

    Parameters
    ----------
    grey : ndarray (H, W), uint8
        C-contiguous; no side longer than 32,767 pixels.
    neighbourhood : Neighbourhood
        ``EIGHT`` or ``FOUR``: which neighbours connect.

    Returns
    -------
    ndarray of REGION
        In no particular order, at most one for each pixel that is not 0.
    """
    width = grey.shape[1]
    order, stops = by_brightness(grey)
    states = brighter_neighbours(grey).ravel()
    touched = neighbourhood.touched
    steps = (neighbourhood.ring[:, 0] * width + neighbourhood.ring[:, 1])[neighbourhood.contacts.ravel()].reshape(
        256, 4
    )
    labels = np.empty(grey.size, np.uint32)  # unsigned: no index counts from the end
    parents = np.empty(grey.size, np.uint32)
    nodes = np.empty(grey.size, REGION)
    regions = np.empty(grey.size, REGION)
    n_nodes = n_regions = 0
    for value in range(255, 0, -1):
        for pixel in order[stops[value + 1] : stops[value]]:
            place = (pixel >> 16) * width + (pixel & 0xFFFF)
            state = states[place]
            if touched[state]:
                root = find(parents, labels[place + steps[state, 0]])
                n_regions += write_down(nodes[root], value, regions[n_regions])
            else:
                root = n_nodes
                parents[root] = root
                start(nodes[root], pixel)
                n_nodes += 1
            for k in range(1, touched[state]):
                other = find(parents, labels[place + steps[state, k]])
                if other != root:
                    n_regions += write_down(nodes[other], value, regions[n_regions])
                    root = unite(parents, nodes, root, other)
            extend(nodes[root], pixel, value, neighbourhood.area[state], neighbourhood.euler[state])
            labels[place] = root
    for root in range(n_nodes):
        if parents[root] == root:
            n_regions += write_down(nodes[root], 0, regions[n_regions])
    return regions[:n_regions]


@compiled
def by_brightness(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The pixels as ``y << 16 | x``, bright ones first, else in raster order; value g has ``stops[g + 1]:stops[g]``."""
    stops = np.zeros(257, np.int64)
    for value in grey.ravel():
        stops[value] += 1
    for darker in range(255, -1, -1):
        stops[darker] += stops[darker + 1]
    places = stops[1:].copy()
    order = np.empty(grey.size, np.uint32)
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            value = grey[y, x]
            order[places[value]] = y << 16 | x
            places[value] += 1
    return order, stops


@compiled
def brighter_neighbours(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W): the state (see `neighbourhood`) in which each pixel finds its surroundings when its turn comes."""
    height, width = grey.shape
    padded = np.zeros((height + 2, width + 2), np.uint8)
    padded[1:-1, 1:-1] = grey
    states = np.empty((height, width), np.uint8)
    for y in range(height):
        above, here, below = padded[y], padded[y + 1], padded[y + 2]
        for x in range(width):
            value = here[x + 1]
            states[y, x] = (
                (above[x] >= value)
                | (above[x + 1] >= value) << 1
                | (above[x + 2] >= value) << 2
                | (here[x + 2] > value) << 3
                | (below[x + 2] > value) << 4
                | (below[x + 1] > value) << 5
                | (below[x] > value) << 6
                | (here[x] >= value) << 7
            )
    # A pixel of value 0 is as bright as the padding, but nothing lies beyond the border.
    for x in range(width):
        states[0, x] &= 0b11111000
    for y in range(height):
        states[y, 0] &= 0b01111110
        states[y, -1] &= 0b11111011
    return states


@compiled
def find(parents: NDArray[np.uint32], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled
def unite(parents: NDArray[np.uint32], nodes: Regions, root: int, other: int) -> int:
    if nodes[other].count > nodes[root].count:
        root, other = other, root
    parents[other] = root
    kept, gone = nodes[root], nodes[other]
    kept.x0 = min(kept.x0, gone.x0)
    kept.x1 = max(kept.x1, gone.x1)
    kept.y1 = max(kept.y1, gone.y1)
    kept.first = min(kept.first, gone.first)
    kept.count += gone.count
    kept.area += gone.area
    kept.euler += gone.euler
    return root


@compiled
def start(node: Region, pixel: int) -> None:
    node.x0, node.x1 = pixel & 0xFFFF, 0
    node.y1 = 0
    node.first = pixel
    node.count = node.area = node.euler = 0


@compiled
def extend(node: Region, pixel: int, value: int, area: int, euler: int) -> None:
    y, x = pixel >> 16, pixel & 0xFFFF
    node.high = value - 1
    node.x0 = min(node.x0, x)
    node.x1 = max(node.x1, x + 1)
    node.y1 = max(node.y1, y + 1)
    node.first = min(node.first, pixel)
    node.count += 1
    node.area += area
    node.euler += euler


@compiled
def write_down(node: Region, value: int, record: Region) -> bool:
    """A region as it has been down to level `value`; False where it has begun or changed at this very grey value."""
    if node.high < value:
        return False
    record.low, record.high = value, node.high
    record.x0, record.x1 = node.x0, node.x1
    record.y0, record.y1 = node.first >> 16, node.y1
    record.first, record.count = node.first, node.count
    record.area, record.euler = node.area, node.euler
    return True
