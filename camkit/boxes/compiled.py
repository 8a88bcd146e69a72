"""How the loops over pixels are compiled: to machine code, cached on disk, and free of the interpreter's lock."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """``numba.njit``, typed: threads that call `function` run side by side.

    Only a change of the function's own file refreshes the cache. So a compiled function calls none of another file, and
    tables from elsewhere are its arguments.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
