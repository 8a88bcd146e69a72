"""All that a run needs to continue as if it had not been stopped, in one file that is whole or not there."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.output import whole

FILE = "state.pt"


@dataclass
class State:
    """A run after a number of steps.

    Attributes
    ----------
    settings : dict
        Of the run, as its config.toml has them.
    step : int
        Steps done.
    model : dict of str to Tensor
        Its state dict.
    optimizer : dict
        Its state dict: momentum.
    losses : list of dict
        Of the steps of an epoch that is not finished, by name.
    log : list of dict
        A row for each finished epoch.
    method : dict
        The method's state dict.
    modules : dict of str to Tensor
        The state dict of what the method trains beside the network.
    """

    settings: dict[str, Any]
    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    losses: list[dict[str, float]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    method: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, Tensor] = field(default_factory=dict)


def save_state(folder: Path, state: State, name: str = FILE) -> None:
    """Write the state; the one before stays until this one is complete.

    Raises
    ------
    OSError
    """
    encoded = io.BytesIO()
    torch.save({key: getattr(state, key) for key in State.__dataclass_fields__}, encoded)
    with whole(folder / name, "wb") as file:
        file.write(encoded.getbuffer())


def read_state(folder: Path) -> State | None:
    """The state that a run left, without running code; None where there is none.

    Raises
    ------
    CamkitError
        The file is damaged, or holds something else.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        if "stage_two" in held:  # until 0.1.0
            held["method"] = held.pop("stage_two")
        return State(**held)
    except Exception as error:  # torch.load has many for a broken file
        raise CamkitError(
            f"{path}: damaged, or no state of a training run; give --overwrite or another --out"
        ) from error
