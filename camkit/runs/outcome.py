"""What became of the images of a run that measures: who failed, and who was read though damaged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from camkit.data import AnnotatedSet, Record
from camkit.localization import Failure
from camkit.output.measured_folder import MeasuredFolder


@dataclass
class Outcome:
    """The images of a journal, gone through once.

    Attributes
    ----------
    done : int
        How many are finished.
    failures : list of Failure
        Lines of the data set and images without a result.
    filled : list of str
        The damaged images that were read all the same, each once.
    """

    done: int = 0
    failures: list[Failure] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)


def gone_through(
    folder: MeasuredFolder, dataset: AnnotatedSet, add: Callable[[Record, Mapping[str, Any]], None]
) -> Outcome:
    """Give each finished image and its line to `add`, in order, and count the others."""
    found = Outcome(failures=[Failure("", problem) for problem in dataset.problems])
    for record, line in folder.lines():
        if line.get("filled"):
            found.filled.append(record.image)
        if "measured" in line:
            found.done += 1
            add(record, line)
        else:
            found.failures.append(Failure(record.image, line["reason"]))
    found.filled = list(dict.fromkeys(found.filled))
    return found
