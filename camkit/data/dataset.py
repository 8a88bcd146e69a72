"""Images for a DataLoader: one that cannot be read becomes a sample with a reason, and the others go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from camkit.data.images import MAX_PIXELS, ImageFile, read_image
from camkit.data.preprocess import Preprocess, View
from camkit.errors import CamkitError


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
    """

    index: int
    name: str
    image: Tensor | None = None
    input: Tensor | None = None
    view: View | None = None
    error: str | None = None


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


class ImageDataset(Dataset[Sample]):
    """Image files, read and preprocessed.

    Parameters
    ----------
    files : sequence of ImageFile
    preprocess : Preprocess
    max_pixels : int
        Larger images are refused.
    keep_image : bool
        Give each sample its original image, for pictures of the result.
    """

    def __init__(
        self,
        files: Sequence[ImageFile],
        preprocess: Preprocess,
        max_pixels: int = MAX_PIXELS,
        keep_image: bool = False,
    ) -> None:
        self.files = list(files)
        self.preprocess = preprocess
        self.max_pixels = max_pixels
        self.keep_image = keep_image

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        file = self.files[index]
        try:
            image = read_image(file.path, self.max_pixels)
            pixels, view = self.preprocess(image)
        except CamkitError as error:
            return Sample(index, file.name, error=str(error))
        except Exception as error:  # out of memory, say; the other images are not to blame
            return Sample(index, file.name, error=f"{type(error).__name__}: {' '.join(str(error).split())}")
        return Sample(index, file.name, image if self.keep_image else None, pixels, view)


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
