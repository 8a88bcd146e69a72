"""What a file of weights holds, whatever wrote it; nothing in it is run."""

import json
import os
import re
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from camkit.errors import CamkitError
from camkit.models import inert_pickle
from camkit.models.messages import one_line, printable, some

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pth.tar", ".pt.tar", ".index.json")
INDEX = ".index.json"  # of weights in several files
AGAIN = "copy or download it again"
HEAD = 512  # bytes at the start of a file that tell formats apart
INFLATED = 1 << 28  # bytes that a compressed archive may grow to, if that is more than it grows to by ten

FOREIGN = (  # what a file of another kind begins with, what it is, and what to do
    (rb"version https://git-lfs", "a Git LFS pointer, not the weights themselves", "run git lfs pull"),
    (rb"\s*<(!doctype|html|\?xml|head|body)", "a web page that was saved under this name", "download the file itself"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and TensorFlow write them", "save a PyTorch model's state_dict()"),
    (rb"....TFL3", "a TensorFlow Lite model", "save a PyTorch model's state_dict()"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", "a compressed file", "unpack it"),
    (rb"GGUF", "a GGUF file", "save a PyTorch model's state_dict()"),
    (rb"\x93NUMPY", "a NumPy array", "save a PyTorch model's state_dict()"),
)
OTHERS = {  # by their names, where the beginning does not tell
    ".onnx": "an ONNX model", ".h5": "a Keras file", ".hdf5": "a Keras file", ".keras": "a Keras file",
    ".pb": "a TensorFlow graph", ".tflite": "a TensorFlow Lite model", ".npz": "NumPy arrays", ".npy": "a NumPy array",
    ".mlmodel": "a Core ML model", ".engine": "a TensorRT engine", ".msgpack": "a Flax file",
    ".params": "an MXNet file", ".pdparams": "a PaddlePaddle file", ".caffemodel": "a Caffe model",
    ".distcp": "a part of a distributed checkpoint",
    ".pt2": "an exported program (torch.export)",
}  # fmt: skip


def open_weights(path: Path) -> Any:
    """The dictionary that the file holds: tensors, and whatever lies beside them.

    Raises
    ------
    CamkitError
        The file is missing, of another format, or damaged, or its pickle asks for something that runs code.
    """
    existing(path)
    name = path.name.lower()
    if name.endswith(INDEX):
        return _read_shards(path)
    if name.endswith(".safetensors"):
        return _read_safetensors(path)
    return _read_pickle(path)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The text entries in the header of a ``.safetensors`` file; `CamkitError` where it cannot be read."""
    path = existing(Path(path))
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CamkitError(f"{path}: not a readable safetensors file ({one_line(error)})") from error


def existing(path: Path) -> Path:
    """The path, where a file of weights lies there; `CamkitError` says what lies there instead."""
    if path.is_dir():
        inside = [one.name for one in sorted(path.iterdir()) if one.name.lower().endswith(SUFFIXES)]
        what = f"; name a file in it: {some(inside)}" if inside else " without a file of weights in it"
        raise CamkitError(f"{path}: no such file of weights, it is a folder{what}")
    if not path.is_file():
        raise CamkitError(f"{path}: no such file of weights")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise CamkitError(f"{path}: cannot be read ({one_line(error)})") from error
    if not head:
        raise CamkitError(f"{path}: the file of weights is empty; {AGAIN}")
    for pattern, what, remedy in FOREIGN:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            raise CamkitError(f"{path}: damaged, or no weights: it is {what}; {remedy}")
    if not path.name.lower().endswith(SUFFIXES):
        foreign = OTHERS.get(path.suffix.lower())
        advice = "save a PyTorch model's state_dict()" if foreign else "rename it if it is one of them"
        this = f" and this is {foreign}" if foreign else ""
        raise CamkitError(f"{path}: weights are read from {', '.join(SUFFIXES)} files{this}; {advice}")
    return path


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except Exception as error:
        raise CamkitError(f"{path}: damaged, or not a safetensors file ({one_line(error)}); {AGAIN}") from error


def _read_shards(path: Path) -> dict[str, Any]:
    """Weights in several files beside an index, as Hugging Face's libraries write them."""
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        pairs = {str(name): str(file) for name, file in places.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CamkitError(f"{path}: damaged, or no index of weights in several files ({one_line(error)})") from error
    found: dict[str, Any] = {}
    for file in sorted(set(pairs.values())):
        if Path(file).name != file or file.lower().endswith(INDEX):
            raise CamkitError(f"{path}: names {printable(file)!r:.80}, which is no file of weights beside it")
        held = open_weights(path.parent / file)
        missing = [name for name, where in pairs.items() if where == file and name not in held]
        if missing:
            raise CamkitError(f"{path.parent / file}: lacks {some(missing)}, which {path.name} says are in it; {AGAIN}")
        found |= {name: held[name] for name, where in pairs.items() if where == file}
    return found


def _read_pickle(path: Path) -> Any:
    _check_archive(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # one line says what is wrong, the error's
            # not weights_only, which refuses every class that it does not know: here they come out as shells
            held = torch.load(file, map_location="cpu", pickle_module=inert_pickle, weights_only=False)
            if not zipfile.is_zipfile(path) and file.read(1):
                raise EOFError("bytes beyond the last tensor")
        return held
    except inert_pickle.Refused as error:
        raise CamkitError(
            f"{path}: refused, it asks for {printable(str(error))!r:.80} and could run code; nothing was run. "
            "If you trust where it comes from, save its model.state_dict() anew"
        ) from error
    except Exception as error:
        why = f"damaged, or not a file that torch.save wrote ({one_line(error)})"
        raise CamkitError(f"{path}: {why}; {AGAIN}") from error


def _check_archive(path: Path) -> None:
    """Refuse archives that `torch.load` would open in ways of its own, and those that grow beyond measure."""
    if not zipfile.is_zipfile(path):
        if tarfile.is_tarfile(path):
            raise CamkitError(f"{path}: damaged, or a tar archive of other files; unpack it and name the weights")
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CamkitError(f"{path}: damaged ({one_line(error)}); {AGAIN}") from error
    inside = [entry.filename.replace("\\", "/").split("/") for entry in entries]
    names = {parts[-1] for parts in inside}
    if "constants.pkl" in names:
        raise CamkitError(f"{path}: a TorchScript archive, which holds code; save its state_dict() instead")
    if (
        any("models" in parts and parts[-1].endswith(".json") for parts in inside)
        or "serialized_exported_program.json" in names
    ):
        raise CamkitError(
            f"{path}: an exported program (torch.export), not weights; save its state_dict: "
            "torch.save(torch.export.load(FILE).state_dict, ...)"
        )
    if "data.pkl" not in names:
        raise CamkitError(f"{path}: damaged, or a zip archive of other files ({some(sorted(names))}); unpack it")
    if sum(entry.file_size for entry in entries) > max(INFLATED, 10 * path.stat().st_size):
        raise CamkitError(f"{path}: refused, it grows to more than ten times its size when it is unpacked")


def is_weights(name: str) -> bool:
    """Whether this names a file of weights rather than published ones."""
    return split_key(name)[0].name.lower().endswith(SUFFIXES)


KEYED = re.compile(rf"^(?P<path>.*(?:{'|'.join(map(re.escape, SUFFIXES))})):(?P<key>[^/\\:]+)$", re.IGNORECASE)


def split_key(name: str | Path) -> tuple[Path, str]:
    """``FILE.pth:KEY`` as file and key; "" where no key is named."""
    match = None if os.path.exists(name) else KEYED.match(str(name))
    return (Path(match["path"]), match["key"]) if match else (Path(name), "")
