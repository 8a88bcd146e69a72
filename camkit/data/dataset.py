"""Images for a DataLoader: one that cannot be read becomes a sample with a reason, and the others go on."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from camkit.data.annotations import check_inside
from camkit.data.filled import FilledImages
from camkit.data.image_file import ImageFile
from camkit.data.images import MAX_PIXELS, Decoded, Truncated, load_image
from camkit.data.preprocess import Preprocess, View
from camkit.data.records import Record
from camkit.errors import CamkitError, UnreadableImage, is_out_of_memory


@dataclass(frozen=True, eq=False)
class Sample:
    """One image on its way to the network.

    Attributes
    ----------
    index, name : int, str
        Position in the data set, and the image's name.
    image : Tensor (3, H, W), uint8, or None
        The original image, where the data set keeps it.
    input : Tensor (3, h, w), float32, or None
        None after a failure, and in a `Batch`, which holds the inputs itself.
    view : View or None
        What of the image the input shows; None after a failure.
    error : str or None
        Why there is no input.
    filled : bool
        Whether the image is damaged, and what is missing of it was filled.
    """

    index: int
    name: str
    image: Tensor | None = None
    input: Tensor | None = None
    view: View | None = None
    error: str | None = None
    filled: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one input shape.

    Attributes
    ----------
    input : Tensor (n, 3, h, w), float32
    samples : list of Sample, length n
        In the same order.
    """

    input: Tensor
    samples: list[Sample]


class Samples(Dataset[Sample]):
    """A data set of samples: an item that cannot be read is one all the same."""

    def failure(self, item: Any, reason: str) -> Sample:
        """The sample of an item, when it is known that it cannot be read, and why."""
        raise NotImplementedError


class PreparedImages(Samples):
    """Images, read and preprocessed; a subclass says what their names are and how one is read."""

    def __init__(
        self, count: int, preprocess: Preprocess, max_pixels: int, keep_image: bool, filled: FilledImages | None
    ) -> None:
        self.preprocess = preprocess
        self.max_pixels = max_pixels
        self.keep_image = keep_image
        self.truncated: Truncated = "fail" if filled is None else "fill"
        self._damaged = None if filled is None else filled.of(count, self.name)

    def __len__(self) -> int:
        raise NotImplementedError

    def name(self, index: int) -> str:
        raise NotImplementedError

    def load(self, index: int) -> Decoded:
        raise NotImplementedError

    def read(self, index: int) -> Tensor:
        """The image, (3, H, W), uint8."""
        return self._noting_damage(index).pixels

    def keeps_image(self, index: int) -> bool:  # noqa: ARG002 - a subclass may keep some
        return self.keep_image

    def __getitem__(self, index: int) -> Sample:
        return prepared(index, self.name(index), partial(self._noting_damage, index), self.preprocess,
                        keep_image=self.keeps_image(index))  # fmt: skip

    def failure(self, item: int, reason: str) -> Sample:
        """The image as a failure."""
        return Sample(item, self.name(item), error=reason)

    def _noting_damage(self, index: int) -> Decoded:
        decoded = self.load(index)
        if decoded.damage and self._damaged is not None:
            self._damaged[index] = True
        return decoded


def prepared(index: int, name: str, load: Callable[[], Decoded], preprocess: Preprocess, *, keep_image: bool) -> Sample:
    """One image as a sample: read and preprocessed, or with the reason why not."""
    filled = False
    try:
        image, damage = load()
        filled = damage is not None
        pixels, view = preprocess(image)
    except CamkitError as error:
        return Sample(index, name, error=str(error), filled=filled)
    except Exception as error:  # the other images are not to blame
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        short = "not enough memory for it; leave it out, or lower --max-pixels"
        return Sample(index, name, error=short if is_out_of_memory(error) else reason, filled=filled)
    return Sample(index, name, image if keep_image else None, pixels, view, filled=filled)


class ImageStream(Samples):
    """Image files, read and preprocessed as they come: a sampler sends each with its place, and no list is kept.

    Parameters
    ----------
    preprocess : Preprocess
    max_pixels : int
        Larger images are refused.
    keep_image : bool or frozenset of str
        Give each sample its original image, for pictures of the result; or those of these names.
    truncated : {"fail", "fill"}
        As of `read_image`.
    """

    def __init__(
        self, preprocess: Preprocess, max_pixels: int, keep_image: bool | frozenset[str], truncated: Truncated
    ) -> None:
        self.preprocess, self.max_pixels = preprocess, max_pixels
        self.keep_image, self.truncated = keep_image, truncated

    def __getitem__(self, item: tuple[int, ImageFile]) -> Sample:
        index, file = item

        def load() -> Decoded:
            return load_file(file, self.max_pixels, self.truncated)

        keeps = self.keep_image if isinstance(self.keep_image, bool) else file.name in self.keep_image
        return prepared(index, file.name, load, self.preprocess, keep_image=keeps)

    def failure(self, item: tuple[int, ImageFile], reason: str) -> Sample:
        """The image as a failure."""
        return Sample(item[0], item[1].name, error=reason)


