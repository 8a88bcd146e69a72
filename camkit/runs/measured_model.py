"""One model's part of a run that evaluates: what is measured of each image with it, and the figures at the end."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from camkit.data import MapFolder, Record
from camkit.evaluation import (
    Evaluation,
    EvaluationSource,
    Further,
    ImageEvaluation,
    PredictedClasses,
    measure_images,
    require_network,
)
from camkit.evaluation.evaluate import measures_for
from camkit.evaluation.image_lines import evaluation_of, line_of, maps_of
from camkit.evaluation.insertion_deletion import ChangedAreas, changed_areas
from camkit.localization import Failure
from camkit.metrics.per_image import whole
from camkit.metrics.threshold_splits import FIXED
from camkit.output.class_maps import SavedMaps
from camkit.output.measured_folder import MeasuredFolder
from camkit.recipe import Recipe
from camkit.runs.measurement import Measurement
from camkit.runs.measuring import Stream, part_of

CLASSES = "classes"  # what another classifier says of the images


class MeasuredModel:
    """A source of class maps, and the measures of its maps.

    Parameters
    ----------
    run : Measurement
    source : EvaluationSource
    recipes : mapping from name to Recipe
    name : str
        What it is called in the journal.
    prefix : str
        Put before the names of its recipes.
    further : Further
    steps : int
        Of insertion and deletion; 0: they are not measured.
    threshold_split : str
    said : PredictedClasses, optional
        Another classifier, which names the classes; what it says of the images is in the journal.
    save_maps : bool

    Raises
    ------
    CamkitError
        As `camkit.evaluation.evaluate`.
    """

    def __init__(
        self,
        run: Measurement,
        source: EvaluationSource,
        recipes: Mapping[str, Recipe],
        *,
        name: str = "maps",
        prefix: str = "",
        further: Further,
        steps: int,
        threshold_split: str = FIXED,
        said: PredictedClasses | None = None,
        save_maps: bool = False,
    ) -> None:
        options, (dataset,) = run.options, run.datasets
        self.source, self.recipes, self.name, self.prefix = source, recipes, name, prefix
        self.steps, self.said, self.save_maps = steps, said, save_maps
        self.measures, self.match = measures_for(
            source, dataset, recipes, said, protocol=options.protocol, fit=options.fit, step=options.step,
            threshold_split=threshold_split, further=further, with_prediction=save_maps, on_disk=True,
        )  # fmt: skip
        if steps:
            require_network(source)
        self.areas = ChangedAreas(self.measures.weightings, on_disk=True) if steps else None
        self.reading = options.reading(source)

    def streams(self) -> dict[str, Stream]:
        """What is measured of each image, by its name in the journal."""
        weightings = self.measures.weightings
        found = {
            self.name: Stream(lambda part: measure_images(self.source, part, weightings, self.measures.evaluate_image,
                                                          **self.reading), line_of)
        }  # fmt: skip
        if self.steps:
            network = require_network(self.source)
            found[self._changed] = Stream(
                partial(changed_areas, network, weightings=weightings, steps=self.steps, **self.reading)
            )
        return found

    @property
    def _changed(self) -> str:
        return f"{self.name} changed"

    def add(self, record: Record, line: Mapping[str, Any]) -> None:
        """Take in an image that is finished."""
        self.measures.add(self._evaluation(record, line))
        if self.areas is not None:
            self.areas.add(part_of(line, self._changed))

    def note(self, record: Record) -> None:
        """Count an image of the journal among those whose maps were looked for."""
        if isinstance(self.source, MapFolder):
            self.source.note_read(record.image, record.label)

    def _evaluation(self, record: Record, line: Mapping[str, Any]) -> ImageEvaluation:
        found = evaluation_of(part_of(line, self.name), record)
        if self.said is None:
            return found
        label = None if record.label is None else self.said.match.numbers[record.label]
        return replace(found, label=label, predicted=torch.tensor(part_of(line, CLASSES)))

    def evaluations(self, folder: MeasuredFolder) -> Iterator[ImageEvaluation]:
        """What was measured of the images that are finished, in order."""
        return (self._evaluation(record, line) for record, line in folder.lines() if "measured" in line)

    def maps(self, folder: MeasuredFolder) -> Iterator[SavedMaps]:
        """Their maps, where they are kept."""
        return (maps_of(part_of(line, self.name)) for _, line in folder.lines() if "measured" in line)

    def found(self, failures: list[Failure], seed: int) -> Evaluation:
        """The figures of all images that were taken in."""
        with whole():
            found = replace(self.measures.evaluation(failures, seed), match=self.match)
            if self.areas is None:
                return found
            areas = self.areas.results()
        localization = {name: results | areas[self.recipes[name].weighting]
                        for name, results in found.localization.items()}  # fmt: skip
        return replace(found, localization=localization)
