"""Which of a file's tensors are the weights of a network, and under which names it knows them.

A file keeps weights under names of its own: inside larger dictionaries (``state_dict``, ``model``), behind the prefixes
of wrappers (``module.``, ``_orig_mod.``, ``model.``, ``student.``), beside an average of them or another network. Every
tensor is given its whole dotted name in the file; weights fit a network where, behind one prefix, the names are the
network's, all of them and no other.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.models import inert_pickle
from camkit.models.messages import some

NESTED = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights in a larger dictionary
WRAPPERS = ("module", "_orig_mod")  # names that DataParallel and torch.compile put before those of what they wrap
AVERAGES = ("ema", "swa", "averag", "shadow", "polyak")  # in the names of averages of the weights over training
COUNTER = "num_batches_tracked"  # of batch norms: it matters to training alone, and files of long ago lack it
DEEPEST = 12  # dictionaries inside dictionaries


EXPANDED = 1 << 26  # numbers that tensors may claim beyond those that the file holds
ANEW = "save it anew with torch.save(model.state_dict(), ...) or as .safetensors"


class State(OrderedDict[str, Tensor]):
    """A state dict, and where it lay: `origin` in words, for the record of a run."""

    origin = ""


@dataclass(frozen=True)
class Candidate:
    """Tensors behind one prefix of a file's names, which fit a network."""

    prefix: str
    names: dict[str, str]  # the file's to the network's
    rename: Callable[[str], str]  # any name behind the prefix, a module's too

    @property
    def key(self) -> str:
        return self.prefix.rstrip(".")

    @property
    def is_average(self) -> bool:
        return any(word in self.prefix.lower() for word in AVERAGES)

    @property
    def is_usual(self) -> bool:
        """Whether the prefix says no more than that these are weights."""
        return set(self.key.split(".")) <= {*NESTED, *WRAPPERS, ""}


class Contents:
    """The tensors in a file by their dotted names.

    Parameters
    ----------
    held : dict
        What was read from the file: dictionaries of dictionaries of tensors, and anything else.
    path : Path
    """

    def __init__(self, held: Any, path: Path) -> None:
        if not isinstance(held, dict):
            raise CamkitError(f"{path}: holds a {type(held).__name__}, not a state dict; {ANEW}")
        self.held, self.path = held, path
        self.tensors: dict[str, Tensor] = {}
        self.versions: dict[str, Any] = {}  # what modules say of themselves (``_metadata``), by the modules' names
        self._seen: set[int] = set()
        self._flatten(held, "", 0)
        self._check_claims()

    def _flatten(self, held: dict[Any, Any], prefix: str, depth: int) -> None:
        if id(held) in self._seen or depth > DEEPEST:
            return
        self._seen.add(id(held))
        metadata = getattr(held, "_metadata", None)
        if isinstance(metadata, dict):
            self.versions |= {(prefix + key).rstrip("."): value for key, value in metadata.items() if _is_text(key)}
        for key, value in held.items():
            if not _is_text(key):
                continue
            if isinstance(value, dict):
                self._flatten(value, f"{prefix}{key}.", depth + 1)
            elif isinstance(value, Tensor) and self.tensors.setdefault(prefix + key, value) is not value:
                raise CamkitError(f"{self.path}: holds two tensors called {prefix + key!r}; save the weights alone")

    def _check_claims(self) -> None:
        """Refuse a small file whose tensors repeat a few numbers immensely often."""
        claims = {name: value.numel() - value.untyped_storage().nbytes() // value.element_size()
                  for name, value in self.tensors.items() if is_plain(value)}  # fmt: skip
        if sum(max(0, numbers) for numbers in claims.values()) > EXPANDED:
            name = max(claims, key=lambda one: claims[one])
            shape = f"{tuple(self.tensors[name].shape)!s:.80}"
            raise CamkitError(
                f"{self.path}: refused, {name!r:.80} claims the shape {shape}, for which it has no numbers"
            )

    def of(self, own: Mapping[str, Tensor], key: str = "") -> State | None:
        """The weights that fit a network with the state dict `own`, None where none do.

        Raises
        ------
        CamkitError
            Several different ones fit, or none under the `key` that was asked for.
        """
        found = fitting(self.tensors, own)
        exact = [one for one in found if all(self.tensors[a].shape == own[b].shape for a, b in one.names.items())]
        candidates = exact or found
        if key:
            chosen = [one for one in candidates if one.key == key or one.prefix.startswith(f"{key}.")]
            if not chosen and candidates:
                raise CamkitError(f"{self.path}: no weights {key!r:.80} that fit; it has {self._names(candidates)}")
            candidates = chosen
        if not candidates:
            return None
        taken = self._one(candidates)
        state = State((taken.names[name], value) for name, value in self.tensors.items() if name in taken.names)
        versions = {taken.rename(name[len(taken.prefix) :]): value for name, value in self.versions.items()
                    if f"{name}.".startswith(taken.prefix) or not taken.prefix}  # fmt: skip
        if versions:
            state._metadata = versions  # type: ignore[attr-defined]
        state.origin = f"file {self.path}{self._aside(taken, candidates)}"
        return state

    def _one(self, candidates: list[Candidate]) -> Candidate:
        """The one to take: see `docs/weights.md`."""
        current = [one for one in candidates if not one.is_average] or candidates
        usual = [one for one in current if one.is_usual] or current
        first = usual[0]
        if not all(self._same(first, other) for other in usual[1:]):
            raise CamkitError(
                f"{self.path}: several different weights in it fit the model: {self._names(usual)}; "
                f"say which, {self.path}:{usual[0].key or usual[-1].key} for example"
            )
        return first

    def _same(self, one: Candidate, other: Candidate) -> bool:
        theirs = {name: key for key, name in other.names.items()}
        pairs = [(self.tensors[key], self.tensors[theirs[name]]) for key, name in one.names.items() if name in theirs]
        return len(pairs) == len(one.names) and all(is_plain(a) and is_plain(b) and torch.equal(a, b) for a, b in pairs)

    def _names(self, candidates: list[Candidate]) -> str:
        return some([one.key for one in candidates], 6)

    def _aside(self, taken: Candidate, candidates: list[Candidate]) -> str:
        """What was taken and what was left, in words, where the file holds more than one state dict."""
        others = [one for one in candidates if one is not taken]
        left = [name for name in self.tensors if not any(name in one.names for one in candidates)]
        parts = [f"its {taken.key!r}"] if taken.key else []
        parts += [f"not its {self._names(others)}"] if others else []
        parts += [f"without {some(left)}"] if left else []
        return f" ({', '.join(parts)})" if parts else ""

    def alone(self, key: str = "") -> State:
        """The weights by the order of `NESTED`, without the wrappers' prefixes, where no network is known.

        Raises
        ------
        CamkitError
            There is no state dict, or none under `key`.
        """
        inner: Any = next((self.held[name] for name in NESTED if isinstance(self.held.get(name), dict)), self.held)
        if key:
            inner = self.held
            for part in key.split("."):
                inner = inner.get(part) if isinstance(inner, dict) else None
            if not isinstance(inner, dict):
                raise CamkitError(f"{self.path}: no weights {key!r:.80} in it; it has {some(list(self.held), 6)}")
        strange = [name for name, value in inner.items() if not (_is_text(name) and isinstance(value, Tensor))]
        if strange or not inner:
            raise CamkitError(f"{self.path}: no state dict in it ({self._what(inner, strange)}); {ANEW}")
        state = State(unwrapped(inner))
        metadata = getattr(inner, "_metadata", None)
        if isinstance(metadata, dict):
            state._metadata = metadata  # type: ignore[attr-defined]
        state.origin = f"file {self.path}"
        return state

    def _what(self, inner: dict[Any, Any], strange: list[Any]) -> str:
        """Why a dictionary is no state dict."""
        if isinstance(inner, inert_pickle.Inert):
            return f"it holds a {type(inner).__name__}, a whole Python object"
        under = sorted({name.split(".")[0] for name in self.tensors} - self.tensors.keys())
        elsewhere = f"; there are tensors under {some(under)}" if under else ""
        return (f"{some(strange)} are not tensors" if strange else "it is empty") + elsewhere


