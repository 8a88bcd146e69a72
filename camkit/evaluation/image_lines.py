"""What is measured of an image as a line of a journal holds it, and back again, to the last bit."""

from typing import Any

import torch

from camkit.data import Record
from camkit.errors import CamkitError
from camkit.evaluation.image_evaluation import BoxEvaluation, ImageEvaluation, RegionsEvaluation
from camkit.output.class_maps import SavedMaps
from camkit.output.packed import packed, unpacked

Line = dict[str, Any]


def line_of(evaluation: ImageEvaluation) -> Line:
    """What `evaluation_of` and `maps_of` read; of an image that has its maps with it, these too."""
    boxes = {name: [list(one.box), one.iou, one.share, one.truth_share, one.ranked_iou]
             for name, one in evaluation.boxes.items()}  # fmt: skip
    predicted = None if evaluation.predicted is None else evaluation.predicted.tolist()
    regions = {name: [one.regions, one.found, one.true, one.iou] for name, one in evaluation.regions.items()}
    line: Line = packed({"label": evaluation.label, "score": evaluation.score, "predicted": predicted, "boxes": boxes,
                         "outcomes": evaluation.outcomes, "regions": regions})  # fmt: skip
    if (prediction := evaluation.prediction) is not None:
        line["maps"] = packed(SavedMaps(prediction.size, prediction.window, prediction.maps))
    return line


def evaluation_of(line: Line, record: Record) -> ImageEvaluation:
    """The evaluation of an image, without its maps.

    Raises
    ------
    CamkitError
        The line is damaged.
    """
    found = unpacked({name: value for name, value in line.items() if name != "maps"})
    try:
        return ImageEvaluation(
            image=record.image,
            label=found["label"],
            predicted=None if found["predicted"] is None else torch.tensor(found["predicted"]),
            own_label=record.label,
            boxes={name: BoxEvaluation(tuple(box), *more) for name, (box, *more) in found["boxes"].items()},
            outcomes=found["outcomes"],
            score=found["score"],
            regions={name: RegionsEvaluation(*one) for name, one in found["regions"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CamkitError("the journal holds a line that cannot be read; give --overwrite or another --out") from error


def maps_of(line: Line) -> SavedMaps:
    """The maps of an image that has them with it."""
    found: SavedMaps = unpacked(line["maps"], SavedMaps)
    return found
