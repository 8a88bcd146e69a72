"""The classifier that options name, with all that they override in it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from camkit.cli.checks import MODEL_OPTIONS
from camkit.cli.groups import DEMO
from camkit.cli.recipe_names import RELU_MAPS
from camkit.cli.screen import note
from camkit.errors import CamkitError


def note_other_source(settings: Any, source: Any) -> None:
    """Say that a threshold was chosen for another model or folder of maps; it is used all the same."""
    name = str(source) if isinstance(source, Path) else source.name
    if settings.model not in (None, name):
        note(f"these settings were chosen for {settings.model}, not for {name}")


def pop_classifier(options: dict[str, Any]) -> Any:
    """The classifier that the options name, with what they override."""
    return load_model(**{name: options.pop(name) for name in MODEL_OPTIONS})


def pop_classifier_or_demo(options: dict[str, Any]) -> Any:
    """The classifier that the options name; with --demo the drawn images' own, and the options are of these."""
    if not options.pop(DEMO):
        return pop_classifier(options)
    from camkit.runs.drawn import DATASET, IMAGES, drawn_classifier

    for name in MODEL_OPTIONS:
        del options[name]
    options["dataset"], options["root"] = DATASET, Path(IMAGES)
    note("a small network is trained on drawn images first")
    return drawn_classifier()


def load_model(
    *,
    model: str,
    weights: str = "DEFAULT",
    class_names: Path | None = None,
    size: Any = None,
    mean: Any = None,
    std: Any = None,
    fc: Path | None = None,
    maps_by: str | None = None,
    token_blocks: Any = None,
    views: str | None = None,
    classes_from: Path | None = None,
    output_stride: str | None = None,
    dilation: bool = True,
) -> Any:
    """The classifier that the options name, with what they override."""
    from camkit.cam import Views
    from camkit.models import load_classifier, set_output_stride, with_fc
    from camkit.models.class_names import read_class_names

    seen = None if views is None else Views.parse(views)
    classifier = load_classifier(model, weights, classes_from)
    if fc is not None:
        classifier = with_fc(classifier, fc)
    changes: dict[str, Any] = {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    if class_names is not None:
        classifier = replace(classifier, class_names=read_class_names(class_names), class_names_assumed=False)
    if maps_by is not None:
        classifier = replace(classifier, maps_by=maps_by_named(maps_by))
    shown = classifier.input if size is None else classifier.input.at(size)
    classifier = replace(classifier, input=replace(shown, **changes), token_blocks=token_blocks, views=seen)
    if output_stride is None or int(output_stride) == classifier.output_stride:
        return classifier
    if classifier.output_stride is not None:
        raise CamkitError(f"{model} was trained at output stride {classifier.output_stride}: leave --output-stride out")
    fine = set_output_stride(classifier.model, int(output_stride), dilation, classifier.input.size)
    return replace(classifier, model=fine, output_stride=int(output_stride), dilate=dilation)


def maps_by_named(spec: str) -> Any:
    """What makes the class maps, by an extractor's name or from a file."""
    from camkit.adapters import peer_named
    from camkit.cam import MapsByFunction, relu_maps
    from camkit.models.python_file import function_from

    if spec == RELU_MAPS:
        return MapsByFunction(spec, relu_maps)
    peer = peer_named(spec)
    if peer is not None:
        return peer
    return MapsByFunction(spec, function_from(spec, "--maps-by takes path/to/file.py:name"))
