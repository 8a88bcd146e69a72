"""A head that was found, held against images that its record does not have: completeness, places, share."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn

from camkit.cam.affine import tolerance
from camkit.cam.attention_map import AttentionMap
from camkit.cam.centres import lies_over
from camkit.cam.current import terms
from camkit.cam.features import Features
from camkit.cam.forward import forward, one_line
from camkit.cam.head import Head
from camkit.cam.logits import Output, Recorded, answer, logits_of, one_row_an_image
from camkit.cam.places import check_places
from camkit.cam.walk import IMAGES
from camkit.errors import CamkitError, HeadNotFound

SMALL_SHARE = 0.2  # of the logits' variance over classes: maps that carry less say little
MIXED = 0.01  # of the logits' range: two passes of one image that differ by more are no rounding


def checked(model: nn.Module, head: Head, images: torch.Tensor, recorded: Recorded, output: Output | None) -> Head:
    """The head with its map size and its measured completeness error; refused where that is no rounding error.

    The images of the record come first; then changed ones, alone and in pairs, which also tell whether positions are
    places of the image.
    """
    said, spread = recorded.returned, recorded.spread
    feature_map = head.feature_map
    if isinstance(feature_map, AttentionMap):
        found, rest, said, _ = run_head(model, head, images, output)
    else:
        assert feature_map.value.tensor is not None
        found, rest = feature_map.lay_out(feature_map.value.tensor, (images.shape[-2], images.shape[-1])), None
    if found.ndim != 4:
        raise HeadNotFound(f"the feature map has {found.ndim - 2} axes of positions: camkit reads maps of 1 or 2")
    errors, carried = [complete(head, found, rest, said, spread)], []

    def features(shown: torch.Tensor) -> torch.Tensor:
        passed = []
        for pair in shown.split(IMAGES):  # no more memory than the record took
            maps, rest, answered, held = run_head(model, head, pair, output)
            errors.append(complete(head, maps, rest, answered, spread))
            carried.append(carries(head, maps, rest))
            if shown.shape == images[:1].shape:
                same_alone(
                    answered[0],
                    said[0],
                    spread,
                    lambda: wobble(model, head, images, output, said),
                    lambda: mixes_in_double(model, head, images, output),
                )
            passed.append(held)
        return torch.cat(passed)

    def followed() -> bool:
        if isinstance(feature_map, AttentionMap):
            return feature_map.followed
        return lies_over(feature_map, (images.shape[-2], images.shape[-1]))

    notes = [check_places(images, features, followed)]
    tokened = head.kind == "class token"
    share = float(torch.cat(carried).nanmean()) if carried else float("nan")
    if isinstance(feature_map, AttentionMap) and feature_map.has_rest and share < SMALL_SHARE:
        notes.append(
            f"the maps carry {round(100 * share)}% of what tells the classes apart (on noise), the offset the rest: "
            "they add up, and may say little; "
            + ("more blocks may carry more (--token-blocks all), and " if tokened else "")
            + "docs/transformers.md says when to trust them"
        )
    size = (found.shape[2], found.shape[3])
    kept = tuple(note for note in notes if note)
    return replace(head, map_size=size, completeness=max(errors), notes=kept, share=share)


@torch.no_grad()
def carries(head: Head, features: torch.Tensor, rest: torch.Tensor | None) -> torch.Tensor:
    """The maps' share of the variance of logits over classes, (n,); NaN where that is not asked."""
    if head.pool is not None or (head.kind == "linearised" and not head.attends):  # that takes a backward pass a class
        return torch.full((len(features),), torch.nan)
    rest = None if rest is None else rest.float()
    out = Features(features.float(), head.pooled(features).float(), torch.empty(0), head, rest=rest)
    vector = out.pooled if rest is None else out.pooled + rest
    return replace(out, logits=head.logits(vector).float()).shares()


@torch.no_grad()
def run_head(
    model: nn.Module, head: Head, images: torch.Tensor, output: Output | None
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """Feature map (n, C, h, w) of other images, the part without a place, what the model says of them, (n, K), and
    what the map's positions hold: the same map, or as it would be if attention weighed all of them alike.
    """
    feature_map = head.feature_map
    size = (images.shape[-2], images.shape[-1])
    try:
        picked_up, returned = forward(model, images, feature_map.places, feature_map.copies)
        found, rest = feature_map.decomposed(picked_up, size)
        held = found
        if isinstance(feature_map, AttentionMap):
            held, _ = feature_map.decomposed(picked_up, size, evenly=True)
    except (CamkitError, RuntimeError, IndexError) as error:
        what = str(error) if isinstance(error, CamkitError) else one_line(error)
        raise HeadNotFound(
            f"the model runs on {IMAGES} images, but not on {len(images)} of shape {tuple(images.shape[1:])}: {what}"
        ) from error
    return found, rest, one_row_an_image(logits_of(returned, output, head.output), len(images)), held


@torch.no_grad()
def complete(head: Head, features: torch.Tensor, rest: torch.Tensor | None, said: torch.Tensor, spread: float) -> float:
    """By how much the maps' means and the offset miss what the model says, over the logits' range."""
    pooled = head.pooled(features)
    pooled = pooled if rest is None else pooled + rest
    missed = float((head.answer(head.logits(pooled)) - said).abs().max())
    largest = max(float(terms(head, row)) for row in pooled.split(1))
    rounding = 4 * torch.finfo(said.dtype).eps * max(largest, float(said.abs().max()))
    if not missed <= tolerance(said) * spread + rounding:
        raise HeadNotFound(
            f"pooled features times class weights miss the logits by {missed / spread:.1e} of their range: "
            "the head does something that camkit does not know; name it with head="
        )
    return missed / spread


def same_alone(
    alone: torch.Tensor,
    together: torch.Tensor,
    spread: float,
    wobble: Callable[[], float],
    mixes: Callable[[], bool],
) -> None:
    """Refuse a model that looks from one image of a batch at another.

    One that magnifies the rounding of its input as much as the difference is (deep networks of random weights do, whose
    kernels round one image otherwise than two) is not meant; `wobble` measures that. Whether such a one looks at other
    images all the same, `mixes` tells, at a precision whose rounding is too small to be magnified so far.
    """
    missed = float((alone - together).abs().max())
    if missed <= max(MIXED, tolerance(alone)) * spread:
        return
    if missed > 10 * wobble() or mixes():
        raise HeadNotFound(
            "what the model says of an image depends on the other images of its batch, and so would its maps: show it "
            "one at a time"
        )


@torch.no_grad()
def mixes_in_double(model: nn.Module, head: Head, images: torch.Tensor, output: Output | None) -> bool:
    """Whether an image alone has other logits than in company also in float64; False where that cannot be computed."""
    try:
        precise, shown = deepcopy(model).double(), images.double()
        alone, together = (
            one_row_an_image(logits_of(answer(precise, some), output, head.output), len(some))
            for some in (shown[:1], shown)
        )
    except Exception:  # a network that has no copy, or casts what it computes
        return False
    return float((alone[0] - together[0]).abs().max()) > MIXED * float(together.amax() - together.amin())


@torch.no_grad()
def wobble(model: nn.Module, head: Head, images: torch.Tensor, output: Output | None, said: torch.Tensor) -> float:
    """By how much the logits change when the images change by a few units of rounding."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(images.shape, generator=generator).to(images)
    _, _, shaken, _ = run_head(
        model, head, images + 4 * torch.finfo(images.dtype).eps * noise * images.abs().amax(), output
    )
    return float((shaken - said).abs().max())
