"""Every connected region of ``grey > level``, for all levels, in one pass over the pixels (a component tree).

The pixels are taken from bright to dark, within one grey value in raster order. Each joins the regions it touches
(union-find), and each region carries along what it will be asked for: box, first pixel, count, area, Euler number.
Whenever a region is about to change, what it was is written down with the levels at which it was so: the number of
levels costs nothing that way. Most pixels of one grey value join one region: while they do, it is held in registers.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.compiled import compiled
from camkit.boxes.neighbourhood import Neighbourhood

Region = Any  # an element of Regions
Integer = Any  # of whatever width numba makes it
Regions = NDArray[np.void]

#: One region as it is at all levels low..high: its box (half open), its first pixel in raster order (``y << 16 | x``),
#: its number of pixels, twice the area of its 2x2 windows (1 for four pixels, 1/2 for three), its Euler number.
REGION = np.dtype(
    [(name, np.int32) for name in ("low", "high", "x0", "y0", "x1", "y1", "first", "count", "area", "euler")]
)


NOTHING: Integer = np.uint32(2**32 - 1)  # no region's number


class Growing(NamedTuple):
    """The region that pixels are joining: of a `REGION` what changes as they do."""

    x0: Integer
    x1: Integer
    y1: Integer
    first: Integer
    count: Integer
    area: Integer
    euler: Integer


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
    touched, area, euler = neighbourhood.touched, neighbourhood.area, neighbourhood.euler
    steps = steps_to_contacts(neighbourhood, width)
    labels = np.empty(grey.size, np.uint32)  # unsigned: no index counts from the end
    begun = (grey.size + 1) // 2  # at most: no two regions begin side by side
    parents, nodes = np.empty(begun, np.uint32), np.empty(begun, REGION)
    regions = np.empty(grey.size, REGION)
    n_nodes = n_regions = 0
    for value in range(255, 0, -1):
        held, region = NOTHING, Growing(0, 0, 0, 0, 0, 0, 0)
        for pixel in order[stops[value + 1] : stops[value]]:
            y, x = np.int64(pixel >> np.uint32(16)), np.int64(pixel & np.uint32(0xFFFF))
            place = y * width + x
            state = states[place]
            if touched[state]:
                root = find(parents, labels[np.uint64(place + steps[state, 0])])
            else:
                root = np.uint32(n_nodes)
                begin(parents, nodes[root], root, pixel)
                n_nodes += 1
            if root != held:
                if held != NOTHING:
                    put_down(nodes[held], region, value)
                n_regions += write_down(nodes[root], value, regions[n_regions])
                held, region = root, taken_up(nodes[root])
            for k in range(1, touched[state]):
                other = find(parents, labels[np.uint64(place + steps[state, k])])
                if other != held:
                    n_regions += write_down(nodes[other], value, regions[n_regions])
                    held, region = united(parents, held, region, other, taken_up(nodes[other]))
            region = extended(region, y, x, pixel, area[state], euler[state])
            labels[np.uint64(place)] = held
        if held != NOTHING:
            put_down(nodes[held], region, value)
    for root in range(n_nodes):
        if parents[root] == root:
            n_regions += write_down(nodes[root], 0, regions[n_regions])
    return regions[:n_regions].copy()  # what it is cut from is free for the next map


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
def steps_to_contacts(neighbourhood: Neighbourhood, width: int) -> NDArray[np.int64]:
    """(256, 4): how far from a pixel those lie that stand for the parts it touches, in a flat array."""
    steps = np.empty((256, 4), np.int64)
    for state in range(256):
        for k in range(4):
            dy, dx = neighbourhood.ring[neighbourhood.contacts[state, k]]
            steps[state, k] = dy * width + dx
    return steps


@compiled
def find(parents: NDArray[np.uint32], node: Integer) -> Integer:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled
def begin(parents: NDArray[np.uint32], node: Region, root: Integer, pixel: Integer) -> None:
    """A region of no pixel yet."""
    parents[root] = root
    node.high = -1  # at no level so far
    node.x0, node.x1, node.y1 = pixel & np.uint32(0xFFFF), 0, 0
    node.first = pixel
    node.count = node.area = node.euler = 0


@compiled
def taken_up(node: Region) -> Growing:
    return Growing(
        np.int64(node.x0), np.int64(node.x1), np.int64(node.y1), np.int64(node.first),
        np.int64(node.count), np.int64(node.area), np.int64(node.euler),
    )  # fmt: skip


@compiled
def put_down(node: Region, region: Growing, value: int) -> None:
    node.high = value - 1
    node.x0, node.x1, node.y1 = region.x0, region.x1, region.y1
    node.first, node.count = region.first, region.count
    node.area, node.euler = region.area, region.euler


@compiled
def united(
    parents: NDArray[np.uint32], one: Integer, region: Growing, other: Integer, its: Growing
) -> tuple[Integer, Growing]:
    """The root of two regions, that of the larger, and both in one."""
    root, gone = (other, one) if its.count > region.count else (one, other)
    parents[gone] = root
    return root, Growing(
        min(region.x0, its.x0), max(region.x1, its.x1), max(region.y1, its.y1), min(region.first, its.first),
        region.count + its.count, region.area + its.area, region.euler + its.euler,
    )  # fmt: skip


@compiled
def extended(region: Growing, y: Integer, x: Integer, pixel: Integer, area: Integer, euler: Integer) -> Growing:
    return Growing(
        min(region.x0, x), max(region.x1, x + 1), max(region.y1, y + 1), min(region.first, np.int64(pixel)),
        region.count + 1, region.area + area, region.euler + euler,
    )  # fmt: skip


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
