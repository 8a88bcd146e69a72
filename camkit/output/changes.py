"""What differs between a run and the one it shall go on from: a run is resumed where its results would be the same."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from camkit.data import ImageFile, ImageList
from camkit.data.members import member_bytes
from camkit.data.names import written_path
from camkit.data.sources import FileBytes, ZipMember
from camkit.errors import CamkitError
from camkit.output.journal import Journal

Facts = dict[str, Any]
Changed = Callable[[str, Sequence[Facts]], str | None]
SHOWN = 12  # digits of a digest in a message


def changed_settings(before: Facts, now: Facts) -> list[str]:
    """``key old -> new`` for each setting that differs, those in a mapping under ``outer.inner``."""
    old, new = dict(flat(before)), dict(flat(now))
    return [
        f"{key} {_in_words(old.get(key))} -> {_in_words(new.get(key))}"
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


def source_of(file: ImageFile) -> Facts:
    """Of what a result was made: the size of the encoded image, a digest of it, and the times of its file or archive.

    Empty where it can no longer be read.
    """
    try:
        source = file.source()
        content = source if isinstance(source, bytes) else source.read_bytes()
        return _digest(content) | _times(os.stat(file.path))
    except (OSError, CamkitError):
        return {}


def source_of_bytes(read: Callable[[], bytes]) -> Facts:
    """The same of encoded images that something reads: from a file, an archive, or that it draws."""
    try:
        path = _path_of(read)
        return _digest(read()) | ({} if path is None else _times(os.stat(path)))
    except (OSError, CamkitError):
        return {}


def _path_of(read: Callable[[], bytes]) -> str | None:
    """The file or archive that something reads from, where it is one of the two."""
    if isinstance(read, FileBytes):
        return read.path
    return read.archive if isinstance(read, ZipMember) else None


def _digest(content: bytes) -> Facts:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _times(found: os.stat_result) -> Facts:
    """When a file's bytes changed last, and when anything of it did: the first can be set to what it was before."""
    return {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns}


def changed_images(journal: Journal, files: ImageList, changed: Changed) -> str | None:
    """What differs about the images that are finished, None where nothing does.

    Files are told apart by size and times; where these differ, by their bytes. `changed` says what else is asked of an
    image now, given its name and its rows.
    """
    seen = 0
    for file in files:
        entry = journal.entry(file.name)
        if entry is None or "rows" not in entry:
            continue
        seen += 1
        if told := changed(file.name, entry["rows"]):
            return told
        if _is_another(file, entry["source"]):
            return f"--images: {written_path(file.name)} holds other bytes than when it was finished"
    left = journal.entries.done - seen
    if left:
        gone = next(name for name, entry in journal.entries if entry.done and name not in files)
        return f"--images: {written_path(gone)}, which is finished, is no longer among them ({left} in all)"
    return None


def refuse(folder: Path, changed: str) -> None:
    """`CamkitError` that names what changed, and what to do."""
    raise CamkitError(
        f"cannot resume {folder}, this is another run: {changed}; give what it began with, --overwrite or another --out"
    )


def _is_another(file: ImageFile, source: Facts) -> bool:
    try:
        found = os.stat(file.path)
    except OSError:
        return True
    size = member_bytes(file.inside) if file.inside else found.st_size
    known = {} if size is None else {"bytes": size}
    if {**known, **_times(found)}.items() <= source.items():
        return False
    return known.items() - source.items() != set() or source_of(file).get("sha256") != source.get("sha256")


def is_other_bytes(read: Callable[[], bytes], source: Facts) -> bool:
    """Whether something reads other bytes than those of `source_of_bytes` then; of files times may tell that too."""
    path = _path_of(read)
    try:
        if path is not None and _times(os.stat(path)).items() <= source.items():
            return False
    except OSError:
        return bool(source)
    return source_of_bytes(read).get("sha256") != source.get("sha256")


def flat(facts: Facts, outer: str = "") -> Iterator[tuple[str, Any]]:
    """Keys and values, those of a mapping in it as ``outer.inner``."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{outer}{key}.")
        else:
            yield f"{outer}{key}", value


def _in_words(value: Any) -> str:
    text = repr(value)
    is_digest = isinstance(value, str) and len(value) == 64
    return f"{value[:SHOWN]}..." if is_digest else text if len(text) <= 80 else f"{text[:77]}..."
