"""Training images: read once where they fit into memory, and cut, mirrored and coloured anew in each epoch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from camkit.data import AnnotatedSet, FilledImages, Preprocess, RecordDataset, read_splits
from camkit.errors import CamkitError, UnreadableImage
from camkit.input_spec import InputSpec
from camkit.training.randomness import SAMPLE, derived_seed, seeded
from camkit.training.sampler import Key
from camkit.training.settings import TrainSettings

LEAST_CLASSES = 2
GIB = 2**30
PROBED = 64  # images whose sizes say how large all of them are

Batch = tuple[Tensor, Tensor]
Bar = Callable[[Sequence[int], str], Iterable[int]]


def training_splits(settings: TrainSettings) -> tuple[AnnotatedSet, AnnotatedSet]:
    """What is trained on, and what is measured.

    Raises
    ------
    CamkitError
        A split cannot be read, the two do not have the same classes, or a class has no training image.
    """
    train, val = read_splits(settings.dataset, settings.root, settings.split, settings.val_split)
    check_classes(train, val)
    if settings.truncated == "fill":
        filled = FilledImages()
        return replace(train, filled=filled), replace(val, filled=filled)
    return train, val


def number_of_classes(data: AnnotatedSet) -> int:
    """How many classes a split has: as many as it names, or up to its highest label."""
    if data.class_names is not None:
        return len(data.class_names)
    return 1 + max((record.label for record in data.records if record.label is not None), default=-1)


def check_classes(train: AnnotatedSet, val: AnnotatedSet) -> None:
    """`CamkitError` where a network cannot be trained on the one and measured on the other."""
    classes = number_of_classes(train)
    name = f"{train.name}, split {train.split}"
    if classes < LEAST_CLASSES:
        raise CamkitError(f"{name}: {classes} classes, and a classifier tells at least two apart; check --root")
    if train.class_names is not None and val.class_names is not None and train.class_names != val.class_names:
        odd = sorted(set(train.class_names) ^ set(val.class_names)) or ["their order"]
        raise CamkitError(
            f"{train.name}: the classes of {train.split} and {val.split} are not the same; the first difference: "
            f"{odd[0]!r}"
        )
    for data in (train, val):
        for record in data.records:
            if record.label is None or not 0 <= record.label < classes:
                label = "no label" if record.label is None else f"label {record.label}"
                raise CamkitError(
                    f"{data.name}, split {data.split}: {record.image!r} has {label}, and there are {classes} classes, "
                    "which count from 0"
                )
    missing = sorted(set(range(classes)) - {record.label for record in train.records})
    if missing:
        named = "" if train.class_names is None else f" ({train.class_names[missing[0]]})"
        raise CamkitError(
            f"{name}: {len(missing)} of {classes} classes have no training image, such as {missing[0]}{named}; "
            "add images or take the class out"
        )


class TrainingImages(Dataset[tuple[Tensor, int] | str]):
    """Images and labels by `Key`.

    What is done to an image depends on the run's seed, the epoch and the image alone.

    Parameters
    ----------
    data : AnnotatedSet
    settings : TrainSettings
    spec : InputSpec
        Whose mean and standard deviation the input is normalised with.
    """

    def __init__(self, data: AnnotatedSet, settings: TrainSettings, spec: InputSpec) -> None:
        self.labels = [int(record.label or 0) for record in data.records]
        self.settings = settings
        self.originals = RecordDataset(data.records, Preprocess(spec), upright=data.upright, filled=data.filled)
        self.augmentations = {size: augmentation(settings, size, spec) for size in settings.size}
        self.cached: list[Tensor] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def prepared(self, index: int) -> Tensor:
        """An image before anything random is done to it, (3, H, W), uint8."""
        image = self.originals.read(index)
        if self.settings.crop_scale:
            return image
        resized: Tensor = v2.functional.resize(image, [self.settings.resize] * 2, antialias=True)
        return resized

    def cache(self, bar: Bar = lambda indices, _: indices) -> None:
        """Prepare all images beforehand, if they fit into the memory that the settings allow.

        Raises
        ------
        UnreadableImage
        """
        probed = range(0, len(self), max(1, len(self) // PROBED))
        mean = sum(self.prepared(index).numel() for index in probed) / len(probed)
        if mean * len(self) <= self.settings.cache * GIB:
            self.cached = [self.prepared(index).contiguous() for index in bar(range(len(self)), "read images")]

    def __getitem__(self, key: Key) -> tuple[Tensor, int] | str:
        """An input (3, h, w), float32, and its label; or why the image cannot be read."""
        epoch, index = key
        try:
            image = self.prepared(index) if self.cached is None else self.cached[index]
        except UnreadableImage as error:
            return str(error)
        with seeded(derived_seed(self.settings.seed, SAMPLE, epoch, index)):
            pixels = self.augmentations[self.settings.size_of(epoch)](image)
        return pixels, self.labels[index]


def augmentation(settings: TrainSettings, size: int, spec: InputSpec) -> v2.Transform:
    """What is random about an image, and its way to the network's input."""
    scale = settings.crop_scale
    steps = [v2.RandomResizedCrop(size, scale=(scale, 1), antialias=True) if scale else v2.RandomCrop(size)]
    if settings.flip:
        steps.append(v2.RandomHorizontalFlip())
    if settings.flip_vertical:
        steps.append(v2.RandomVerticalFlip())
    if settings.jitter:
        steps.append(v2.RandomApply([v2.ColorJitter(*[settings.jitter] * 3)], p=0.5))
    return v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(spec.mean, spec.std)])


def stacked(samples: Sequence[tuple[Tensor, int] | str]) -> Batch | str:
    """Images (n, 3, h, w) and labels (n,), or why one of them cannot be read; a DataLoader's ``collate_fn``."""
    images, labels = [], []
    for sample in samples:
        if isinstance(sample, str):
            return sample
        images.append(sample[0])
        labels.append(sample[1])
    return torch.stack(images), torch.tensor(labels)
