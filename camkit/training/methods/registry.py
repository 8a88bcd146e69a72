"""Methods by name, and from a file of the user's."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from camkit.errors import CamkitError
from camkit.models.messages import did_you_mean
from camkit.models.python_file import import_file
from camkit.training.methods.adl import AttentionDropout
from camkit.training.methods.cutmix import CutMix
from camkit.training.methods.has import HideAndSeek
from camkit.training.methods.method import Method

METHODS: dict[str, type[Method]] = {
    "none": Method,
    "has": HideAndSeek,
    "adl": AttentionDropout,
    "cutmix": CutMix,
}


def load_method(name: str, **options: Any) -> Method:
    """A training method by its name.

    Parameters
    ----------
    name : str
        One of `METHODS`, or ``path/to/file.py:Name``, a subclass of `Method` in a file of your own.
    **options
        Values for the method's dataclass fields, as numbers or as text.

    Raises
    ------
    CamkitError
        The name or an option is unknown, or a value is out of range.
    """
    made = _from_file(name) if re.search(r"\.py(:|$)", name) else METHODS.get(name)
    if made is None:
        near = did_you_mean(name, METHODS)
        raise CamkitError(f"no method {name!r}{near}; use {', '.join(METHODS)} or path/to/file.py:Name")
    types = get_type_hints(made)
    known = {field.name: types[field.name] for field in fields(made) if field.init}
    for option in options:
        if option not in known:
            has = f"it takes {', '.join(known)}" if known else "it takes none"
            raise CamkitError(f"method {name} has no option {option!r}{did_you_mean(option, known)}; {has}")
    return made(**{option: _typed(name, option, value, known[option]) for option, value in options.items()})


def _typed(method: str, option: str, value: Any, kind: Any) -> Any:
    """The value as the field's type, where that is a number or a truth value."""
    try:
        if kind is bool and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if kind is int and float(value) != int(value):
            raise ValueError(value)
        return kind(value) if kind in (int, float) else value
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CamkitError(f"method {method}: {option} must be of type {kind.__name__}, not {value!r:.80}") from error


def _from_file(spec: str) -> type[Method]:
    file, _, name = spec.rpartition(":") if not spec.endswith(".py") else (spec, "", "")
    path = Path(file)
    module = import_file(path, "--method takes path/to/file.py:Name")
    own = {key: value for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Method)}
    if name not in own:
        there = ", ".join(key for key, value in own.items() if value.__module__ == module.__name__) or "none"
        raise CamkitError(f"{path}: no subclass of camkit.training.methods.Method named {name!r} in it; it has {there}")
    return own[name]
