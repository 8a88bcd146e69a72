"""Image files: which there are, and their pixels as upright 8-bit RGB."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from os import PathLike, path, walk
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torchvision
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from camkit.errors import CamkitError, UnreadableImage

_DECODED = {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
# A folder is searched also for kinds that are not decoded: such a photograph is reported, not passed over.
SUFFIXES = _DECODED | {".avif", ".heic", ".heif", ".jp2"}
# What is decoded. A closed list, because some of PIL's other decoders run programs (EPS).
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
MAX_PIXELS = 100_000_000

_pil_limit = threading.Lock()


@dataclass(frozen=True)
class ImageFile:
    """An image file and the name that it has in every output.

    Attributes
    ----------
    path : Path
        Where the file lies.
    name : str
        Relative, with forward slashes, without "..", and unique among the files found together.
    """

    path: Path
    name: str


def find_images(spec: str | Path | Sequence[str | Path]) -> list[ImageFile]:
    """List the image files that a user means.

    Parameters
    ----------
    spec : str, Path, or a sequence of them
        Each one of: a folder, searched recursively for the suffixes of image files, hidden files and folders left out,
        symbolic links followed; a file, whatever its suffix; a glob, with ``**`` for any depth, whose matches are taken
        as if they were given themselves, hidden ones left out; ``@list.txt``, a UTF-8 text file with the path of one
        file a line, absolute or relative to the text file's folder, blank lines and lines that begin with # left out.
        What exists under the very name given is taken as that, even with a ``*`` or an ``@`` in its name.

    Returns
    -------
    list of ImageFile
        In the order of `spec`, and sorted by path within a folder or a glob. A file that was reached twice is listed
        once. A name is the path below the folder given (below a glob's fixed part, below a list's folder), else the
        file's own name; where two names clash, both are lengthened by their parent folders until they differ.

    Raises
    ------
    CamkitError
        Something does not exist, cannot be listed, or holds no image.
    """
    specs = [spec] if isinstance(spec, str | PathLike) else list(spec)
    if not specs:
        raise CamkitError("no images given: name a folder, a file, a glob, or @list.txt")
    found: dict[Path, tuple[Path, Path]] = {}
    for root, files in map(_expand, specs):
        for file in files:
            # A link to a folder must not list its files twice; a link to a file is a file of its own.
            found.setdefault(Path(path.realpath(file.parent), file.name), (root, file))
    names = _unique_names(list(found.values()))
    return [ImageFile(file, name) for (_, file), name in zip(found.values(), names, strict=True)]


def _expand(spec: str | Path) -> tuple[Path, list[Path]]:
    """Give the files that one spec means, and the folder below which their paths are their names."""
    given = Path(spec)
    if path.isdir(given):
        root, files = given, _images_below(given)
        why = f"no images below the folder {str(spec)!r}: it should hold {' '.join(sorted(SUFFIXES))} files"
    elif path.lexists(given):
        return given.parent, [given]
    elif str(spec).startswith("@"):
        listing = Path(str(spec)[1:])
        root, files = listing.parent, _listed(listing)
        why = f"the list {str(listing)!r} names no image: it should be a text file with one path a line"
    elif any(map(_is_magic, given.parts)):
        root = Path(*takewhile(lambda part: not _is_magic(part), given.parts))
        files = _matches(root, str(given.relative_to(root)))
        why = f"no image matches {str(spec)!r}: check the pattern (* is one folder deep, ** any depth)"
    else:
        raise CamkitError(f"no such file or folder: {str(spec)!r}; check the path and its rights")
    if not files:
        raise CamkitError(why)
    return root, files


def _images_below(root: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise CamkitError(f"the folder {str(error.filename)!r} cannot be listed: {error.strerror}; change its rights")

    files: list[Path] = []
    entered: set[str] = set()
    for folder, subfolders, names in walk(root, followlinks=True, onerror=fail):
        real = path.realpath(folder)
        if real in entered:  # a link that leads back
            subfolders.clear()
            continue
        entered.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        images = (name for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES)
        files += [Path(folder, name) for name in images]
    return sorted(files)


def _matches(root: Path, pattern: str) -> list[Path]:
    try:
        matches = sorted(root.glob(pattern))
    except (ValueError, OSError) as error:
        raise CamkitError(f"the glob {pattern!r} cannot be searched: {error}; give a folder instead") from None
    visible = [match for match in matches if not any(part.startswith(".") for part in match.relative_to(root).parts)]
    return [file for match in visible for file in (_images_below(match) if path.isdir(match) else [match])]


def _listed(listing: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in listing.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CamkitError(f"the list {str(listing)!r} cannot be read: {reason}; it should be a text file") from None
    return [listing.parent / line for line in lines if line and not line.startswith("#")]


def _is_magic(part: str) -> bool:
    return any(character in part for character in "*?[")


def _unique_names(roots_and_files: list[tuple[Path, Path]]) -> list[str]:
    files, depths = [], []
    for root, file in roots_and_files:
        absolute, above = Path(path.abspath(file)), Path(path.abspath(root))
        files.append(absolute.parts[1:])
        depths.append(len(absolute.relative_to(above).parts) if absolute.is_relative_to(above) else 1)
    while True:
        names = ["/".join(parts[-depth:]) for parts, depth in zip(files, depths, strict=True)]
        clashing = {name for name, count in Counter(names).items() if count > 1}
        if not clashing:
            return names
        longer = [min(d + (n in clashing), len(f)) for d, n, f in zip(depths, names, files, strict=True)]
        if longer == depths:
            raise CamkitError(f"two images would both be named {min(clashing)!r}: give them in two runs")
        depths = longer


def read_image(
    source: str | Path | bytes, max_pixels: int = MAX_PIXELS, name: str | None = None, upright: bool = True
) -> Tensor:
    """Read an image as a person sees it: the first frame, upright, in 8-bit RGB.

    EXIF orientation is applied; 16-bit grey is scaled by 255/65535 and rounded; transparent pixels are composited over
    white; other colour spaces are converted by PIL, without colour profiles.

    Parameters
    ----------
    source : str, Path or bytes
        The file, or the bytes of one.
    max_pixels : int
        Images with more pixels than this are refused before they are decoded.
    name : str, optional
        What messages call the image; by default the path.
    upright : bool
        Apply the EXIF orientation. Public data sets annotate the pixels as they are stored, whatever EXIF says.

    Returns
    -------
    Tensor (3, H, W), uint8
        Not always contiguous.

    Raises
    ------
    UnreadableImage
        The file is missing, not allowed to be read, no image, truncated or otherwise broken, or too large.
    """
    name = repr(name or ("<bytes>" if isinstance(source, bytes) else str(source)))
    try:
        if isinstance(source, bytes):
            return _decode(BytesIO(source), max_pixels, upright)
        if path.exists(source) and not path.isfile(source):  # opening a pipe would wait for ever
            raise _Refused("it is not a file; give the path of an image file")
        with open(source, "rb") as file:
            return _decode(file, max_pixels, upright)
    except _Refused as refusal:
        reason = str(refusal)
    except (FileNotFoundError, PermissionError) as error:
        reason = f"{error.strerror}; check the path and its rights"
    except Exception as error:  # PIL raises nearly every type on a broken file
        reason = f"{' '.join(str(error).split()) or type(error).__name__}; replace the file or leave it out"
    raise UnreadableImage(f"cannot read {name}: {reason}")


def read_size(encoded: bytes, name: str, upright: bool = True) -> tuple[int, int]:
    """Height and width of an image that `read_image` would give, from the file's header alone.

    Raises
    ------
    UnreadableImage
        As `read_image`; what is broken behind the header is not seen.
    """
    try:
        image = _open(BytesIO(encoded))
        width, height = image.size
        return (width, height) if upright and _orientation(image) in SIDEWAYS else (height, width)
    except Exception as error:  # PIL raises nearly every type on a broken file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"cannot read {name!r}: {reason}") from None


class _Refused(Exception):
    """Why an image is not decoded, and what to do."""


def _decode(file: BinaryIO, max_pixels: int, upright: bool) -> Tensor:
    image = _open(file)
    width, height = image.size
    if width * height > max_pixels:
        raise _Refused(
            f"{width} x {height} pixels are more than the {max_pixels} allowed; --max-pixels {width * height} admits it"
        )
    if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
        file.seek(0)
        try:  # two to four times as fast as PIL, and the same pixels
            encoded = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
            pixels = torchvision.io.decode_jpeg(encoded, torchvision.io.ImageReadMode.RGB)
            return _upright(pixels, image) if upright else pixels
        except (RuntimeError, AttributeError, Warning):
            file.seek(0)
            image = _open(file)  # PIL says what is wrong, if anything is
    image.load()
    return _upright(_rgb(image), image) if upright else _rgb(image)


def _open(file: BinaryIO) -> Image.Image:
    """Read the header alone. PIL's own limit on pixels, global and partly a warning, gives way to `max_pixels`."""
    with _pil_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            empty = file.seek(0, 2) == 0
            what = "the file is empty" if empty else f"not an image of a known kind ({', '.join(FORMATS)})"
            raise _Refused(f"{what}; replace the file or leave it out") from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _rgb(image: Image.Image) -> Tensor:
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise _Refused("its grey values exceed 16 bits, so none is known to be white; save it as 16-bit")
        return torch.from_numpy(((grey + 128) // 257).astype(np.uint8)).repeat(3, 1, 1)
    if image.mode == "F":
        raise _Refused("its pixels are floating-point numbers, so none is known to be white; save it as 16-bit")
    if image.mode.upper().endswith("A") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def _upright(pixels: Tensor, image: Image.Image) -> Tensor:
    """Turn stored pixels the way EXIF says (Exif 2.32, tag 0x0112)."""
    orientation = _orientation(image)
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(-2, -1)
    flipped = {2: [-1], 3: [-2, -1], 4: [-2], 6: [-1], 7: [-2, -1], 8: [-2]}.get(orientation, [])
    return pixels.flip(flipped) if flipped else pixels


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block says nothing, and the pixels are fine
        return 1
