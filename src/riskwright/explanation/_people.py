"""The rows of a table as numbers, and points as a table of the kind that `predict` was made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from riskwright.core import EmptyDataError
from riskwright.evidence import Table
from riskwright.evidence.columns import Origin
from riskwright.evidence.containers import check_names, to_frame

__all__ = ["Observed", "People", "fingerprints", "observed"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Hashes = NDArray[np.uint64]


class Observed(NamedTuple):
    """What a column holds: kind, range of numbers, whether all are whole, levels of text."""

    kind: str
    low: float = np.nan
    high: float = np.nan
    whole: bool = True
    levels: tuple[str, ...] = ()


class People:
    """A table of n rows, as it came and as numbers `codes` (n, d); text as places in `levels`."""

    def __init__(self, X: Any, levels: dict[str, tuple[str, ...]] | None = None) -> None:
        X = X.X if isinstance(X, Table) else X
        origin = Origin("X")
        self._array = X if isinstance(X, np.ndarray) and _is_matrix(X) else None
        self._pandas = X if type(X).__module__.partition(".")[0] == "pandas" else None
        if self._array is not None:
            self.names = tuple(f"x{j}" for j in range(X.shape[1]))
            self.observed = dict(zip(self.names, map(_of_numbers, X.T), strict=True))
            self.codes = np.asarray(X, dtype=np.float64)
        else:
            self._frame = to_frame(X, origin)
            check_names(self._frame.columns, origin)
            self.names = tuple(self._frame.columns)
            self.observed = observed(self._frame, levels or {})
            self.codes = np.empty((self._frame.height, len(self.names)))
            for j, name in enumerate(self.names):
                self.codes[:, j] = _codes(self._frame[name], self.observed[name])
        if self.codes.size == 0:
            raise EmptyDataError("no rows", where="X")

    def __len__(self) -> int:
        return len(self.codes)

    def rows(
        self, index: Indices, columns: Sequence[int] = (), values: Floats | None = None
    ) -> Any:
        """Rows `index` as a table like X, with new `values` (codes) in `columns`."""
        if self._array is not None:
            return self._matrix(index, columns, values)
        if values is None or not len(columns):
            columns, frame = (), self._frame[index]
        else:
            new = [
                self._column(self._frame[self.names[j]], values[:, k])
                for k, j in enumerate(columns)
            ]
            same = [name for j, name in enumerate(self.names) if j not in set(columns)]
            kept = self._frame.select(same)[index].get_columns() if same else []
            frame = pl.DataFrame([*kept, *new]).select(self.names)
        return frame if self._pandas is None else self._like_pandas(index, frame, columns)

    def _matrix(self, index: Indices, columns: Sequence[int], values: Floats | None) -> Any:
        assert self._array is not None
        if values is None or not len(columns):
            return self._array[index]
        same = [j for j in range(len(self.names)) if j not in set(columns)]
        kind = self._array.dtype
        if kind.kind != "f" and not (values == np.rint(values)).all():
            kind = np.dtype(np.float64)
        kept = self._array[:, same].take(index, axis=0)
        rows = np.concatenate((values.astype(kind, copy=False), kept), axis=1, dtype=kind)
        return rows.take(np.argsort([*columns, *same]), axis=1)

    def _column(self, series: pl.Series, codes: Floats) -> pl.Series:
        kind = self.observed[series.name]
        if kind.kind == "text":
            new = pl.Series(series.name, kind.levels, dtype=pl.String)[codes.astype(np.intp)]
            if series.dtype == pl.Enum:
                return new.cast(series.dtype)
            return new.cast(pl.Categorical) if series.dtype == pl.Categorical else new
        new = pl.Series(series.name, codes)
        if series.dtype == pl.Boolean:
            return new != 0
        if not series.dtype.is_integer() or not (codes == np.rint(codes)).all():
            return new
        whole = new.cast(pl.Int64)
        try:
            return whole.cast(series.dtype)
        except pl.exceptions.PolarsError:
            return whole

    def _like_pandas(self, index: Indices, frame: pl.DataFrame, columns: Sequence[int]) -> Any:
        assert self._pandas is not None
        rows = self._pandas.iloc[index].reset_index(drop=True)
        for j in columns:
            old, values = rows.dtypes.iloc[j], frame[self.names[j]]
            fresh = type(rows.iloc[:, j])(values.to_list(), name=rows.columns[j])
            same = values.dtype == self._frame[self.names[j]].dtype
            rows = rows.drop(columns=rows.columns[j])
            rows.insert(j, self._pandas.columns[j], fresh.astype(old) if same else fresh)
        return rows


def observed(frame: pl.DataFrame, levels: dict[str, tuple[str, ...]]) -> dict[str, Observed]:
    """What each column holds; `levels` are known levels by column, seen ones follow them."""
    return {s.name: _observed(s, levels.get(s.name, ())) for s in frame.get_columns()}


def _observed(series: pl.Series, levels: tuple[str, ...]) -> Observed:
    if series.dtype == pl.Boolean:
        return Observed("number", 0.0, 1.0)
    if series.dtype.is_numeric():
        return _of_numbers(series.cast(pl.Float64).drop_nulls().to_numpy())
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        seen = series.cast(pl.String).drop_nulls().unique().sort().to_list()
        return Observed("text", levels=(*levels, *(s for s in seen if s not in set(levels))))
    return Observed("other")


def _of_numbers(values: NDArray[Any]) -> Observed:
    values = np.asarray(values, dtype=np.float64)
    finite = values if np.isfinite(values.sum()) else values[np.isfinite(values)]
    if not finite.size:
        return Observed("number")
    whole = bool((finite == np.rint(finite)).all())
    return Observed("number", float(finite.min()), float(finite.max()), whole)


def _codes(series: pl.Series, known: Observed) -> Floats:
    if known.kind == "number":
        return series.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if known.kind == "text":
        places = (
            series.cast(pl.String).replace_strict(
                list(known.levels), list(range(len(known.levels))), return_dtype=pl.Float64
            )
            if known.levels
            else series.is_null().cast(pl.Float64) * np.nan
        )
        return places.fill_null(np.nan).to_numpy()
    try:
        ranks = series.rank("dense")
    except pl.exceptions.PolarsError:
        ranks = pl.Series(range(len(series)))
    return ranks.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _is_matrix(X: NDArray[Any]) -> bool:
    return X.ndim == 2 and X.dtype.kind in "biuf"


def fingerprints(values: Floats, columns: Sequence[int]) -> Hashes:
    """64-bit hash of each row of `values`, whose columns are numbered `columns`.

    The sum over columns of a finaliser (splitmix64) of each value and its column, so that a row
    that differs in few columns is hashed anew from these alone. Among N rows two that differ share
    a hash with probability about N^2 / 2^65: 1e-7 for two million.
    """
    total = np.zeros(len(values), dtype=np.uint64)
    for k, column in enumerate(columns):
        bits = np.ascontiguousarray(values[:, k] + 0.0).view(np.uint64).copy()
        bits += np.uint64((column + 1) * 0x9E3779B97F4A7C15 % 2**64)
        bits ^= bits >> np.uint64(30)
        bits *= np.uint64(0xBF58476D1CE4E5B9)
        bits += np.uint64((column + 1) * 0xD1B54A32D192ED03 % 2**64)
        bits ^= bits >> np.uint64(27)
        bits *= np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
        total += bits
    return total
