"""Where a page goes, and what may be in its way."""

from pathlib import Path

from camkit.errors import CamkitError
from camkit.output.owned import MANIFEST, manifest

MARK = "<!-- made by camkit report -->"
PAGE = "report.html"


def folder_of(out: Path) -> Path:
    """Where pictures lie that are not inside the page."""
    return out.with_name(f"{out.stem}_files")


def check_free(out: Path, *, overwrite: bool) -> None:
    """`CamkitError` where something is in the way of the page, or of the folder beside it.

    An earlier page gives way to `overwrite`, and what camkit did not write to nothing.
    """
    beside = folder_of(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise CamkitError(f"--out {out}: the page is an HTML file; give a name that ends in .html")
    if out.is_dir():
        raise CamkitError(f"--out {out} is a folder: give a file, such as {out / 'report.html'}")
    ours = {out: not out.exists() or _is_page(out), beside: not beside.exists() or _is_folder_of_page(beside)}
    strange = [path for path, own in ours.items() if not own]
    if strange:
        raise CamkitError(f"{strange[0]} is there, and camkit report did not write it: move it away, or give another "
                          "--out")  # fmt: skip
    if out.exists() and not overwrite:
        raise CamkitError(f"{out} is there already: give --overwrite or another --out")


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(200)


def _is_folder_of_page(folder: Path) -> bool:
    """Whether every file in it is one of a page's pictures, as its manifest says."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {MANIFEST, *manifest(folder)}
