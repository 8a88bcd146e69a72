"""Class maps that a run keeps: written as they come, and put in place with the run's other files."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from camkit.evaluation.image_prediction import ImagePrediction
from camkit.output.class_maps import ClassMapWriter, SavedMaps

Keep = Callable[[ImagePrediction], None]


class KeptMaps:
    """The files of class maps of a run.

    Attributes
    ----------
    keep : dict from file name to callable
        Adds an image's maps to a file.
    """

    def __init__(self, out: Path, names: Sequence[str], files: ExitStack) -> None:
        self._files, self._parts = files, {name: out / f".{name}.part" for name in names}
        writers = {name: files.enter_context(ClassMapWriter(part)) for name, part in self._parts.items()}
        self.keep: dict[str, Keep] = {name: partial(_keep, writer) for name, writer in writers.items()}

    def publish(self, folder: Path) -> None:
        """Complete the files, and move them into a folder."""
        self._files.close()
        for name, part in self._parts.items():
            os.replace(part, folder / name)

    def remove(self) -> None:
        """Remove what was not published."""
        for part in self._parts.values():
            part.unlink(missing_ok=True)


@contextmanager
def keeping_maps(out: Path, names: Sequence[str]) -> Iterator[KeptMaps]:
    """Files of class maps that grow in `out` while a run lasts; what it does not publish is removed."""
    with ExitStack() as files:
        kept = KeptMaps(out, names, files)
        try:
            yield kept
        finally:
            kept.remove()


def _keep(writer: ClassMapWriter, prediction: ImagePrediction) -> None:
    writer.add(SavedMaps(prediction.size, prediction.window, prediction.maps))
