"""What every run says at its end: lines for the screen, facts for scripts, names of what failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Report:
    """What a run says at its end.

    Attributes
    ----------
    lines : list of str
    failed : int
    failures : list of str
        The first of what failed, by name; they stand before the lines.
    facts : dict
        What the lines say, as JSON can hold it.
    """

    lines: list[str]
    failed: int
    failures: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def outcome_facts(out: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the closing lines of every run say, for scripts: where the results are, of how many images, how long."""
    counted = {name: record[name] for name in ("images", "seconds", "forward_seconds", "filled") if name in record}
    return {"out": str(out), **counted}


def printable(text: str) -> str:
    """The text as a terminal may be shown it: file names can hold control characters and bytes that are no UTF-8."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def filled_lines(names: Sequence[str], shown: int = 3) -> list[str]:
    """How many damaged images were read all the same, and the first of them."""
    if not names:
        return []
    more = ", ..." if len(names) > shown else ""
    told = f"{', '.join(map(repr, names[:shown]))}{more}"
    return [printable(f"damaged, and read as image viewers show them: {len(names)} (--truncated fill): {told}")]


def failure_lines(
    failures: Sequence[Mapping[str, Any]], out: Path, shown: int = 10, failed: int | None = None, *, listed: str = ""
) -> list[str]:
    """The first failures by name, and where all are listed; of `failed`, where these are not all."""
    failed = len(failures) if failed is None else failed
    lines = [printable(": ".join(filter(None, (entry["image"], entry["reason"])))) for entry in failures[:shown]]
    if failed > shown:
        lines.append(f"... and {failed - shown} more, all in {listed or out / 'failures.csv'}")
    return lines
