"""The numbers of a table in a temporary file, row by row: what figures are made of, whatever the number of images."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit.metrics.rows_on_disk import RowsOnDisk


class NumbersOnDisk:
    """Rows, of which the numbers are kept, right and wrong among them; their names are those of the first row."""

    def __init__(self) -> None:
        self._rows: RowsOnDisk | None = None

    def append(self, row: Mapping[str, object]) -> None:
        """Add a row; text and what is missing is left out."""
        numbers = {name: value for name, value in row.items() if isinstance(value, (bool, int, float))}
        if self._rows is None:
            kinds = [(name, bool if isinstance(value, bool) else float) for name, value in numbers.items()]
            self._rows = RowsOnDisk(np.dtype(kinds, align=True))
        assert tuple(numbers) == self._rows.dtype.names
        self._rows.append(np.array([tuple(numbers.values())], self._rows.dtype))

    def table(self, more: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
        """The columns, which are read from the file where they are looked at, and more of them."""
        rows = np.empty(0, []) if self._rows is None else self._rows.array()
        columns = {name: np.asarray(rows[name]) for name in rows.dtype.names or ()}
        return pd.DataFrame({**columns, **more}, index=pd.RangeIndex(len(rows)), copy=False)
