"""The drawings of `shapes`: an animal on cluttered ground, its box, its mask, and the part that tells its class."""

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.draw import polygon2mask

from camkit.boxes.geometry import box_of

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

ANGLES = np.linspace(0, 2 * np.pi, 60, endpoint=False)


def _regular(corners: int) -> Floats:
    """A regular polygon's radius at each angle."""
    sector = 2 * np.pi / corners
    return np.asarray(np.cos(sector / 2) / np.cos(ANGLES % sector - sector / 2))


# The heads' outlines, as the radius at each angle.
OUTLINES = (
    np.ones_like(ANGLES),  # disc
    _regular(3),
    _regular(4),
    0.66 + 0.34 * np.cos(5 * ANGLES),  # star
    np.minimum(1, 0.36 / np.minimum(abs(np.cos(ANGLES)), abs(np.sin(ANGLES))).clip(0.36)),  # cross
    0.62 + 0.38 * np.cos(2 * ANGLES),  # bow
)
HUES = (0.0, 0.13, 0.36, 0.56, 0.82)
# Class k takes outline k % 6 and hue k % 5. As 6 and 5 have no common divisor, no two classes take the same pair.
MOST_CLASSES = len(OUTLINES) * len(HUES)
SMALLEST = 32
COATS = 2


@dataclass(frozen=True, eq=False)
class Drawing:
    """One image of `shapes` with all that is known about it.

    Attributes
    ----------
    image : ndarray (H, W, 3), uint8
        RGB.
    label : int
    box : ndarray (4,), int64
        Of the whole object: ``x0, y0, x1, y1``, half open.
    mask : ndarray (H, W), bool
        The object: body and head.
    part : ndarray (H, W), bool
        The head, the part of the object that tells its class.
    """

    image: NDArray[np.uint8]
    label: int
    box: NDArray[np.int64]
    mask: Mask
    part: Mask


def draw(index: int, label: int, size: int = 64, seed: int = 0) -> Drawing:
    """Image `index` of the data set that `seed` names; only head and coat depend on the label.

    Parameters
    ----------
    index : int
    label : int
        0 to 29.
    size : int
        Height and width in pixels, at least 32.
    seed : int

    Returns
    -------
    Drawing
    """
    rng = np.random.default_rng([seed, index])
    animal = _Animal(rng, size)
    body, coat = animal.body(), animal.coat(label)
    head = animal.head(label)
    canvas = _ground(rng, size)
    light, dark = _colour(rng, value=(0.7, 1)), _colour(rng, value=(0.1, 0.5))
    canvas[body] = np.where(coat[..., None], light, dark)[body]
    canvas[head] = _head_colour(rng, label)
    canvas += rng.normal(0, 0.03, canvas.shape)
    mask = body | head
    return Drawing((canvas.clip(0, 1) * 255).round().astype(np.uint8), label, box_of(mask), mask, head)


