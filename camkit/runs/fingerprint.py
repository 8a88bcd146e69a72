"""What a classifier is, by content: two with one fingerprint give one result, whatever their files are called."""

import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

import camkit
from camkit.models import Classifier

FILE = re.compile(r"^(.*\.py)(:|$)")  # of `path/to/file.py:factory`


def fingerprint(classifier: Classifier) -> dict[str, Any]:
    """Digests of the weights, of the Python files that make the network, and of the class names."""
    names = classifier.labels
    return {
        "weights_sha256": weights_digest(classifier.model),
        "code_sha256": {name: _sha256(path.read_bytes()) for name, path in sorted(code_of(classifier).items())},
        "names_sha256": None if names is None else _sha256("\0".join(names).encode(errors="surrogatepass")),
    }


@torch.no_grad()
def weights_digest(model: nn.Module) -> str:
    """Of every parameter and buffer, those that no checkpoint holds too."""
    state: dict[str, Any] = dict(model.named_buffers())
    state |= model.state_dict()
    found = hashlib.sha256()
    for key, value in sorted(state.items()):
        found.update(key.encode(errors="surrogatepass"))
        if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
            found.update(f"{value.dtype} {tuple(value.shape)}".encode())
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        else:
            found.update(repr(value).encode(errors="surrogatepass"))
    return found.hexdigest()


def code_of(classifier: Classifier) -> dict[str, Path]:
    """A factory's file and what it imported from beside or below it, by name; nothing where no file makes the network.

    What is installed is left out: a package's version stands for it.
    """
    named = FILE.match(classifier.name)
    if named is None or not Path(named[1]).is_file():
        return {}
    path = Path(named[1]).resolve()
    beside = {
        name: file for name, file in _loaded() if file.is_relative_to(path.parent) and file != path and not _installed(file)
    }
    return {path.name: path, **beside}


def _loaded() -> Iterator[tuple[str, Path]]:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and Path(file).is_file():
            yield name, Path(file).resolve()


def _installed(file: Path) -> bool:
    own = [Path(camkit.__file__).resolve().parent, Path(sysconfig.get_paths()["stdlib"]).resolve()]
    return any(part in ("site-packages", "dist-packages") for part in file.parts) or any(map(file.is_relative_to, own))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
