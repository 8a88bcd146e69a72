"""Methods by name, and from a file of the user's."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from camkit.errors import CamkitError
from camkit.models.messages import did_you_mean
from camkit.models.python_file import import_file
from camkit.training.method import Method
from camkit.training.methods.acol import ACoL
from camkit.training.methods.adl import AttentionDropout
from camkit.training.methods.combined import PLACES, Combined
from camkit.training.methods.cutmix import CutMix
from camkit.training.methods.danet import DANet
from camkit.training.methods.eil import EIL
from camkit.training.methods.gain import GAIN
from camkit.training.methods.has import HideAndSeek
from camkit.training.methods.i2c import I2C
from camkit.training.methods.spg import SPG
from camkit.training.minmax.method import MinMaxCAM

METHODS: dict[str, type[Method]] = {
    "none": Method,
    "has": HideAndSeek,
    "adl": AttentionDropout,
    "cutmix": CutMix,
    "minmax": MinMaxCAM,
    "acol": ACoL,
    "spg": SPG,
    "eil": EIL,
    "gain": GAIN,
    "danet": DANet,
    "i2c": I2C,
}
KNOWN = "|".join(METHODS)
ONE = re.compile(rf"(?:{KNOWN})(?=\+|$)|[^+].*?\.py(?::\w+)?(?=\+|$)|[^+]+")  # a file's path may have a + in it


def load_method(name: str, **options: Any) -> Method:
    """A training method by its name.

    Parameters
    ----------
    name : str
        One of `METHODS`, or ``path/to/file.py:Name``, a subclass of `Method` in a file of your own. Several with ``+``
        between them act together: see `Combined`.
    **options
        Values for the method's dataclass fields, as numbers or as text. Where several methods have an option of one
        name, ``has.p`` is the first one's.

    Raises
    ------
    CamkitError
        The name or an option is unknown, or a value is out of range.
    """
    names = ONE.findall(name)
    if "+".join(names) != name:
        names = [name]  # which is none
    kinds = {one: _kind(one) for one in names}
    if len(kinds) < len(names):
        raise CamkitError(f"--method {name}: a method comes twice")
    known = {one: _options(one, kind) for one, kind in kinds.items()}
    own: dict[str, dict[str, Any]] = {one: {} for one in names}
    for option, value in options.items():
        one, field = _owner(name, option, known)
        own[one][field] = _typed(one, field, value, known[one][field])
    made = {one: kind(**own[one]) for one, kind in kinds.items()}
    return made[name] if len(made) == 1 else Combined(made)


def _kind(name: str) -> type[Method]:
    """The class of one method."""
    kind = _from_file(name) if re.search(r"\.py(:|$)", name) else METHODS.get(name)
    if kind is None:
        near = did_you_mean(name, METHODS)
        raise CamkitError(f"no method {name!r}{near}; use {', '.join(METHODS)} or path/to/file.py:Name")
    return kind


def _options(name: str, kind: type[Method]) -> dict[str, Any]:
    """Its options, and their types."""
    types = get_type_hints(kind)
    options = {field.name: types[field.name] for field in fields(kind) if field.init}
    hidden = [option for option in options if option in PLACES]
    if hidden:
        raise CamkitError(
            f"method {name}: its option {hidden[0]!r} has the name of a place that methods have since camkit 0.2: "
            "give the option another name"
        )
    return options


def _owner(name: str, option: str, known: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """The method that an option goes to, and what it is called there."""
    for one, options in known.items():
        if option.startswith(f"{one}.") and option.removeprefix(f"{one}.") in options:
            return one, option.removeprefix(f"{one}.")
    owners = [one for one in known if option in known[one]]
    if len(owners) > 1:
        raise CamkitError(f"method {name}: {option!r} is an option of {' and '.join(owners)}: say {owners[0]}.{option}")
    if not owners:
        every = [key for options in known.values() for key in options]
        has = f"it takes {', '.join(every)}" if every else "it takes none"
        raise CamkitError(f"method {name} has no option {option!r}{did_you_mean(option, every)}; {has}")
    return owners[0], option


def _typed(method: str, option: str, value: Any, kind: Any) -> Any:
    """The value as the field's type, where that is a number, a truth value, or one number or several."""
    try:
        if int in get_args(kind):  # int | tuple[int, ...]
            if isinstance(value, str):
                value = tuple(int(part) for part in value.split(","))
                value = value[0] if len(value) == 1 else value
            if isinstance(value, tuple | list):
                return tuple(_typed(method, option, one, int) for one in value)
            kind = int
        if kind is bool and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if kind is int and float(value) != int(value):
            raise ValueError(value)
        return kind(value) if kind in (int, float) else value
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        wanted = getattr(kind, "__name__", kind) if kind in (int, float, bool) else "int, or several"
        raise CamkitError(f"method {method}: {option} must be of type {wanted}, not {value!r:.80}") from error


def _from_file(spec: str) -> type[Method]:
    file, _, name = spec.rpartition(":") if not spec.endswith(".py") else (spec, "", "")
    path = Path(file)
    module = import_file(path, "--method takes path/to/file.py:Name")
    own = {key: value for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Method)}
    if name not in own:
        there = ", ".join(key for key, value in own.items() if value.__module__ == module.__name__) or "none"
        raise CamkitError(f"{path}: no subclass of camkit.training.methods.Method named {name!r} in it; it has {there}")
    return own[name]
