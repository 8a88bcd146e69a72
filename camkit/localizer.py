"""The main job: image -> class map -> box, for any number of images."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, overload

import torch
from torch import nn

from camkit.boxes import LARGEST, RegionChoice
from camkit.cam import Views, heads_of, refuse_unfit
from camkit.cam.find_attention import Blocks
from camkit.data import (
    MAX_PIXELS,
    Batch,
    FilledImages,
    Fit,
    ImageDataset,
    ImageFile,
    ImageStream,
    PreparedImages,
    Preprocess,
    Sample,
    Samples,
    Truncated,
)
from camkit.data.in_memory import given_images
from camkit.errors import CamkitError, UnreadableImage
from camkit.inference import Inference, Precision, as_classifier
from camkit.input_spec import InputSpec
from camkit.localization import Failure, Localization, Result, localizations
from camkit.models import Classifier
from camkit.recipe import Recipe
from camkit.threads import in_order

Wanted = Callable[[Sample], int | None]  # the class to find in an image, None where nobody says it


class Localizer:
    """Finds where the class is: the pipeline from images to boxes.

    Parameters
    ----------
    model : str, Classifier or nn.Module
        A name as ``--model`` takes it, a loaded classifier, or a network in eval mode. It is moved to `device`.
    recipe : str or Recipe
        "cam", "nwc", "pas", "nwc+pas", or a recipe of your own.
    topk : int
        Predicted classes for each image, where no labels are given.
    input_spec : InputSpec, optional
        What the model wants to be shown, instead of its own; of a network, what `camkit.models.preprocessing` finds in
        its attributes, else ImageNet's usual preprocessing.
    processor : optional
        The same as another library says it, as `camkit.models.input_spec_of` takes it: an image processor of
        transformers, transforms of torchvision, a data configuration of timm.
    class_names : sequence of str, optional
        Instead of the model's own.
    fit : {"stretch", "crop", "keep"}, optional
        See `camkit.data.Preprocess`; by default "keep", or "stretch" where the network takes one input size.
    batch_size, workers : int
        Images in a forward pass; processes that read images (0: this one).
    device, precision, head
        See `camkit.inference.Inference`.
    optimize : bool
        Let a copy of the network make the passes, with batch norms folded into convolutions and in channels_last
        layout. It is held against the network on the first batch, and used where logits agree to 1e-5 of their range.
    compile : bool
        The same for a compiled copy (``torch.compile``).
    token_blocks
        See `camkit.CAM`.
    views : Views, optional
        Class maps are averaged over the image flipped, or at several sizes; by default the image as it comes alone.
    regions : RegionChoice
        Which regions of a map are objects, by default the largest: `Localization.boxes`.
    max_pixels : int
        Larger images are refused.
    truncated : {"fail", "fill"}
        What becomes of damaged images, as of `camkit.data.read_image`; `filled` has the names of those filled.

    Examples
    --------
    >>> from skimage.data import chelsea
    >>> (found,) = Localizer("tiny", device="cpu")(chelsea())
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
        processor: object = None,
        class_names: Sequence[str] | None = None,
        fit: Fit | None = None,
        batch_size: int = 16,
        workers: int = 0,
        device: str = "auto",
        precision: Precision = "fp32",
        max_pixels: int = MAX_PIXELS,
        truncated: Truncated = "fail",
        head: dict[str, str] | None = None,
        token_blocks: Blocks = None,
        optimize: bool = False,
        compile: bool = False,
        views: Views | None = None,
        regions: RegionChoice = LARGEST,
    ) -> None:
        if topk < 1 or batch_size < 1 or workers < 0:
            raise CamkitError(f"topk {topk}, batch size {batch_size}, workers {workers}: give at least 1, 1 and 0")
        classifier = as_classifier(model, input_spec, class_names, processor)
        if token_blocks is not None:
            classifier = replace(classifier, token_blocks=token_blocks)
        if views is not None:
            classifier = replace(classifier, views=views)
        self.regions = regions
        self.recipe = Recipe.named(recipe) if isinstance(recipe, str) else recipe
        self.topk, self.batch_size, self.workers = topk, batch_size, workers
        self.max_pixels, self.filled = max_pixels, FilledImages() if truncated == "fill" else None
        self.inference = Inference(classifier, device, precision, head, optimize=optimize, compiled=compile)
        for found in heads_of(self.inference.source):
            refuse_unfit(self.recipe.weighting, found)
        self.preprocess = Preprocess(classifier.input, fit or self.inference.default_fit)

    @overload
    def __call__(
        self,
        images: str | Path | Sequence[str | Path],
        labels: Sequence[int] | None = None,
        *,
        keep_image: bool = False,
    ) -> Iterator[Localization | Failure]: ...

    @overload
    def __call__(
        self, images: Any, labels: Sequence[int] | None = None, *, keep_image: bool = False
    ) -> list[Localization]: ...

    def __call__(self, images: Any, labels: Sequence[int] | None = None, *, keep_image: bool = False) -> Any:
        """Localize images: those in memory at once, files one batch after the other.

        Parameters
        ----------
        images : path, glob, "@list.txt", array (H, W, 3) uint8, Tensor (3, H, W) uint8, PIL image, or a list of them
        labels : sequence of int, optional
            One class an image; without it the predicted ones.
        keep_image : bool
            Keep the pixels of files with their results, for pictures; those of images in memory are kept anyway.

        Returns
        -------
        iterator of Localization and Failure, or list of Localization
            `topk` of them for each image, in the images' order. Where a file is among the images, an iterator that
            reads as it goes, and an image without a result is a `Failure`, whose `error` says why. A list of images
            that are all in memory.

        Raises
        ------
        CamkitError
            A file is not there, or the labels are not one for each image: at the call, before the first image.
        UnreadableImage
            An image in memory has no result.
        """
        given = given_images(images)
        if labels is not None and len(labels) != len(given):
            raise CamkitError(f"{len(labels)} labels for {len(given)} images: give one for each")
        wanted = None if labels is None else (lambda sample: labels[sample.index])  # two files may have one name
        results = self._results(self._dataset(given, keep_image), wanted, {"": self.recipe})
        if any(isinstance(image, ImageFile) for image in given):
            return (one for result in results for one in ([result] if isinstance(result, Failure) else result[""]))
        found: list[Localization] = []
        for result in results:
            if isinstance(result, Failure):
                raise UnreadableImage(f"{result.image}: {result.reason}")
            found += result[""]
        return found

    def stream(
        self,
        images: Sequence[ImageFile] | Samples,
        labels: Mapping[str, int] | None = None,
        keep_image: bool = False,
    ) -> Iterator[Result]:
        """Localize images one batch at a time, in order: `Localization`s, or the reason why there are none.

        Parameters
        ----------
        images : sequence of ImageFile, or Samples
            As `camkit.data.find_images` lists them, or prepared with this localizer's `preprocess`.
        labels : mapping from image name to class, optional
        keep_image : bool
            Keep the original pixels with each result, for pictures.
        """
        wanted = None if labels is None else (lambda sample: labels.get(sample.name))
        dataset = images if isinstance(images, Samples) else self._dataset(images, keep_image)
        for result in self._results(dataset, wanted, {"": self.recipe}):
            yield result if isinstance(result, Failure) else result[""]

    def stream_batches(
        self,
        batches: Iterable[Sequence[ImageFile]],
        labels: Callable[[str], int | None] | None = None,
        keep_image: bool | frozenset[str] = False,
    ) -> Iterator[Result]:
        """As `stream`, of batches that are taken as they are wanted, however many there will be.

        Parameters
        ----------
        batches : iterable of sequence of ImageFile
            Those that go through the network together, whatever the batch size.
        labels : callable, optional
            The class of an image's name.
        keep_image : bool or frozenset of str
            As of `stream`; or keep those of the images of these names.
        """
        places = count()
        truncated: Truncated = "fail" if self.filled is None else "fill"
        images = ImageStream(self.preprocess, self.max_pixels, keep_image, truncated)
        sampler = ([(next(places), file) for file in batch] for batch in batches)
        wanted = None if labels is None else (lambda sample: labels(sample.name))
        for result in self._results(images, wanted, {"": self.recipe}, sampler):
            yield result if isinstance(result, Failure) else result[""]

    def compare(
        self,
        images: Any,
        recipes: Mapping[str, Recipe],
        labels: Sequence[int] | None = None,
        *,
        keep_image: bool = False,
    ) -> Iterator[dict[str, Localization] | Failure]:
        """One class of each image under several recipes, from one forward pass.

        Parameters
        ----------
        images : as of a call, or a data set of `camkit.data` made with this localizer's `preprocess`
        recipes : mapping from name to Recipe
            Instead of the localizer's own.
        labels : sequence of int, optional
            One class an image; without it the predicted one.
        keep_image : bool
            As of a call.

        Returns
        -------
        iterator of dict from recipe name to Localization, or Failure
            One an image, in their order.
        """
        dataset = images if isinstance(images, PreparedImages) else self._dataset(given_images(images), keep_image)
        if labels is not None and len(labels) != len(dataset):
            raise CamkitError(f"{len(labels)} labels for {len(dataset)} images: give one for each")
        wanted = None if labels is None else (lambda sample: labels[sample.index])
        return (
            result if isinstance(result, Failure) else {name: found[0] for name, found in result.items()}
            for result in self._results(dataset, wanted, recipes)
        )

    def _dataset(self, images: Sequence[ImageFile | torch.Tensor], keep_image: bool) -> ImageDataset:
        return ImageDataset(images, self.preprocess, self.max_pixels, keep_image, self.filled)

    def _results(
        self,
        dataset: Samples,
        wanted: Wanted | None,
        recipes: Mapping[str, Recipe],
        sampler: Iterable[list[tuple[int, ImageFile]]] | None = None,
    ) -> Iterator[dict[str, list[Localization]] | Failure]:
        weightings = {recipe.weighting for recipe in recipes.values()}
        names = self.inference.classifier.class_names

        def start(batch: Batch) -> list[Callable[[], dict[str, list[Localization]] | Failure]]:
            labels = None if wanted is None else [wanted(sample) for sample in batch.samples]
            known = [labels is None or labels[i] is not None for i in range(len(batch.samples))]
            maps, classes, scores = self._class_maps(batch, labels, weightings)

            def localized(i: int, sample: Sample) -> dict[str, list[Localization]] | Failure:
                if not known[i]:
                    return Failure(sample.name, "no label for it: add the image to the labels")
                its = {weighting: stack[i] for weighting, stack in maps.items()}
                try:
                    return {
                        name: localizations(
                            sample, its[recipe.weighting], classes[i], scores[i], recipe, self.regions, names
                        )
                        for name, recipe in recipes.items()
                    }
                except CamkitError as error:
                    return Failure(sample.name, str(error))

            return [partial(localized, i, sample) for i, sample in enumerate(batch.samples)]

        chunks = self.inference.batches(dataset, self.batch_size, self.workers, sampler)
        yield from in_order(
            chunks, self.inference.halving(start), lambda sample: Failure(sample.name, sample.error or ""),
            ahead=self.inference.ahead,
        )  # fmt: skip

    def _class_maps(
        self, batch: Batch, labels: Sequence[int | None] | None, weightings: Iterable[str]
    ) -> tuple[dict[str, torch.Tensor], list[list[int]], list[list[float]]]:
        """Class maps (n, K, h, w) of each weighting, on the CPU; classes and their probabilities (n, K)."""
        prediction = self.inference.forward(batch)
        classes = prediction.top(self.topk)
        if labels is not None:
            classes = torch.tensor([[0 if label is None else label] for label in labels])
        out = {weighting: prediction.class_maps(classes, weighting) for weighting in weightings}
        chosen = prediction.choose(classes)
        scores = prediction.probabilities().gather(1, chosen)
        return {name: of.maps.cpu() for name, of in out.items()}, chosen.tolist(), scores.tolist()
