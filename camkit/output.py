"""Run folders: what a run leaves on disk, whole or not at all, and how an interrupted one goes on.

Each finished image is one line of a journal. The tables are made from the journal at the end, in the images' order,
so that a run that was killed and resumed leaves the same files as one that was not.
"""

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from torchvision.transforms.functional import to_pil_image

from camkit.data import ImageFile
from camkit.errors import CamkitError
from camkit.localization import Failure, Localization, Result

JOURNAL = ".camkit-journal.jsonl"
COLUMNS = ("image", "width", "height", "rank", "label", "name", "score", "x0", "y0", "x1", "y1", "tau")
FORMATS = ("csv", "coco", "jsonl")
FILES = ("boxes.csv", "boxes.jsonl", "coco.json", "failures.csv", "run.json", JOURNAL)
FOLDERS = ("overlays", "maps")
# What a name can be guilty of: one image's failure, while a full disk is the run's.
NAMELY = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)

Row = dict[str, Any]


@contextmanager
def whole(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file that takes its name only once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    # a file name that is no UTF-8 is written back byte for byte
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "", "errors": "surrogateescape"}
    try:
        with part.open(mode, **text) as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def row_of(found: Localization) -> Row:
    """A line of boxes.csv."""
    (height, width), (x0, y0, x1, y1) = found.size, found.box
    values = (found.image, width, height, found.rank, found.label, found.name, found.score, x0, y0, x1, y1, found.tau)
    return dict(zip(COLUMNS, values, strict=True))


class RunFolder:
    """A folder that one run writes to.

    Parameters
    ----------
    path : Path
    settings : dict
        Everything that the results depend on. A run can only be resumed with the same.
    resume : bool
        Go on where an earlier run of the same settings stopped; images that failed are tried again.
    overwrite : bool
        Remove what an earlier run left (the files and folders camkit writes, nothing else).

    Raises
    ------
    CamkitError
        If the folder holds a run and neither is wanted, holds one of other settings, or cannot be written to.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
        self.path, self.settings = path, settings
        self.entries: dict[str, Row] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = [name for name in (*FILES, *FOLDERS) if (path / name).exists()]
            if held and overwrite:
                self._remove(held)
            elif held and not resume:
                raise CamkitError(
                    f"{path} already holds a run ({', '.join(held)}): give --resume, --overwrite or another --out"
                )
            self._open_journal()
        except OSError as error:
            raise CamkitError(f"cannot write to {path}: {error.strerror}; give another --out") from error

    def _remove(self, names: list[str]) -> None:
        for name in names:
            target = self.path / name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink()

    def _open_journal(self) -> None:
        journal = self.path / JOURNAL
        if journal.exists():
            lines = list(_complete_lines(journal))
            self._check_settings(lines[0] if lines else {})
            self.entries = {line["image"]: line for line in lines[1:]}
            with whole(journal) as file:  # without the line that was cut when the run was killed
                file.writelines(json.dumps(line) + "\n" for line in lines)
        else:
            with whole(journal) as file:
                file.write(json.dumps({"settings": self.settings}) + "\n")
        self._journal = journal.open("a", encoding="utf-8")

    def _check_settings(self, header: Row) -> None:
        before, now = header.get("settings", {}), json.loads(json.dumps(self.settings))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        if changed:
            told = ", ".join(f"{key} {before.get(key)!r} -> {now.get(key)!r}" for key in changed)
            raise CamkitError(f"cannot resume {self.path}: other settings ({told}); give --overwrite or another --out")

    def done(self, image: str) -> bool:
        return "rows" in self.entries.get(image, {})

    def add(self, result: Result, *, overlays: bool, maps: bool) -> None:
        """Write one image's pictures and maps, then its line of the journal."""
        if isinstance(result, list):
            try:
                self._draw(result, overlays=overlays, maps=maps)
            except OSError as error:
                if error.errno not in NAMELY:
                    raise
                result = Failure(result[0].image, f"no file can be named after it: {error.strerror}; rename it")
        if isinstance(result, Failure):
            entry: Row = {"image": result.image, "reason": result.reason}
        else:
            entry = {"image": result[0].image, "rows": [row_of(found) for found in result]}
        self.entries[entry["image"]] = entry
        self._journal.write(json.dumps(entry) + "\n")
        self._journal.flush()

    def _draw(self, result: list[Localization], *, overlays: bool, maps: bool) -> None:
        if overlays:
            for found in result:
                rank = f".{found.rank}" if len(result) > 1 else ""
                with whole(self._beside("overlays", found.image, f"{rank}.png"), "wb") as file:
                    to_pil_image(found.overlay()).save(file, "PNG", compress_level=3)
        if maps:
            stack = np.stack([found.map for found in result])
            with whole(self._beside("maps", result[0].image, ".npy"), "wb") as file:
                np.save(file, stack[0] if len(stack) == 1 else stack)

    def _beside(self, folder: str, image: str, suffix: str) -> Path:
        parts = [part for part in image.split("/") if part not in ("", ".", "..")]
        return self.path / folder / "/".join(parts[:-1]) / (parts[-1] + suffix)

    def finish(self, files: Sequence[ImageFile], formats: Sequence[str], facts: Row) -> tuple[list[Row], list[Row]]:
        """Write the tables; returns the rows of boxes.csv and of failures.csv."""
        self._journal.close()
        entries = [self.entries[file.name] for file in files if file.name in self.entries]
        rows = [row for entry in entries for row in entry.get("rows", [])]
        failures = [entry for entry in entries if "reason" in entry]
        writers: dict[str, tuple[str, Callable[[IO[str]], None]]] = {
            "csv": ("boxes.csv", lambda file: _write_csv(file, COLUMNS, rows)),
            "coco": ("coco.json", lambda file: json.dump(coco(rows), file, indent=1)),
            "jsonl": ("boxes.jsonl", lambda file: file.writelines(json.dumps(row) + "\n" for row in rows)),
        }
        for name in formats:
            target, write = writers[name]
            with whole(self.path / target) as file:
                write(file)
        with whole(self.path / "failures.csv") as file:
            _write_csv(file, ("image", "reason"), failures)
        with whole(self.path / "run.json") as file:
            json.dump({"settings": self.settings, **facts}, file, indent=1)
        return rows, failures


def _write_csv(file: IO[str], columns: Sequence[str], rows: list[Row]) -> None:
    writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)


def _complete_lines(journal: Path) -> Iterator[Row]:
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # the last line of a run that was killed
            return


def coco(rows: list[Row]) -> Row:
    """Rows of boxes.csv as COCO detections: ``bbox`` is x, y, width, height. Empty boxes have no annotation."""
    images = {row["image"]: row for row in rows}
    ids = {name: i for i, name in enumerate(images, 1)}
    boxed = [row for row in rows if row["x1"] > row["x0"]]
    return {
        "images": [
            {"id": ids[name], "file_name": name, "width": row["width"], "height": row["height"]}
            for name, row in images.items()
        ],
        "annotations": [
            {
                "id": i,
                "image_id": ids[row["image"]],
                "category_id": row["label"],
                "bbox": [row["x0"], row["y0"], row["x1"] - row["x0"], row["y1"] - row["y0"]],
                "area": (row["x1"] - row["x0"]) * (row["y1"] - row["y0"]),
                "iscrowd": 0,
                "score": row["score"],
            }
            for i, row in enumerate(boxed, 1)
        ],
        "categories": [{"id": k, "name": n} for k, n in sorted({(row["label"], row["name"]) for row in rows})],
    }
