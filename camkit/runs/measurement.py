"""A run that measures: annotated images and the sources of class maps that they are measured with."""

import time
from pathlib import Path
from typing import Any

from camkit.data import MapFolder
from camkit.evaluation import EvaluationSource
from camkit.inference import Inference
from camkit.models import Classifier
from camkit.recipe import Recipe
from camkit.runs.facts import head_facts, model_facts, source_lines, versions
from camkit.runs.fingerprint import fingerprint
from camkit.runs.options import RunOptions

MapsOf = Classifier | Path
"""A classifier, which makes the class maps, or the folder that holds them."""


class Measurement:
    """What such runs begin with, and what they record of it.

    Parameters
    ----------
    options : RunOptions
    *more_splits : str
        To read beside `options.split`.

    Attributes
    ----------
    datasets : list of AnnotatedSet

    Raises
    ------
    CamkitError
        A split cannot be read.
    """

    def __init__(self, options: RunOptions, *more_splits: str) -> None:
        self.options, self.started = options, time.perf_counter()
        self.datasets = options.read(*more_splits)
        self.sources: list[EvaluationSource] = []
        self.filled: list[str] | None = None  # the damaged images of the whole run, where its journal tells them

    def source(self, maps_of: MapsOf) -> EvaluationSource:
        """The class maps of a classifier or in a folder, for all splits of the run."""
        source: EvaluationSource
        if isinstance(maps_of, Path):
            source = MapFolder(maps_of, [record for dataset in self.datasets for record in dataset.records])
        else:
            source = self.options.inference(maps_of)
        self.sources.append(source)
        return source

    def facts(self) -> dict[str, Any]:
        """How many images, which of them damaged, and how long it took on what."""
        networks = [source for source in self.sources if isinstance(source, Inference)]
        return {
            "images": sum(len(dataset.records) + len(dataset.problems) for dataset in self.datasets),
            "heads": [head_facts(network) for network in networks],
            "filled": self.options.filled.names() if self.filled is None else self.filled,
            "seconds": round(time.perf_counter() - self.started, 3),
            "forward_seconds": round(sum(network.seconds for network in networks), 3),
            "device": self.device(),
            "versions": versions(),
        }

    def device(self) -> str:
        """What the networks run on."""
        return next((str(source.device) for source in self.sources if isinstance(source, Inference)), "cpu")

    def source_lines(self) -> list[str]:
        """What should be known of the sources; of a folder how many maps belong to no image, where there are any."""
        folders = [source for source in self.sources if isinstance(source, MapFolder) and source.unread()]
        splits = "split" if len(self.datasets) == 1 else "splits"
        unread = [f"{folder.unread()} of the maps in {folder.root} belong to no image of the {splits}"
                  for folder in folders]  # fmt: skip
        reported = self.datasets[-1]  # of a calibration the images not seen before
        return source_lines(*self.sources, split_of=lambda by: self.options.split_of(by, reported)) + unread


def source_name(maps_of: MapsOf) -> str:
    """What a settings file calls the source that its recipe was chosen for."""
    return str(maps_of) if isinstance(maps_of, Path) else maps_of.name


def source_facts(maps_of: MapsOf) -> dict[str, Any]:
    """What a run records of where its maps came from."""
    return {"maps": str(maps_of)} if isinstance(maps_of, Path) else model_facts(maps_of)


def made_with(source: EvaluationSource, *recipes: Recipe) -> dict[str, Any]:
    """What the maps of a source depend on, by content; a folder's maps are looked at image by image."""
    if isinstance(source, MapFolder):
        return {}
    head = head_facts(source)
    del head["completeness"]  # measured, with digits of the machine's
    return {**fingerprint(source.classifier, *recipes), "head": head}
