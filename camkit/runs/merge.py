"""`camkit merge`: the folders of all shards of a run, as one run would have left it."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from camkit.data.map_shards import MapShards, shard_file
from camkit.errors import CamkitError
from camkit.output import check_free, claim, locked, remove
from camkit.output.changes import changed_settings
from camkit.output.files import naming, whole
from camkit.output.formats import WRITERS
from camkit.output.journal import JOURNAL, Journal
from camkit.output.map_shards import FOLDER, grouped, write_shard
from camkit.output.owned import MANIFEST
from camkit.output.parquet import require_pyarrow
from camkit.output.results import Summary, record, table_files, write_tables
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts

PER_FILE = "maps_per_file"
OWN = ("images", "seconds", "forward_seconds")
SAME = ("images_in_all", "names_sha256")


@dataclass(frozen=True)
class Part:
    """One shard's folder.

    Attributes
    ----------
    out : Path
    facts : dict
        What its run.json holds.
    journal : Journal
    """

    out: Path
    facts: dict[str, Any]
    journal: Journal

    @property
    def index(self) -> int:
        return int(self.facts["shard"]["index"])

    def settings(self) -> dict[str, Any]:
        """What all shards have in common."""
        return {name: value for name, value in self.journal.settings.items() if name != "shard"}


def run_merge(shards: Sequence[Path], *, out: Path, formats: str = "csv,coco", overwrite: bool = False) -> Report:
    """Put the shards of a run of `camkit localize` together: tables, pictures and journal.

    Parameters
    ----------
    shards : sequence of Path
        The folder of each shard, in any order; they stay as they are.
    out : Path
    formats : str
        Of the tables; those of ``--formats`` but yolo.
    overwrite : bool
        Replace what an earlier run left in `out`.

    Raises
    ------
    CamkitError
        A folder holds no finished shard, a shard is missing or there twice, or they are not of one run.
    """
    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    if not set(wanted) <= set(WRITERS):
        raise CamkitError(f"--formats {formats}: camkit merge writes any of {','.join(WRITERS)}")
    if "parquet" in wanted:
        require_pyarrow()
    with ExitStack() as stack:
        parts = sorted((_read(folder, stack) for folder in shards), key=lambda part: part.index)
        _check(parts)
        stack.enter_context(locked(out))
        tables = [*table_files(wanted), "failures.csv", "run.json", JOURNAL, MANIFEST]
        check_free(out, [*tables[:-2], "overlays/", "maps/", "masks/"], overwrite=overwrite)
        try:
            remove(out)
            claim(out, tables)
            journal = Journal(out, parts[0].settings())
            stack.callback(journal.close)
            _gather(parts, journal, out)
            _shards(parts, journal, out)
            summary = write_tables(out, journal, lambda: (name for name, _ in journal.entries), wanted, ())
            facts = _facts(parts, summary)
            with whole(out / "run.json") as file:
                json.dump(record(journal, facts), file, indent=1)
        except OSError as error:
            raise CamkitError(f"{error.filename or out}: cannot be written ({error.strerror}): make room, or give "
                              "another --out") from error  # fmt: skip
    lines = [
        f"{len(parts)} shards, {summary.images} images: {summary.rows} boxes, {summary.failed} failed",
        *filled_lines(summary.filled),
        f"look at {', '.join(str(out / name) for name in table_files(wanted))}",
    ]
    told = outcome_facts(out, facts) | {"shards": len(parts), "boxes": summary.rows, "empty": summary.empty}
    return Report(lines, summary.failed, failure_lines(summary.failures, out, failed=summary.failed), told)


def _read(out: Path, stack: ExitStack) -> Part:
    if not (out / JOURNAL).exists():
        raise CamkitError(f"{out}: holds no run of camkit localize; name the folders of its shards")
    stack.enter_context(locked(out))
    journal = Journal(out, {}, read_only=True)
    stack.callback(journal.close)
    facts: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    if "shard" not in journal.settings:
        raise CamkitError(f"{out}: is no shard but a whole run; give what camkit localize --shard wrote")
    if "shard" not in facts or facts.get("images") != len(journal.entries):
        shard = journal.settings["shard"]
        raise CamkitError(
            f"{out}: shard {shard['index']}/{shard['of']} is not finished: give its call again with --resume"
        )
    return Part(out, facts, journal)


def _check(parts: Sequence[Part]) -> None:
    """That these are all shards of one run."""
    first, of = parts[0], int(parts[0].facts["shard"]["of"])
    for part in parts[1:]:
        changed = changed_settings(first.settings(), part.settings())
        changed += changed_settings(
            *({**{name: one.facts["shard"][name] for name in ("of", *SAME)}, "batch_size": one.facts["batch_size"]}
              for one in (first, part)))  # fmt: skip
        if changed:
            raise CamkitError(f"{first.out} and {part.out} are not of one run: {', '.join(changed)}")
    found = [part.index for part in parts]
    twice = [index for index in dict.fromkeys(found) if found.count(index) > 1]
    if twice:
        both = [str(part.out) for part in parts if part.index == twice[0]]
        raise CamkitError(f"shard {twice[0]}/{of} is there twice: {', '.join(both)}")
    missing = [f"{index}/{of}" for index in range(1, of + 1) if index not in found]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise CamkitError(f"shards are missing: {', '.join(missing[:5])}{more}")


def _gather(parts: Sequence[Part], journal: Journal, out: Path) -> None:
    """Every shard's lines, pictures and maps, in the order of the images."""
    for part in parts:
        for session in part.journal.sessions:
            journal.write({"session": session})
        _pictures(part, journal, out)
        for line in _in_order(part):
            journal.write(line)


