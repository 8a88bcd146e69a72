"""Where a network of the Hugging Face hub lies on this machine."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from camkit.errors import CamkitError
from camkit.models.messages import one_line

DESCRIPTION = ("config.json", "preprocessor_config.json", "processor_config.json", "adapter_config.json")
SAFE, PICKLED = ("model*.safetensors", "model.safetensors.index.json"), ("pytorch_model*.bin", "pytorch_model*.json")


def hub_folder(spec: str, name: str, weights: Sequence[str], download: bool = True) -> Path:
    """A folder of that name; else the hub's in the cache, fetched where it is not there yet.

    Parameters
    ----------
    spec : str
        What the user wrote, for error messages.
    name : str
        A folder, or what the hub calls it.
    weights : sequence of str
        Files one of which the folder has to hold; none where it is read for its configuration alone.

    Raises
    ------
    CamkitError
        There is no such folder, and the hub has none, or cannot be reached.
    """
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path
    if not name or path.is_absolute() or name.count("/") > 1 or name.startswith((".", "~")):
        raise CamkitError(
            f"{spec}: no such folder; give one with config.json and model.safetensors, or a name of the hub"
        )
    hub, failure = import_module("huggingface_hub"), "it holds no weights that can be read"
    for offline in (True, False) if download else (True,):
        for patterns in ((*DESCRIPTION, *SAFE), (*DESCRIPTION, *PICKLED)):
            try:
                found = Path(hub.snapshot_download(name, allow_patterns=list(patterns), local_files_only=offline))
            except Exception as error:  # the hub's client fails in its own ways
                failure = one_line(error)
                break
            if (found / DESCRIPTION[0]).is_file() and (not weights or any((found / one).is_file() for one in weights)):
                return found
    raise CamkitError(
        f"{spec}: neither a folder here nor in the hub's cache, and the hub does not give it ({failure}); "
        "name a folder with config.json and model.safetensors"
    )