def is_plain(value: Tensor) -> bool:
    """A tensor with numbers in it: not sparse, not quantised, not on the meta device."""
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized


def _is_text(key: object) -> bool:
    return isinstance(key, str)


def fitting(tensors: Collection[str], own: Collection[str]) -> list[Candidate]:
    """Every way in which names of a file, behind one prefix, are a network's names.

    Wrappers' names inside (``features.module.0.weight``) count only where the names do not fit with them.
    """
    for wrappers in ((), WRAPPERS[1:], WRAPPERS):
        ours, theirs = ({_without(name, wrappers): name for name in names} for names in (own, tensors))
        if len(ours) < len(own) or len(theirs) < len(tensors):
            continue
        for common in common_prefixes(ours):
            found = list(
                _behind(theirs, {name[len(common) :]: whole for name, whole in ours.items()}, wrappers, common)
            )
            if found:
                return found
    return []


def _behind(
    theirs: dict[str, str], ours: dict[str, str], wrappers: tuple[str, ...], common: str
) -> Iterator[Candidate]:
    """Candidates for names without wrappers: `theirs` and `ours` lead to the whole names."""
    needed = {name for name in ours if not name.endswith(COUNTER)}
    if not needed:
        return
    anchor = max(needed, key=len)
    for prefix in dict.fromkeys(name[: -len(anchor)] for name in theirs if name.endswith(anchor)):
        inside = {name[len(prefix) :]: whole for name, whole in theirs.items() if name.startswith(prefix)}
        if needed <= inside.keys() <= ours.keys() and prefix[-1:] in ("", "."):
            yield Candidate(
                prefix,
                {whole: ours[name] for name, whole in inside.items()},
                lambda name: common + _without(name, wrappers),
            )


def common_prefixes(names: Collection[str]) -> list[str]:
    """Prefixes, whole parts of dotted names, that all the names have: from none to the longest."""
    first = next(iter(names), "").split(".")
    prefixes = [".".join([*first[:i], ""]) for i in range(len(first))]
    return [prefix for prefix in prefixes if all(name.startswith(prefix) for name in names)]


def _without(name: str, wrappers: tuple[str, ...]) -> str:
    return ".".join(part for part in name.split(".") if part not in wrappers) if wrappers else name


def unwrapped(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The state dict without the prefixes of wrappers that all of its names have."""
    for prefix in [f"{name}." for name in WRAPPERS] * 2:  # a wrapper may stand inside the other
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state
