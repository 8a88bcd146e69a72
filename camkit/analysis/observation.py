"""What the analyses look at: annotated images as one pass of the network leaves them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.boxes import normalize_maps, pixels_inside, resize_maps
from camkit.cam import weighting_named
from camkit.cam.head import Head
from camkit.data import AnnotatedSet, Batch, Record, View
from camkit.errors import CamkitError
from camkit.evaluation import walk
from camkit.evaluation.walk import Jobs
from camkit.inference import Inference
from camkit.localization import Failure, window_of
from camkit.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Observation:
    """One annotated image as the network sees it. All tensors are float32, on the CPU.

    Attributes
    ----------
    record : Record
    index : int
        Position in the data set.
    label : int
        The image's own class, as the model numbers classes.
    view : View
        What of the image the features cover.
    features : Tensor (C, h, w)
        F.
    weight : Tensor (C,)
        What the mean of each channel counts for in the own class's logit: ``w_c`` of the class map ``sum_c w_c F_c``.
    pooled : Tensor (C,)
        ``f^o = g(B(I))``, F as the model pools it.
    logits : Tensor (K,)
    head : Head
    pixels : Tensor (3, H, W), uint8, or None
        The image, where it was kept.
    masked : Tensor (C,) or None
        ``f = g(B(I * H))``, of the image times its own map `soft_mask` (MinMaxCAM, Section 3.2); a second pass.
    dimmed : mapping from float to Tensor (C,)
        ``g(B(a * I))`` for some intensities a; a pass each.
    """

    record: Record
    index: int
    label: int
    view: View
    features: Tensor
    weight: Tensor
    pooled: Tensor
    logits: Tensor
    head: Head
    pixels: Tensor | None = None
    masked: Tensor | None = None
    dimmed: Mapping[float, Tensor] = field(default_factory=dict)

    def class_map(self, weighting: str = "signed") -> Tensor:
        """M, (h, w), of the image's own class."""
        weighed = weighting_named(weighting)(
            OwnWeights(self.weight), torch.tensor([[self.label]]), self.logits[None], self.pooled[None]
        )
        return torch.einsum("c,chw->hw", weighed[0, 0], self.features)

    @property
    def logit_weight(self) -> Tensor:
        """(C,) such that ``logit_weight @ pooled`` is the features' part of the own class's logit."""
        return self.weight / self.features[0].numel() if self.head.sums else self.weight

    def score_map(self, recipe: Recipe, class_map: Tensor | None = None) -> NDArray[np.float64]:
        """M', (H, W), over those pixels of the image that the network saw; of the own class unless a map is given."""
        class_map = self.class_map(recipe.weighting) if class_map is None else class_map
        return recipe.score_maps(class_map, self.view.size, window_of(self.view)).double().numpy()

    def soft_mask(self) -> Tensor:
        """H, (h, w): the signed map stretched to [0, 1], as MinMaxCAM multiplies it with images or features."""
        return normalize_maps(self.class_map())

    def on_image(self, score_map: NDArray[np.float64]) -> NDArray[np.float64]:
        """A map of the pixels that the network saw, over the whole image; its minimum elsewhere."""
        whole = np.full(self.view.size, score_map.min())
        whole[pixels_inside(self.view.window, self.view.size)] = score_map
        return whole

    @property
    def corner(self) -> tuple[int, int]:
        """X and y of the first pixel that the network saw."""
        rows, columns = pixels_inside(self.view.window, self.view.size)
        return columns.start, rows.start

    def truth(self) -> NDArray[np.bool_]:
        """Which of the pixels that the network saw lie in a ground-truth box, (H, W)."""
        inside = np.zeros(self.view.size, bool)
        for x0, y0, x1, y1 in self.record.boxes.tolist():
            inside[pixels_inside((x0, y0, x1, y1), self.view.size)] = True
        return inside[pixels_inside(self.view.window, self.view.size)]


@dataclass(frozen=True, eq=False)
class OwnWeights:
    """The `ClassWeights` of one image's own class, which is all that an observation keeps."""

    weight: Tensor

    def __getitem__(self, classes: Tensor) -> Tensor:
        return self.weight.expand(*classes.shape, -1)

    def combined(self, _coefficients: Tensor, /) -> Tensor:
        raise CamkitError("analyses keep the weights of the own class alone: take a weighting of one class")


