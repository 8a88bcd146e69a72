"""What a checkpoint says of itself: enough to build the network again and to show it a photograph."""

import json
import operator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models.messages import one_line
from camkit.models.weights_file import read_metadata

KEY, VERSION = "camkit", 1
HELD = {"class_names": "labels"}  # attributes that the header has under another word
EPOCH_BY = "epoch_by"  # in a card's facts: which supervision chose the epoch, or that it was fixed beforehand
LARGEST = 2048  # pixels along a side: a header must not make the network's first pass fill the memory


@dataclass(frozen=True)
class Card:
    """The header of a checkpoint.

    Attributes
    ----------
    model : str
        What `load_classifier` takes, without a file of weights: ``wsol:vgg16``, ``tiny``, a torchvision name, ...
    num_classes : int
    input : InputSpec
        What the network wants to be shown.
    class_names : tuple of str or None
        None where nothing says them. The header calls them labels, as it did from the first.
    pool : str or None
        As `camkit.nn.make_pool` takes it; None for the network's own.
    output_stride : int or None
        As `set_output_stride` takes it; None for the network's own.
    dilate : bool
        Whether layers behind a removed stride were dilated.
    facts : dict
        Anything else that JSON can hold: how it was trained, what it scored.
    """

    model: str
    num_classes: int
    input: InputSpec
    class_names: tuple[str, ...] | None = None
    pool: str | None = None
    output_stride: int | None = None
    dilate: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    def header(self) -> dict[str, str]:
        """As the metadata of a safetensors file: one entry, JSON text."""
        held = {HELD.get(name, name): value for name, value in asdict(self).items()}
        return {KEY: json.dumps({"version": VERSION, **held})}


def read_card(path: str | Path) -> Card | None:
    """The card in a ``.safetensors`` file's header, None where the file has none.

    Raises
    ------
    CamkitError
        The file cannot be read, or its card makes no sense.
    """
    text = read_metadata(path).get(KEY)
    if text is None:
        return None
    try:
        held = json.loads(text)
        version = held.pop("version")
        card = _checked(held) if version == VERSION else None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CamkitError(f"{path}: its header describes no classifier ({one_line(error)})") from error
    if card is None:
        raise CamkitError(f"{path}: its header has version {version!r:.20}, camkit reads {VERSION}: update camkit")
    return card


def _checked(held: dict[str, Any]) -> Card:
    """The card from JSON, each value of its type and in its range; `TypeError`, `ValueError` or `KeyError` if not."""
    names = _class_names(held.pop("labels"))
    card = Card(**{**held, "input": _input_spec(held["input"]), "class_names": names})
    for number in (card.num_classes, card.output_stride):
        if number is not None and operator.index(number) < 1:
            raise ValueError(f"{number} is not above 0")
    for text in (card.model, card.pool):
        if text is not None:
            _text(text)
    if card.class_names is not None and len(card.class_names) != card.num_classes:
        raise ValueError(f"{len(card.class_names)} labels for {card.num_classes} classes")
    if not isinstance(card.dilate, bool) or not isinstance(card.facts, dict):
        raise TypeError("dilate must be true or false, facts a mapping")
    return card


def _input_spec(held: dict[str, Any]) -> InputSpec:
    spec = InputSpec(held["size"], held["resize"], held["mean"], held["std"], held["interpolation"])
    resize = [spec.resize] if isinstance(spec.resize, int) else spec.resize
    if max(spec.size) > LARGEST or max(resize) > 2 * LARGEST:
        raise ValueError(f"input of {spec.size[0]}x{spec.size[1]} pixels, cut from {spec.resize}")
    return spec


def _class_names(held: Any) -> tuple[str, ...] | None:
    if held is None:
        return None
    if not isinstance(held, list):
        raise TypeError("labels must be a list of names")
    return tuple(map(_text, held))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value
