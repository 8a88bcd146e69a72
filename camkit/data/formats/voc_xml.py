"""Annotation files in Pascal VOC's XML, which ILSVRC uses too: an image's size and its objects' names and corners."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from camkit.data.annotations import Box
from camkit.data.formats.tables import number_of, quoted
from camkit.errors import CamkitError

# A few objects take kilobytes.
MAX_BYTES = 16_000_000
MAX_CORNER = 1e9
ENCODING = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


@dataclass(frozen=True)
class NamedObject:
    """One object of an annotation, the `number`-th from 1; what it says is looked at when it is asked for."""

    number: int
    element: ElementTree.Element

    @property
    def name(self) -> str:
        """Its class's name; `CamkitError` where it has none."""
        return _text(self.element, "name")

    @property
    def difficult(self) -> bool:
        """Whether it is flagged so."""
        return (self.element.findtext("difficult") or "0").strip() == "1"

    def corners(self) -> Box:
        """xmin, ymin, xmax, ymax as written; `CamkitError` where one is missing or no number of pixels."""
        if self.element.find("bndbox") is None:
            others = [tag for tag in ("robndbox", "polygon") if self.element.find(tag) is not None]
            instead = f" but a {others[0]}" if others else ""
            raise CamkitError(f"it has no bndbox{instead}; export it with a box along the image's sides")
        x0, y0, x1, y1 = (_number(self.element, f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax"))
        return x0, y0, x1, y1


@dataclass(frozen=True)
class Annotation:
    """What one file says: (height, width), 0 where it states none, the image's file name, and the objects in order."""

    size: tuple[float, float]
    filename: str
    objects: list[NamedObject]


def read_voc_xml(path: Path) -> Annotation:
    """Read one annotation file.

    Raises
    ------
    CamkitError
        The file is missing or no such XML, its size is no number, or there is a document type declaration: annotations
        need none, and with one a short file can expand to gigabytes.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CamkitError(f"{path.stat().st_size} bytes are too many for one image's annotation; mend it")
        root = _parsed(path.read_bytes())
    except OSError as error:
        raise CamkitError(f"the annotation cannot be read: {error.strerror}; add it, or take the image out") from None
    height, width = (_number(root, f"size/{side}", "0") for side in ("height", "width"))
    objects = [NamedObject(number, element) for number, element in enumerate(root.iter("object"), 1)]
    return Annotation((height, width), (root.findtext("filename") or "").strip(), objects)


def _parsed(encoded: bytes) -> ElementTree.Element:
    declared = ENCODING.match(encoded)
    try:
        try:
            return _tree(encoded)
        except ValueError as error:  # expat knows no encoding with several bytes a character, such as GB2312
            if declared is None or isinstance(error, ElementTree.ParseError):
                raise
            return _tree(encoded.decode(declared[1].decode()).encode(), "utf-8")
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, CamkitError):
            raise
        raise CamkitError(f"no well-formed XML: {error}; mend or export it again") from None


def _tree(encoded: bytes, encoding: str | None = None) -> ElementTree.Element:
    # It stops at a document type declaration, before any entity of it is known.
    parser = ElementTree.XMLParser(target=_NoDoctype(), encoding=encoding)
    parser.feed(encoded)
    root: ElementTree.Element = parser.close()
    return root


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002 - expat's arguments
        raise CamkitError("it has a document type declaration (<!DOCTYPE), which is refused; remove it")


def _text(element: ElementTree.Element, path: str) -> str:
    text = (element.findtext(path) or "").strip()
    if not text:
        raise CamkitError(f"it has no {path}; add it")
    return text


def _number(element: ElementTree.Element, path: str, missing: str = "") -> float:
    text = (element.findtext(path) or "").strip() or missing or _text(element, path)
    number = number_of(text)
    if not abs(number) <= MAX_CORNER:
        raise CamkitError(f"{path} is {quoted(text)}, no number of pixels; mend it")
    return number
