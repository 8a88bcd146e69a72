"""What a run says of classes: how the data set's and the models' met, and which are left out."""

from collections.abc import Sequence

from camkit.data import AnnotatedSet
from camkit.evaluation import ClassMatch, left_out_notes
from camkit.runs.closing import printable


def class_lines(matches: Sequence[ClassMatch | None], dataset: AnnotatedSet) -> list[str]:
    """What should be known of how the data set's classes and the models' met, or of classes that are left out."""
    notes = [note for match in matches if match is not None for note in match.notes]
    return [f"note: {printable(note)}" for note in dict.fromkeys(notes or left_out_notes(dataset))]
