"""camkit inspect: what camkit finds in a model."""

from dataclasses import asdict
from typing import Any

from camkit.cli.checks import check_call
from camkit.cli.groups import command, option_group
from camkit.cli.options import make_model_options, pop_classifier
from camkit.cli.screen import finish, screen_options


@command(short_help="Say what camkit finds in a model: its head, exactness, map size.")
@make_model_options()
@option_group("Results", *screen_options)
def inspect(head: dict[str, str] | None, **options: Any) -> None:
    """Say what camkit finds in a model: its head, exactness, map size. The exit status is 2 where it finds no head.

    \b
    Examples:
      camkit inspect --model tiny
      camkit inspect --model resnet50 --weights none
      camkit inspect --model my_net.py:build --weights my.safetensors --size 320 --json
    """
    check_call(options)
    from camkit.cam import FusedMaps
    from camkit.inference import Inference
    from camkit.runs.facts import Report

    classifier = pop_classifier(options)
    inference = Inference(classifier, "cpu", "fp32", head)
    if isinstance(inference.source, FusedMaps):
        lines, facts = two_heads(classifier, inference.source)
    else:
        cam = inference.cam
        lines, facts = told(rows_of(classifier, cam)), facts_of(classifier, cam)
    finish(Report(lines, 0, facts=facts))


def told(rows: dict[str, str]) -> list[str]:
    """Rows as lines."""
    return [f"{name:<13} {text}" for name, text in rows.items()]


def two_heads(classifier: Any, source: Any) -> tuple[list[str], dict[str, Any]]:
    """What is found of a network with two heads, in lines and for scripts: each head on the features of both."""
    own = ("model", "weights", "input")
    lines, facts = [], {}
    for name, cam in zip(("first", "second"), source.heads, strict=True):
        rows, its = rows_of(classifier, cam), facts_of(classifier, cam)
        facts[name] = {key: value for key, value in its.items() if key not in own}
        lines += ["", f"{name} head", *told({row: text for row, text in rows.items() if row not in own})]
    about = {
        "model": f"{classifier.name}, weights: {classifier.weights}",
        "input": input_line(classifier, source.channels),
        "maps": "of each class the maximum of two heads', each stretched to [0, 1]; the second head does not see where "
        f"the first one's map reaches {float(source.model.delta):g}; the class is the first head's",
    }
    shown = {**asdict(classifier.input), "channels": source.channels}
    every = {"model": classifier.name, "weights": classifier.weights, "input": shown, "head": source.kind,
             "classes": source.num_classes, "map_size": list(source.map_size), "heads": facts}  # fmt: skip
    return [*told(about), *lines], every


def input_line(classifier: Any, channels: int) -> str:
    """What the model is shown."""
    (height, width), grey = classifier.input.size, ", grey" if channels == 1 else ""
    return f"{height}x{width}{grey}, mean {classifier.input.mean}, std {classifier.input.std}"


def facts_of(classifier: Any, cam: Any) -> dict[str, Any]:
    """What is found, for scripts."""
    found = cam.head
    return {
        "model": classifier.name,
        "weights": classifier.weights,
        "input": {**asdict(classifier.input), "channels": cam.channels},
        "classes": found.num_classes,
        "channels": found.channels,
        "map_size": list(found.map_size),
        "features": found.feature_map.place.module,
        "classifier": found.classifier,
        "head": found.kind,
        "completeness": found.completeness,
        "offset": found.offset,
        "share": found.share,
        "output": found.activation,
        "notes": list(found.notes),
    }


def rows_of(classifier: Any, cam: Any) -> dict[str, str]:
    """The same in words."""
    from camkit.cam.attention_map import AttentionMap
    from camkit.cam.head import MEANING

    found = cam.head
    place = found.feature_map.place
    (height, width), (h, w) = classifier.input.size, found.map_size
    summed = "maps" if found.pool is None else "none, the maps have another mean; pooled features times class weights"
    rows = {
        "model": f"{classifier.name}, weights: {classifier.weights}",
        "input": input_line(classifier, cam.channels),
        "features": f"{found.channels} channels, {place.side} of {place.module or 'the model'}",
        "map": f"{h}x{w} positions at that input, one for {height / h:g}x{width / w:g} pixels",
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
