"""The main job: image -> class map -> box, for any number of images."""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from camkit.boxes import pixels_inside
from camkit.cam import CAM
from camkit.data import (
    MAX_PIXELS,
    Batch,
    Fit,
    ImageDataset,
    ImageFile,
    Preprocess,
    Sample,
    View,
    collate,
    find_images,
)
from camkit.errors import CamkitError, UnreadableImage
from camkit.input_spec import InputSpec
from camkit.models import Classifier, load_classifier
from camkit.recipe import Recipe

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, eq=False)
class Localization:
    """Where one class is in one image.

    Attributes
    ----------
    image : str
        The image's name.
    size : tuple of int
        Height and width of the original image, in pixels.
    box : tuple of int
        ``x0, y0, x1, y1`` in the original image's pixels, half open; ``0, 0, 0, 0`` where the map has no region.
    label, name : int, str
        The class.
    score : float
        The class's softmax probability (sigmoid for a model with one logit).
    rank : int
        1 for the best of the classes asked for.
    tau : float
        The threshold that the score map was cut at.
    class_map : Tensor (h, w), float32
        Before resizing and normalisation.
    view : View
        What of the image the class map covers.
    recipe : Recipe
    pixels : Tensor (3, H, W), uint8, or None
        The original image, where it was kept.
    """

    image: str
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    label: int
    name: str
    score: float
    rank: int
    tau: float
    class_map: torch.Tensor
    view: View
    recipe: Recipe
    pixels: torch.Tensor | None = None

    @property
    def map(self) -> NDArray[np.float32]:
        """The score map over the whole image, (H, W); outside the part that the model saw, its minimum."""
        score_map = self.recipe.score_maps(self.class_map, self.size, _window(self.view))
        whole = torch.full(self.size, float(score_map.min()))
        whole[pixels_inside(self.view.window, self.size)] = score_map
        return whole.numpy()

    def plot(self, ax: Any = None) -> Any:
        """Draw the image, the score map over it and the box into a matplotlib Axes, and return that."""
        from camkit.figures import plot_localization  # noqa: PLC0415 - matplotlib only where a picture is wanted

        return plot_localization(self.pixels, self.map, self.box, self.title, ax)

    @property
    def title(self) -> str:
        return f"{self.name} {self.score:.2f}"

    def overlay(self) -> torch.Tensor:
        """The image under its score map with the box drawn in, (3, H, W), uint8."""
        from camkit.figures import overlay  # noqa: PLC0415 - matplotlib only where a picture is wanted

        return overlay(self.pixels, self.map, self.box, self.title)

    def _repr_png_(self) -> bytes:
        from torchvision.transforms.functional import to_pil_image  # noqa: PLC0415

        file = BytesIO()
        to_pil_image(self.overlay()).save(file, "PNG")
        return file.getvalue()


@dataclass(frozen=True)
class Failure:
    """An image without a result, and why."""

    image: str
    reason: str


Result = list[Localization] | Failure
Jobs = list[tuple[int, "Future[Result]"]]  # with the image's position


def _failure(image: str, reason: str) -> Result:
    return Failure(image, reason)


@dataclass
class Clock:
    """Where the seconds of a run went."""

    forward: float = 0.0
    images: int = 0


