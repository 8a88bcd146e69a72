"""Pickles in which nothing runs: tensors come out as they are, every other object as a shell that does nothing.

The module is what `torch.load` takes as ``pickle_module``. What a pickle may call is written down in `REAL`; any other
class or function that it names is replaced by an empty class before it could be imported. So a checkpoint that keeps an
``argparse.Namespace`` or an ``omegaconf.DictConfig`` beside its weights is read, and one that asks for ``os.system`` is
refused by the name of what it asks for.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

DANGEROUS = {  # modules with which a pickle could run something
    "bdb", "builtins", "__builtin__", "code", "codeop", "commands", "cProfile", "ctypes", "imp", "importlib", "marshal",
    "multiprocessing", "nt", "os", "pdb", "pickle", "_pickle", "pkgutil", "platform", "popen2", "posix", "profile",
    "pty", "runpy", "shutil", "socket", "subprocess", "sys", "timeit", "trace", "webbrowser",
}  # fmt: skip
HARMLESS = {  # names in them that ordinary data has
    "basestring", "bool", "bytearray", "bytes", "complex", "dict", "Ellipsis", "float", "frozenset", "int", "list",
    "long", "object", "range", "set", "slice", "str", "tuple", "type", "unicode", "xrange",
}  # fmt: skip


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that runs code."""


class Inert(dict[Any, Any]):
    """What stands for an object of a class that was not imported. Subclasses bear the class's name."""

    def __new__(cls, *_args: Any, **_named: Any) -> "Inert":
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_named: Any) -> None:
        super().__init__()

    def __setstate__(self, _state: Any) -> None:
        """Its attributes are left out."""

    def append(self, _item: Any) -> None:
        """As a list would; the item is left out."""

    extend = add = append
    __hash__ = object.__hash__  # type: ignore[assignment]


def _as_plain(rebuild: Callable[..., Any], _kind: Any, args: tuple[Any, ...], _state: Any) -> Any:
    """A tensor of a subclass as a plain one."""
    if rebuild not in REAL.values():
        raise pickle.UnpicklingError("a tensor made by an unknown function")
    return rebuild(*args)


def _parameter(data: Any, *_rest: Any) -> Any:
    return data


REAL: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch.Size": torch.Size,
    "torch.storage.UntypedStorage": torch.UntypedStorage,
    "torch._utils._rebuild_tensor": torch._utils._rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": torch._utils._rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _as_plain,
    **{str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)},
}


# The implementation in Python: the one in C makes room for as many objects as a damaged file says that there are.
class Unpickler(pickle._Unpickler):
    """Reads a pickle of which nothing is run."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        name = f"{module_name}.{global_name}"
        if name in REAL:
            return REAL[name]
        if module_name.partition(".")[0] in DANGEROUS and global_name not in HARMLESS:
            raise Refused(name)
        return type(str(name), (Inert,), {})

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError(f"extension {code} of the program that wrote it")


def load(file: Any, **named: Any) -> Any:
    """The next pickle in an open file."""
    return Unpickler(file, **named).load()
