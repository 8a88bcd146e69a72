"""Annotation files in Pascal VOC's XML, which ILSVRC uses too: an image's size and its objects' names and corners."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from camkit.data.annotations import Box
from camkit.errors import CamkitError

# A few objects take kilobytes.
MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class NamedObject:
    """One object: its class's name, its corners as written, and whether it is flagged difficult."""

    name: str
    corners: Box
    difficult: bool


@dataclass(frozen=True)
class Annotation:
    """What one file says: (height, width), None where it states none, and the objects in order."""

    size: tuple[int, int] | None
    objects: list[NamedObject]


def read_voc_xml(path: Path) -> Annotation:
    """Read one annotation file.

    Raises
    ------
    CamkitError
        The file is missing or no such XML, an element is missing or no number, or there is a document type
        declaration: annotations need none, and with one a short file can expand to gigabytes.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _BadElement(f"{path.stat().st_size} bytes are too many for one image's annotation")
        # It stops at a document type declaration, before any entity of it is known.
        parser = ElementTree.XMLParser(target=_NoDoctype())
        parser.feed(path.read_bytes())
        root: ElementTree.Element = parser.close()
        size = None if root.find("size") is None else (_whole(root, "size/height"), _whole(root, "size/width"))
        return Annotation(size, [_object(element) for element in root.iter("object")])
    except OSError as error:
        raise CamkitError(f"the annotation cannot be read: {error.strerror}") from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter two: its encoding is unknown
        raise CamkitError(f"no well-formed XML: {error}") from None
    except _BadElement as error:
        raise CamkitError(str(error)) from None


class _BadElement(Exception):
    """An element that is missing, not a number, or not allowed."""


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002 - expat's arguments
        raise _BadElement("it has a document type declaration (<!DOCTYPE), which is refused; remove it")


def _object(element: ElementTree.Element) -> NamedObject:
    x0, y0, x1, y1 = (_number(element, f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax"))
    return NamedObject(_text(element, "name"), (x0, y0, x1, y1), (element.findtext("difficult") or "0").strip() == "1")


def _text(element: ElementTree.Element, path: str) -> str:
    text = (element.findtext(path) or "").strip()
    if not text:
        raise _BadElement(f"<{element.tag}> has no {path}")
    return text


def _number(element: ElementTree.Element, path: str) -> float:
    text = _text(element, path)
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise _BadElement(f"{path} is {text!r}, no number of pixels")
    return number


def _whole(element: ElementTree.Element, path: str) -> int:
    return int(_number(element, path))