@dataclass(frozen=True)
class Needs:
    """What an analysis wants of each image beside one forward pass.

    Attributes
    ----------
    boxes : bool
        It says nothing about images without ground-truth boxes.
    pixels : bool
        The images themselves, for pictures.
    masked : bool
        The pass for `Observation.masked`.
    intensities : tuple of float
        The passes for `Observation.dimmed`.
    """

    boxes: bool = False
    pixels: bool = False
    masked: bool = False
    intensities: tuple[float, ...] = ()

    def __or__(self, other: "Needs") -> "Needs":
        """What both want, each pass once."""
        return Needs(
            self.boxes or other.boxes,
            self.pixels or other.pixels,
            self.masked or other.masked,
            tuple(sorted({*self.intensities, *other.intensities})),
        )

    @property
    def passes(self) -> int:
        """Forward passes an image."""
        return 1 + self.masked + len(self.intensities)


def observe(
    inference: Inference, dataset: AnnotatedSet, needs: Needs = Needs(), **reading: Any
) -> Iterator[Observation | Failure]:
    """Annotated images through a network, in order, one at a time.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
        Its records need a label; boxes are wanted by some analyses alone.
    needs : Needs
        ``needs_of("dispersion", "masking")`` says what analyses want; one pass an image by default.
    **reading
        As of `look`.

    Examples
    --------
    >>> from camkit import analysis, load_classifier
    >>> from camkit.data import read_dataset
    >>> from camkit.inference import Inference
    >>> inference = Inference(load_classifier("tiny"), "cpu", "fp32")
    >>> dataset = read_dataset("tiny-imagenet", "tiny-imagenet/", "val").evenly(100)  # doctest: +SKIP
    >>> seen = list(analysis.observe(inference, dataset))  # doctest: +SKIP
    >>> analysis.ioa(seen).summary["negative"]  # doctest: +SKIP
    """
    return look(inference, dataset, lambda seen: seen, needs, **reading)


def look(
    inference: Inference,
    dataset: AnnotatedSet,
    work: Callable[[Observation], T],
    needs: Needs,
    **reading: Any,
) -> Iterator[T | Failure]:
    """What `work` makes of each observation, in order; threads do it beside the network.

    Parameters
    ----------
    **reading
        As of `camkit.evaluation.walk`: fit, batch_size, workers, max_pixels.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's.
    """

    def start(batch: Batch, labels: Tensor) -> Jobs[T]:
        jobs: Jobs[T] = []
        for seen in _passes(inference, batch, labels, dataset, needs):
            if seen.record.label is None:
                jobs.append(partial(Failure, seen.record.image, "it has no label, and no class map is its own"))
            elif not (seen.features.isfinite().all() and seen.logits.isfinite().all()):
                jobs.append(partial(Failure, seen.record.image, "its features hold NaN or infinite values: try fp32"))
            else:
                jobs.append(partial(_try, work, seen))
        return jobs

    yield from walk(inference, dataset, start, keep_image=needs.pixels, **reading)


def _passes(
    inference: Inference, batch: Batch, labels: Tensor, dataset: AnnotatedSet, needs: Needs
) -> Iterator[Observation]:
    """A batch through the network as often as is needed."""
    features = inference.forward(batch)
    weights = features.class_weights(labels)[:, 0]
    masked, dimmed = None, {}
    if needs.masked:
        maps = torch.einsum("nc,nchw->nhw", weights, features.features)
        masks = resize_maps(normalize_maps(maps.nan_to_num().cpu()), (batch.input.shape[-2], batch.input.shape[-1]))
        masked = inference.forward(replace(batch, input=batch.input * masks[:, None])).pooled.cpu()
    for intensity in needs.intensities:
        dimmed[intensity] = inference.forward(replace(batch, input=batch.input * intensity)).pooled.cpu()
    own, logits, pooled = (tensor.cpu() for tensor in (features.features, features.logits, features.pooled))
    for i, sample in enumerate(batch.samples):
        assert sample.view is not None
        yield Observation(
            record=dataset.records[sample.index],
            index=sample.index,
            label=int(labels[i]),
            view=sample.view,
            features=own[i],
            weight=weights[i].cpu(),
            pooled=pooled[i],
            logits=logits[i],
            head=features.head,
            pixels=sample.image,
            masked=None if masked is None else masked[i],
            dimmed={intensity: its[i] for intensity, its in dimmed.items()},
        )


def _try(work: Callable[[Observation], T], seen: Observation) -> T | Failure:
    try:
        return work(seen)
    except CamkitError as error:
        return Failure(seen.record.image, str(error))
