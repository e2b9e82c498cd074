"""Tables in memory, brought to one container: a polars frame of raw columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from riskwright.core import ColumnError, ParameterError

from .columns import Origin, level_series, object_series, quoted

__all__ = ["check_names", "to_frame"]


def to_frame(X: Any, origin: Origin, names: Iterable[str] | None = None) -> pl.DataFrame:
    """A polars frame of the columns of `X`, raw, in order.

    Parameters
    ----------
    X : polars DataFrame or LazyFrame, pandas DataFrame, pyarrow Table or anything that speaks the
        Arrow stream protocol, NumPy array with two dimensions (columns x0, x1, ...) or structured.
    origin : where it came from, for messages.
    names : names for the columns of a NumPy array with two dimensions.

    Raises
    ------
    ParameterError : `X` is none of these, or has the wrong number of dimensions.
    ColumnError : two columns share a name.
    """
    if isinstance(X, pl.DataFrame):
        return X
    if isinstance(X, pl.LazyFrame):
        return X.collect()
    if type(X).__module__.partition(".")[0] == "pandas" and hasattr(X, "columns"):
        return _from_pandas(X, origin)
    if hasattr(X, "__arrow_c_stream__"):
        schema = getattr(X, "schema", None)
        check_names(getattr(schema, "names", ()), origin)
        try:
            frame = pl.from_arrow(X)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise ColumnError(
                "a column type that cannot be read",
                where=origin.name,
                expected="numbers, text, booleans, dates",
                got=str(error).partition("\n")[0][:100],
                hint="Cast or drop the column",
            ) from None
        return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
    if isinstance(X, (np.ndarray, list, tuple)):
        return _from_numpy(np.asarray(X), origin, names)
    raise ParameterError(
        "not a table",
        where=origin.name,
        expected="a pandas or polars DataFrame, a pyarrow Table or a NumPy array",
        got=type(X).__name__,
    )


def check_names(names: Iterable[str], origin: Origin) -> None:
    """Refuse names that occur twice, and the empty name."""
    names = list(names)
    if "" in names:
        raise ColumnError(
            "a column without a name",
            where=origin.name,
            expected="a name for every column",
            got=f"nothing for column {names.index('') + 1}",
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ColumnError(
            "duplicate column names",
            where=origin.name,
            expected="every name once",
            got=", ".join(quoted(name) for name in twice[:5]) + (", …" if len(twice) > 5 else ""),
            hint="Rename or drop the repeated columns; a file without a line of names needs one",
        )


def _from_numpy(X: np.ndarray, origin: Origin, names: Iterable[str] | None) -> pl.DataFrame:
    if X.dtype.names is not None:
        return pl.DataFrame([_array_column(n, X[n].ravel(), origin) for n in X.dtype.names])
    if X.ndim != 2:
        raise ParameterError(
            "wrong number of dimensions",
            where=origin.name,
            expected="a 2D array (rows, columns)",
            got=f"a {X.ndim}D array",
            hint="Reshape your data with X.reshape(-1, 1) where it has one column",
        )
    labels = [f"x{j}" for j in range(X.shape[1])] if names is None else list(names)
    if len(labels) != X.shape[1]:
        raise ParameterError(
            "wrong number of columns",
            where=origin.name,
            expected=f"{len(labels)} columns",
            got=f"{X.shape[1]}",
        )
    return pl.DataFrame([_array_column(n, X[:, j], origin) for j, n in enumerate(labels)])


def _array_column(name: str, values: np.ndarray, origin: Origin) -> pl.Series:
    if values.dtype.kind in "biuf":
        if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
            values = values.astype(np.float64)
        return pl.Series(name, np.ascontiguousarray(values))
    if values.dtype.kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    return object_series(name, values.tolist(), origin)


def _from_pandas(X: Any, origin: Origin) -> pl.DataFrame:
    names = [str(name) for name in X.columns]
    check_names(names, origin)
    return pl.DataFrame(
        [_pandas_column(name, X.iloc[:, j], origin) for j, name in enumerate(names)]
    )


def _pandas_column(name: str, column: Any, origin: Origin) -> pl.Series:
    dtype = column.dtype
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype):
        return _array_column(name, column.to_numpy(), origin)
    if kind in "biuf" and not hasattr(column, "cat"):
        missing = column.isna().to_numpy()
        whole = {"b": np.bool_, "i": np.int64, "u": np.uint64}.get(kind, np.float64)
        filled = column.fillna(False if kind == "b" else 0) if missing.any() else column
        values = pl.Series(name, filled.to_numpy(dtype=whole))
        return values.set(pl.Series(missing), None) if missing.any() else values
    if kind == "M":
        return pl.Series(name, column.dt.tz_localize(None).to_numpy().astype("datetime64[us]"))
    values = object_series(name, column.to_numpy(dtype=object).tolist(), origin)
    if hasattr(column, "cat") and values.dtype != pl.Object:
        return level_series(values).cast(pl.Categorical)
    return values
