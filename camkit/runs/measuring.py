"""Annotated images measured into the journal of a run, which goes on where it stopped, in any number of processes."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from camkit.data import AnnotatedSet, MapFolder
from camkit.errors import CamkitError
from camkit.localization import Failure
from camkit.output.measured_folder import MeasuredFolder, Sources, image_itself
from camkit.output.packed import packed
from camkit.runs.facts import versions
from camkit.runs.fingerprint import records_digest
from camkit.runs.options import RunOptions


@dataclass(frozen=True)
class Stream:
    """One thing that is measured of each image.

    Attributes
    ----------
    images : callable
        Of a data set, or a part of one: a result or a `Failure` for each of its records, in order.
    pack : callable
        A result as JSON can hold it.
    """

    images: Callable[[AnnotatedSet], Iterator[Any]]
    pack: Callable[[Any], Any] = packed


def measured_folder(
    command: str,
    dataset: AnnotatedSet,
    files: Collection[str],
    options: RunOptions,
    device: str,
    settings: Mapping[str, Any],
    sources: Sources = image_itself,
) -> MeasuredFolder:
    """The folder of a run that measures; `settings` are all that lines depend on beside images and annotations."""
    if options.resume and options.overwrite:
        raise CamkitError("--resume and --overwrite together: a run is resumed or overwritten")
    session = {"device": device, "batch_size": options.batch_size, "versions": versions()}
    session |= {"processes": options.group.world_size} if options.group.world_size > 1 else {}
    own = {"command": command, **settings, "records_sha256": records_digest(dataset)}
    return MeasuredFolder(options.out, dataset.records, files, own, session, sources=sources, resume=options.resume,
                          overwrite=options.overwrite, group=options.group)  # fmt: skip


def measure_all(
    folder: MeasuredFolder, dataset: AnnotatedSet, streams: Mapping[str, Stream], options: RunOptions, what: str
) -> bool:
    """Measure what is not finished, this process's share; true in the one that goes on, once all of it is there.

    An image of which one thing cannot be measured has failed, and is in no figure.
    """
    for todo in folder.to_do(options.batch_size):
        if not todo:
            continue
        part = dataset.part(todo)
        found = zip(*(stream.images(part) for stream in streams.values()), strict=True)
        for place, (index, its) in enumerate(zip(todo, options.progress(what)(found, len(todo)), strict=True)):
            if folder.before(folder.key(index)):
                continue  # it kept its batch company
            failure = next((one for one in its if isinstance(one, Failure)), None)
            measured = failure or {name: stream.pack(one)
                                   for (name, stream), one in zip(streams.items(), its, strict=True)}  # fmt: skip
            filled = dataset.filled is not None and dataset.filled.damaged(place)
            folder.add(index, measured, filled=filled)
    return folder.collect()


def part_of(line: Mapping[str, Any], name: str) -> Any:
    """What was measured under a name; `CamkitError` where the line is damaged."""
    try:
        return line["measured"][name]
    except (KeyError, TypeError):
        raise CamkitError(f"the journal lacks {name!r} of {line['image']}: give --overwrite or another --out") from None


def map_and_image(maps: MapFolder) -> Sources:
    """What the lines of a folder of maps depend on."""
    return lambda record: [*image_itself(record), maps.reader(record.image, record.label)]
