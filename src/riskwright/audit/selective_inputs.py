"""What `selective_labels` is given, checked: columns, who was observed, and the constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import (
    ColumnError,
    ConstraintError,
    DataError,
    Estimate,
    ParameterError,
    TargetError,
)
from riskwright.metrics._inputs import factorised
from riskwright.stats import normal_quantile, proportion_interval
from riskwright.stats._columns import (
    is_number,
    length_error,
    numbers,
    places,
    refuse,
    same_length,
    table,
)

__all__ = [
    "DesignColumns",
    "flags",
    "group_codes",
    "known_rate",
    "labels",
    "policy_columns",
    "refuse_contradiction",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_CONTRADICTION = 0.9999


@dataclass(frozen=True)
class DesignColumns:
    """Standardised columns with a leading 1, and how to make more of the same."""

    names: tuple[str, ...]
    centre: Floats
    scale: Floats
    design: Floats

    @staticmethod
    def of(X: Any, feature_names: Sequence[str] | None) -> DesignColumns:
        values, names = _matrix(X, feature_names)
        values = numbers(values, "X", ndim=2)
        centre, scale = values.mean(axis=0), values.std(axis=0)
        constant = scale <= 1e-12 * np.maximum(1.0, np.abs(centre))
        if constant.any():
            named = ", ".join(np.asarray(names)[constant][:5])
            raise ColumnError(
                "constant columns",
                where="X",
                expected="columns that vary; the intercept is added here",
                got=named,
            )
        return DesignColumns(tuple(names), centre, scale, _with_one((values - centre) / scale))

    def more(self, X: Any) -> Floats:
        values = numbers(_matrix(X, self.names)[0], "X", ndim=2)
        if values.shape[1] != len(self.names):
            raise ColumnError(
                "wrong number of columns",
                where="X",
                expected=str(len(self.names)),
                got=str(values.shape[1]),
            )
        return _with_one((values - self.centre) / self.scale)

    def original_units(self, free: NDArray[np.int64]) -> Floats:
        """Matrix that carries coefficients of the standardised columns to those of the plain."""
        slopes = np.concatenate([[1.0], 1.0 / self.scale])
        carried = np.diag(slopes[free])
        carried[0] -= np.concatenate([[0.0], self.centre / self.scale])[free]
        return carried


def _matrix(X: Any, feature_names: Sequence[str] | None) -> tuple[Floats, Sequence[str]]:
    """Columns as one array, and their names: those of the frame, those given, or x0, x1, ..."""
    held = list(X) if isinstance(X, Mapping) else getattr(X, "columns", None)
    if held is not None:
        wanted = [str(name) for name in held] if feature_names is None else list(feature_names)
        missing = [name for name in wanted if name not in [str(h) for h in held]]
        if missing:
            raise ColumnError("no such column", where="X", got=", ".join(missing[:5]))
        by_name = {str(name): X[name] for name in held}
        parts = [table(by_name[name], name) for name in wanted]
        if not parts:
            raise ColumnError("no columns", where="X")
        for name, part in zip(wanted, parts, strict=True):
            same_length(part, name, parts[0].size, wanted[0])
        return np.stack(parts, axis=1), wanted
    values = table(X, "X", ndim=2)
    names = [f"x{j}" for j in range(values.shape[1])] if feature_names is None else feature_names
    if len(names) != values.shape[1] or len(set(names)) != len(names):
        raise ColumnError(
            "names do not fit the columns",
            where="feature_names",
            expected=f"{values.shape[1]} different names",
            got=f"{len(names)}",
        )
    return values, names


def _with_one(values: Floats) -> Floats:
    return np.concatenate([np.ones((values.shape[0], 1)), values], axis=1)


def flags(values: ArrayLike, size: int) -> Bools:
    flags = numbers(values, "observed")
    same_length(flags, "observed", size, "X")
    refuse((flags != 0) & (flags != 1), "observed", "not a flag", "0 or 1")
    seen: Bools = flags == 1
    return seen


def labels(outcome: ArrayLike, observed: ArrayLike, size: int) -> tuple[Bools, Bools]:
    seen = flags(observed, size)
    try:
        values = np.asarray(outcome, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("not numbers", where="outcome", expected="0 or 1, or NaN") from None
    if values.ndim != 1:
        raise DataError("wrong shape", where="outcome", expected="one value per row")
    if values.size != size:
        raise length_error("outcome", values.size, size, "X")
    bad = seen & (values != 0) & (values != 1)
    if bad.any():
        raise TargetError(
            "not an outcome", where="outcome", expected="0 or 1 where observed", got=places(bad)
        )
    if not seen.any():
        raise TargetError(
            "the outcome is observed for nobody",
            where="observed",
            hint="Nothing can be learned of the risk without any outcome",
        )
    if seen.all():
        raise TargetError(
            "the outcome is observed for everybody",
            where="observed",
            hint="No labels are missing: measure the score as it is",
        )
    if np.unique(values[seen]).size < 2:
        raise TargetError("only one class among the observed outcomes", where="outcome")
    return seen, seen & (values == 1)


def known_rate(prevalence: float | Estimate | None) -> tuple[float | None, float]:
    """The known rate and its standard error."""
    if prevalence is None:
        return None, 0.0
    value: Any = prevalence.value if isinstance(prevalence, Estimate) else prevalence
    if not (is_number(value) and 0 < value < 1):
        raise ParameterError(
            "not a rate", where="prevalence", expected="between 0 and 1", got=repr(value)
        )
    if not isinstance(prevalence, Estimate):
        return float(value), 0.0
    spread = (prevalence.high - prevalence.low) / (2 * normal_quantile(prevalence.level))
    if not 0 <= spread < np.inf:
        raise ParameterError(
            "an estimate without an interval", where="prevalence", expected="low <= value <= high"
        )
    return float(value), float(spread)


def refuse_contradiction(rate: float | None, spread: float, seen: Bools, positive: Bools) -> None:
    """At least those seen with the outcome have it, at most those not seen without."""
    if rate is None:
        return
    n, reach = seen.size, 4 * spread
    least, _ = proportion_interval(int(positive.sum()), n, _CONTRADICTION, "clopper_pearson")
    without = int((seen & ~positive).sum())
    most = 1 - proportion_interval(without, n, _CONTRADICTION, "clopper_pearson")[0]
    if not least - reach <= rate <= most + reach:
        raise ConstraintError(
            "the prevalence contradicts the outcomes that were observed",
            conflict=("prevalence",),
            where="prevalence",
            expected=f"from {least:.4g} to {most:.4g}",
            got=f"{rate:.4g}",
            hint="Is it the rate in the population that these rows were drawn from?",
        )


def policy_columns(expertise: Sequence[str] | None, names: Sequence[str]) -> NDArray[np.int64]:
    """Places of the policy's free coefficients, the intercept first."""
    if expertise is None:
        return np.arange(len(names) + 1)
    if isinstance(expertise, str):
        raise ParameterError("one name", where="expertise", expected="a list of column names")
    unknown = [str(name) for name in expertise if name not in names]
    if unknown:
        raise ColumnError(
            "no such column",
            where="expertise",
            expected="some of " + ", ".join(names[:10]),
            got=", ".join(unknown[:5]),
        )
    return np.array([0] + [j + 1 for j, name in enumerate(names) if name in expertise])


def group_codes(groups: ArrayLike, size: int) -> tuple[list[str], NDArray[np.int32]]:
    labels, codes = factorised(groups, "groups")
    if codes.size != size:
        raise length_error("groups", codes.size, size, "X")
    return labels, codes
