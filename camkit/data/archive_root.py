"""A zip archive as the root of a data set: its annotations are laid out as files, its images stay where they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from camkit.data.annotations import AnnotatedSet
from camkit.data.file_names import SUFFIXES
from camkit.data.sources import Archive, standing_for
from camkit.errors import CamkitError

MAX_BYTES = 1 << 32  # of all annotations together


def read_from_archive(path: Path, read: Callable[[Path], AnnotatedSet]) -> AnnotatedSet:
    """Read a data set whose root is a zip archive, or the one folder in it.

    Parameters
    ----------
    path : Path
    read : callable
        Reads the data set from a folder; where it asks for images, it is given those in the archive.

    Raises
    ------
    CamkitError
        As `read` does, with the archive's name for the folder's; or the archive cannot be read.
    """
    with roots_in_archive(path) as roots:
        folder, problems = roots[0], []
        for root in roots:
            try:
                found = read(root)
            except CamkitError as error:
                problems.append(str(error).replace(str(folder), str(path)))
            else:
                told = [problem.replace(str(folder), str(path)) for problem in found.problems]
                return replace(found, problems=told)
    raise CamkitError(problems[-1])


@contextmanager
def roots_in_archive(path: Path) -> Iterator[list[Path]]:
    """Where the root may be while an archive is laid out: the archive itself, and the one folder in it."""
    with _laid_out(path) as folder:
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        yield [folder, *(inside if len(inside) == 1 and inside[0].is_dir() else [])]


@contextmanager
def _laid_out(path: Path) -> Iterator[Path]:
    archive = Archive(path)
    texts = [name for name in archive.names() if PurePosixPath(name).suffix.lower() not in SUFFIXES]
    if sum(map(archive.size, texts)) > MAX_BYTES:
        raise CamkitError(f"{path}: what is no image unpacks to more than {MAX_BYTES >> 30} GiB; unpack it yourself")
    with TemporaryDirectory(prefix="camkit-") as place:
        folder = Path(place)
        try:
            for name in archive.names():  # none leads out: `Archive` has looked
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
            for name in texts:
                (folder / name).write_bytes(archive.reader(name)())
        except OSError as error:
            raise CamkitError(f"{path}: cannot be laid out in {folder}: {error.strerror}; unpack it yourself") from None
        with standing_for(folder, path):
            yield folder
