"""YOLO's text files, as Ultralytics reads them and Roboflow, CVAT, Label Studio and FiftyOne write them.

``data.yaml`` names the classes (``names``, a list, or a table by number) and where each split's images are (``train``,
``val``, ``test``: a folder, a text file that lists images, or several of these), below ``path`` or its own folder. The
labels of ``images/a.jpg`` are ``labels/a.txt``: the last folder ``images`` of a path becomes ``labels``; without one
they lie beside the image. Each line is an object, ``class xc yc width height``, or ``class x0 y0 x1 y1 x2 y2 ...``, a
polygon (or a turned box of four corners), which gives a mask as well. Of poses (``kpt_shape``) the box is read.

All numbers are **shares of the sides** of the image **upright**: times the width and the height, which are read from
the image, they are pixels from 0, half open.

An image gives one record for each class in it. One without objects is a problem, and so is a file of labels without an
image.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from camkit.data.annotations import AnnotatedSet
from camkit.data.file_names import SUFFIXES
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft
from camkit.data.formats.entry import Entry
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.segmentations import Segmentation
from camkit.data.formats.sizes import in_pixels, measure
from camkit.data.formats.tables import Line, decoded, lines, quoted
from camkit.data.sources import Folder, Source, find_source
from camkit.errors import CamkitError, UnreadableImage

SPLITS = ("train", "val", "test")
ALSO = {"valid": "val", "validation": "val", "val": "valid"}  # Roboflow's folder is valid, its key val
NO_LABELS = {"classes.txt", "notes.txt", "train.txt", "val.txt", "test.txt"}  # that tools leave among labels
BOX, CORNERS = 5, 3  # fields of a line; corners of a polygon, at least
MAX_BYTES = 1 << 22


def read_yolo(root: Path, split: str) -> AnnotatedSet:
    """Read a split of a data set that a data.yaml describes.

    Parameters
    ----------
    root : Path
        The folder with ``data.yaml``, or with one other ``.yaml`` file that has ``names``; or that file itself. Images
        may be zip archives.
    split : str
        One that the file names: train, val or test, where valid and validation are val.

    Returns
    -------
    AnnotatedSet
        Labels are the file's numbers.

    Raises
    ------
    CamkitError
        There is no such file, it does not name the classes or the split, or no image can be used.
    """
    described = _Described.read(root)
    draft = Draft("yolo", split, described.file)
    objects = Objects()
    for place in described.places(split):
        used = set()
        for where, name, labels in place.images():
            entry = draft.add(f"{place.prefix}{name}", f"{place.prefix}{name}", where)
            with entry.reading(f"{where}: {quoted(name)}"):
                entry.read = place.source.reader(name)
            used.add(labels)
            size = measure(entry, place.source, upright=True)
            if size is not None:
                _read_labels(labels, entry, objects, size, described)
        for stray in place.strays(used):
            draft.stray(str(stray), "no image has its name; add the image, or take the file out")
    return draft.finish(_Nowhere(), described.names, objects.records, upright=True)


def _read_labels(path: Path, entry: Entry, objects: Objects, size: tuple[int, int], described: "_Described") -> None:
    if not path.is_file():
        return  # that it has no object is told when the records are made
    for line in lines(path, 1):
        with entry.annotation(line.where):
            line.check()
            fields = line.fields[0].split()
            read = Line(line.where, fields)
            label = read.whole(0)
            if label >= len(described.names):
                raise CamkitError(f"class {label} is none of the {len(described.names)} in {described.file.name}")
            with objects.reading(entry, label, line.where):
                objects.add(entry, _object(read, label, entry, size, poses=described.poses))


def _object(line: Line, label: int, entry: Entry, size: tuple[int, int], *, poses: bool) -> Object:
    count = len(line.fields)
    if count == BOX or (poses and count > BOX):
        x, y, width, height = line.numbers(1, BOX)
        in_pixels((x, y, width, height), size)  # which refuses what is no share
        corners = in_pixels((x - width / 2, y - height / 2, x + width / 2, y + height / 2), size)
        return Object(label, entry.half_open((corners[0], corners[1], corners[2], corners[3]), HALF_OPEN, scaled=True))
    if count % 2 == 0 or count < 1 + 2 * CORNERS:
        raise CamkitError(
            f"{count} fields are neither class xc yc width height nor class and a polygon's corners; it may be cut off"
        )
    polygon = in_pixels(tuple(line.numbers(1, count)), size)
    segmentation = Segmentation(line.where, [polygon])
    return Object(label, entry.half_open(segmentation.box(), HALF_OPEN, scaled=True), segmentation)


@dataclass(frozen=True)
class _Described:
    """What a data.yaml says."""

    file: Path
    content: dict[str, Any]
    names: list[str]

    @property
    def poses(self) -> bool:
        """Whether key points follow the box."""
        return isinstance(self.content.get("kpt_shape"), list)

    @classmethod
    def read(cls, root: Path) -> "_Described":
        file = root if root.is_file() else _yaml_in(root)
        content = _loaded(file)
        return cls(file, content, _names(content.get("names"), file))

    def places(self, split: str) -> list["_Place"]:
        """Where the images of a split are; `CamkitError` where the file does not say, or they are not there."""
        key = split if self.content.get(split) else ALSO.get(split, split)
        found = self.content.get(key)
        places = found if isinstance(found, list) else [found]
        if not found or not all(isinstance(place, str) and place.strip() for place in places):
            there = [name for name in (*SPLITS, "valid") if self.content.get(name)]
            raise CamkitError(
                f"{self.file}: it names no images of the split {split!r}; there are {', '.join(there) or 'none'}"
            )
        return [self._place(str(place), several=len(places) > 1) for place in places]

    def _place(self, written: str, *, several: bool) -> "_Place":
        """A folder or a list of images; Roboflow writes ``../train/images`` where ``train/images`` is meant."""
        beside = self.file.parent
        path = self.content.get("path")
        bases = dict.fromkeys([beside / path if isinstance(path, str) else beside, beside])
        plain = written.strip().replace("\\", "/")
        prefix = f"{plain.lstrip('./').rstrip('/')}/" if several else ""
        for base in bases:
            for name in (plain, plain.removeprefix("../")):
                where = base / name
                if where.is_file() and where.suffix == ".txt":
                    return _List(prefix, Folder(where.parent), where)
                source = find_source(where)
                if source is not None:
                    return _Images(prefix, source, where)
        tried = " and ".join(str(base / plain) for base in bases)
        raise CamkitError(f"{self.file}: {written!r} is neither a folder nor a list of images: {tried} are not there")


@dataclass(frozen=True)
class _Place:
    """Images of a split: `prefix` stands before their names where there are several places."""

    prefix: str
    source: Source
    path: Path

    def images(self) -> Iterator[tuple[str, str, Path]]:
        """Where an image is listed, its name, and the file of its labels."""
        raise NotImplementedError

    def strays(self, used: set[Path]) -> Iterator[Path]:
        """Files of labels that belong to none of the images."""
        raise NotImplementedError


class _Images(_Place):
    """A folder of images."""

    def images(self) -> Iterator[tuple[str, str, Path]]:
        labels = _labels_of(self.path)
        if not labels.is_dir():
            raise CamkitError(f"{labels}: there is no such folder of labels; put it beside the images, unpacked")
        for name in self.source.names():
            if PurePosixPath(name).suffix.lower() in SUFFIXES:
                yield str(self.path), name, (labels / name).with_suffix(".txt")

    def strays(self, used: set[Path]) -> Iterator[Path]:
        for path in sorted(_labels_of(self.path).rglob("*.txt")):
            if path not in used and path.name not in NO_LABELS and not path.name.startswith("."):
                yield path


class _List(_Place):
    """A text file with the path of one image a line, absolute or relative to its own folder."""

    def images(self) -> Iterator[tuple[str, str, Path]]:
        for line in lines(self.path, 1):
            name = line.text(0).replace("\\", "/")
            inside = name.removeprefix(f"{self.path.parent.as_posix()}/").removeprefix("./")
            yield line.where, inside, _labels_of(self.path.parent / inside).with_suffix(".txt")

    def strays(self, used: set[Path]) -> Iterator[Path]:  # noqa: ARG002 - a list need not name all images
        return iter(())


class _Nowhere:
    """Every image was found when it was listed."""

    def reader(self, name: str) -> Any:
        raise UnreadableImage(f"there is no file {name!r}")


def _labels_of(path: Path) -> Path:
    """The path with its last folder ``images`` called ``labels``."""
    parts = list(path.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            return Path(*parts[:index], "labels", *parts[index + 1 :])
    return path


def _yaml_in(root: Path) -> Path:
    if (root / "data.yaml").is_file():
        return root / "data.yaml"
    found = sorted(path for kind in ("*.yaml", "*.yml") for path in root.glob(kind) if names_classes(path))
    if len(found) == 1:
        return found[0]
    there = f"; there are {', '.join(path.name for path in found[:5])}: name one with --root" if found else ""
    raise CamkitError(f"{root / 'data.yaml'}: cannot be read: there is no such file{there or '; check --root'}")


def names_classes(path: Path) -> bool:
    """Whether a YAML file has a table of ``names``, as far as a look at it can tell."""
    try:
        with path.open("rb") as file:
            return any(line.startswith(b"names:") for line in file.read(MAX_BYTES).splitlines())
    except OSError:
        return False


class _Loader(yaml.BaseLoader):
    """YAML whose scalars are texts, as they stand: a class may be called no, or 007."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A table; one key twice, of which YAML would keep the last, is an error."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {quoted(twice)} is there twice", node.start_mark
            )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _loaded(path: Path) -> dict[str, Any]:
    text = decoded(path)
    if len(text) > MAX_BYTES:
        raise CamkitError(f"{path}: {len(text)} characters are no description of a data set; check --root")
    try:
        content = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise CamkitError(f"{path}{where}: no YAML: {reason}; mend it") from None
    if not isinstance(content, dict):
        raise CamkitError(f"{path}: it is no table of names and splits, as data.yaml is; check --root")
    return content


def _names(written: Any, path: Path) -> list[str]:
    """The classes' names by number; `CamkitError` where one is missing, for it would shift the others."""
    table = dict(enumerate(written)) if isinstance(written, list) else written
    if not isinstance(table, dict) or not table:
        raise CamkitError(f"{path}: it has no names of classes; add names: [...]")
    numbers = {int(key) if str(key).isdecimal() else key: name for key, name in table.items()}
    missing = [number for number in range(len(table)) if number not in numbers]
    if missing or len(numbers) != len(table) or not all(isinstance(name, str) for name in numbers.values()):
        which = (
            f"the name of class {missing[0]} is missing" if missing else "one of its names is no text, or there twice"
        )
        raise CamkitError(f"{path}: {which}, so its classes are not numbered from 0 without a gap; mend it")
    return [numbers[number] for number in range(len(table))]
