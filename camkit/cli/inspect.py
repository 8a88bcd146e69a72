"""camkit inspect: what camkit finds in a model."""

from dataclasses import asdict
from typing import Any

from camkit.cli.checks import check_call
from camkit.cli.classifier import pop_classifier
from camkit.cli.groups import command, option_group
from camkit.cli.options import make_model_options
from camkit.cli.screen import finish, screen_options


@command(short_help="Say what camkit finds in a model: its head, exactness, map size.")
@make_model_options()
@option_group("Results", *screen_options)
def inspect(head: dict[str, str] | None, **options: Any) -> None:
    """Say what camkit finds in a model: its head, exactness, map size. The exit status is 2 where it finds no head.

    With --maps-by no head is wanted: it says what makes the maps, and of which layer.

    \b
    Examples:
      camkit inspect --model tiny
      camkit inspect --model resnet50 --weights none
      camkit inspect --model my_net.py:build --weights my.safetensors --size 320 --json
      camkit inspect --model alexnet --maps-by torchcam:GradCAM
    """
    check_call(options)
    from camkit.inference import Inference
    from camkit.runs.closing import Report

    classifier = pop_classifier(options)
    source = Inference(classifier, "cpu", "fp32", head).source
    lines = [f"{name:<13} {text}" for name, text in rows_of(classifier, source).items()]
    finish(Report(lines, 0, facts=facts_of(classifier, source)))


def facts_of(classifier: Any, source: Any) -> dict[str, Any]:
    """What is found, for scripts."""
    facts = {
        "model": classifier.name,
        "weights": classifier.weights,
        "input": {**asdict(classifier.input), "channels": source.channels},
        "classes": source.num_classes,
        "map_size": list(source.map_size),
    }
    if has_two_heads(source):
        heads = [head_facts(head.head) for head in source.heads]
        return facts | {"maps_by": source.kind, "delta": source.facts["delta"], "heads": heads}
    return facts | (head_facts(source.head) if has_head(source) else function_facts(source))


def has_two_heads(source: Any) -> bool:
    """Whether two heads make the maps: the source is a `camkit.cam.FusedMaps`."""
    return hasattr(source, "heads")


def has_head(source: Any) -> bool:
    """Whether the network's own head makes the maps: the source is a `camkit.CAM`."""
    return hasattr(source, "head")


def function_facts(source: Any) -> dict[str, Any]:
    """Of maps by something else: a `camkit.cam.FunctionMaps`."""
    return {"maps_by": source.kind, **source.facts, "output": source.activation, "notes": list(source.notes)}


def head_facts(found: Any) -> dict[str, Any]:
    """Of the network's own head."""
    return {
        "channels": found.channels,
        "features": found.feature_map.place.module,
        "classifier": found.classifier,
        "head": found.kind,
        "completeness": found.completeness,
        "offset": found.offset,
        "share": found.share,
        "output": found.activation,
        "notes": list(found.notes),
    }


def rows_of(classifier: Any, source: Any) -> dict[str, str]:
    """The same in words."""
    shown, (height, width), (h, w) = classifier.input, classifier.input.size, source.map_size
    grey = ", grey" if source.channels == 1 else ""
    rows = {
        "model": f"{classifier.name}, weights: {classifier.weights}",
        "input": f"{height}x{width}{grey}, mean {shown.mean}, std {shown.std}",
        "map": f"{h}x{w} positions at that input, one for {height / h:g}x{width / w:g} pixels",
    }
    if has_two_heads(source):
        return rows | two_heads_rows(source)
    return rows | (head_rows(source.head) if has_head(source) else function_rows(source))


def two_heads_rows(source: Any) -> dict[str, str]:
    """Of maps by two heads on the same features."""
    rows = {
        "classes": f"{source.num_classes}, by the first head",
        "maps": "the maximum of two heads' maps, each stretched to [0, 1]; the second does not see where the first "
        f"one's reaches {source.facts['delta']:g}",
    }
    for name, head in zip(("first head", "second head"), (one.head for one in source.heads), strict=True):
        rows[name] = (
            f"{head.kind}, {head.channels} channels; its maps miss its own logits by {head.completeness:.1e} of their "
            "range"
        )
    return rows


def function_rows(source: Any) -> dict[str, str]:
    """Of maps by something else than the network's own head."""
    rows = {"maps": f"by {source.kind}: they add up to no logit", "classes": f"{source.num_classes}"}
    if source.facts.get("layer"):
        rows["layer"] = f"{source.facts['layer']}: {source.facts['layer_by']}"
    if source.activation != "none":
        rows["output"] = f"{source.activation}: scores are the model's own"
    if source.notes:
        rows["note"] = "; ".join(source.notes)
    return rows


def head_rows(found: Any) -> dict[str, str]:
    """Of the network's own head."""
    from camkit.cam.attention_map import AttentionMap
    from camkit.cam.head import MEANING

    place = found.feature_map.place
    summed = "maps" if found.pool is None else "none, the maps have another mean; pooled features times class weights"
    rows = {
        "features": f"{found.channels} channels, {place.side} of {place.module or 'the model'}",
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
