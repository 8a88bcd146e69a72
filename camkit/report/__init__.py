"""The page: folders of results in, one HTML file out that a colleague opens in a browser."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from camkit.report.build import PageOptions, build_page

__all__ = ["PageOptions", "build_page"]


def __getattr__(name: str) -> Any:
    """Loaded when first used: the command line looks where a page goes without loading torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.build"), name)
