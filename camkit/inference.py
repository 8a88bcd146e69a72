"""Batches through a network: what localizing and evaluating share. The work on each image is `camkit.threads`'."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import nn
from torch.utils.data import BatchSampler

from camkit.cam import CAM, AveragedMaps, FusedMaps, MapSource, Prediction, TwoHeads
from camkit.cam.extractor import unwrap
from camkit.data import Batch, Fit, Samples, read_batches
from camkit.errors import CamkitError, HeadNotFound, OutOfMemory, UnsuitableInput, is_out_of_memory
from camkit.input_spec import InputSpec
from camkit.models import Classifier, load_classifier
from camkit.models.class_names import ClassNames
from camkit.models.optimize import Optimized
from camkit.models.preprocessing import input_spec_of, own_input_spec
from camkit.threads import Chunks

Precision = Literal["fp32", "bf16", "fp16"]
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in a grey image, as in torchvision's rgb_to_grayscale
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

T = TypeVar("T")
Progress = Callable[[Iterator[Any], int], Iterator[Any]]  # wraps results, and how many they will be, in a bar


def no_progress(results: Iterator[Any], total: int) -> Iterator[Any]:  # noqa: ARG001 - a `Progress` knows how many
    """The `Progress` that shows nothing."""
    return results


class Inference:
    """A classifier on a device, in a precision, with a clock.

    Parameters
    ----------
    classifier : Classifier
        Its model is moved to the device. Its own head makes the class maps, or its `maps_by` does.
    device : str
        "auto" is the GPU where there is one.
    precision : {"fp32", "bf16", "fp16"}
        Of the network's forward pass; maps are made in float32 all the same.
    head : dict, optional
        See `camkit.CAM`.
    optimize, compiled : bool
        Whether a copy of the network makes the passes, with batch norms folded and in channels_last layout, or
        compiled, where its answer is the same; see `camkit.models.optimize.Optimized`.

    Attributes
    ----------
    source : MapSource
        Makes the class maps.
    most : int or None
        How many images fit into a forward pass, where more did not.
    deaths : list of str
        What was said of processes that died while they read images, and were replaced.
    optimized : Optimized or None
        What came of `optimize` and `compiled`.
    """

    def __init__(
        self,
        classifier: Classifier,
        device: str,
        precision: Precision,
        head: dict[str, str] | None = None,
        *,
        optimize: bool = False,
        compiled: bool = False,
    ) -> None:
        if precision not in get_args(Precision):
            raise CamkitError(f"precision {precision!r}: choose {', '.join(get_args(Precision))}")
        self.classifier, self.precision = classifier, precision
        self.device = pick_device(device)
        self.source: MapSource = self._make_source(moved(classifier.model, self.device), head)
        if classifier.views is not None:
            self.source = AveragedMaps(self.source, classifier.views, classifier.input.size)
        if self.source.channels not in (1, 3):
            raise CamkitError(
                f"the model takes images of {self.source.channels} channels, and photographs have 3 (or 1, in grey): "
                "show it tensors of your own with camkit.CAM"
            )
        self.seconds = 0.0  # in forward passes
        self.most: int | None = None
        self.deaths: list[str] = []
        self.optimized = Optimized(self.source, fold=optimize, compiled=compiled) if optimize or compiled else None
        ClassNames(self.source.num_classes, classifier.class_names)  # one for each class, or it is refused

    def _make_source(self, model: nn.Module, head: dict[str, str] | None) -> MapSource:
        size, maps_by = self.classifier.input.size, self.classifier.maps_by
        if maps_by is None and isinstance(two := unwrap(model), TwoHeads):
            if head is not None:
                raise CamkitError("this network has two heads, whose maps are fused: leave out --head")
            if self.classifier.token_blocks is not None:
                raise CamkitError("this network has two heads, and no class token: leave out --token-blocks")
            return FusedMaps(two, size)
        if maps_by is None:
            return CAM(model, size, head=head, token_blocks=self.classifier.token_blocks)
        if head is not None:
            raise CamkitError(f"maps by {maps_by.name} do not come from a head: leave out --head")
        if self.classifier.token_blocks is not None:
            raise CamkitError(f"maps by {maps_by.name} follow no class token: leave out --token-blocks")
        return maps_by.source(model, size)

    @property
    def cam(self) -> CAM:
        """The network's own head, for what needs class weights and features.

        Raises
        ------
        CamkitError
            The maps are made by something else.
        """
        if isinstance(self.source, AveragedMaps):
            raise CamkitError("class weights and features are asked for, which views average away: leave out --views")
        if isinstance(self.source, FusedMaps):
            raise CamkitError(
                "class weights and features of one head are asked for, and this network has two, whose maps are fused: "
                "leave it out, or take a network with one head"
            )
        if not isinstance(self.source, CAM):
            raise CamkitError(
                f"class weights and features are asked for, and maps by {self.source.kind} have none: leave it out"
            )
        return self.source

    @property
    def ahead(self) -> bool:
        """Whether the work on a batch's images leaves the network free for the next; see `camkit.threads.in_order`."""
        return self.device.type != "cpu"

    @property
    def fits(self) -> tuple[Fit, ...]:
        """The ways to fit an image that the network takes: all, or those of one input size.

        Raises
        ------
        CamkitError
            Out of memory.
        """
        height, width = self.classifier.input.size
        before = self.seconds
        try:
            self._predicted(self.source, torch.zeros(1, 3, height, width + width // 2))
        except (UnsuitableInput, HeadNotFound):  # heads that attend are found anew at each size
            return "stretch", "crop"
        finally:
            self.seconds = before
        return get_args(Fit)

    @property
    def default_fit(self) -> Fit:
        """What wins on photographs that did not choose it (docs/defaults.md): "keep", where the network takes it."""
        return "keep" if "keep" in self.fits else "stretch"

    def batches(
        self, samples: Samples, batch_size: int, workers: int, sampler: Iterable[list[Any]] | None = None
    ) -> Chunks:
        """Samples, read by so many processes (0: this one), as batches and failures on their way to the device.

        Of a `sampler`, which may have no end that is known, each list of what `samples` takes is a batch, whatever the
        batch size.

        Raises
        ------
        CamkitError
            Processes die time and again, and no image is to blame.
        """
        batches = BatchSampler(range(len(samples)), batch_size, drop_last=False) if sampler is None else sampler  # type: ignore[arg-type]
        yield from read_batches(samples, batches, workers, self.deaths, pin_memory=self.device.type == "cuda")

    def halving(self, start: Callable[[Batch], list[T]]) -> Callable[[Batch], list[T]]:
        """Does for a batch what `start` does, by halves where all of it does not fit into memory.

        What did not fit is not tried again: later batches are cut beforehand, as `most` tells and `notes` say.

        Raises
        ------
        CamkitError
            A single image does not fit.
        """

        def started(batch: Batch) -> list[T]:
            count = len(batch.samples)
            if self.most is None or count <= self.most:
                try:
                    return start(batch)
                except (RuntimeError, MemoryError, OutOfMemory) as error:
                    if count == 1 or not (isinstance(error, OutOfMemory) or is_out_of_memory(error)):
                        raise
                self.most = count // 2  # out of the handler, so that what it holds of the batch is free
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
            middle = count // 2
            parts = ((batch.input[:middle], batch.samples[:middle]), (batch.input[middle:], batch.samples[middle:]))
            return [one for pixels, samples in parts for one in started(Batch(pixels, samples))]

        return started

    @property
    def notes(self) -> list[str]:
        """What should be known of how it went."""
        notes = []
        if self.most is not None:
            notes.append(f"out of memory: batches were cut to {self.most} images, which may move last digits; "
                         f"--batch-size {self.most} does so from the beginning")  # fmt: skip
        if self.deaths:
            notes.append(f"{self.deaths[0]}. It was replaced and its images were read again"
                         f"{f', {len(self.deaths)} times in all' if len(self.deaths) > 1 else ''}")  # fmt: skip
        return notes

    def forward(self, batch: Batch) -> Prediction:
        """One forward pass.

        Raises
        ------
        CamkitError
            Out of memory, or, `UnsuitableInput`, of a shape that the model does not take.
        """
        return self._predicted(self.optimized or self.source, batch.input)

    def _predicted(self, source: MapSource | Optimized, shown: torch.Tensor) -> Prediction:
        start = time.perf_counter()
        images = shown.to(self.device, non_blocking=True)
        if self.source.channels == 1:
            images = in_grey(images, self.classifier.input.std)
        dtype = DTYPES.get(self.precision)
        try:
            with torch.autocast(self.device.type, dtype) if dtype else nullcontext():
                prediction = source.predict(images)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise OutOfMemory(f"out of memory with {len(images)} images at a time: lower the batch size") from error
            reason = str(error).strip().splitlines()[0]
            raise UnsuitableInput(
                f"the model fails on inputs of shape {tuple(images.shape)}: {reason}; fit 'stretch' gives it one size"
            ) from error
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - start
        return prediction


def moved(model: nn.Module, device: torch.device) -> nn.Module:
    """The model, moved to the device; `CamkitError` where it cannot be."""
    try:
        model.to(device)
    except NotImplementedError as error:  # parts of it are on the meta device
        raise CamkitError(f"the model holds no weights yet ({str(error).splitlines()[0]}): load some first") from error
    return model


def in_grey(images: torch.Tensor, std: tuple[float, float, float]) -> torch.Tensor:
    """Normalised colour images (N, 3, H, W) as normalised grey ones (N, 1, H, W).

    They are what grey images in [0, 1] become with the mean and the deviation of grey, which the means and deviations
    of the three colours add up to with the same weights as the colours.
    """
    share = images.new_tensor(LUMA) * images.new_tensor(std)
    return torch.einsum("c,nchw->nhw", share / share.sum(), images)[:, None]


def as_classifier(
    model: str | Classifier | nn.Module,
    input_spec: InputSpec | None,
    class_names: Sequence[str] | None,
    processor: object = None,
) -> Classifier:
    """What is asked for as one classifier; `camkit.Localizer` has the parameters.

    Raises
    ------
    CamkitError
        The preprocessing is given twice, or cannot be read.
    """
    if input_spec is not None and processor is not None:
        raise CamkitError("input_spec and processor both say what the model is shown: give one of them")
    given = input_spec if processor is None else input_spec_of(processor)
    if isinstance(model, str):
        model = load_classifier(model)
    if isinstance(model, nn.Module):
        shown = given or own_input_spec(unwrap(model)) or InputSpec()
        model = Classifier(model, type(model).__name__, shown, None, "as given")
    if class_names is not None:
        model = replace(model, class_names=tuple(class_names), class_names_assumed=False)
    return model if given is None else replace(model, input=given)


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()  # the meta device makes tensors, and has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise CamkitError(f"device {name!r} cannot be used: {reason}; take 'auto' or 'cpu'") from error
    return device
