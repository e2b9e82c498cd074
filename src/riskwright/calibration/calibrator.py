"""`Calibrator`: one score to a probability, by any method, by group, under censoring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from riskwright.core import (
    DataError,
    Estimate,
    ParameterError,
    TargetError,
    UsageError,
    ValueRangeError,
)
from riskwright.stats import CensoringReport, horizon_outcomes

from ._inputs import Floats, ScoredRows, checked_scores, group_codes, scored_rows
from .maps import CalibrationMap
from .selection import METHODS, select_method

__all__ = ["Calibrator", "Method"]

Method = Literal["auto", "platt", "temperature", "beta", "isotonic", "histogram", "venn-abers"]


class Calibrator(BaseEstimator):
    """Learn the probability of an event from one score, on rows that the score has not seen.

    Parameters
    ----------
    method : str, default="auto"
        "platt": logistic curve in the score as it is given, with Platt's smoothed targets.
        "temperature": log-odds divided by a number above 0; needs probabilities.
        "beta": logistic curve in log p and -log(1 - p), both coefficients >= 0; needs
        probabilities. "isotonic": the best non-decreasing curve, linear between its steps.
        "histogram": event rate by bins of equal mass, with Laplace's correction. "venn-abers":
        inductive Venn-Abers predictor, the one with an interval and a guarantee. "auto": of these
        the one of least log loss in 5-fold cross-fitting; the simpler of equals.
    bins : int, default=15
        Bins of "histogram".
    by : {"group"} or None, default=None
        "group": a calibrator for each group given to `fit`, of the method chosen on all rows.
    n_min : int, default=50
        A group with fewer events or fewer non-events than this gets the calibrator of all rows, as
        does one on which the method has no answer; both are listed in `fallback_groups_`.
    random_state : int, RandomState or None, default=None
        Seed of the folds of "auto"; None is 0.

    Attributes
    ----------
    chosen_ : str
        The method in use.
    candidates_ : dict of str to Estimate
        With "auto": cross-fitted log loss of every candidate. Else empty.
    left_out_ : dict of str to str
        With "auto": methods that could not be used, and why.
    map_ : the fitted map of all rows; its fields are the learnt numbers.
    maps_ : dict of group to the group's own map.
    fallback_groups_ : dict of group to the reason why it has none.
    censoring_ : CensoringReport or None, what `fit_censored` weighed.
    n_rows_, n_events_ : int, rows with positive weight, and events among them.
    seed_ : int

    Notes
    -----
    Probabilities of exactly 0 and 1 are moved by 2^-52 by "temperature" and "beta" and counted in
    `map_.moved`; no other score is changed. All methods but "histogram" keep the order of scores
    (Platt's slope may turn it). Time O(n) for a radix sort or a few Newton steps over all rows;
    memory O(n). Zeros of `sample_weight` leave rows out; a row of weight 2 counts as the row twice.
    "venn-abers" takes whole weights only.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> score = rng.normal(size=2000)
    >>> y = rng.random(2000) < 1 / (1 + np.exp(-2 * score))
    >>> calibrator = Calibrator("platt").fit(score, y)
    >>> calibrator.predict([-1.0, 0.0, 1.0]).round(2).tolist()
    [0.11, 0.51, 0.9]
    >>> low, high = Calibrator("venn-abers").fit(score, y).interval([0.0])
    >>> f"{low[0]:.2f} {high[0]:.2f}"
    '0.48 0.52'
    """

    kind = "calibrator"

    def __init__(
        self,
        method: Method = "auto",
        *,
        bins: int = 15,
        by: Literal["group"] | None = None,
        n_min: int = 50,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.method = method
        self.bins = bins
        self.by = by
        self.n_min = n_min
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def fit(
        self,
        score: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the map.

        Parameters
        ----------
        score : array of shape (n,) or (n, 1), higher meaning riskier
        y : array of shape (n,), outcomes 0 and 1, both present
        sample_weight : array of shape (n,), at least 0
        groups : array of shape (n,), with `by="group"` only

        Raises
        ------
        DataError : missing values, lengths, other outcomes, scores outside [0, 1] where the method
            needs probabilities, or no finite fit (separated classes without smoothing).
        TargetError : one class only.
        ParameterError : a parameter has a value that is not allowed.
        """
        self._check_parameters()
        rows = scored_rows(score, y, sample_weight)
        labelled = self._groups(groups, rows.kept.size)
        self.seed_ = self._seed()
        self.censoring_: CensoringReport | None = None
        self.candidates_: dict[str, Estimate] = {}
        self.left_out_: dict[str, str] = {}
        self.chosen_: str = self.method
        if self.method == "auto":
            self.chosen_, self.candidates_, self.left_out_ = select_method(
                rows, int(self.bins), self.seed_
            )
        self.map_ = self._fit_map(rows)
        self.n_rows_, self.n_events_ = len(rows), rows.class_counts[1]
        self.maps_: dict[str, CalibrationMap] = {}
        self.fallback_groups_: dict[str, str] = {}
        if labelled is not None:
            self._fit_groups(rows, *labelled)
        return self

    def fit_censored(
        self,
        score: ArrayLike,
        time: ArrayLike,
        event: ArrayLike,
        horizon: float,
        groups: ArrayLike | None = None,
        *,
        max_weight: float = 20.0,
    ) -> Self:
        """Learn the risk of the event by `horizon` from follow-up that may be censored.

        Rows censored before the horizon get weight 0, the others the inverse of the Kaplan-Meier
        probability of being uncensored so far, at most `max_weight`; `censoring_` reports what was
        cut. Censoring is assumed independent of the event, the score and the group. `time` is at
        least 0, `event` is 1 where the event was seen and 0 where follow-up ended without it.

        Raises
        ------
        TargetError : nobody is followed to the horizon, or one class only.
        DataError : as for `fit`; "venn-abers" refuses these weights.
        """
        if not max_weight >= 1:
            raise ParameterError(
                "value not allowed", where="max_weight", expected="at least 1", got=repr(max_weight)
            )
        found = horizon_outcomes(time, event, horizon, truncate=1 / max_weight)
        if not found.within:
            raise TargetError(
                "no row is followed to the horizon",
                where="horizon",
                expected="a time within the follow-up",
                got=repr(horizon),
            )
        self.fit(score, found.y, found.weight, groups)
        self.censoring_ = found.report
        return self

    def predict(self, score: ArrayLike, groups: ArrayLike | None = None) -> Floats:
        """Probability of the event for every score; shape (n,), values in [0, 1].

        With `by="group"` the labels are needed; a label that `fit` did not see is an error.
        """
        return self._apply(score, groups, lambda found, part: (found.predict(part),))[0]

    def predict_proba(self, score: ArrayLike, groups: ArrayLike | None = None) -> Floats:
        """Probabilities of no event and of the event; shape (n, 2)."""
        p = self.predict(score, groups)
        return np.column_stack([1.0 - p, p])

    def interval(self, score: ArrayLike, groups: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Venn-Abers' lower and upper probability p0 <= p1; arrays of shape (n,).

        Not a confidence interval: one of the two is calibrated (see `VennAbersMap`), and their
        distance shrinks as rows are added. Other methods raise `ParameterError`.
        """
        low, high = self._apply(score, groups, lambda found, part: found.interval(part))
        return low, high

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and body of the saved form (`riskwright.save`)."""
        check_is_fitted(self)
        return self.kind, {
            "params": {
                "method": self.method,
                "bins": int(self.bins),
                "by": self.by,
                "n_min": int(self.n_min),
                "random_state": self.seed_,
            },
            "chosen": self.chosen_,
            "map": self.map_.to_dict(),
            "group_maps": {label: found.to_dict() for label, found in self.maps_.items()},
            "fallback_groups": self.fallback_groups_,
            "candidates": {n: msgspec.to_builtins(e) for n, e in self.candidates_.items()},
            "left_out": self.left_out_,
            "censoring": None if self.censoring_ is None else msgspec.to_builtins(self.censoring_),
            "n_rows": self.n_rows_,
            "n_events": self.n_events_,
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Self:
        """The fitted calibrator that `to_artifact` described."""
        model = cls(**body["params"])
        model.seed_ = int(body["params"]["random_state"])
        kind = METHODS[body["chosen"]]
        model.chosen_ = body["chosen"]
        model.map_ = kind.from_dict(body["map"])
        model.maps_ = {name: kind.from_dict(held) for name, held in body["group_maps"].items()}
        model.fallback_groups_ = dict(body["fallback_groups"])
        model.candidates_ = msgspec.convert(body["candidates"], dict[str, Estimate], strict=False)
        model.left_out_ = dict(body["left_out"])
        model.censoring_ = msgspec.convert(body["censoring"], CensoringReport | None, strict=False)
        model.n_rows_, model.n_events_ = int(body["n_rows"]), int(body["n_events"])
        return model

    def _fit_map(self, rows: ScoredRows) -> CalibrationMap:
        return METHODS[self.chosen_].fit(rows, bins=int(self.bins))

    def _fit_groups(self, rows: ScoredRows, labels: list[str], codes: NDArray[np.intp]) -> None:
        codes = codes[rows.kept]
        for number, label in enumerate(labels):
            part = rows.take(codes == number)
            zeros, ones = part.class_counts
            if min(zeros, ones) < self.n_min:
                self.fallback_groups_[label] = (
                    f"{ones} events and {zeros} non-events, fewer than {self.n_min} of either"
                )
                continue
            try:
                self.maps_[label] = self._fit_map(part)
            except DataError as error:
                self.fallback_groups_[label] = error.problem

    def _groups(
        self, groups: ArrayLike | None, n: int
    ) -> tuple[list[str], NDArray[np.intp]] | None:
        if (groups is None) != (self.by is None):
            raise UsageError(
                'groups and by="group" go together',
                where="groups",
                expected="none" if self.by is None else "one label per row",
                got="none" if groups is None else "labels",
            )
        return None if groups is None else group_codes(groups, n)

    def _apply(
        self,
        score: ArrayLike,
        groups: ArrayLike | None,
        function: Callable[[CalibrationMap, Floats], tuple[Floats, ...]],
    ) -> tuple[Floats, ...]:
        """`function` of the scores, with the map of each row's group."""
        check_is_fitted(self, "map_")
        scores = checked_scores(score, probabilities=self.map_.needs_probabilities)
        labelled = self._groups(groups, scores.size)
        if labelled is None:
            return function(self.map_, scores)
        labels, codes = labelled
        unseen = [label for label in labels if label not in {**self.maps_, **self.fallback_groups_}]
        if unseen:
            raise ValueRangeError(
                "groups that fit did not see",
                where="groups",
                expected="one of " + ", ".join([*self.maps_, *self.fallback_groups_]),
                got=", ".join(unseen[:5]),
            )
        parts = []
        for number, label in enumerate(labels):
            rows = np.flatnonzero(codes == number)
            parts.append((rows, function(self.maps_.get(label, self.map_), scores[rows])))
        out = tuple(np.empty(scores.size) for _ in parts[0][1])
        for rows, values in parts:
            for whole, part in zip(out, values, strict=True):
                whole[rows] = part
        return out

    def _seed(self) -> int:
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return 0 if self.random_state is None else int(self.random_state)

    def _check_parameters(self) -> None:
        seeds = int | np.integer | np.random.RandomState | None
        for name, allowed, expected in (
            ("method", self.method in ("auto", *METHODS), '"auto" or one of ' + ", ".join(METHODS)),
            ("bins", _whole(self.bins, 1, 10**6), "a whole number from 1 to 10^6"),
            ("by", self.by in (None, "group"), '"group" or None'),
            ("n_min", _whole(self.n_min, 1, 10**9), "a whole number from 1"),
            ("random_state", isinstance(self.random_state, seeds), "None, an int, a RandomState"),
        ):
            if not allowed:
                raise ParameterError(
                    "value not allowed",
                    where=f"Calibrator({name}=)",
                    expected=expected,
                    got=repr(getattr(self, name)),
                )


def _whole(value: Any, low: int, high: int) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and low <= value <= high