class Localizer:
    """Finds where the class is: the pipeline from images to boxes.

    Parameters
    ----------
    model : str, Classifier or nn.Module
        A name as ``--model`` takes it, a loaded classifier, or a network in eval mode (then `input_spec` says what it
        wants to be shown; ImageNet's usual preprocessing by default). It is moved to `device`.
    recipe : str or Recipe
        "cam", "nwc", "pas", "nwc+pas", or a recipe of your own.
    topk : int
        Predicted classes for each image, where no labels are given.
    input_spec : InputSpec, optional
        Instead of the model's own.
    labels : sequence of str, optional
        Class names, instead of the model's own.
    fit : {"stretch", "crop", "keep"}
        See `camkit.data.Preprocess`.
    device : str
        "auto" is the GPU where there is one.
    precision : {"fp32", "bf16", "fp16"}
        Of the network's forward pass; maps are made in float32 all the same.
    head : dict, optional
        See `camkit.CAM`.

    Examples
    --------
    >>> from camkit.data import find_images
    >>> localizer = Localizer("tiny", device="cpu")
    >>> from skimage.data import chelsea
    >>> (found,) = localizer(chelsea())
    >>> found.size, found.name in {"tabby", "Egyptian cat"}
    ((300, 451), True)
    """

    def __init__(
        self,
        model: str | Classifier | nn.Module,
        recipe: str | Recipe = "nwc+pas",
        *,
        topk: int = 1,
        input_spec: InputSpec | None = None,
        labels: Sequence[str] | None = None,
        fit: Fit = "stretch",
        batch_size: int = 16,
        workers: int = 0,
        device: str = "auto",
        precision: Precision = "fp32",
        max_pixels: int = MAX_PIXELS,
        head: dict[str, str] | None = None,
    ) -> None:
        self.classifier = as_classifier(model, input_spec, labels)
        self.recipe = Recipe.named(recipe) if isinstance(recipe, str) else recipe
        self.preprocess = Preprocess(self.classifier.input, fit)
        self.topk, self.batch_size, self.workers, self.max_pixels = topk, batch_size, workers, max_pixels
        self.device = pick_device(device)
        self.precision = precision
        if topk < 1 or batch_size < 1 or workers < 0:
            raise CamkitError(f"topk {topk}, batch size {batch_size}, workers {workers}: give at least 1, 1 and 0")
        if precision not in ("fp32", *DTYPES):
            raise CamkitError(f"precision {precision!r}: choose fp32, bf16 or fp16")
        self.cam = CAM(self.classifier.model.to(self.device), self.classifier.input.size, head=head)
        names, classes = self.classifier.labels, self.cam.head.num_classes
        if names is not None and len(names) != classes:
            raise CamkitError(f"{len(names)} class names for a model with {classes} classes: give one for each")
        self.clock = Clock()

    def __call__(self, images: Any, labels: Sequence[int] | None = None) -> list[Localization]:
        """Localize images.

        Parameters
        ----------
        images : path, glob, "@list.txt", array (H, W, 3) uint8, Tensor (3, H, W) uint8, PIL image, or a list of them
        labels : sequence of int, optional
            One class an image; without it the predicted ones.

        Returns
        -------
        list of Localization
            `topk` of them for each image, in the images' order.

        Raises
        ------
        UnreadableImage
            If one image has no result; `stream` goes on with the others instead.
        """
        samples = list(self._samples(images))
        wanted = None if labels is None else dict(zip((s.name for s in samples), labels, strict=True))
        chunks = (collate(samples[i : i + self.batch_size]) for i in range(0, len(samples), self.batch_size))
        found: list[Localization] = []
        for result in self._results(chunks, wanted):
            if isinstance(result, Failure):
                raise UnreadableImage(f"{result.image}: {result.reason}")
            found += result
        return found

    def stream(
        self, files: Sequence[ImageFile], labels: Mapping[str, int] | None = None, keep_image: bool = False
    ) -> Iterator[Result]:
        """Localize image files one batch at a time, in order: `Localization`s, or the reason why there are none.

        Parameters
        ----------
        files : sequence of ImageFile
            As `camkit.data.find_images` lists them.
        labels : mapping from image name to class, optional
        keep_image : bool
            Keep the original pixels with each result, for pictures.
        """
        dataset = ImageDataset(files, self.preprocess, self.max_pixels, keep_image)
        loader = DataLoader(
            dataset,
            self.batch_size,
            num_workers=self.workers,
            collate_fn=collate,
            pin_memory=self.device.type == "cuda",
        )
        yield from self._results(loader, labels)

    def _samples(self, images: Any) -> Iterator[Sample]:
        many = images if isinstance(images, (list, tuple)) else [images]
        for i, image in enumerate(many):
            if isinstance(image, (str, Path)):
                dataset = ImageDataset(find_images(image), self.preprocess, self.max_pixels, keep_image=True)
                yield from (dataset[j] for j in range(len(dataset)))
            else:
                pixels = as_pixels(image)
                prepared, view = self.preprocess(pixels)
                yield Sample(i, f"image {i}", pixels, prepared, view)

    def _results(
        self, chunks: Iterable[tuple[list[Batch], list[Sample]]], labels: Mapping[str, int] | None
    ) -> Iterator[Result]:
        """Boxes are made by threads, so that the next forward pass does not wait for them."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
            waiting: deque[Jobs] = deque()
            for batches, failures in chunks:
                jobs: Jobs = [(s.index, threads.submit(_failure, s.name, s.error or "")) for s in failures]
                for batch in batches:
                    jobs += self._batch(batch, labels, threads)
                waiting.append(sorted(jobs, key=lambda job: job[0]))
                if len(waiting) > 1:
                    yield from (job.result() for _, job in waiting.popleft())
            for jobs in waiting:
                yield from (job.result() for _, job in jobs)

    def _batch(self, batch: Batch, labels: Mapping[str, int] | None, threads: ThreadPoolExecutor) -> "Jobs":
        known = [labels is None or s.name in labels for s in batch.samples]
        start = time.perf_counter()
        maps, classes, scores = self._forward(batch, labels)
        self.clock.forward += time.perf_counter() - start
        self.clock.images += len(batch.samples)
        jobs: Jobs = []
        for i, sample in enumerate(batch.samples):
            if known[i]:
                job = threads.submit(self._localize, sample, maps[i], classes[i].tolist(), scores[i].tolist())
            else:
                job = threads.submit(_failure, sample.name, "no label for it: add the image to the labels")
            jobs.append((sample.index, job))
        return jobs

    def _forward(
        self, batch: Batch, labels: Mapping[str, int] | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Class maps (n, K, h, w), classes and their probabilities (n, K), on the CPU."""
        images = batch.input.to(self.device, non_blocking=True)
        lower = torch.autocast(self.device.type, DTYPES[self.precision]) if self.precision in DTYPES else nullcontext()
        try:
            with lower:
                features = self.cam.features(images)
        except torch.OutOfMemoryError as error:
            raise CamkitError(f"out of memory with {len(images)} images at a time: lower the batch size") from error
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise CamkitError(
                f"the model fails on inputs of shape {tuple(images.shape)}: {reason}; fit 'stretch' gives it one size"
            ) from error
        if labels is None:
            classes = features.top(self.topk)
        else:
            classes = torch.tensor([[labels.get(s.name, 0)] for s in batch.samples])
        out = features.class_maps(classes, self.recipe.weighting)
        probabilities = out.logits.softmax(1) if out.logits.shape[1] > 1 else out.logits.sigmoid()
        return out.maps.cpu(), out.classes.cpu(), probabilities.gather(1, out.classes).cpu()

    def _localize(self, sample: Sample, maps: torch.Tensor, classes: list[int], scores: list[float]) -> Result:
        assert sample.view is not None
        view, names = sample.view, self.classifier.labels
        try:
            score_maps = self.recipe.score_maps(maps, view.size, _window(view))
            boxes, taus = self.recipe.boxes(score_maps)
        except CamkitError as error:
            return Failure(sample.name, str(error))
        rows, columns = pixels_inside(view.window, view.size)
        empty = (boxes[:, 2] <= boxes[:, 0])[:, None]
        boxes = np.where(empty, boxes, boxes + np.array([columns.start, rows.start] * 2))
        return [
            Localization(
                image=sample.name,
                size=view.size,
                box=(int(box[0]), int(box[1]), int(box[2]), int(box[3])),
                label=label,
                name=names[label] if names else str(label),
                score=score,
                rank=rank,
                tau=float(tau),
                class_map=class_map,
                view=view,
                recipe=self.recipe,
                pixels=sample.image,
            )
            for rank, (label, score, box, tau, class_map) in enumerate(
                zip(classes, scores, boxes, taus, maps, strict=True), 1
            )
        ]


