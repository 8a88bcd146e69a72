"""Classifiers by name: what `--model` takes."""

import json
import re
from importlib import resources
from pathlib import Path

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models.checkpoint import load_weights, read_metadata, read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.factory import load_factory
from camkit.models.messages import did_you_mean
from camkit.models.parse import height_width, positive_triple, triple
from camkit.models.timm_models import PREFIX, load_timm
from camkit.models.tiny import TinyResNet
from camkit.models.torchvision_models import load_torchvision, torchvision_names

TINY = "tiny"


def load_classifier(spec: str, weights: str | None = "DEFAULT") -> Classifier:
    """Load a classifier by name.

    Parameters
    ----------
    spec : str
        A torchvision name, ``timm:NAME``, ``path/to/file.py:factory``, or ``tiny``.
    weights : str or None
        ``DEFAULT``: the weights that belong to the name (of a factory: as it returns the model). ``none`` or None:
        random. A ``.pt``, ``.pth`` or ``.safetensors`` file, read without running code. For a torchvision name also
        one of its published weights, such as ``IMAGENET1K_V1``.

    Returns
    -------
    Classifier
        In eval mode, float32, on the CPU, with its preprocessing and class names.

    Raises
    ------
    CamkitError
        The name is unknown, the weights cannot be had, or they do not fit the model.
    """
    classifier = _load(spec, _plain(weights))
    classifier.model.eval().float().cpu()
    return classifier


def _load(spec: str, weights: str) -> Classifier:
    if spec == TINY:
        return _load_tiny(weights)
    if spec.startswith(PREFIX):
        return load_timm(spec, weights)
    if re.search(r"\.py(:|$)", spec):
        return load_factory(spec, weights)
    if spec in torchvision_names():
        return load_torchvision(spec, weights)
    near = did_you_mean(spec, [name for _, name in model_names()])
    raise CamkitError(f"no model {spec!r}{near}; `camkit models` lists the names, path/to/file.py:factory is your own")


def model_names() -> list[tuple[str, str]]:
    """Source and name of every classifier that needs nothing but its name."""
    return [("camkit", TINY), *(("torchvision", name) for name in torchvision_names())]


def _load_tiny(weights: str) -> Classifier:
    if weights in (DEFAULT, NONE):
        with resources.as_file(resources.files("camkit.models") / "tiny.safetensors") as path:
            return _tiny_from(path, RANDOM if weights == NONE else "tiny.safetensors of camkit")
    return _tiny_from(Path(weights), f"file {weights}")


def _tiny_from(path: Path, said: str) -> Classifier:
    """The network as its file's header describes it, with the file's weights unless `said` is that they are random."""
    if path.suffix.lower() != ".safetensors":
        raise CamkitError(f"{path}: tiny reads its class names and sizes from a .safetensors file's header")
    card = read_metadata(path)
    try:
        labels = tuple(str(name) for name in json.loads(card["classes"]))
        size = height_width(json.loads(card["size"]))
        spec = InputSpec(size, min(size), triple(json.loads(card["mean"])), positive_triple(json.loads(card["std"])))
    except (KeyError, TypeError, ValueError) as error:
        raise CamkitError(
            f"{path}: its header lacks tiny's classes, size, mean or std; is it one of tiny's?"
        ) from error
    model = TinyResNet(len(labels))
    if said == RANDOM:
        return Classifier(model, TINY, spec, None, said)
    load_weights(model, read_weights(path), path)
    return Classifier(model, TINY, spec, labels, said)


def _plain(weights: str | None) -> str:
    """`DEFAULT` and `none` in whatever case, and Python's None, as the constants."""
    weights = NONE if weights is None else weights
    return {"default": DEFAULT, "none": NONE}.get(weights.lower(), weights)
