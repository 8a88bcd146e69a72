"""camkit inspect: what camkit finds in a model."""

from typing import Any

import click

from camkit.cli.groups import command
from camkit.cli.options import make_model_options, pop_classifier

Rows = dict[str, str]


@command(short_help="Say what camkit finds in a model: its head, exactness, map size.")
@make_model_options()
def inspect(head: dict[str, str] | None, **options: Any) -> None:
    """Say what camkit finds in a model: its head, exactness, map size; with --maps-by, what makes its maps.

    \b
    Examples:
      camkit inspect --model tiny
      camkit inspect --model resnet50 --weights none
      camkit inspect --model my_net.py:build --weights my.safetensors --size 320
      camkit inspect --model alexnet --maps-by torchcam:GradCAM
    """
    from camkit.cam import CAM
    from camkit.inference import Inference

    classifier = pop_classifier(options)
    source = Inference(classifier, "cpu", "fp32", head).source
    shown, (height, width) = classifier.input, classifier.input.size
    (h, w), grey = source.map_size, ", grey" * (source.channels == 1)
    first = {
        "model": f"{classifier.name}, weights: {classifier.weights}",
        "input": f"{height}x{width}{grey}, mean {shown.mean}, std {shown.std}",
    }
    size = {"map": f"{h}x{w} positions at that input, one for {height / h:g}x{width / w:g} pixels"}
    rows = head_rows(source.head, size) if isinstance(source, CAM) else function_rows(source, size)
    for name, text in (first | rows).items():
        click.echo(f"{name:<13} {text}")


def function_rows(source: Any, size: Rows) -> Rows:
    """Of maps that something else than the network's own head makes: a `camkit.cam.FunctionMaps`."""
    rows = {"maps": f"by {source.kind}: they add up to no logit"}
    if source.facts.get("layer"):
        rows["layer"] = f"{source.facts['layer']}: {source.facts['layer_by']}"
    rows |= size | {"classes": f"{source.num_classes}"}
    if source.activation != "none":
        rows["output"] = f"{source.activation}: scores are the model's own"
    if source.notes:
        rows["note"] = "; ".join(source.notes)
    return rows


def head_rows(found: Any, size: Rows) -> Rows:
    """Of the network's own head: a `camkit.cam.Head`."""
    from camkit.cam.attention_map import AttentionMap
    from camkit.cam.head import MEANING

    place = found.feature_map.place
    summed = "maps" if found.pool is None else "none, the maps have another mean; pooled features times class weights"
    rows = {
        "features": f"{found.channels} channels, {place.side} of {place.module or 'the model'}",
        **size,
        "classifier": f"{found.classifier or 'none'}, {found.num_classes} classes",
        "head": f"{found.kind}: {MEANING[found.kind]}",
        "completeness": f"{summed} miss the logits by {found.completeness:.1e} of their range",
    }
    rows["offset"] = "one for all images" if found.offset == "constant" else "one for each image"
    if found.share == found.share:
        rows["share"] = (
            f"the maps carry {round(100 * found.share)}% of the logits' variance over classes, on noise; the offset "
            "the rest"
        )
    if isinstance(found.feature_map, AttentionMap):
        rows["attention"] = attention_line(found.feature_map)
    if found.activation != "none":
        rows["output"] = f"{found.activation}: scores are the model's own" + (
            "" if found.activation == "probabilities" else ", maps add up to the logits before it"
        )
    if found.notes:
        rows["note"] = "; ".join(found.notes)
    return rows


def attention_line(found: Any) -> str:
    """What attention adds up, and what is left out of the maps."""
    without = max(len(term.tokens.others) for term in found.terms)
    blocks = "1 block" if found.blocks == 1 else f"{found.blocks} blocks"
    tokens = f"; {without} of its tokens are no places of the image" if without else ""
    return f"its weights are held fixed image by image, through {blocks}{tokens}"
