"""The page: folders of results in, one HTML file out that a colleague opens in a browser."""

from camkit.report.build import PageOptions, build_page

__all__ = ["PageOptions", "build_page"]
