"""Folders of results to one page: read, make each image's part, render, put in place."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from camkit.errors import CamkitError
from camkit.progress import progress_bar
from camkit.report.gallery import Gallery, Json, Select, Shown
from camkit.report.images import RunImages
from camkit.report.page import Page, for_script, publish
from camkit.report.place import check_free, folder_of
from camkit.report.runs import Run, read_run
from camkit.threads import in_threads

CHUNK = 64  # images in one script element, and in threads at a time
LIMIT = 5000
INLINE_LIMIT = 40.0
SIDE = 800
MOST_NOTES = 20


@dataclass(frozen=True)
class PageOptions:
    """What a page is made of.

    Attributes
    ----------
    runs : sequence of Path
        Folders of results.
    out : Path
        The HTML file.
    images, root : Path, optional
        Where the photographs of `localize`, and the data set of the other commands, lie now.
    limit : int
        Of the images that are shown; tables and figures are of all.
    select : {"spread", "worst", "best", "differ"}
        Which, where there are more.
    side : int
        Pixels along the longer side of a large view, at most.
    inline_limit : float
        Megabytes of pictures up to which they are inside the file.
    overwrite : bool
        Replace an earlier page.
    show_progress : bool
    """

    runs: Sequence[Path]
    out: Path
    images: Path | None = None
    root: Path | None = None
    limit: int = LIMIT
    select: Select = "spread"
    side: int = SIDE
    inline_limit: float = INLINE_LIMIT
    overwrite: bool = False
    show_progress: bool = False


def build_page(options: PageOptions) -> tuple[list[str], list[str]]:
    """Write the page; lines for the screen, and a line for each folder that could not be read.

    Raises
    ------
    CamkitError
        No folder holds a run, or something is in the way of the page, or it cannot be written.
    """
    check_free(options.out, overwrite=options.overwrite)
    runs, unread = read_runs(options.runs)
    images = [RunImages(run, options.images, options.root) for run in runs]
    gallery = Gallery(runs, images, options.limit, options.select)
    with staging(options.out) as stage:
        facts, problems, size = write_parts(gallery, stage, options)
        inline = size <= options.inline_limit * 1e6
        notes = [(run.name, note) for run, its, maps in zip(runs, images, gallery.maps, strict=True)
                 for note in (*run.notes, *its.notes, *maps.notes)]  # fmt: skip
        page = Page(gallery, facts, [*notes, *(("", line) for line in unread)], problems, inline)
        publish(page, stage, options.out)
    lines = [*(f"{name}: {note}" for name, note in notes), *problems[:MOST_NOTES]]
    if len(problems) > MOST_NOTES:
        lines.append(f"... and {len(problems) - MOST_NOTES} more pictures that cannot be read, all named on the page")
    if len(gallery.items) < len(gallery.all):
        how = {"spread": "evenly spaced", "worst": "those with the lowest IoU", "best": "those with the highest IoU",
               "differ": "those on which two columns differ most"}[options.select]  # fmt: skip
        lines.append(f"{len(gallery.items)} of {len(gallery.all)} images are shown, {how} (--limit, --select); figures "
                     "and tables are of all")  # fmt: skip
    where = "inside" if inline else f"beside it in {folder_of(options.out).name}/, past --inline-limit"
    lines.append(f"{len(gallery.items)} images of {len(runs)} run{'s' * (len(runs) > 1)}, {size / 1e6:.1f} MB of "
                 f"pictures {where}")  # fmt: skip
    return [*lines, f"look at {options.out}"], unread


def read_runs(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs that can be read, and a line for each folder that cannot; `CamkitError` where none can."""
    runs, unread = [], []
    for path in paths:
        try:
            runs.append(read_run(path))
        except CamkitError as error:
            unread.append(str(error))
    if not runs:
        raise CamkitError("; ".join(unread))
    return runs, unread


def write_parts(gallery: Gallery, stage: Path, options: PageOptions) -> tuple[list[Json], list[str], int]:
    """Pictures, and a line a chunk of images for the page's script, into `stage`; what the gallery has to know.

    Returns
    -------
    facts : list of dict
        One an item.
    problems : list of str
        Pictures that cannot be read.
    size : int
        Bytes of all pictures.
    """
    facts: list[Json] = []
    problems: list[str] = []
    size = 0
    made = in_threads(gallery.jobs(options.side, CHUNK))
    bar = progress_bar(made, what="report", total=len(gallery.items), shown=options.show_progress)
    with (stage / "details.jsonl").open("w", encoding="ascii") as file:
        waiting: list[Json] = []
        for number, shown in enumerate(bar):
            facts.append(shown.facts)
            size += _save(shown, stage / "pictures", number)
            if shown.problem is not None:
                problems.append(shown.problem)
            waiting.append(shown.detail)
            if len(waiting) == CHUNK:
                waiting = _flush(waiting, file)
        _flush(waiting, file)
    return facts, problems, size


def _save(shown: Shown, folder: Path, number: int) -> int:
    """Write an item's pictures; their bytes. Names are numbers, whatever the image is called."""
    size = 0
    for picture, name in ((shown.thumbnail, f"{number:06}s.jpg"), (shown.large, f"{number:06}.jpg")):
        if picture is not None:
            (folder / name).write_bytes(picture)
            size += len(picture)
    shown.facts["picture"] = shown.large is not None
    return size


def _flush(waiting: list[Json], file: IO[str]) -> list[Json]:
    if waiting:
        file.write(for_script(json.dumps(waiting)) + "\n")
    return []


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder beside the page for its parts, removed at the end."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.stem[:40]}-", dir=out.parent) as folder:
            (Path(folder) / "pictures").mkdir()
            yield Path(folder)
    except OSError as error:
        raise CamkitError(f"{error.filename or out}: cannot be written ({error.strerror}); make room, or give another "
                          "--out") from error  # fmt: skip
