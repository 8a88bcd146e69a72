"""A trained network as one file: its weights, and a header that says which network it is."""

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from camkit.errors import CamkitError
from camkit.models.card import Card
from camkit.models.messages import one_line


def save_checkpoint(path: str | Path, model: nn.Module, card: Card) -> None:
    """Write what ``load_classifier(path)`` and ``--model FILE.safetensors`` take.

    The file takes its name once it is complete: where that fails, an earlier one stays as it was.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``.
    model : nn.Module
        As `build` makes it from the card, trained. Tensors are written in the precision that they have.
    card : Card

    Raises
    ------
    CamkitError
        The file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CamkitError(f"{path}: a checkpoint's name ends in .safetensors")
    state = {key: value.detach().cpu().contiguous().clone() for key, value in model.state_dict().items()}
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(save(state, card.header()))  # save_file would make it readable for its owner alone
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        raise CamkitError(f"{path}: the checkpoint cannot be written ({one_line(error)})") from error
    finally:
        part.unlink(missing_ok=True)
