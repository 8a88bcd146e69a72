"""The papers' claims as a file states them: a sentence, its source, and the comparisons that test it."""

import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camkit.errors import CamkitError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXPECTATIONS = ("above", "below", "within", "exactly")
TERM = re.compile(r"(?P<cell>[^\s\[\]]+)\[(?P<figure>[^\s\[\]]+)\]")


@dataclass(frozen=True)
class Term:
    """One figure of a cell, added or taken away."""

    sign: int
    cell: str
    figure: str


@dataclass(frozen=True)
class Expectation:
    """What a claim says of a quantity.

    Attributes
    ----------
    quantity : str
        As the file has it.
    terms : tuple of Term
        Its sum.
    kind : {"above", "below", "within", "exactly"}
    bound : float, or two of them
    """

    quantity: str
    terms: tuple[Term, ...]
    kind: str
    bound: Any

    @property
    def in_words(self) -> str:
        """The expectation in words."""
        return (
            f"within {self.bound[0]:g} to {self.bound[1]:g}" if self.kind == "within" else f"{self.kind} {self.bound:g}"
        )


@dataclass(frozen=True)
class Comparison(Expectation):
    """An expectation that counts where `when`, if there is one, is shown."""

    when: Expectation | None = None

    def cells(self) -> Iterator[str]:
        """Names of the cells that it needs."""
        for term in (*self.terms, *(self.when.terms if self.when else ())):
            yield term.cell


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper."""

    id: str
    paper: str
    source: str
    sentence: str
    comparisons: tuple[Comparison, ...]
    bound: str = ""

    def cells(self) -> list[str]:
        """Names of the cells that it needs, each once."""
        return list(dict.fromkeys(cell for comparison in self.comparisons for cell in comparison.cells()))


@dataclass(frozen=True)
class Elsewhere:
    """Commands that test claims on the papers' own data, for whoever has it."""

    id: str
    data: str
    tests: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Claims:
    """What the file holds: the claims by id, the rule in words, and the commands for the papers' own data.

    `digest` is the file's SHA-256: the page says which claims it judges.
    """

    path: Path
    digest: str
    rule: str
    claims: Mapping[str, Claim]
    elsewhere: tuple[Elsewhere, ...]

    def named(self, names: tuple[str, ...]) -> list[Claim]:
        """Claims by id; "all", or none named, is every one; `CamkitError` for an unknown one."""
        unknown = [name for name in names if name not in self.claims and name != "all"]
        if unknown:
            raise CamkitError(f"no claim is called {unknown[0]!r}: camkit reproduce --list names them")
        return [one for one in self.claims.values() if not names or "all" in names or one.id in names]


def read_claims(path: Path) -> Claims:
    """Read the file of claims.

    Raises
    ------
    CamkitError
        It cannot be read, or one of its claims is not well formed.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CamkitError(
            f"{path}: cannot be read ({error.strerror}): run it in a clone of the repository, or give --claims FILE"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CamkitError(f"{path}: cannot be read as TOML: {error}") from error
    try:
        claims = [_claim(one) for one in held["claim"]]
        elsewhere = tuple(
            Elsewhere(one["id"], one["data"], tuple(one["tests"]), tuple(one["commands"]))
            for one in held.get("elsewhere", ())
        )
        rule = " ".join(held["rule"]["text"].split())
    except (KeyError, TypeError, ValueError) as error:
        raise CamkitError(f"{path}: not as a file of claims should be: {type(error).__name__}: {error}") from error
    by_id = {claim.id: claim for claim in claims}
    if len(by_id) < len(claims):
        twice = next(claim.id for i, claim in enumerate(claims) if claim.id in {c.id for c in claims[:i]})
        raise CamkitError(f"{path}: two claims are called {twice!r}")
    strangers = [name for one in elsewhere for name in one.tests if name not in by_id]
    if strangers:
        raise CamkitError(f"{path}: commands test {strangers[0]!r}, which is no claim")
    return Claims(path, hashlib.sha256(path.read_bytes()).hexdigest(), rule, by_id, elsewhere)


def _claim(held: dict[str, Any]) -> Claim:
    comparisons = tuple(Comparison(**_expectation(one), when=_when(one.get("when"))) for one in held["comparisons"])
    if not comparisons:
        raise ValueError(f"claim {held['id']!r} has no comparison")
    texts = {name: str(held[name]) for name in ("id", "paper", "source", "sentence")}
    return Claim(**texts, comparisons=comparisons, bound=str(held.get("bound", "")))


def _when(held: dict[str, Any] | None) -> Expectation | None:
    return None if held is None else Expectation(**_expectation(held))


def _expectation(held: dict[str, Any]) -> dict[str, Any]:
    (kind,) = (name for name in EXPECTATIONS if name in held)
    bound = held[kind]
    bound = (float(bound[0]), float(bound[1])) if kind == "within" else float(bound)
    return {"quantity": held["of"], "terms": parse(held["of"]), "kind": kind, "bound": bound}


def parse(text: str) -> tuple[Term, ...]:
    """``CELL[FIGURE] - CELL[FIGURE] + ...`` as terms; `ValueError` where it is none."""
    terms, sign = [], 1
    for number, word in enumerate(text.split()):
        if number % 2:
            if word not in "+-":
                raise ValueError(f"{text!r}: {word!r} where + or - should be")
            sign = 1 if word == "+" else -1
        elif found := TERM.fullmatch(word):
            terms.append(Term(sign, found["cell"], found["figure"]))
        else:
            raise ValueError(f"{text!r}: {word!r} is not CELL[FIGURE]")
    if len(text.split()) % 2 == 0:
        raise ValueError(f"{text!r}: a sum ends with a figure")
    return tuple(terms)
