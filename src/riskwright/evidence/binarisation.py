"""From columns to items: statements such as "age ≥ 65 years" that hold or do not."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl

from riskwright.core import (
    ColumnError,
    EmptyDataError,
    Feature,
    Item,
    ParameterError,
    TargetError,
    ValueRangeError,
)

from .columns import (
    Origin,
    canonical,
    check_levels,
    conform,
    infer_feature,
    nearest,
    quoted,
    refuse_missing,
)
from .containers import check_names, to_frame
from .cut_points import exact_weights, number_text, outcome_cuts, quantile_cuts

__all__ = ["Binarizer"]

_CHOICES = {
    "method": ("outcome", "quantile", "none"),
    "items": ("threshold", "interval"),
    "missing": ("own_level", "refuse"),
}
_BLOCK = 1 << 16


class Binarizer:
    """Turns columns into items that hold (1) or not (0), and raw rows into the matrix of them.

    Numbers are cut, categories become one item per level, two-valued columns one item, and missing
    values an item of their own. The items carry all that is needed to read raw rows again.

    Parameters
    ----------
    method : {"outcome", "quantile", "none"}, default="outcome"
        How numbers are cut: where the log loss of the outcome falls most (exact dynamic
        programming over at most 200 pre-bins), into parts of equal weight, or not at all (the
        number itself is the item).
    max_cuts : int, default=5
        Most cut points per column, at least 1.
    items : {"threshold", "interval"}, default="threshold"
        "age ≥ 45", "age ≥ 65" or "age < 45", "45 ≤ age < 65", "age ≥ 65".
    cut_points : dict of column name to list of numbers, optional
        Cut points given by the user, taken as they are.
    min_share : float in [0, 0.5], default=0.01
        Least share of the weight in a bin. Rarer levels are merged into "other". A bin by outcome
        also has room for 10 events and 10 others at the overall rate, or a quarter of the weight.
    max_levels : int, default=30
        Most levels of a category that get an item; the rarest beyond are merged into "other".
    monotone : dict of column name to {"up", "down"}, optional
        The event rate may only rise or only fall along the column's bins (method "outcome").
    missing : {"own_level", "refuse"}, default="own_level"
        Missing values get an item of their own where they occur, or raise `MissingValueError`.
    round_cuts : bool, default=True
        Move cut points to readable numbers: by outcome within 2 % of the loss that the cuts save
        (or half a nat a cut, if that is more but not over a quarter; up to a quarter where the
        number would be finer than a hundredth of the inner 90 % of the column), by quantile within
        10 % of a part.

    Attributes
    ----------
    items_ : tuple of Item
    features_ : tuple of Feature
        In the order of the columns.
    item_feature_ : ndarray of int32, shape (n_items,)
        Index into `features_` of every item.
    feature_names_in_ : ndarray of object, shape (n_features_in_,)
    n_features_in_ : int

    Notes
    -----
    A weight of 2 gives exactly the items of the row repeated, a weight of 0 those without the row,
    and the order of the rows does not matter. Fitting costs O(n log n) per numeric column.

    Examples
    --------
    >>> import numpy as np
    >>> age = np.arange(20, 90)
    >>> binarizer = Binarizer().fit(age.reshape(-1, 1), age > 64)
    >>> [item.label for item in binarizer.items_]
    ['x0 ≥ 65']
    >>> binarizer.transform(np.array([[64.0], [65.0], [np.nan]])).ravel().tolist()
    [0, 1, 0]
    """

    def __init__(
        self,
        method: Literal["outcome", "quantile", "none"] = "outcome",
        max_cuts: int = 5,
        items: Literal["threshold", "interval"] = "threshold",
        cut_points: Mapping[str, Sequence[float]] | None = None,
        min_share: float = 0.01,
        max_levels: int = 30,
        monotone: Mapping[str, Literal["up", "down"]] | None = None,
        missing: Literal["own_level", "refuse"] = "own_level",
        round_cuts: bool = True,
    ) -> None:
        self.method = method
        self.max_cuts = max_cuts
        self.items = items
        self.cut_points = cut_points
        self.min_share = min_share
        self.max_levels = max_levels
        self.monotone = monotone
        self.missing = missing
        self.round_cuts = round_cuts

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Binarizer:
        """Set constructor parameters by name."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ParameterError(
                    "unknown parameter", where=f"Binarizer({name}=)", hint=nearest(name, known)
                )
            setattr(self, name, value)
        return self

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        features: Sequence[Feature] | None = None,
    ) -> Binarizer:
        """Find the items.

        Parameters
        ----------
        X : polars or pandas DataFrame, pyarrow Table or NumPy array, shape (n_rows, n_features)
            NaN and null are missing.
        y : array of 0 and 1, shape (n_rows,), optional
            The outcome; needed by method "outcome".
        sample_weight : array of non-negative numbers, shape (n_rows,), optional
        features : sequence of Feature, optional
            What is known of the columns (as `Table.features`); inferred where it is absent.

        Raises
        ------
        ParameterError, ColumnError, EmptyDataError, MissingValueError, TargetError, ValueRangeError
        """
        self._check_params()
        origin = Origin("X")
        frame = to_frame(X, origin, None if features is None else [f.name for f in features])
        check_names(frame.columns, origin)
        if frame.width == 0 or frame.height == 0:
            raise EmptyDataError(
                "no rows or no columns",
                where="X",
                expected="at least one row and one column",
                got=f"shape {frame.shape}",
            )
        if features is not None:
            _refuse_absent([f.name for f in features], frame.columns)
            frame = frame.select([f.name for f in features])
        self._check_names(frame.columns)
        weight = _weights(sample_weight, frame.height)
        outcome = self._outcome(y, frame.height)
        if weight is not None and (weight == 0).any():
            used = weight > 0
            frame = frame.filter(pl.Series(used))
            weight = weight[used]
            outcome = None if outcome is None else outcome[used]
        fitted: list[Feature] = []
        items: list[Item] = []
        owner: list[int] = []
        for j, name in enumerate(frame.columns):
            known = None if features is None else features[j]
            feature, column_items = self._fit_column(frame[name], known, outcome, weight, origin)
            fitted.append(feature)
            items += column_items
            owner += [j] * len(column_items)
        self._store(fitted, items, owner)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The items of raw rows: uint8 (0 and 1) of shape (n_rows, n_items), in C order.

        Float64 where an item is a number itself. Columns are found by name in frames and by
        position in arrays; further columns of a frame are ignored. A missing or unseen value makes
        every item of its feature 0 but the item "missing". Cost O(n_rows n_items).

        Raises
        ------
        ColumnError : a column is absent, or text stands where a number should.
        MissingValueError : missing values in a feature that refuses them.
        """
        if not hasattr(self, "items_"):
            from sklearn.exceptions import NotFittedError  # a second of start-up

            raise NotFittedError("this Binarizer is not fitted yet; call fit first")
        quick = self._quick(X)
        if quick is not None:
            return quick
        origin = Origin("X")
        names = [feature.name for feature in self.features_]
        if isinstance(X, np.ndarray) and X.dtype.names is None:
            self._check_width(X)
        frame = to_frame(X, origin, names)
        _refuse_absent(names, frame.columns)
        raw = any(item.kind == "value" for item in self.items_)
        out = np.empty((frame.height, len(self.items_)), dtype=np.float64 if raw else np.uint8)
        needed = set(self.item_feature_.tolist())
        columns: dict[int, _Column] = {}
        for j, feature in enumerate(self.features_):
            if j in needed or feature.missing == "refused":
                columns[j] = _Column(conform(frame[feature.name], feature, origin))
        for start in range(0, frame.height, _BLOCK):
            rows = slice(start, min(start + _BLOCK, frame.height))
            for i, item in enumerate(self.items_):
                out[rows, i] = columns[int(self.item_feature_[i])].holds(item, rows)
        return out

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        features: Sequence[Feature] | None = None,
    ) -> np.ndarray:
        """`fit`, then `transform` of the same rows."""
        return self.fit(X, y, sample_weight, features).transform(X)

    def to_dict(self) -> dict[str, Any]:
        """Parameters and fitted state as plain JSON values; `from_dict` reads them back."""
        params = self.get_params()
        for name in ("cut_points", "monotone"):
            if params[name] is not None:
                params[name] = {
                    k: [float(c) for c in v] if name == "cut_points" else v
                    for k, v in params[name].items()
                }
        body: dict[str, Any] = {"params": params}
        if hasattr(self, "items_"):
            body["features"] = msgspec.to_builtins(self.features_)
            body["items"] = msgspec.to_builtins(self.items_)
            body["item_feature"] = self.item_feature_.tolist()
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Binarizer:
        """The binarizer that `to_dict` described; its transforms are the same to the bit."""
        binarizer = cls(**body["params"])
        if "items" in body:
            features = msgspec.convert(body["features"], list[Feature], strict=False)
            items = msgspec.convert(body["items"], list[Item], strict=False)
            binarizer._store(features, items, list(body["item_feature"]))
        return binarizer

    def _store(self, features: list[Feature], items: list[Item], owner: list[int]) -> None:
        self.features_ = tuple(features)
        self.items_ = tuple(items)
        self.item_feature_ = np.asarray(owner, dtype=np.int32)
        self.feature_names_in_ = np.array([f.name for f in features], dtype=object)
        self.n_features_in_ = len(features)
        self._all_binary = owner == list(range(len(features))) and all(
            (item.kind, item.low, item.high) == ("interval", 0.5, 1.5) for item in items
        )

    def _fit_column(
        self,
        series: pl.Series,
        known: Feature | None,
        y: np.ndarray | None,
        weight: np.ndarray | None,
        origin: Origin,
    ) -> tuple[Feature, list[Item]]:
        if known is None:
            values = canonical(series, origin)
            feature = infer_feature(values)
        else:
            values, feature = conform(series, known, origin), known
        missing = values.null_count() > 0
        if self.missing == "refuse" or feature.missing == "refused":
            refuse_missing(values, origin)
            feature = msgspec.structs.replace(feature, missing="refused")
        else:
            feature = msgspec.structs.replace(
                feature, missing="own_level" if missing else "none_seen"
            )
        if values.null_count() == len(values):
            return feature, []
        if feature.levels is not None:
            feature, items = self._level_items(feature, values, weight, origin)
        elif feature.type == "binary":
            items = _binary_item(feature, values)
        else:
            items = self._number_items(feature, values, y, weight)
        if missing:
            label = f"{_label(feature)} missing"
            items.append(Item(feature=feature.name, kind="missing", label=label))
        return feature, items

    def _level_items(
        self, feature: Feature, values: pl.Series, weight: np.ndarray | None, origin: Origin
    ) -> tuple[Feature, list[Item]]:
        shares = _level_shares(values, weight)
        check_levels(len(shares), feature.name, origin)
        levels = feature.levels or ()
        known = [*levels, *sorted(set(shares) - set(levels) - set(feature.other_levels or ()))]
        seen = [level for level in known if level in shares]
        if len(seen) < 2 and not values.null_count():
            return feature, []
        if feature.type == "binary" and len(known) == 2:
            return feature, [_level_item(feature, known[1:], _seen(known[1]))]
        ranked = sorted(seen, key=lambda level: (-shares[level], level))
        kept = {lv for lv in ranked[: self.max_levels] if shares[lv] >= self.min_share}
        rare = [level for level in known if level not in kept]
        if len(rare) == 1 and len(ranked) <= self.max_levels:
            kept, rare = {*kept, *rare}, []
        feature = msgspec.structs.replace(
            feature,
            type="categorical",
            levels=tuple(level for level in known if level in kept),
            other_levels=tuple(rare) or None,
        )
        items = [
            _level_item(feature, [lv], _seen(lv)) for lv in known if lv in kept and lv in shares
        ]
        if kept and any(level in shares for level in rare):
            plural = "s" if len(rare) > 1 else ""
            items.append(_level_item(feature, rare, f"other ({len(rare)} rare level{plural})"))
        return feature, items

    def _number_items(
        self,
        feature: Feature,
        values: pl.Series,
        y: np.ndarray | None,
        weight: np.ndarray | None,
    ) -> list[Item]:
        if values.min() == values.max():
            return []
        given = (self.cut_points or {}).get(feature.name)
        if given is None and self.method == "none":
            label = _label(feature) + (f" ({feature.unit})" if feature.unit else "")
            return [Item(feature=feature.name, kind="value", label=label)]
        cuts = list(map(float, given)) if given is not None else self._cuts(values, y, weight)
        if not cuts:
            return []
        if self.items == "threshold":
            return [_range_item(feature, cut, None) for cut in cuts]
        edges = [None, *cuts, None]
        return [_range_item(feature, low, high) for low, high in pairwise(edges)]

    def _cuts(
        self, values: pl.Series, y: np.ndarray | None, weight: np.ndarray | None
    ) -> list[float]:
        present = values.is_not_null().to_numpy()
        numbers = values.drop_nulls().cast(pl.Float64).to_numpy()
        held = None if weight is None else weight[present]
        if self.method == "quantile":
            return quantile_cuts(numbers, held, max_cuts=self.max_cuts, round_cuts=self.round_cuts)
        assert y is not None
        monotone = (self.monotone or {}).get(values.name)
        return outcome_cuts(
            numbers,
            y[present],
            held,
            rows=len(numbers),
            total=float(len(numbers) if held is None else held.sum()),
            max_cuts=self.max_cuts,
            min_share=self.min_share,
            monotone=monotone,
            round_cuts=self.round_cuts,
        )

    def _quick(self, X: Any) -> np.ndarray | None:
        """The rows as they are, where every item is a 0/1 column and every column holds 0 and 1."""
        if not self._all_binary:
            return None
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.char in "?bB":
            self._check_width(X)
            block = X
        elif isinstance(X, pl.DataFrame):
            names = [feature.name for feature in self.features_]
            if not set(names) <= set(X.columns):
                return None
            part = X.select(names)
            types = set(part.dtypes)
            if not types <= {pl.UInt8, pl.Int8, pl.Boolean} or len(types) != 1:
                return None
            if any(part.null_count().row(0)):
                return None
            block = part.to_numpy(order="c")
        else:
            return None
        out = np.array(block, dtype=np.uint8, order="C", copy=True)
        return out if not out.size or out.max() <= 1 else None

    def _check_params(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ParameterError(
                    "unknown choice",
                    where=f"Binarizer({name}=)",
                    expected="one of " + ", ".join(allowed),
                    got=repr(value),
                )
        for name, low, high in (("max_cuts", 1, 100), ("max_levels", 1, 1000)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                value = low - 1
            if not low <= value <= high:
                raise ParameterError(
                    "out of range",
                    where=f"Binarizer({name}=)",
                    expected=f"an integer from {low} to {high}",
                    got=repr(getattr(self, name)),
                )
        if not 0 <= self.min_share <= 0.5:
            raise ParameterError(
                "out of range",
                where="Binarizer(min_share=)",
                expected="a share from 0 to 0.5",
                got=repr(self.min_share),
            )
        for argument in ("cut_points", "monotone"):
            given = getattr(self, argument)
            if given is not None and not (
                isinstance(given, Mapping) and all(isinstance(name, str) for name in given)
            ):
                raise ParameterError(
                    "not a mapping from names of columns",
                    where=f"Binarizer({argument}=)",
                    expected="None or a dict such as "
                    + ("{'age': [40, 65]}" if argument == "cut_points" else "{'age': 'up'}"),
                    got=repr(given),
                )
        for name, cuts in (self.cut_points or {}).items():
            try:
                values = np.asarray(cuts, dtype=np.float64)
            except (TypeError, ValueError):
                values = np.array([np.nan])
            if values.ndim != 1 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
                raise ParameterError(
                    "cut points that cannot be used",
                    where=f"Binarizer(cut_points[{name!r}])",
                    expected="finite numbers in increasing order",
                )
        for name, direction in (self.monotone or {}).items():
            if direction not in ("up", "down"):
                raise ParameterError(
                    "unknown direction",
                    where=f"Binarizer(monotone[{name!r}])",
                    expected="'up' or 'down'",
                    got=repr(direction),
                )

    def _check_names(self, columns: Sequence[str]) -> None:
        for argument in ("cut_points", "monotone"):
            for name in getattr(self, argument) or ():
                if name not in columns:
                    raise ColumnError(
                        f"no column {quoted(name)}",
                        where=f"Binarizer({argument}=)",
                        hint=nearest(name, columns),
                    )

    def _outcome(self, y: Any, n: int) -> np.ndarray | None:
        if self.method != "outcome":
            return None
        if y is None:
            raise ParameterError(
                "no outcome given",
                where="Binarizer.fit(y=)",
                expected="an array of 0 and 1, since method is 'outcome'",
                hint="Pass y, or use method='quantile'",
            )
        values = np.asarray(y).ravel()
        if len(values) != n or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
            raise TargetError(
                "not a binary outcome",
                where="Binarizer.fit(y=)",
                expected=f"{n} values, each 0 or 1",
                got=f"{len(values)} values of type {values.dtype}",
            )
        return values.astype(np.float64)

    def _check_width(self, X: np.ndarray) -> None:
        if X.ndim == 2 and X.shape[1] != self.n_features_in_:
            raise ColumnError(
                f"X has {X.shape[1]} features, but Binarizer is expecting "
                f"{self.n_features_in_} features as input"
            )


class _Column:
    """A conformed column as arrays, ready to be asked block by block whether items hold."""

    def __init__(self, values: pl.Series) -> None:
        self._null = values.is_null().to_numpy() if values.null_count() else None
        self._text = values.dtype == pl.String
        self._series = values
        self._values = None if self._text else values.to_numpy()

    def holds(self, item: Item, rows: slice) -> Any:
        if item.kind == "missing":
            return 0 if self._null is None else self._null[rows]
        if self._values is None:
            part = self._series[rows]
            levels = item.levels or ()
            same = part == levels[0] if len(levels) == 1 else part.is_in(levels)
            return same.fill_null(False).to_numpy()
        values = self._values[rows]
        if item.kind == "value":
            return values if self._null is None else np.where(self._null[rows], 0.0, values)
        if item.kind == "ge":
            return values >= item.low
        if item.kind == "lt":
            return values < item.high
        return (values >= item.low) & (values < item.high)


def _label(feature: Feature) -> str:
    return feature.label or _seen(feature.name)


def _seen(text: str) -> str:
    """The text, in quotes where spaces at its ends or in a row would go unseen."""
    return text if text == " ".join(text.split()) else f'"{text}"'


def _range_item(feature: Feature, low: float | None, high: float | None) -> Item:
    name, unit = _label(feature), f" {feature.unit}" if feature.unit else ""
    least = None if low is None else number_text(low)
    most = None if high is None else number_text(high)
    kind: Literal["ge", "lt", "interval"]
    if least is None:
        kind, label = "lt", f"{name} < {most}{unit}"
    elif most is None:
        kind, label = "ge", f"{name} ≥ {least}{unit}"
    else:
        kind, label = "interval", f"{least} ≤ {name} < {most}{unit}"
    return Item(feature=feature.name, kind=kind, label=label, low=low, high=high)


def _binary_item(feature: Feature, values: pl.Series) -> list[Item]:
    low, high = feature.minimum, feature.maximum
    if low is None or high is None:
        low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if low == high or values.min() == values.max():
        return []
    zero_one = (low, high) == (0.0, 1.0)
    short = f"{high:.6g}" if f"{high:.6g}" != f"{low:.6g}" else repr(high)
    label = _label(feature) if zero_one else f"{_label(feature)} = {number_text(float(short))}"
    half = (high - low) / 2  # a third value, such as a code for unknown, is neither of the two
    return [
        Item(feature=feature.name, kind="interval", label=label, low=high - half, high=high + half)
    ]


def _level_item(feature: Feature, levels: Sequence[str], text: str) -> Item:
    return Item(
        feature=feature.name,
        kind="in",
        label=f"{_label(feature)} = {text}",
        levels=tuple(levels),
    )


def _level_shares(values: pl.Series, weight: np.ndarray | None) -> dict[str, float]:
    """Share of the weight of all rows that each level holds."""
    mass = pl.Series(np.ones(len(values)) if weight is None else weight)
    frame = pl.DataFrame({"level": values, "mass": mass})
    total = float(mass.sum())
    sums = frame.filter(pl.col("level").is_not_null()).group_by("level").agg(pl.col("mass").sum())
    return {level: held / total for level, held in sums.iter_rows()}


def _weights(sample_weight: Any, n: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64).ravel()
    if len(weight) != n or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise ValueRangeError(
            "weights that cannot be used",
            where="Binarizer.fit(sample_weight=)",
            expected=f"{n} finite weights, none negative, not all zero",
        )
    return exact_weights(weight)


def _refuse_absent(names: Sequence[str], columns: Sequence[str]) -> None:
    present = set(columns)
    absent = [name for name in names if name not in present]
    if absent:
        raise ColumnError(
            "columns are missing" if len(absent) > 1 else "a column is missing",
            where="X",
            expected=", ".join(quoted(name) for name in absent[:5]),
            hint=nearest(absent[0], columns),
        )
