"""The bar of a run that takes long: all of camkit's look the same, and are gone when they are done."""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

FORM = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit}s, {remaining} left{postfix}"


def progress_bar(
    items: Iterable[Any] | None = None, *, what: str, total: int, unit: str = "image", done: int = 0, shown: bool
) -> Any:
    """A bar on standard error.

    Parameters
    ----------
    items : iterable, optional
        What is waited for; it comes out again. Without, the caller counts, with the bar's ``update``.
    what : str
        What is going on, in a word.
    total : int
    unit : str
        What is counted, in the singular.
    done : int
        So many are done already.
    shown : bool
        False: nothing is drawn.

    Examples
    --------
    >>> list(progress_bar("abc", what="letters", total=3, unit="letter", shown=False))
    ['a', 'b', 'c']
    """
    return tqdm(items, what, total, unit=unit, initial=done, disable=not shown, leave=False, dynamic_ncols=True,
                bar_format=FORM)  # fmt: skip
