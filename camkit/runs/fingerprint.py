"""What results are made with, by content: a file of the same name may hold something else today."""

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
from camkit.data import AnnotatedSet
from camkit.models import Classifier
from camkit.recipe import Recipe, name_of

FILE = re.compile(r"^(.*\.py)(:|$)")  # of `path/to/file.py:factory`


def fingerprint(classifier: Classifier, *recipes: Recipe) -> dict[str, Any]:
    """Digests of the weights, of the files that make network, weightings and thresholds, and of the class names."""
    names, maps_by = classifier.class_names, classifier.maps_by.name if classifier.maps_by else ""
    rules = [part for recipe in recipes for part in (recipe.weighting, name_of(recipe.threshold))]
    code = code_of(classifier.name, maps_by, *rules)
    return {
        "weights_sha256": weights_digest(classifier.model),
        "code_sha256": {name: _sha256(path.read_bytes()) for name, path in sorted(code.items())},
        "names_sha256": None if names is None else _sha256("\0".join(names).encode(errors="surrogatepass")),
    }


def records_digest(dataset: AnnotatedSet) -> str:
    """Of what is annotated, image after image: names, classes, boxes, sizes, and masks that annotations hold."""
    found = hashlib.sha256(repr((dataset.class_names, dataset.upright)).encode(errors="surrogatepass"))
    for record in dataset.records:
        about = record.image, record.label, record.size, len(record.boxes), record.read_mask is not None
        about += () if record.written_mask is None else (record.written_mask,)
        found.update(repr(about).encode(errors="surrogatepass") + record.boxes.tobytes())
    return found.hexdigest()


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
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            found.update(repr(value).encode(errors="surrogatepass"))
    return found.hexdigest()


def code_of(*specs: str) -> dict[str, Path]:
    """The files of those that are ``path/to/file.py:name``, and what was imported from beside or below them, by name.

    What is installed is left out: a package's version stands for it.
    """
    named = [match[1] for spec in specs if (match := FILE.match(spec)) and Path(match[1]).is_file()]
    files = {name: Path(name).resolve() for name in named}
    folders = {file.parent for file in files.values()}
    beside = {
        name: file
        for name, file in (_loaded() if folders else ())
        if any(map(file.is_relative_to, folders)) and file not in files.values() and not _installed(file)
    }
    return files | beside


def _loaded() -> Iterator[tuple[str, Path]]:
    for name, module in list(sys.modules.items()):
        if name.startswith("camkit_file_"):  # of another run in this process
            continue
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and Path(file).is_file():
            yield name, Path(file).resolve()


def _installed(file: Path) -> bool:
    own = [Path(camkit.__file__).resolve().parent, Path(sysconfig.get_paths()["stdlib"]).resolve()]
    return any(part in ("site-packages", "dist-packages") for part in file.parts) or any(map(file.is_relative_to, own))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