def load_file(file: ImageFile, max_pixels: int, truncated: Truncated) -> Decoded:
    """An image file's pixels, and what is wrong with them; also of a member of an archive."""
    source = file.source()
    return load_image(source, max_pixels, file.shown if isinstance(source, bytes) else None, truncated=truncated)


class ImageDataset(PreparedImages):
    """Images, from files or from memory, read and preprocessed.

    Parameters
    ----------
    images : sequence of ImageFile, or of Tensor (3, H, W), uint8
        What is in memory is called by its place, "image 0", and stays with its sample whatever `keep_image` says.
    preprocess : Preprocess
    max_pixels : int
        Larger images are refused.
    keep_image : bool
        Give each sample its original image, for pictures of the result.
    filled : FilledImages, optional
        Where damaged images are noted, of which what is left is read; without it they are failures.
    """

    def __init__(
        self,
        images: Sequence[ImageFile | Tensor],
        preprocess: Preprocess,
        max_pixels: int = MAX_PIXELS,
        keep_image: bool = False,
        filled: FilledImages | None = None,
    ) -> None:
        super().__init__(len(images), preprocess, max_pixels, keep_image, filled)
        self.images = list(images)

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """The image's name in every output."""
        image = self.images[index]
        return image.name if isinstance(image, ImageFile) else f"image {index}"

    def keeps_image(self, index: int) -> bool:
        """Whether the sample has its original image."""
        return self.keep_image or not isinstance(self.images[index], ImageFile)

    def load(self, index: int) -> Decoded:
        """The image, and what is wrong with it."""
        image = self.images[index]
        if not isinstance(image, ImageFile):
            return Decoded(image, None)
        return load_file(image, self.max_pixels, self.truncated)


class RecordDataset(PreparedImages):
    """Annotated images, read, held against their annotation, and preprocessed.

    An image of another size than its annotation states, or with a box more than a pixel outside it, is a failure.

    Parameters
    ----------
    records : sequence of Record
        `Sample.index` is the position in it.
    preprocess : Preprocess
    max_pixels : int
        Larger images are refused.
    keep_image : bool
        Give each sample its original image, for pictures of the result.
    upright : bool
        As `AnnotatedSet.upright` says.
    filled : FilledImages, optional
        Where damaged images are noted, of which what is left is read; without it they are failures.
    """

    def __init__(
        self,
        records: Sequence[Record],
        preprocess: Preprocess,
        max_pixels: int = MAX_PIXELS,
        keep_image: bool = False,
        upright: bool = False,
        filled: FilledImages | None = None,
    ) -> None:
        super().__init__(len(records), preprocess, max_pixels, keep_image, filled)
        self.records = records
        self.upright = upright

    def __len__(self) -> int:
        return len(self.records)

    def name(self, index: int) -> str:
        """The image's name in every output."""
        return self.records[index].image

    def load(self, index: int) -> Decoded:
        """The image, and what is wrong with it."""
        record = self.records[index]
        decoded = load_image(record.read(), self.max_pixels, record.image, self.upright, self.truncated)
        size = decoded.pixels.shape[-2], decoded.pixels.shape[-1]
        if record.size not in (None, size):
            stated, actual = (f"{width} x {height}" for height, width in (record.size, size))
            raise UnreadableImage(f"{record.image!r} has {actual} pixels, and its annotation speaks of {stated}")
        try:
            check_inside(record.boxes.tolist(), size)
        except CamkitError as error:
            raise UnreadableImage(f"{record.image!r}: {error}") from None
        return decoded


def collate(samples: Sequence[Sample]) -> tuple[list[Batch], list[Sample]]:
    """Stack what can be stacked; a DataLoader's ``collate_fn``.

    Returns
    -------
    batches : list of Batch
        One for each input shape, in the order of their first samples; within each, in the order of `samples`.
        `Sample.index` tells the order of all.
    failures : list of Sample
        Those without an input.
    """
    groups: dict[torch.Size, list[Tensor]] = {}
    members: dict[torch.Size, list[Sample]] = {}
    failures = []
    for sample in samples:
        if sample.input is None:
            failures.append(sample)
        else:
            groups.setdefault(sample.input.shape, []).append(sample.input)
            members.setdefault(sample.input.shape, []).append(replace(sample, input=None))
    return [Batch(torch.stack(inputs), members[shape]) for shape, inputs in groups.items()], failures


def quiet_worker(_worker: int) -> None:
    """In a process that reads images: say nothing where the main process closes its end, which says why itself.

    Python's thread that hands tensors over would print a traceback when a run is interrupted.
    """
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, (ConnectionError, EOFError)):
            usual(kind, error, trace)

    sys.excepthook = hook
