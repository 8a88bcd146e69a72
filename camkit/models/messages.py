"""Parts of error messages: another library's error in one line, a list cut short, the names nearest to a wrong one."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

LONGEST = 200  # characters of a foreign error that are worth a place in ours


def one_line(error: BaseException) -> str:
    """The type and the text of an error, in one line of at most `LONGEST` characters."""
    text = printable(" ".join(str(error).split()))
    text = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def printable(text: str) -> str:
    """The text with a question mark for every character that a terminal would not show."""
    return "".join(c if c.isprintable() else "?" for c in text)


def some(names: Sequence[object], most: int = 3) -> str:
    """The first few of `names`, quoted, and how many there are beyond them."""
    shown = ", ".join(f"{name!r}" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean a, b?"`, or nothing where no known name is near. Case and dashes do not count."""
    plain = {_plain(candidate): candidate for candidate in known}
    near = [plain[match] for match in get_close_matches(_plain(name), plain)]
    return f"; did you mean {', '.join(near)}?" if near else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
