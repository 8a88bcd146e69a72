"""A folder of Parquet files, as engines for many machines leave one: each file whole or not at all, and gone on with.

One process writes it, whatever number of them computed the rows. A file is written when it has `MOST` images or is
`seconds` old, so that a run that is killed loses no more than that; each says in its metadata how its rows were made.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from camkit.errors import CamkitError
from camkit.output.changes import changed_settings, refuse
from camkit.output.entries import Entries
from camkit.output.files import whole
from camkit.output.journal import JOURNAL
from camkit.output.lock import locked
from camkit.output.owned import check_free, claim, manifest, remove
from camkit.output.tables import TYPES

MOST = 65_536  # images in a file
RECORD = "_run.json"  # readers of Parquet folders pass over what begins so
SETTINGS = b"camkit"
ERROR = "error"
SHOWN = 10  # failures that are told by name


class ParquetFolder:
    """A folder that one run writes rows to, as long as the ``with`` block lasts.

    Parameters
    ----------
    path : Path
    settings : dict
        Everything that results depend on beside the images, as JSON can hold it.
    resume : bool
        Go on where an earlier run of the same settings stopped: its images are finished, those that failed too.
    overwrite : bool
        Remove what an earlier run left.
    seconds : float
        A file is written that long after its first row, if not before.

    Attributes
    ----------
    finished : Entries
        The images that have rows, by name, on disk.
    rows, empty : int
        Boxes, and those of them that are empty.
    failures : list of dict
        ``image`` and ``reason`` of the first images that failed.

    Raises
    ------
    CamkitError
        The folder holds a run and neither is wanted, one that cannot be gone on with, or files of others; another run
        is writing to it; or nobody can.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, resume: bool = False, overwrite: bool = False, seconds: float
    ) -> None:
        self.path, self.seconds = path, seconds
        self.settings = json.loads(json.dumps(settings))
        self.finished = Entries()
        self.rows = self.empty = 0
        self.failures: list[dict[str, str]] = []
        self._waiting: list[Any] = []
        self._images, self._since = 0, 0.0
        with ExitStack() as stack:
            stack.enter_context(locked(path))
            with self._writing():
                self._begin(resume, overwrite)
            self._stack = stack.pop_all()

    def _begin(self, resume: bool, overwrite: bool) -> None:
        if overwrite:
            remove(self.path)
        elif not resume:
            check_free(self.path, (), overwrite=False, remedy="--resume, --overwrite")
        elif (self.path / JOURNAL).exists():
            raise CamkitError(f"{self.path} holds a run without --engine ray: go on with it without, or give another "
                              "--out")  # fmt: skip
        own = set(manifest(self.path))
        strange = sorted(file.name for file in self.path.glob("*.parquet") if file.name not in own)
        if strange:
            raise CamkitError(f"{self.path} holds {strange[0]}, which no run of camkit wrote: move it away, or give "
                              "another --out")  # fmt: skip
        parts = sorted(self.path.glob("*.parquet"))
        self._next = int(parts[-1].stem.removeprefix("part-")) + 1 if parts else 0
        for part in parts:
            self._read(part)

    def _read(self, part: Path) -> None:
        """What an earlier run finished; a file that holds something else is refused."""
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an extra

        try:
            with parquet.ParquetFile(part) as file:
                before = json.loads((file.schema_arrow.metadata or {}).get(SETTINGS, b"{}"))
                if changed := changed_settings(before, self.settings):
                    refuse(self.path, ", ".join(changed))
                for batch in file.iter_batches(columns=["image", ERROR, "x0", "x1"]):
                    self._note(batch)
        except (ArrowException, ValueError) as error:
            if isinstance(error, CamkitError):
                raise
            reason = " ".join(str(error).split())
            raise CamkitError(f"{part}: cannot be read as Parquet ({reason:.200}): remove it, and its images are made "
                              "anew") from None  # fmt: skip

    @property
    def failed(self) -> int:
        """How many images failed."""
        return len(self.finished) - self.finished.done

    def add(self, found: Any) -> int:
        """Add a table of rows, all those of an image together; what is finished is left out. How many images are new.

        Raises
        ------
        CamkitError
            The disk is full, or is gone; what was written before stays.
        """
        import pyarrow  # noqa: PLC0415

        names = found["image"].to_pylist()
        fresh = {name for name in dict.fromkeys(names) if self.finished.get(name) is None}
        if len(fresh) < len(set(names)):
            found = found.filter(pyarrow.array([name in fresh for name in names]))
        if not fresh:
            return 0
        found = with_digits(found.select([*TYPES, ERROR]))
        self._note(found)
        self._since = self._since if self._waiting else time.monotonic()
        self._waiting.append(found)
        self._images += len(fresh)
        if self._images >= MOST or time.monotonic() - self._since >= self.seconds:
            self.save()
        return len(fresh)

    def _note(self, found: Any) -> None:
        columns = (found[name].to_pylist() for name in ("image", ERROR, "x0", "x1"))
        for image, error, x0, x1 in zip(*columns, strict=True):
            self.finished.note(image, 0, done=not error)
            self.rows += not error
            self.empty += not error and x1 <= x0
            if error and len(self.failures) < SHOWN:
                self.failures.append({"image": image, "reason": error})

    def save(self) -> None:
        """Write what waits as the next file; `CamkitError` where the disk is full, or is gone."""
        import pyarrow  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415

        if not self._waiting:
            return
        part = self.path / f"part-{self._next:06d}.parquet"
        rows = pyarrow.concat_tables(self._waiting)
        with self._writing():
            claim(self.path, [part.name, RECORD])
            with whole(part, "wb") as file:
                parquet.write_table(rows.replace_schema_metadata({SETTINGS: json.dumps(self.settings)}), file)
        self._next, self._waiting, self._images = self._next + 1, [], 0

    def finish(self, facts: dict[str, Any]) -> None:
        """Write what waits, and `RECORD`, which says that the run is complete; `CamkitError` as of `save`."""
        self.save()
        with self._writing(), whole(self.path / RECORD) as file:
            json.dump({"settings": self.settings, **facts}, file, indent=1)

    def kept(self, images: int) -> str:
        """How much of so many images is finished, and how it goes on."""
        done = len(self.finished) - self._images
        return f"{done} of {images} images are finished and kept in {self.path}: go on with the same call and --resume"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CamkitError(f"{error.filename or self.path}: cannot be written ({error.strerror}); what was finished "
                              "before is kept: go on with the same call and --resume") from error  # fmt: skip

    def __enter__(self) -> "ParquetFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def schema() -> Any:
    """The columns of boxes.csv, of the types of `camkit.output.parquet`, and `ERROR`."""
    import pyarrow  # noqa: PLC0415

    kinds = {str: pyarrow.string(), int: pyarrow.int32(), float: pyarrow.float64()}
    return pyarrow.schema([*((name, kinds[kind]) for name, kind in TYPES.items()), (ERROR, pyarrow.string())])


def with_digits(found: Any) -> Any:
    """A table as `schema` has it: a float32 becomes the number that its digits in boxes.csv say."""
    import pyarrow  # noqa: PLC0415

    short = [pyarrow.string() if field.type == pyarrow.float32() else field.type for field in found.schema]
    as_text = pyarrow.schema([field.with_type(kind) for field, kind in zip(found.schema, short, strict=True)])
    return found.cast(as_text).cast(schema())