class _Animal:
    """Where an animal stands, and how: everything about it but its class."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self.turn, self.mirror = rng.uniform(-0.6, 0.6), rng.choice([-1.0, 1.0])
        self.head_turn = rng.uniform(0, 2 * np.pi)
        length, height = rng.uniform(0.15, 0.27), rng.uniform(0.07, 0.12)
        self.head_radius = max(0.35 * length, 2.6 / size)
        self.stripe = max(rng.uniform(0.05, 0.09), 3 / size), rng.uniform(0, 1)
        # In its own frame, x towards the head and y down, in shares of the image's side.
        wobble = 1 + 0.12 * np.cos(3 * ANGLES + rng.uniform(0, 2 * np.pi))
        torso = wobble[:, None] * np.stack([length * np.cos(ANGLES), height * np.sin(ANGLES)], axis=1)
        self.head_centre = np.array([length + 0.6 * self.head_radius, -height - 0.5 * self.head_radius])
        neck = _bar((0.6 * length, 0), self.head_centre, 0.45 * height)
        foot = height + rng.uniform(0.07, 0.12)
        legs = [
            _bar((x * length, 0), ((x + rng.uniform(-0.15, 0.15)) * length, foot), 0.028)
            for x in (-0.7, -0.4, 0.4, 0.7)
        ]
        tail = _bar((-0.8 * length, 0), (-length - 0.08, rng.uniform(-0.15, 0.05)), 0.025)
        self.pieces = [torso, neck, *legs, tail]
        self._place(rng)

    def _place(self, rng: np.random.Generator) -> None:
        """Anywhere in the image where all of it is inside, whatever head it wears."""
        self.shift = np.zeros(2)
        reach = self.head_radius * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
        centre = self._to_image(self.head_centre[None])
        points = np.concatenate([*map(self._to_image, self.pieces), centre + reach])
        margin = 1 / self.size
        self.shift = rng.uniform(margin - points.min(axis=0), 1 - margin - points.max(axis=0))

    def _to_image(self, points: Floats) -> Floats:
        """Own frame (N, 2) to shares of the image's sides x, y."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = points * [self.mirror, 1] @ np.array([[cos, sin], [-sin, cos]])
        return np.asarray(turned + self.shift)

    def body(self) -> Mask:
        """The body's mask."""
        return np.asarray(np.any([_filled(self._to_image(piece), self.size) for piece in self.pieces], axis=0))

    def coat(self, label: int) -> Mask:
        """Where the coat is light: in stripes across the body for even classes, in checks for odd ones."""
        period, phase = self.stripe
        y, x = np.mgrid[: self.size, : self.size] / self.size
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        across, along = (((place / period + phase) % 1) < 0.5 for place in (x * cos + y * sin, y * cos - x * sin))
        return np.asarray(across if label % COATS == 0 else across ^ along)

    def head(self, label: int) -> Mask:
        """The mask of the head that a class wears."""
        centre = self._to_image(self.head_centre[None])
        return _filled(centre + _head_points(label, self.head_radius, self.head_turn), self.size)


def _head_points(label: int, radius: float, turn: float) -> Floats:
    outline = OUTLINES[label % len(OUTLINES)]
    return np.stack([np.cos(ANGLES + turn), np.sin(ANGLES + turn)], axis=1) * (radius * outline)[:, None]


def _head_colour(rng: np.random.Generator, label: int) -> Floats:
    return _colour(rng, hue=HUES[label % len(HUES)] + rng.uniform(-0.02, 0.02), saturation=(0.8, 1), value=(0.8, 1))


def _ground(rng: np.random.Generator, size: int) -> Floats:
    """Soft patches of colour, and things of all sizes and colours on them: (H, W, 3) in [0, 1]."""
    patches = Image.fromarray(rng.integers(60, 196, (6, 6, 3), np.uint8))
    canvas = np.asarray(patches.resize((size, size), Image.Resampling.BICUBIC)) / 255
    for _ in range(rng.integers(10, 20)):
        stretch, turn = rng.uniform([0.02, 0.02], [0.2, 0.1]), rng.uniform(0, np.pi)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        thing = _head_points(int(rng.integers(3)), 1, rng.uniform(0, 2 * np.pi)) * stretch @ rotation
        canvas[_filled(rng.random(2) + thing, size)] = _colour(rng)
    return np.asarray(canvas)


def _bar(start: tuple[float, float] | Floats, end: tuple[float, float] | Floats, half_width: float) -> Floats:
    start, end = np.asarray(start), np.asarray(end)
    along = (end - start) / np.linalg.norm(end - start)
    side = half_width * np.array([-along[1], along[0]])
    return np.stack([start - side, start + side, end + side, end - side])


def _filled(points: Floats, size: int) -> Mask:
    """Pixels whose centres lie in a polygon (N, 2) of shares x, y of the image's sides."""
    return np.asarray(polygon2mask((size, size), points[:, ::-1] * size - 0.5))


def _colour(
    rng: np.random.Generator,
    hue: float | None = None,
    saturation: tuple[float, float] = (0.2, 1),
    value: tuple[float, float] = (0.1, 1),
) -> Floats:
    hue = rng.random() if hue is None else hue % 1
    return np.array(colorsys.hsv_to_rgb(hue, rng.uniform(*saturation), rng.uniform(*value)))
