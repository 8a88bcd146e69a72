"""Griffe gives several parameters that share a description the first one's default: each gets its own."""

from typing import Any

import griffe


class OwnDefaults(griffe.Extension):
    """Takes the default of every documented parameter from the signature, by its name."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        own = func.docstring or (func.parent.docstring if func.name == "__init__" and func.parent else None)
        for section in own.parsed if own else []:
            if section.kind is griffe.DocstringSectionKind.parameters:
                for described in section.value:
                    if described.name in func.parameters:
                        described.value = func.parameters[described.name].default
