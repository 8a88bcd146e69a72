"""What runs record of classifiers, map sources and versions, and say of them."""

import platform
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy
import torch
import torchvision

from camkit._version import __version__
from camkit.cam import CAM, AveragedMaps, FunctionMaps, FusedMaps
from camkit.inference import Inference
from camkit.metrics.threshold_splits import FIXED
from camkit.models import Classifier
from camkit.runs.closing import printable


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