def _window(view: View) -> tuple[float, float, float, float] | None:
    """The view's window, None where it is the whole image."""
    height, width = view.size
    return None if view.window == (0, 0, width, height) else view.window


def as_classifier(
    model: str | Classifier | nn.Module, input_spec: InputSpec | None, labels: Sequence[str] | None
) -> Classifier:
    if isinstance(model, str):
        model = load_classifier(model)
    if isinstance(model, nn.Module):
        model = Classifier(model, type(model).__name__, InputSpec(), None, "as given")
    return replace(model, input=input_spec or model.input, labels=tuple(labels) if labels is not None else model.labels)


def as_pixels(image: Any) -> torch.Tensor:
    """An image in memory as a uint8 tensor (3, H, W)."""
    pixels = image if isinstance(image, torch.Tensor) else torch.from_numpy(np.array(image))
    if not isinstance(image, torch.Tensor):
        pixels = pixels.expand(3, -1, -1) if pixels.ndim == 2 else pixels.movedim(-1, 0)
    if pixels.ndim != 3 or len(pixels) != 3 or pixels.dtype != torch.uint8:
        raise CamkitError(
            f"an image of shape {tuple(pixels.shape)} and type {pixels.dtype}: give uint8 (H, W, 3) arrays, "
            "uint8 (3, H, W) tensors, PIL images in RGB, or paths"
        )
    return pixels


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise CamkitError(f"device {name!r} cannot be used: {reason}; take 'auto' or 'cpu'") from error
    return device
