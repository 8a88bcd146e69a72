"""What all runs say of themselves."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
import torchvision

from camkit._version import __version__
from camkit.cam import CAM, AveragedMaps, FunctionMaps, FusedMaps
from camkit.inference import Inference
from camkit.metrics.threshold_splits import FIXED
from camkit.models import Classifier


@dataclass(frozen=True)
class Report:
    """What a run says at its end.

    Attributes
    ----------
    lines : list of str
    failed : int
    failures : list of str
        The first of what failed, by name; they stand before the lines.
    facts : dict
        What the lines say, as JSON can hold it.
    """

    lines: list[str]
    failed: int
    failures: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def model_facts(classifier: Classifier) -> dict[str, Any]:
    """What a run records of a classifier."""
    return {
        "model": classifier.name,
        "weights": classifier.weights,
        "class_names_assumed": classifier.class_names_assumed,
        "pool": classifier.pool,
        "output_stride": classifier.output_stride,
        "dilate": classifier.dilate,
        "input": asdict(classifier.input),
        "maps_by": None if classifier.maps_by is None else classifier.maps_by.name,
        "token_blocks": classifier.token_blocks,
        **({} if classifier.views is None else {"views": str(classifier.views)}),
        **({} if classifier.epoch_by is None else {"epoch_by": classifier.epoch_by}),
    }


def name_lines(classifier: Classifier) -> list[str]:
    """That the names of a classifier's classes are assumed, where they are."""
    if not classifier.class_names_assumed:
        return []
    return [f"note: {classifier.weights} does not name its 1,000 classes, and ImageNet's names were taken; "
            "--class-names imagenet says so, --class-names FILE gives others"]  # fmt: skip


def head_facts(inference: Inference) -> dict[str, Any]:
    """What a run records of the map source."""
    source = inference.source
    if not isinstance(source, CAM):
        own = source.facts if isinstance(source, FunctionMaps | FusedMaps | AveragedMaps) else {}
        return {"kind": source.kind, **own, "map_size": list(source.map_size), "completeness": source.completeness}
    head = source.head
    place = head.feature_map.place
    return {
        "kind": head.kind,
        "features": f"{place.module} ({place.side})",
        "classifier": head.classifier,
        "map_size": list(head.map_size),
        "completeness": head.completeness,
        "offset": head.offset,
        "share": head.share,
    }


def outcome_facts(out: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the closing lines of every run say, for scripts: where the results are, of how many images, how long."""
    counted = {name: record[name] for name in ("images", "seconds", "forward_seconds", "filled") if name in record}
    return {"out": str(out), **counted}


def source_lines(*sources: Any, split_of: Callable[[str], str] | None = None) -> list[str]:
    """What should be known of map sources: which library's, at which layer, and where batches did not fit.

    With `split_of`, which says a supervision as seen from the split that is reported, also what chose the epoch of
    their weights, where it was not fixed beforehand.
    """
    networks = [source for source in sources if isinstance(source, Inference)]
    own = [note for one in networks if isinstance(one.source, FunctionMaps | AveragedMaps) for note in one.source.notes]
    epochs = dict.fromkeys(one.classifier.epoch_by for one in networks if split_of is not None)
    chosen = [f"the weights are of an epoch chosen by {split_of(by)}"
              for by in epochs if by is not None and by != FIXED and split_of is not None]  # fmt: skip
    notes = [*own, *(note for one in networks for note in one.notes), *chosen]
    return [printable(f"note: {note}") for note in notes]


def versions() -> dict[str, str]:
    return {
        "camkit": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def printable(text: str) -> str:
    """The text as a terminal may be shown it: file names can hold control characters and bytes that are no UTF-8."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def filled_lines(names: Sequence[str], shown: int = 3) -> list[str]:
    """How many damaged images were read all the same, and the first of them."""
    if not names:
        return []
    more = ", ..." if len(names) > shown else ""
    told = f"{', '.join(map(repr, names[:shown]))}{more}"
    return [printable(f"damaged, and read as image viewers show them: {len(names)} (--truncated fill): {told}")]


def failure_lines(
    failures: Sequence[Mapping[str, Any]], out: Path, shown: int = 10, failed: int | None = None, *, listed: str = ""
) -> list[str]:
    """The first failures by name, and where all are listed; of `failed`, where these are not all."""
    failed = len(failures) if failed is None else failed
    lines = [printable(": ".join(filter(None, (entry["image"], entry["reason"])))) for entry in failures[:shown]]
    if failed > shown:
        lines.append(f"... and {failed - shown} more, all in {listed or out / 'failures.csv'}")
    return lines
