"""Embeddings of class names in a file: what makes a classifier of a network that was trained on images and texts."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from camkit.errors import CamkitError
from camkit.models.messages import one_line, some
from camkit.models.weights_file import open_weights, read_metadata

SUFFIXES = (".npz", ".safetensors", ".csv")
NUMBERS = ("logit_scale", "logit_bias")
UNIT = 1e-3  # by which the length of a normalised row may differ from 1, in half precision


@dataclass(frozen=True, eq=False)
class ClassEmbeddings:
    """One text embedding for each class.

    Attributes
    ----------
    names : tuple of str
    embeddings : Tensor (K, D), float32
        Of length 1.
    logit_scale, logit_bias : float or None
        ``logits = logit_scale * cosine + logit_bias``; None where the file does not say.
    origin : str
        The file, in words, and whether its rows had another length than 1.
    """

    names: tuple[str, ...]
    embeddings: Tensor
    logit_scale: float | None
    logit_bias: float | None
    origin: str


def write_embeddings(
    path: str | Path,
    names: Sequence[str],
    embeddings: Tensor,
    logit_scale: float | None = None,
    logit_bias: float | None = None,
) -> None:
    """Write what ``--classes-from`` takes.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``.
    names : sequence of str
        K class names.
    embeddings : Tensor (K, D)
        One row a class, of the text tower; of several prompts, their mean. Their lengths do not matter.
    logit_scale : float, optional
        The factor itself, CLIP's ``model.logit_scale.exp()``.
    logit_bias : float, optional
        SigLIP's.

    Raises
    ------
    CamkitError
        The file cannot be written, or would not be read.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise CamkitError(f"{path}: the name of a file of class embeddings ends in .safetensors")
    rows = torch.as_tensor(embeddings).detach().float().cpu().contiguous()
    numbers = dict(zip(NUMBERS, (logit_scale, logit_bias), strict=True))
    _checked(list(names), rows, numbers, path)
    scalars = {key: torch.tensor(float(value)) for key, value in numbers.items() if value is not None}
    try:
        path.write_bytes(save({"embeddings": rows, **scalars}, {"names": json.dumps(list(names))}))
    except OSError as error:
        raise CamkitError(f"{path}: the embeddings cannot be written ({one_line(error)})") from error


def read_embeddings(path: str | Path) -> ClassEmbeddings:
    """Read names and embeddings of classes; see `docs/models.md` for the three formats.

    Raises
    ------
    CamkitError
        The file is missing, damaged or of another format; it lacks names or embeddings, or one of them makes no sense.
    """
    path = Path(path)
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CamkitError(f"{path}: class embeddings are read from {', '.join(SUFFIXES)} files")
    if not path.is_file():
        raise CamkitError(f"{path}: no such file of class embeddings")
    names, rows, numbers = reader(path)
    return _checked(names, rows, numbers, path)


def _checked(names: Any, rows: Tensor, numbers: dict[str, Any], path: Path) -> ClassEmbeddings:
    if rows.ndim != 2 or not rows.numel():
        raise CamkitError(f"{path}: embeddings of shape {tuple(rows.shape)}: (classes, numbers) are wanted")
    if not isinstance(names, list) or len(names) != len(rows):
        count = len(names) if isinstance(names, list) else "no"
        raise CamkitError(f"{path}: {count} names for {len(rows)} embeddings: give one for each")
    if empty := [i for i, name in enumerate(names) if not isinstance(name, str) or not name.strip()]:
        raise CamkitError(f"{path}: class {empty[0]} has no name")
    lengths = rows.norm(dim=1)
    if wrong := [names[i] for i in range(len(rows)) if not (math.isfinite(lengths[i]) and lengths[i] > 0)]:
        raise CamkitError(f"{path}: NaN, infinite or no numbers for {some(wrong)}")
    said = {key: _number(key, numbers.get(key), path) for key in NUMBERS}
    if said["logit_scale"] is not None and said["logit_scale"] <= 0:
        raise CamkitError(f"{path}: logit_scale {said['logit_scale']:g} is not above 0")
    unit = bool(((lengths - 1).abs() <= UNIT).all())
    origin = f"{len(names)} classes from {path}{'' if unit else ', L2-normalised here'}"
    return ClassEmbeddings(tuple(names), rows / lengths[:, None], said["logit_scale"], said["logit_bias"], origin)


def _number(key: str, value: Any, path: Path) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CamkitError(f"{path}: {key} is no number") from error
    if not math.isfinite(number):
        raise CamkitError(f"{path}: {key} is {number}")
    return number


def _read_npz(path: Path) -> tuple[Any, Tensor, dict[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as held:
            found = {key: held[key] for key in ("names", "embeddings", *NUMBERS) if key in held}
    except Exception as error:  # a damaged archive reaches any line of NumPy's and zipfile's code
        raise CamkitError(f"{path}: damaged, or arrays of Python objects ({one_line(error)})") from error
    _require(found, path)
    return [str(name) for name in found.pop("names").reshape(-1)], _rows(found.pop("embeddings"), path), found


def _read_safetensors(path: Path) -> tuple[Any, Tensor, dict[str, Any]]:
    found, said = open_weights(path), read_metadata(path)
    try:
        names = json.loads(said["names"]) if "names" in said else None
    except (ValueError, RecursionError) as error:
        raise CamkitError(f"{path}: the names in its header are no JSON list ({one_line(error)})") from error
    _require({**found, **({"names": names} if names is not None else {})}, path)
    return names, _rows(found["embeddings"], path), {key: found[key] for key in NUMBERS if key in found}


def _require(found: Any, path: Path) -> None:
    missing = [key for key in ("names", "embeddings") if key not in found]
    if missing:
        raise CamkitError(f"{path}: no {' and no '.join(missing)} in it, which a file of class embeddings has")


def _rows(value: Any, path: Path) -> Tensor:
    try:
        return torch.as_tensor(value).to(torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CamkitError(f"{path}: its embeddings are no numbers ({one_line(error)})") from error


def _read_csv(path: Path) -> tuple[Any, Tensor, dict[str, Any]]:
    """A name and its numbers a line, and perhaps a header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, line) for number, line in enumerate(csv.reader(file, strict=True), 1) if line]
    except (OSError, ValueError, csv.Error) as error:
        raise CamkitError(f"{path}: cannot be read as CSV ({one_line(error)})") from error
    if lines and _is_header(lines[0][1]):
        lines = lines[1:]
    rows: list[list[float]] = []
    for number, line in lines:
        values = _numbers(line[1:])
        if values is None or (rows and len(values) != len(rows[0])):
            wanted = f"{len(rows[0])} numbers" if rows else "its numbers"
            raise CamkitError(f"{path}, line {number}: write a class's name and {wanted}, with commas between them")
        rows.append(values)
    return [line[0] for _, line in lines], torch.tensor(rows), {}


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a first line names columns: with words, or as pandas counts them."""
    numbers = _numbers(cells[1:])
    return numbers is None or (len(numbers) > 1 and numbers == list(range(len(numbers))))


def _numbers(cells: Sequence[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells] or None
    except ValueError:
        return None
