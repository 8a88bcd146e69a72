"""Which part of a run's images is one call's, and one process's: whole batches, as one process would make them.

The last digits of what a network says of an image depend on the images beside it in its batch. Shards and processes
share out batches, so that each image has the company that it has in one process, and its row the same bytes.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from camkit.data import ImageFile, ImageList
from camkit.errors import CamkitError
from camkit.localization import Result
from camkit.localizer import Localizer
from camkit.output import RunFolder
from camkit.process_group import ProcessGroup


@dataclass(frozen=True)
class Shard:
    """One of several runs over the same images, counted from 1."""

    index: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.of:
            raise CamkitError(
                f"--shard {self.index}/{self.of}: shards are counted from 1/{self.of} to {self.of}/{self.of}"
            )

    def part(self, files: ImageList, batch_size: int) -> ImageList:
        """This shard's images: whole batches that follow each other."""
        batches = -(-len(files) // batch_size)
        start, stop = ((batches * index // self.of) * batch_size for index in (self.index - 1, self.index))
        return files.part(start, stop)

    def settings(self) -> dict[str, Any]:
        """What a run that is resumed must have; nothing where there are no shards."""
        return {} if self.of == 1 else {"shard": {"index": self.index, "of": self.of}}

    def facts(self, files: ImageList) -> dict[str, Any]:
        """What `camkit merge` holds the shards against: of which images, in which order, they are."""
        if self.of == 1:
            return {}
        return {
            "shard": {
                "index": self.index,
                "of": self.of,
                "images_in_all": len(files),
                "names_sha256": digest_of(file.name for file in files),
            }
        }


def digest_of(names: Iterable[str]) -> str:
    """SHA-256 of names in their order."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()


def unfinished(
    folder: RunFolder, localizer: Localizer, label_of: Callable[[str], int | None] | None
) -> Iterator[tuple[ImageFile, Result]]:
    """Images of this process that are not finished, with what is found in them.

    Batches with an image that was not tried yet are made anew. Failures are tried by themselves.
    """
    pending: deque[ImageFile] = deque()  # those on their way through the network

    def sent() -> Iterator[list[ImageFile]]:
        for number, batch in enumerate(to_do(folder, localizer.batch_size)):
            if number % folder.group.world_size == folder.group.rank:
                pending.extend(batch)
                yield batch

    for result in localizer.stream_batches(sent(), label_of, folder.overlays):
        file = pending.popleft()
        if not folder.before(file.name):
            yield file, result


def to_do(folder: RunFolder, size: int) -> Iterator[list[ImageFile]]:
    """Batches with an image that was not tried yet, as a run left alone makes them; then what has failed of others."""

    def fresh(batch: list[ImageFile]) -> bool:
        return any(folder.before(file.name) is None for file in batch)

    yield from filter(fresh, folder.files.batches(size))
    if not folder.failed_before:
        return
    failed: list[ImageFile] = []
    for file in folder.files:
        if folder.before(file.name) is False:
            failed.append(file)
        if len(failed) == size:
            yield failed
            failed = []
    if failed:
        yield failed


def share_of(total: int, group: ProcessGroup) -> int:
    """About how many of so many images are this process's, for its bar."""
    return -(-total // group.world_size)
