"""How far features lie from their class centre, of images and of images times their maps (MinMaxCAM, Section 4.3)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from camkit.analysis.finding import Analysis, Finding, Summary, run_analysis, table_of
from camkit.analysis.observation import Observation, Requirements
from camkit.errors import CamkitError
from camkit.figures import plot_dispersion
from camkit.localization import Failure
from camkit.metrics.intervals import mean

Vectors = tuple[dict[str, Any], NDArray[np.float32], NDArray[np.float32]]

FEATURES = ("image", "object")


class Dispersion(Analysis[Vectors]):
    """See `dispersion`. Keeps two vectors of C numbers an image, 8 C bytes."""

    name = "dispersion"

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.vectors: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in FEATURES}

    @property
    def requirements(self) -> Requirements:
        return Requirements(masked=True)

    def measure(self, observation: Observation) -> Vectors:
        row = {"image": observation.record.image, "label": observation.label}
        return row, _unit(observation.pooled), _unit(masked_features(observation, self.name))

    def add(self, measured: Vectors) -> None:
        row, *vectors = measured
        self.rows.append(row)
        for kind, vector in zip(FEATURES, vectors, strict=True):
            self.vectors[kind].append(vector)

    def finding(self) -> Finding:
        table = table_of(self.rows, self.name)
        labels = table["label"].to_numpy()
        table["class_size"] = table.groupby("label")["label"].transform("size")
        for kind in FEATURES:
            table[f"distance_{kind}"] = distances_to_centre(np.stack(self.vectors[kind]), labels)
        counted = table[table["class_size"] > 1]
        alone = len(table) - len(counted)
        summary: Summary = {
            "classes": int(table["label"].nunique()),
            "classes_of_one_image": alone,
        }
        notes = []
        if alone:
            notes.append(f"{alone} classes have a single image, which is its own centre: they count in no figure")
        if len(counted):
            summary |= {kind: mean(counted[f"distance_{kind}"].to_numpy()) for kind in FEATURES}
            changes = counted["distance_object"] - counted["distance_image"]
            summary["difference"] = mean(changes.to_numpy())
            closer = changes.groupby(counted["label"]).mean() < 0
            summary["classes_closer"] = mean(closer.to_numpy().astype(float), (0, 1))
        return Finding(self.name, table, summary, partial(plot_dispersion, counted), notes=tuple(notes))


def dispersion(observations: Iterable[Observation | Failure]) -> Finding:
    """Whether the features of a class lie closer together once each image is multiplied with its own map.

    CRR draws them together, so it needs a backbone that answers differently to different backgrounds: then ``f``, of
    image times map, should lie closer to its class's centre than ``f^o``, of the whole image.

    The distance is the Euclidean one between an L2-normalised vector and the mean of its class's L2-normalised vectors,
    averaged over images. It is below 1 on average, whatever the network: for unit vectors with mean ``mu`` the mean
    square is ``1 - |mu|^2``. The paper prints 1.03 and 1.47 for VGG16 on CUB; these are not such distances, and no
    figure here is comparable with them.

    Parameters
    ----------
    observations : iterable of Observation
        Taken with ``Requirements(masked=True)``: one pass more an image.

    Returns
    -------
    Finding
        Table: image, label, class_size, distance_image and distance_object. Summary: `image` and `object`, their means
        over the images of classes with at least two; `difference`, object minus image, paired; `classes_closer`, the
        share of classes whose object-specific features lie closer together.

    Raises
    ------
    CamkitError
        There is no image, or the second pass was not taken.
    """
    return run_analysis(Dispersion(), observations)


def masked_features(observation: Observation, analysis: str) -> Tensor:
    """F of an observation that has it."""
    if observation.masked is None:
        raise CamkitError(f"{analysis} needs the pass of image times map: observe with Requirements(masked=True)")
    return observation.masked


def distances_to_centre(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each vector's (n, C) Euclidean distance to the mean of those with its label, (n,)."""
    distances = np.empty(len(vectors))
    for label in np.unique(labels):
        its = vectors[labels == label].astype(np.float64)
        distances[labels == label] = np.linalg.norm(its - its.mean(axis=0), axis=1)
    return distances


def _unit(vector: Tensor) -> NDArray[np.float32]:
    return np.asarray(F.normalize(vector, dim=0).numpy())
