"""camkit inspect: what camkit finds in a model."""

from typing import Any

import click

from camkit.cli.groups import command
from camkit.cli.options import make_model_options, pop_classifier


@command(short_help="Say what camkit finds in a model: its head, exactness, map size.")
@make_model_options()
def inspect(head: dict[str, str] | None, **options: Any) -> None:
    """Say what camkit finds in a model: its head, exactness, map size.

    \b
    Examples:
      camkit inspect --model tiny
      camkit inspect --model resnet50 --weights none
      camkit inspect --model my_net.py:build --weights my.safetensors --size 320
    """
    from camkit.cam import FusedMaps
    from camkit.inference import Inference

    classifier = pop_classifier(options)
    inference = Inference(classifier, "cpu", "fp32", head)
    two = isinstance(inference.source, FusedMaps)
    cams = inference.source.heads if isinstance(inference.source, FusedMaps) else (inference.cam,)
    rows = {
        "model": f"{classifier.name}, weights: {classifier.weights}",
        "input": input_line(classifier, inference.source.channels),
    }
    if two:
        rows["maps"] = (
            "of two heads on the same features, of which the second does not see where the first one's map is high: the "
            "maximum of both, each stretched to [0, 1]; the class is the first head's"
        )
    for row, text in rows.items():
        click.echo(f"{row:<13} {text}")
    for cam, name in zip(cams, ("first", "second") if two else ("",), strict=True):
        if name:
            click.echo(f"\n{name} head")
        for row, text in head_rows(cam.head, classifier.input.size).items():
            click.echo(f"{row:<13} {text}")


def input_line(classifier: Any, channels: int) -> str:
    """What the model is shown."""
    height, width = classifier.input.size
    grey = ", grey" if channels == 1 else ""
    return f"{height}x{width}{grey}, mean {classifier.input.mean}, std {classifier.input.std}"


def head_rows(found: Any, size: tuple[int, int]) -> dict[str, str]:
    """What is known of a head, line by line."""
    from camkit.cam.attention_map import AttentionMap
    from camkit.cam.head import MEANING

    place = found.feature_map.place
    (height, width), (h, w) = size, found.map_size
    summed = "maps" if found.pool is None else "none, the maps have another mean; pooled features times class weights"
    rows = {
        "features": f"{found.channels} channels, {place.side} of {place.module or 'the model'}",
        "map": f"{h}x{w} positions at that input, one for {height / h:g}x{width / w:g} pixels",
        "classifier": f"{found.classifier or 'none'}, {found.num_classes} classes",
        "head": f"{found.kind}: {MEANING[found.kind]}",
        "completeness": f"{summed} miss the logits by {found.completeness:.1e} of their range",
        "offset": "one for all images" if found.offset == "constant" else "one for each image",
    }
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
