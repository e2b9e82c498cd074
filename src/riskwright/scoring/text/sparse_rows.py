"""`SparseRows`: a sparse matrix in compressed rows, light enough for a single row."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["SparseRows"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SparseRows:
    """What differs from 0 in each of n rows.

    Parameters
    ----------
    begins : (n + 1,) where each row begins in `columns` and `values`.
    columns : rising within a row, below `width`.
    values : of these cells.
    width : columns of the matrix.

    Notes
    -----
    A product costs what is not 0 times the columns of the other factor. A row's product does not
    depend on the rows beside it, not even in its last bit; scipy is not loaded for it.

    Examples
    --------
    >>> rows = SparseRows(np.array([0, 2, 2]), np.array([0, 3]), np.array([0.5, 2.0]), 4)
    >>> rows.shape
    (2, 4)
    >>> rows @ np.array([[1.0], [0.0], [0.0], [10.0]])
    array([[20.5],
           [ 0. ]])
    """

    begins: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Floats
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.begins) - 1, self.width

    def __matmul__(self, other: Floats) -> Floats:
        """(n, k) product with a (width, k) array."""
        ends = self.begins.tolist()
        found = np.empty((len(ends) - 1, other.shape[1]))
        for row, (start, end) in enumerate(itertools.pairwise(ends)):
            found[row] = self.values[start:end] @ other[self.columns[start:end]]
        return found

    def tocsr(self) -> csr_matrix:
        """The same for scipy."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.values, self.columns, self.begins), shape=self.shape)
