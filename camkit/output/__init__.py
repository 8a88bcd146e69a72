"""Run folders: whole files, a journal to go on from, tables, and what in a folder is camkit's."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camkit.output.files import whole
    from camkit.output.folder import RunFolder
    from camkit.output.formats import FORMATS
    from camkit.output.lock import locked
    from camkit.output.owned import check_free, claim, holds_run, owned_files, photographs, remove

# Loaded when first used: the command line looks at folders without loading torch.
MODULE_OF = {
    "FORMATS": "formats",
    "RunFolder": "folder",
    "check_free": "owned",
    "claim": "owned",
    "holds_run": "owned",
    "locked": "lock",
    "owned_files": "owned",
    "photographs": "owned",
    "remove": "owned",
    "whole": "files",
}

__all__ = [
    "FORMATS",
    "RunFolder",
    "check_free",
    "claim",
    "holds_run",
    "locked",
    "owned_files",
    "photographs",
    "remove",
    "whole",
]


def __getattr__(name: str) -> Any:
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULE_OF[name]}"), name)