def _in_order(part: Part) -> Iterator[dict[str, Any]]:
    return (part.journal.line_at(entry.at) for _, entry in part.journal.entries)


def _pictures(part: Part, journal: Journal, out: Path) -> None:
    """Pictures and maps of finished images: a second name of the same file, where the file system has such."""
    for line in part.journal.drawn_lines():
        apart = ("labels", FOLDER) if PER_FILE in part.journal.settings else ("labels",)
        names = [name for name in line["files"] if (part.out / name).is_file() and name.split("/")[0] not in apart]
        if not names:
            continue
        journal.write({"image": line["image"], "files": names})
        for name in names:
            target = out / name
            with naming(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                try:
                    os.link(part.out / name, target)
                except OSError:
                    shutil.copyfile(part.out / name, target)


def _shards(parts: Sequence[Part], journal: Journal, out: Path) -> None:
    """The shards of maps that one run over all images would have left."""
    if PER_FILE not in journal.settings:
        return

    def found() -> Iterator[tuple[MapShards, str]]:
        for part in parts:
            shards = MapShards(part.out / FOLDER)
            yield from ((shards, name) for name, _ in part.journal.entries)

    for number, group in enumerate(grouped(found(), journal.settings[PER_FILE])):
        members = [(name, partial(shards.open, name)) for shards, name in group if name in shards]
        if members:
            name = shard_file(number)
            journal.write({"image": "", "files": [f"{FOLDER}/{name}"]})
            write_shard(out / FOLDER / name, members)


def _facts(parts: Sequence[Part], summary: Summary) -> dict[str, Any]:
    first = parts[0].facts
    same_root = {part.facts["images_root"] for part in parts if part.facts["images"]}
    shared = {name: first[name] for name in ("completeness", "device", "batch_size", "workers", "versions")}
    return {
        "images": summary.images,
        "images_root": same_root.pop() if len(same_root) == 1 else None,
        "resumed": sum(part.facts["resumed"] for part in parts),
        "filled": summary.filled,
        "seconds": round(sum(part.facts["seconds"] for part in parts), 3),
        "forward_seconds": round(sum(part.facts["forward_seconds"] for part in parts), 3),
        **shared,
        "shards": [{"out": str(part.out), **{name: part.facts[name] for name in OWN}} for part in parts],
    }
