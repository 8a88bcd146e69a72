"""Run folders: whole files, a journal to go on from, tables, and what in a folder is camkit's."""

from camkit.output.files import whole
from camkit.output.folder import RunFolder
from camkit.output.lock import locked
from camkit.output.owned import check_free, claim, holds_run, owned_files, photographs, remove
from camkit.output.tables import FORMATS

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
