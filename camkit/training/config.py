"""Settings from and to TOML: the defaults, then a preset, then a file, then what the command line says."""

import json
import sys
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from camkit.errors import CamkitError
from camkit.training.settings import TrainSettings, option, written
from camkit.training.shorthands import SHORTHANDS, expanded

FIELDS = {one.name: one for one in fields(TrainSettings)}
TYPES = get_type_hints(TrainSettings) | {name: one.kind for name, one in SHORTHANDS.items()}
RENAMED = {"train_split": "split"}  # in files of camkit 0.1.0
EXAMPLE = "camkit train --dataset shapes --root n=600,size=64 --backbone vgg-small --weights none --out trained"
REQUIRED = [name for name, one in FIELDS.items() if one.default is MISSING and one.default_factory is MISSING]


def make_settings(*layers: dict[str, Any]) -> TrainSettings:
    """Settings from typed values; where several layers have one, the last counts, and of a method's options each.

    Raises
    ------
    CamkitError
        One is missing or out of range.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        anew = layer.get("method", values.get("method")) != values.get("method")  # its options are another's
        options = {} if anew else values.get("method_options", {})
        values |= {**layer, "method_options": {**options, **layer.get("method_options", {})}}
    values = expanded(values)
    missing = [name for name in REQUIRED if name not in values]
    if missing:
        raise CamkitError(f"{option(missing[0])} is missing: give it, or a --config that holds it; as in: {EXAMPLE}")
    return TrainSettings(**values)


def read_config(path: Path) -> dict[str, Any]:
    """The values in a TOML file, typed.

    Raises
    ------
    CamkitError
        The file cannot be read, a key is no setting, or a value has another type.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")  # a path need not be UTF-8
    except OSError as error:
        raise CamkitError(f"{path}: cannot be read: {error.strerror}; check --config") from error
    return typed(parse_toml(text, str(path)), str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """What a TOML file holds; `CamkitError` where it is none."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - what --help does not need is not loaded for it
    else:
        import tomli as tomllib  # noqa: PLC0415

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CamkitError(f"{where}: cannot be read as TOML: {error}") from error


def typed(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Values as TOML holds them (integers for floats, lists for tuples, one value for a list of one) as their types."""
    values = {RENAMED.get(key, key): value for key, value in values.items()}
    unknown = [key for key in values if key not in TYPES]
    if unknown:
        raise CamkitError(f"{where}: {unknown[0]!r} is no setting; the settings are {', '.join(FIELDS)}")
    return {key: _typed(key, value, where) for key, value in values.items()}


def _typed(key: str, value: Any, where: str) -> Any:
    wanted = TYPES[key]
    if get_args(wanted)[1:] == (...,):
        several = value if isinstance(value, list | tuple) else [value]
        if all(type(one) is get_args(wanted)[0] for one in several):
            return tuple(several)
    elif isinstance(value, dict):
        if get_args(wanted):
            return value
    elif type(value) is wanted or (wanted is float and type(value) is int):
        return wanted(value)
    raise CamkitError(f"{where}: {key} = {written(value)} is not of the type {_named(wanted)}")


def _named(wanted: Any) -> str:
    return str(getattr(wanted, "__name__", wanted) if not get_args(wanted) else wanted)


def to_toml(settings: TrainSettings) -> str:
    """The settings as a TOML file that gives them back."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in asdict(settings).items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # strings, numbers and truth values are written as in JSON, but for one control character
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def differences(before: TrainSettings, now: TrainSettings) -> list[str]:
    """What differs between a run and what it shall be resumed with, of the settings that its result depends on."""
    old, new = asdict(before), asdict(now)
    changed = [key for key, one in FIELDS.items() if old[key] != new[key] and not one.metadata.get("same_result")]
    return [line for key in changed for line in _describe_change(option(key), old[key], new[key])]


def _describe_change(name: str, old: Any, new: Any) -> list[str]:
    """The difference of one setting; of several in one, each."""
    if not isinstance(old, dict):
        return [f"{name} {written(old)} -> {written(new)}"]
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [f"--method-option {key}={old.get(key, '')} -> {new.get(key, 'left out')}" for key in keys]
