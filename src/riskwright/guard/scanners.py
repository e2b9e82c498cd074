"""`Scanners`: one error budget for many scanners that are joined by "or"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import DataError, Estimate, ParameterError, Record, UsageError
from riskwright.decision import Budget, RiskCertificate, Threshold
from riskwright.decision.budgets import checked_budgets
from riskwright.decision.tuned import set_apart
from riskwright.metrics._inputs import checked_rows
from riskwright.stats.shares import counted_share

__all__ = ["ScannerShare", "Scanners", "SharedBudget"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.intp]
Groups = ArrayLike | Mapping[str, ArrayLike] | None

_ALLOWED = frozenset({"miss rate", "false alarm rate", "error rate"})
_LEAST, _MOST = 0.01, 0.05  # of the events that one step may add
_FREE = 0.5  # false alarms that count for none, so that steps without any can be compared


class ScannerShare(Record, frozen=True, kw_only=True):
    """What one scanner does within the whole, on the certifying rows.

    `alarms` is the share of rows that it flags, `caught` of the events; `alone_caught` is the share
    of events that it alone flags, `alone_false` the share of non-events that it alone flags: what
    would be lost, and what be spared, without it.
    """

    name: str
    threshold: float
    alarms: Estimate
    caught: Estimate
    alone_caught: Estimate
    alone_false: Estimate


class SharedBudget(Record, frozen=True, kw_only=True):
    """One budget of false alarms for all, beside an equal part of it for each scanner."""

    miss_rate: Estimate
    false_alarm_rate: Estimate
    apart_thresholds: dict[str, float]
    apart_miss_rate: Estimate
    apart_false_alarm_rate: Estimate


class Scanners(BaseEstimator):  # type: ignore[misc]
    """Flag where any scanner's score reaches its threshold; the joint decision keeps the budgets.

    Parameters
    ----------
    budgets : on the "miss rate", "false alarm rate" or "error rate" of the joint decision.
    tune : share of the rows, drawn at random, that proposes thresholds and certifies nothing.
    random_state : seed of that draw.

    Attributes
    ----------
    path_ : array of shape (n_steps, n_scanners), thresholds that fall from row to row: the first
        row flags nothing, the last everything.
    thresholds_ : mapping from scanner to threshold, empty where nothing is certified.
    certificate_ : RiskCertificate of the joint decision, as that of a threshold on the position
        along the path (`positions`). `certificate_.check(positions, y)` verifies it from the rows
        that certified, which `certifying_` numbers.
    shares_ : tuple of ScannerShare.
    compared_ : SharedBudget, where a false alarm rate is bounded over all rows; else None.

    Notes
    -----
    On the rows set apart, thresholds are lowered one at a time, each time that of the scanner
    which catches most events for its new false alarms. The sets of flagged rows along this path
    are nested, so that the joint decisions are those of one score, the position, and the other
    rows certify all of its thresholds at once without any correction for the number of scanners
    (`riskwright.decision.Threshold`). Spending a budget apart, limit and delta divided by the
    number of scanners, pays for alarms that overlap as often as they are raised. O(s k n log n)
    for s <= 100 / _LEAST steps and k scanners. Viola & Jones (2004), IJCV 57:137, for greedy
    thresholds of several detectors; Angelopoulos et al. (2021), Learn then Test.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(4000) < 0.3
    >>> scores = {name: rng.normal(2.0 * y, 1.0) for name in ("words", "model", "links")}
    >>> scanners = Scanners("false alarm rate <= 5%").fit(scores, y)
    >>> scanners.certificate_.verdict
    'certified'
    >>> scanners.compared_.miss_rate.value < scanners.compared_.apart_miss_rate.value
    True
    """

    def __init__(
        self,
        budgets: Budget | str | Sequence[Budget | str],
        *,
        tune: float = 0.4,
        random_state: int = 0,
    ) -> None:
        self.budgets = budgets
        self.tune = tune
        self.random_state = random_state

    def fit(
        self, scores: Mapping[str, ArrayLike], y: ArrayLike, *, groups: Groups = None
    ) -> Scanners:
        """Propose a path of thresholds, certify along it, and choose.

        Parameters
        ----------
        scores : mapping from scanner to scores of shape (n,), higher means riskier; no NaN.
        y : array of shape (n,), 1 where the row is to be flagged
        groups : for budgets that hold per group.

        Raises
        ------
        ParameterError, DataError : for bad settings or rows, and where no event is among the rows
            set apart.
        """
        budgets = self._checked_budgets()
        if not isinstance(scores, Mapping) or not scores:
            raise ParameterError("no scanners", where="scores", expected="name -> scores")
        self.names_ = tuple(map(str, scores))
        columns = [checked_rows(y, scores[name], None, probabilities=False) for name in scores]
        table = np.column_stack([rows.p for rows in columns])
        outcome = columns[0].outcome.astype(bool)
        chosen, self.certifying_ = set_apart(outcome.size, self.tune, self.random_state)
        if not outcome[chosen].any():
            raise DataError(
                "no event among the rows that propose thresholds",
                where="y",
                hint="Give more events, or raise tune",
            )
        self.path_ = _path(table[chosen], outcome[chosen])
        held, truth = table[self.certifying_], outcome[self.certifying_]
        self._rule = Threshold(budgets).fit(
            _positions(self.path_, held), truth, groups=_taken(groups, self.certifying_)
        )
        self._settle()
        self.shares_ = self._shares(held, truth)
        self.compared_ = self._compared(budgets, held, truth)
        return self

    def _settle(self) -> None:
        self.certificate_: RiskCertificate = self._rule.certificate_
        self.thresholds_: dict[str, float] = {}
        if self.certificate_.certified:
            row = self.path_[_step(self._rule.threshold_, len(self.path_))]
            self.thresholds_ = dict(zip(self.names_, map(float, row), strict=True))

    def _checked_budgets(self) -> tuple[Budget, ...]:
        budgets = checked_budgets(self.budgets, _ALLOWED)
        for budget in budgets:
            if budget.name not in _ALLOWED or not budget.is_mean or budget.weight:
                raise ParameterError(
                    "not a budget for scanners",
                    where=f"budget {str(budget)!r}",
                    expected="the mean of miss rate, false alarm rate or error rate",
                )
        return budgets

    def positions(self, scores: Mapping[str, ArrayLike]) -> Floats:
        """Where on the path each row is first flagged, counted from the end: higher is riskier."""
        return _positions(self.path_, self._table(scores))

    def decide(self, scores: Mapping[str, ArrayLike]) -> NDArray[np.str_]:
        """ "flag" or "pass" for every row; "abstain" for all where nothing is certified.

        A score that is NaN is that of a scanner that failed: the row is flagged where another
        scanner flags it, else "abstain", since silence is no pass.
        """
        table = self._table(scores)
        if not self.thresholds_ or self.certificate_.verdict == "void":
            return np.full(len(table), "abstain")
        row = np.array([self.thresholds_[name] for name in self.names_])
        flagged = (table >= row).any(axis=1)
        unknown = ~flagged & np.isnan(table).any(axis=1)
        return np.where(flagged, "flag", np.where(unknown, "abstain", "pass"))

    def _table(self, scores: Mapping[str, ArrayLike]) -> Floats:
        if not hasattr(self, "path_"):
            raise UsageError("the rule is not fitted", where="Scanners", hint="Call fit first")
        if set(scores) != set(self.names_):
            raise ParameterError("other scanners", where="scores", expected=", ".join(self.names_))
        columns = [np.atleast_1d(np.asarray(scores[n], dtype=np.float64)) for n in self.names_]
        if any(column.shape != columns[0].shape or column.ndim != 1 for column in columns):
            raise DataError("scanners have different numbers of rows", where="scores")
        return np.column_stack(columns)

    def _shares(self, table: Floats, y: Bools) -> tuple[ScannerShare, ...]:
        if not self.thresholds_:
            return ()
        flags = table >= np.array([self.thresholds_[name] for name in self.names_])
        alone = flags & (flags.sum(axis=1, keepdims=True) == 1)
        return tuple(
            ScannerShare(
                name=name,
                threshold=self.thresholds_[name],
                alarms=_share("alarms", flags[:, k]),
                caught=_share("caught", flags[y, k]),
                alone_caught=_share("caught by it alone", alone[y, k]),
                alone_false=_share("falsely flagged by it alone", alone[~y, k]),
            )
            for k, name in enumerate(self.names_)
        )

    def _compared(self, budgets: Sequence[Budget], table: Floats, y: Bools) -> SharedBudget | None:
        plain = [b for b in budgets if b.name == "false alarm rate" and b.per is None]
        if not plain or not self.thresholds_ or plain[0].delta is None:
            return None
        k = len(self.names_)
        part = replace(plain[0], limit=plain[0].limit / k, delta=plain[0].delta / k)
        apart = [Threshold(part).fit(column, y).threshold_ for column in table.T]
        row = np.array([self.thresholds_[name] for name in self.names_])
        joint = np.asarray((table >= row).any(axis=1))
        limits = np.where(np.isnan(apart), math.inf, apart)
        spent = np.asarray((table >= limits).any(axis=1))
        return SharedBudget(
            miss_rate=_share("miss rate", ~joint[y]),
            false_alarm_rate=_share("false alarm rate", joint[~y]),
            apart_thresholds=dict(zip(self.names_, map(float, apart), strict=True)),
            apart_miss_rate=_share("miss rate, budgets apart", ~spent[y]),
            apart_false_alarm_rate=_share("false alarm rate, budgets apart", spent[~y]),
        )

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; shares and comparison are not kept."""
        if not hasattr(self, "path_"):
            raise UsageError("the rule is not fitted", where="Scanners")
        return "scanners", {
            "params": {"random_state": self.random_state},
            "tune": self.tune,
            "budgets": [budget.to_dict() for budget in self._checked_budgets()],
            "names": list(self.names_),
            "path": self.path_.tolist(),
            "rule": self._rule.to_artifact()[1],
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Scanners:
        """The scanners that `to_artifact` described."""
        budgets = [Budget.from_dict(told) for told in body["budgets"]]
        scanners = cls(budgets, tune=body["tune"], random_state=body["params"]["random_state"])
        scanners.names_ = tuple(body["names"])
        scanners.path_ = np.array([[float(t) for t in row] for row in body["path"]])
        if scanners.path_.ndim != 2 or scanners.path_.shape[1] != len(scanners.names_):
            raise ParameterError("not the path of these scanners", where="scanners")
        rule = Threshold.from_artifact(body["rule"])
        assert isinstance(rule, Threshold)
        scanners._rule = rule
        scanners._settle()
        return scanners


def _path(table: Floats, y: Bools) -> Floats:
    """Thresholds from none flagged to all flagged, one scanner's lowered at a time."""
    k = table.shape[1]
    least, most = (max(1, math.ceil(share * y.sum())) for share in (_LEAST, _MOST))
    orders = [np.argsort(-table[:, j], kind="stable") for j in range(k)]
    current, waiting = np.full(k, math.inf), np.ones(y.size, bool)
    path = [current.copy()]
    while (waiting & y).any():
        steps = [_next(table[:, j], orders[j], y, waiting, least, most) for j in range(k)]
        best = max(range(k), key=lambda j: steps[j][0])
        current[best] = steps[best][1]
        path.append(current.copy())
        waiting &= table[:, best] < current[best]
    path.append(np.full(k, -math.inf))
    return np.array(path)


def _next(
    score: Floats, order: Integers, y: Bools, waiting: Bools, least: int, most: int
) -> tuple[float, float]:
    """The best next threshold of one scanner: new events for each new false alarm, and where."""
    rows = order[waiting[order]]
    value = score[rows]
    events = np.cumsum(y[rows])
    others = np.arange(1, rows.size + 1) - events
    ends = np.append(value[1:] < value[:-1], True)
    fewest = min(least, int(events[-1]))
    largest = events[ends][np.searchsorted(events[ends], min(most, int(events[-1])))]
    allowed = np.flatnonzero(ends & (events >= fewest) & (events <= largest))
    worth = events[allowed] / (others[allowed] + _FREE)
    place = int(allowed[np.argmax(worth)])
    return float(worth.max()), float(value[place])


def _positions(path: Floats, table: Floats) -> Floats:
    """Steps from the one that first flags a row to the last; NaN scores flag nothing."""
    first = np.full(len(table), len(path) - 1)
    for column, thresholds in zip(table.T, path.T, strict=True):
        reached = len(path) - np.searchsorted(thresholds[::-1], column, side="right")
        first = np.where(np.isnan(column), first, np.minimum(first, reached))
    return np.asarray(len(path) - 1.0 - first)


def _step(threshold: float, steps: int) -> int:
    """The row of the path that flags exactly the positions from `threshold` on."""
    if math.isinf(threshold):
        return 0 if threshold > 0 else steps - 1
    return min(max(math.floor(steps - 1 - threshold), 0), steps - 1)


def _taken(groups: Groups, rows: Integers) -> Groups:
    if groups is None:
        return None
    if isinstance(groups, Mapping):
        return {name: np.asarray(values, dtype=object)[rows] for name, values in groups.items()}
    return np.asarray(groups, dtype=object)[rows]


def _share(name: str, marks: Bools) -> Estimate:
    return counted_share(name, int(np.count_nonzero(marks)), marks.size)
