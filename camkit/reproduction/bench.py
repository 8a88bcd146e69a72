"""What experiments work with: data and networks by name, results of earlier cells, and where networks are kept."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from camkit.data import AnnotatedSet, read_dataset
from camkit.errors import CamkitError
from camkit.inference import Inference, Progress
from camkit.models import Classifier, load_classifier, set_output_stride
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import Cell, Settings

FORMATS = {"cub": "cub", "birds-csv": "csv", "tiny-imagenet": "tiny-imagenet", "pets": "openimages"}
LITE = "efficientnet-lite0"
FACTORIES = {"birds": "birds", "mobilenet": "mobilenet_v2"}  # the function in a network folder's model.py
WEIGHTS, LABELS, LAST = "weights.safetensors", "labels.txt", "last.safetensors"


@dataclass(frozen=True, eq=False)
class Bench:
    """The tools of a run.

    Attributes
    ----------
    folders : mapping from str to Path
        Data and networks by name.
    out : Path
        Trained networks lie below ``networks``.
    results : mapping from str to Measured
        Of the cells that were measured, by id.
    keys : mapping from str to str
        What each cell's result hangs on, by id, see `camkit.reproduction.store.key_of`.
    device : str
    progress : Progress
    batch_size : int
    """

    folders: Mapping[str, Path]
    out: Path
    results: Mapping[str, Measured]
    keys: Mapping[str, str]
    device: str
    progress: Progress
    batch_size: int = 16

    def has(self, cell: Cell) -> bool:
        """Whether its data is there."""
        return all(name in self.folders for name in cell.data)

    def data(self, name: str, split: str, limit: int | None = None) -> AnnotatedSet:
        """A split of a data set, or some of its images, evenly spaced."""
        return _read(name, self.folders[name], split).evenly(limit)

    def network(self, name: str, output_stride: int | None = None) -> Classifier:
        """A network as it comes."""
        if name == "lite0":
            found = load_classifier(LITE)
        else:
            folder = self.folders[name]
            found = load_classifier(f"{folder / 'model.py'}:{FACTORIES[name]}", str(folder / WEIGHTS))
            found = replace(found, class_names=tuple((folder / LABELS).read_text(encoding="utf-8").splitlines()))
        if output_stride is None:
            return found
        fine = set_output_stride(found.model, output_stride, True, found.input.size)
        return replace(found, model=fine, output_stride=output_stride)

    def folder(self, cell: Cell) -> Path:
        """Where the cell's network is kept; one of other settings, of another budget say, lies beside it."""
        return self.out / "networks" / cell.id / self.keys[cell.id][:8]

    def trained(self, name: str, seed: int | None) -> Classifier:
        """The network that a cell left."""
        facts = self.of(name, seed).facts
        return self.load(str(self.out / facts["network"]), facts.get("factory"))

    def kept(self, cell: Cell) -> str:
        """Where the cell's network is, seen from `out`."""
        return str((self.folder(cell) / LAST).relative_to(self.out))

    def load(self, path: str, factory: str | None) -> Classifier:
        """A checkpoint; of a network that a folder's function makes, with that."""
        return load_classifier(path) if factory is None else load_classifier(self.spec(factory), path)

    def spec(self, name: str) -> str:
        """A network folder's factory, as --model takes it."""
        return f"{self.folders[name] / 'model.py'}:{FACTORIES[name]}"

    def inference(self, classifier: Classifier) -> Inference:
        return Inference(classifier, self.device, "fp32")

    def of(self, name: str, seed: int | None) -> Measured:
        """What an earlier cell measured, of this seed or of one without."""
        found = self.results.get(name if seed is None else f"{name}@{seed}") or self.results.get(name)
        found = found or self.results.get(f"{name}@0")  # what is chosen once serves every seed
        if found is None:
            raise CamkitError(f"{name} has not been measured")
        return found

    def identity(self, cell: Cell) -> Any:
        """What the cell's result hangs on beside its settings: the annotations and weights of its data."""
        return {name: _identity(name, self.folders[name]) for name in cell.data}


@lru_cache
def _read(name: str, folder: Path, split: str) -> AnnotatedSet:
    return read_dataset(FORMATS[name], folder, split)


@lru_cache
def _identity(name: str, folder: Path) -> str:
    """Of the small files that say what a data set or a network is: names, sizes, contents."""
    digest = hashlib.sha256()
    ends = (".txt", ".csv", ".py") if name in FORMATS else (".txt", ".py", ".safetensors")
    for path in sorted(path for path in folder.rglob("*") if path.suffix in ends and path.is_file()):
        if "README" not in path.name:
            digest.update(str(path.relative_to(folder)).encode(errors="surrogateescape") + path.read_bytes())
    return digest.hexdigest()[:16]


def reading(settings: Settings, bench: Bench) -> dict[str, Any]:
    """How images are shown to the network."""
    return {"fit": settings.get("fit", "stretch"), "batch_size": bench.batch_size}
