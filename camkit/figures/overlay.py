"""The picture of one result: the image under its score map, where the map was cut, and the box that came of it.

The name stands above the image and a colour bar below it, so that neither hides anything nor is cut.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from camkit.figures.heat import colours, heat, share_of

BOX = "#ffd60a"  # yellow, as the papers draw boxes from the percentile threshold
LARGEST = 4_000_000  # pixels of a picture; a larger image is drawn smaller, so that memory has a bound
SMALLEST = 256  # pixels along the longer side: a smaller image is drawn larger, each pixel as a square
NARROWEST = 256  # pixels of the canvas, so that words fit
LONGEST = 1000  # characters of a name
LETTERS = 12.0  # pixels, at least

Box = tuple[int, int, int, int]


def picture_size(size: tuple[int, int], side: int | None = None) -> tuple[int, int]:
    """Height and width at which an image is drawn: its own, up to `LARGEST` pixels; a small one's are multiplied.

    With `side` the longer of the two is at most that, and at least `SMALLEST`.
    """
    height, width = size
    times = -(-SMALLEST // max(size))
    if times > 1:
        return height * times, width * times
    share = min(1.0, math.sqrt(LARGEST / (height * width)), max(side or math.inf, SMALLEST) / max(size))
    return max(1, int(height * share)), max(1, int(width * share))


def overlay(
    pixels: torch.Tensor | None, score_map: NDArray[np.float32], boxes: Sequence[Box], title: str, tau: float, rule: str
) -> torch.Tensor:
    """The image under its heat, with contour and boxes, between its title and a colour bar, (3, H', W'), uint8.

    Parameters
    ----------
    pixels : Tensor (3, H, W), uint8, or None
        None: the map alone.
    score_map : ndarray (H, W)
    boxes : sequence of tuple of int
        ``x0, y0, x1, y1`` in these pixels, half open. An empty one is left out, and the bar says so.
    title : str
        Breaks into lines where it is too long for one.
    tau : float
        In the map's values. The contour is drawn round what is above it, the bar has it as a share of the map.
    rule : str
        What gave tau, in words.
    """
    picture = heat(pixels, score_map)
    height, width, _ = picture.shape
    _draw_contour(picture, score_map > tau)
    for box in boxes:
        _draw_box(picture, box)
    letters = max(LETTERS, math.sqrt(height * width) / 32)
    canvas = max(width, NARROWEST)
    above = np.asarray(_words(printable(title), letters * 1.15, canvas))
    empty = all(box[2] <= box[0] for box in boxes)
    below = np.asarray(_bar(share_of(tau, score_map), rule, empty, letters, canvas))
    sheet = np.full((len(above) + height + len(below), canvas, 3), 255, np.uint8)
    left = (canvas - width) // 2
    sheet[: len(above)] = above
    sheet[len(above) : len(above) + height, left : left + width] = picture
    sheet[len(above) + height :] = below
    return torch.from_numpy(sheet).permute(2, 0, 1)


def _draw_contour(picture: NDArray[np.uint8], above: NDArray[np.bool_]) -> None:
    """A white line on the inner side of what is above, a black one within it."""
    line = _line(picture.shape[:2])
    inner = eroded(above, line)
    core = eroded(inner, line)
    pixels = picture.reshape(-1, 3)  # a view
    pixels[np.flatnonzero(above & ~inner)] = 255
    pixels[np.flatnonzero(inner & ~core)] = 0


def eroded(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Where all pixels of the square that reaches so far to each side are true; beyond the mask nothing counts."""
    for axis in (0, 1):
        lines = mask.swapaxes(0, axis)
        kept = lines.copy()
        for step in range(1, min(reach, len(lines) - 1) + 1):
            kept[step:] &= lines[:-step]
            kept[:-step] &= lines[step:]
        mask = kept.swapaxes(0, axis)
    return mask


def _draw_box(picture: NDArray[np.uint8], box: Box) -> None:
    """Its frame, on the inner side, with a black line within."""
    x0, y0, x1, y1 = box
    if x1 > x0:
        line = 2 * _line(picture.shape[:2])
        inside = picture[y0:y1, x0:x1]
        for colour, width in (((0, 0, 0), line + 2 * (line > 2)), (ImageColor.getrgb(BOX), line)):
            for side in (inside[:width], inside[-width:], inside[:, :width], inside[:, -width:]):
                side[:] = colour


def _line(size: tuple[int, ...]) -> int:
    return max(1, round(min(size[:2]) / 250))


def _bar(share: float, rule: str, empty: bool, letters: float, width: int) -> Image.Image:
    """The palette from the map's minimum to its maximum, tau marked, and the rule that gave it."""
    margin, thick, top = _places(letters)
    inside = width - 2 * margin
    bar = _scale(letters, width).copy()
    draw = ImageDraw.Draw(bar)
    if math.isfinite(share):
        x = margin + min(max(share, 0.0), 1.0) * (inside - 1)
        half = max(3, round(letters * 0.35))
        draw.polygon([(x - half, top - half - 1), (x + half, top - half - 1), (x, top - 1)], fill="black")
        draw.line((x, top, x, top + thick - 1), fill="white", width=max(1, round(letters / 8)))
        said = f"cut at {share:.2f} of the map: {rule}"
    else:
        said = "the map has one value everywhere"
    words = _words(printable(said + "; no region is above it" * empty), letters * 0.85, width)
    sheet = Image.new("RGB", (width, bar.height + words.height), "white")
    sheet.paste(bar, (0, 0))
    sheet.paste(words, (0, bar.height))
    return sheet


def _places(letters: float) -> tuple[int, int, int]:
    """The bar's margin, its thickness and where it begins."""
    return round(letters * 0.6), round(letters * 0.8), round(letters * 0.7)


@lru_cache(maxsize=16)
def _scale(letters: float, width: int) -> Image.Image:
    """The palette with its numbers, the same for all pictures of a size."""
    margin, thick, top = _places(letters)
    inside = width - 2 * margin
    bar = Image.new("RGB", (width, round(letters * 2.6)), "white")
    shades = colours()[np.linspace(0, 255, inside).round().astype(int)]
    bar.paste(Image.fromarray(np.broadcast_to(shades, (thick, inside, 3)).copy()), (margin, top))
    draw, font = ImageDraw.Draw(bar), _font(letters * 0.85)
    for at, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
        draw.text((margin + at * (inside - 1), top + thick), f"{at:g}", fill="black", font=font, anchor=anchor)
    return bar


def _words(text: str, letters: float, width: int) -> Image.Image:
    """Text on white, in as many lines as it takes."""
    font, margin = _font(letters), round(letters * 0.6)
    lines = broken(text, font, width - 2 * margin)
    step = letters * 1.25
    sheet = Image.new("RGB", (width, round(step * len(lines) + letters * 0.35)), "white")
    for i, line in enumerate(lines):
        ImageDraw.Draw(sheet).text((margin, step * i + letters * 0.1), line, fill="black", font=font)
    return sheet


def broken(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Text in lines that are no wider, broken between words, and within one that is wider itself."""
    if font.getlength(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def printable(text: str) -> str:
    """In one line, with a sign for each character that has no shape; a text beyond all use ends in an ellipsis."""
    plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"


@lru_cache(maxsize=16)
def _font(letters: float) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it has the letters of most alphabets."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), letters)
