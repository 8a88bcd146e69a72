"""A Python file of the user's, imported by its path."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from camkit.errors import CamkitError
from camkit.models.messages import one_line


def import_file(path: Path, usage: str) -> ModuleType:
    """Run the file as a module; what lies beside it can be imported from it.

    Parameters
    ----------
    path : Path
    usage : str
        What the option takes, for the error message where there is no such file.

    Raises
    ------
    CamkitError
        There is no such file, or it fails.
    """
    if not path.is_file():
        raise CamkitError(f"{path}: no such file; {usage}")
    unique = f"camkit_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(unique, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # dataclasses and pickle look a class's module up there
    try:
        with folder_on_path(path):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[unique]
        raise CamkitError(f"{path}: the file cannot be imported ({one_line(error)})") from error
    return module


@contextmanager
def folder_on_path(path: Path) -> Iterator[None]:
    """As if the file were run: what lies beside it can be imported."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def function_from(spec: str, usage: str) -> Callable[..., Any]:
    """A function of a file of the user's.

    Parameters
    ----------
    spec : str
        ``path/to/file.py:name``.
    usage : str
        What the option takes, for error messages.

    Raises
    ------
    CamkitError
        There is no such file or function in it.
    """
    file, _, name = spec.rpartition(":") if not spec.endswith(".py") else (spec, "", "")
    module = import_file(Path(file), usage)
    found: Callable[..., Any] | None = getattr(module, name, None) if name else None
    if found is None or not callable(found):
        there = ", ".join(key for key, value in vars(module).items() if is_function(module, value)) or "none"
        raise CamkitError(f"{file}: no function named {name!r} in it; it has {there}; {usage}")
    return found


def is_function(module: ModuleType, value: Any) -> bool:
    """Whether a value is a function that the module itself defines."""
    return callable(value) and getattr(value, "__module__", None) == module.__name__
