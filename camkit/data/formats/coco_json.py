"""COCO's JSON as its writers write it: ids as numbers or texts, sizes of null, entries that are broken one by one."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from camkit.data.formats.tables import decoded, is_utf8, number_of, quoted
from camkit.errors import CamkitError

MOST_DIGITS = 4300  # Python reads no longer number, lest it take for ever
WHOLE = re.compile(r"0*([0-9]+)(\.0*)?")

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One entry of a list: where it is, and what it says."""

    where: str
    fields: dict[str, Any]

    def value(self, name: str) -> Any:
        """A field; `CamkitError` where it is missing or null."""
        if self.fields.get(name) is None:
            raise CamkitError(f"it has no {name}; add it")
        return self.fields[name]

    def text(self, name: str) -> str:
        """A field that is a text; `CamkitError` where it is none, is blank, or holds no UTF-8."""
        text = self.value(name)
        if not isinstance(text, str) or not text.strip():
            raise CamkitError(f"{name} {quoted(text)} is no text; mend it")
        if not is_utf8(text):
            raise CamkitError(f"{name} {quoted(text)} is not UTF-8 text; save the file as UTF-8")
        return text

    def number(self, name: str) -> float:
        """A field that is a number, also as a text; 0 where it is missing, null or blank."""
        value = self.fields.get(name)
        return 0.0 if value is None or value == "" else finite(value, name)


def finite(value: Any, name: str) -> float:
    """A finite number, also of a text; `CamkitError` where it is none."""
    try:
        number = number_of(value) if isinstance(value, str) else math.nan if isinstance(value, bool) else float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CamkitError(f"{name} {quoted(value)} is no finite number; mend it")
    return number


class Ids(Generic[T]):
    """Things by ids that may be written as 1, 1.0, "1" or "01", where that is no other thing's id."""

    def __init__(self) -> None:
        self._exact: dict[tuple[bool, Any], T] = {}
        self._loose: dict[str, list[T]] = {}

    def add(self, written: Any, thing: T) -> T:
        """Name a thing, and give it back, or the one that has this very id already."""
        key, loose = _keys(written)
        if key not in self._exact:
            self._exact[key] = thing
            self._loose.setdefault(loose, []).append(thing)
        return self._exact[key]

    def find(self, written: Any) -> T | None:
        """The thing of an id; None where there is none, or several could be meant."""
        if type(written) is int and (False, written) in self._exact:
            return self._exact[False, written]
        key, loose = _keys(written)
        same = self._loose.get(loose, [])
        return self._exact.get(key, same[0] if len(same) == 1 else None)


def _keys(written: Any) -> tuple[tuple[bool, Any], str]:
    if isinstance(written, str):
        whole = WHOLE.fullmatch(written.strip())
        return (True, written), whole[1] if whole else written
    number = finite(written, "id")
    exact: Any = written if isinstance(written, int) else number
    return (False, exact), str(int(exact)) if number % 1 == 0 else repr(number)


def load(path: Path) -> Any:
    """The content of a JSON file, where numbers of thousands of digits stay texts.

    Raises
    ------
    CamkitError
        The file cannot be read, is no JSON or cut off.
    """
    text = decoded(path)
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return json.loads(text, parse_int=lambda digits: digits if len(digits) > MOST_DIGITS else int(digits))
    except json.JSONDecodeError as error:
        raise CamkitError(f"{path}, line {error.lineno}: no JSON, or cut off: {error.msg}; fetch it again") from None
    except RecursionError:
        raise CamkitError(f"{path}: no JSON: it is nested too deeply; export it again") from None


def rows(content: Any, path: Path, key: str) -> Iterator[Row]:
    """The entries of a list; `CamkitError` where there is no such list."""
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise CamkitError(f"{path}: it has no list {key!r}, so it is not COCO's JSON of objects; check --root")
    one = {"categories": "category"}.get(key, key.removesuffix("s"))
    for number, row in enumerate(found, 1):
        fields = row if isinstance(row, dict) else {}
        named = fields.get("id") is not None
        yield Row(f"{path}, {one} {quoted(fields['id'])}" if named else f"{path}, {key} entry {number}", fields)
