"""A user's classifier: `path/to/file.py:factory`, a function without arguments that returns the network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models.checkpoint import load_file
from camkit.models.class_names import read_class_names
from camkit.models.classifier import DEFAULT, NONE, Classifier
from camkit.models.messages import did_you_mean, one_line
from camkit.models.python_file import folder_on_path, import_file

AS_RETURNED = "as the factory returns it"


def load_factory(spec: str, weights: str) -> Classifier:
    """Import the file, call the factory, read what the module says of its input, load `weights` if they are a file.

    The module may define ``MEAN`` and ``STD`` (three numbers of an RGB image in [0, 1], or one for all), ``SIZE``
    (pixels, or height and width), ``RESIZE`` (pixels of the short side before the crop) and ``LABELS`` (a list of
    names, or the path of a text file, one name a line, relative to the module's folder).
    """
    file, _, name = spec.rpartition(":") if not spec.endswith(".py") else (spec, "", "")
    path = Path(file)
    module = import_file(path, "--model takes path/to/file.py:factory")
    with folder_on_path(path):
        model = _call(_find(module, name, path), spec)
    said = AS_RETURNED
    if weights not in (DEFAULT, NONE):
        said = load_file(model, weights)
    return Classifier(model, spec, _input_spec(module, path), _class_names(module, path), said, spec)


def _find(module: ModuleType, name: str, path: Path) -> Callable[[], object]:
    factories = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    if not name:
        raise CamkitError(f"{path}: which function makes the model? Write {path}:NAME, one of {', '.join(factories)}")
    factory = getattr(module, name, None)
    if not callable(factory):
        raise CamkitError(f"{path}: no function {name!r} in it{did_you_mean(name, factories)}")
    return factory  # type: ignore[no-any-return]


def _call(factory: Callable[[], object], spec: str) -> nn.Module:
    try:
        model = factory()
    except (Exception, SystemExit) as error:
        raise CamkitError(f"{spec}: the factory failed ({one_line(error)})") from error
    if not isinstance(model, nn.Module):
        raise CamkitError(f"{spec}: the factory must return a torch.nn.Module, it returned a {type(model).__name__}")
    return model


def _input_spec(module: ModuleType, path: Path) -> InputSpec:
    given: dict[str, Any] = {}
    for name in ("SIZE", "RESIZE", "MEAN", "STD"):
        if hasattr(module, name):
            value = getattr(module, name)
            given[name.lower()] = (value, value) if name == "SIZE" and hasattr(value, "__index__") else value
            try:
                spec = InputSpec(**given)
            except CamkitError as error:
                raise CamkitError(f"{path}: {name} cannot be what it is: {error}") from error
    if "size" in given and "resize" not in given:
        return replace(spec, resize=InputSpec().at(spec.size).resize)
    return InputSpec(**given)


def _class_names(module: ModuleType, path: Path) -> tuple[str, ...] | None:
    value = getattr(module, "LABELS", None)
    if isinstance(value, str | Path):
        return read_class_names(path.resolve().parent / value, f"{path}: LABELS names a file,")
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(label, str) for label in value):
        raise CamkitError(f"{path}: LABELS must be a list of names or the path of a text file, not {value!r:.80}")
    return tuple(value)
