"""Values as JSON holds them, to the last bit: numbers as they are, arrays and tensors packed, dataclasses by name.

A journal may come from elsewhere, so that nothing in it is run: an object comes out as one of the classes that the
reader names, or not at all.
"""

import zlib
from base64 import b64decode, b64encode
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

from camkit.errors import CamkitError

KIND = "$is"  # the key that tells a packed value from a plain dict
FAST = 1  # of zlib's levels


def packed(value: Any) -> Any:
    """None, numbers, text, lists, tuples, dicts with keys of text, arrays, tensors, and dataclasses of such.

    Raises
    ------
    TypeError
        It holds something else.
    """
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [packed(item) for item in value]
    if isinstance(value, dict) and KIND not in value and all(isinstance(key, str) for key in value):
        return {key: packed(item) for key, item in value.items()}
    return _object(value)


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return {KIND: "tuple", "items": [packed(item) for item in value]}
    if isinstance(value, torch.Tensor):
        return {**_object(value.numpy()), KIND: "tensor"}
    if isinstance(value, np.ndarray):
        content = b64encode(zlib.compress(np.ascontiguousarray(value).tobytes(), FAST)).decode()
        return {KIND: "array", "dtype": value.dtype.str, "shape": list(value.shape), "zlib": content}
    if is_dataclass(value) and not isinstance(value, type):
        own = {one.name: packed(getattr(value, one.name)) for one in fields(value)}
        return {KIND: type(value).__name__, "fields": own}
    raise TypeError(f"{type(value).__name__} cannot be written to a journal")


def unpacked(content: Any, *classes: type) -> Any:
    """What was packed; objects are of these dataclasses.

    Raises
    ------
    CamkitError
        It is damaged, or of something else.
    """
    try:
        return _unpacked(content, {one.__name__: one for one in classes})
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise CamkitError("the journal holds a line that cannot be read; give --overwrite or another --out") from error


def _unpacked(content: Any, classes: dict[str, type]) -> Any:
    if isinstance(content, list):
        return [_unpacked(item, classes) for item in content]
    if not isinstance(content, dict):
        return content
    kind = content.get(KIND)
    if kind is None:
        return {key: _unpacked(item, classes) for key, item in content.items()}
    if kind == "tuple":
        return tuple(_unpacked(item, classes) for item in content["items"])
    if kind in ("array", "tensor"):
        plain = zlib.decompress(b64decode(content["zlib"], validate=True))
        flat = np.frombuffer(bytearray(plain), np.dtype(content["dtype"])) if plain else np.empty(0, content["dtype"])
        array = flat.reshape(content["shape"])
        return torch.from_numpy(array) if kind == "tensor" else array
    return classes[kind](**_unpacked(content["fields"], classes))
