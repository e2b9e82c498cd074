"""Scoring systems: integer points to yes or no, learned with a certificate of optimality."""

from __future__ import annotations

import dataclasses
import datetime
import math
import time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from riskwright._version import __version__
from riskwright.core import (
    Certificate,
    ConstraintError,
    Estimate,
    ParameterError,
    RiskRow,
    ScoreCard,
    SearchError,
)
from riskwright.evidence import Binarizer
from riskwright.solvers import Constraints, Found, ItemRules, Patterns, available_threads
from riskwright.solvers.scoring_system import (
    ScoringSystemProblem,
    ScoringSystemSolution,
    solve_scoring_system,
)
from riskwright.stats import effective_size, proportion_interval

from .card_building import LIMITS, missing_statement, ordered_terms, pattern_totals, risk_rows
from .card_learner import CardLearner, Study, number
from .inputs import TrainingData, class_factors, fold_items, item_chunks, pattern_digest, take_rows
from .selection import INTERRUPTED, TOO_FEW, Split, once_tested

__all__ = ["ScoringSystemClassifier"]

_MOST_VALUES = 12
_LARGEST_VALUE = 20.0
_LEVEL = 0.95


class ScoringSystemClassifier(CardLearner):
    """Small-integer points and a threshold, provably the fewest errors on the training data.

    Minimises the weighted share of misclassified rows + ``penalty`` x number of terms over integer
    points and any threshold, under limits on the two error rates where they are given. Says yes
    where the total exceeds the threshold; gives no probabilities.

    Parameters
    ----------
    max_terms : int, default=5
        Most terms on the card.
    max_points : int, default=5
        Points of a term lie in [-max_points, max_points].
    max_features : int or None, default=None
        Most columns that the card may use; several items of one column count once.
    penalty : float, default=1e-6
        Added to the loss for every term, in [0, 1].
    max_false_positive_rate, max_false_negative_rate : float in [0, 1] or None, default=None
        Largest weighted share of the non-events called yes, and of the events called no, on the
        training data.
    binning : {"auto", "none"} or Binarizer, default="auto"
        "auto": columns of whole numbers with at most 12 values, none beyond 20, enter as they are
        (points per unit), other numbers get outcome-driven readable cut points; "none": all
        numbers enter as they are; or a `Binarizer`, fitted or not.
    constraints : Constraints, mapping or None, default=None
        Ranges, signs, monotone columns, included, excluded and grouped terms.
    certify : bool, default=True
        Prove optimality; False gives the heuristic's card alone.
    time_limit : float or None, default=60.0
        Seconds for the search; then the best card with its honest gap. None: no limit. Reading,
        cutting and cross-validating take their own time.
    cv : int, splitter, iterable of (train, test) or None, default=None
        Folds for the cross-validated error rates on the card; points, and cut points that were not
        given, are learned anew in each fold, without proof. A row counts in the first part that
        tests it. A splitter is not saved.
    class_weight : dict, "balanced" or None, default=None
        Weighs the errors; rates and counts on the card are those of the rows as they are.
    random_state : int, RandomState or None, default=0
        Seed of the heuristic and of the folds. A card proved optimal does not depend on it.
    n_jobs : int or None, default=None
        Threads; None or -1 for all. A card proved optimal does not depend on it.
    verbose : bool, default=False
        Print a progress line on standard error.

    Attributes
    ----------
    card_ : ScoreCard
        Its rows give the observed event rate of each total; `predicted` is the event rate of all
        training rows on the same side of the threshold.
    certificate_ : Certificate
    points_ : ndarray of int, shape (n_items,)
        Without a common divisor, unless the ranges of the points ask for one.
    threshold_ : float
    items_ : tuple of Item
    binarizer_ : Binarizer
    classes_ : ndarray of shape (2,)
        The larger one is the event.
    n_features_in_, feature_names_in_

    Notes
    -----
    Rows are folded into distinct patterns first. Every set of up to ``max_terms`` of d items is
    bounded in O(patterns); those that could still win are searched over all points. About a second
    for 700 rows of 9 columns with values 1 to 10, or 10^4 patterns of 36 binary items. Among equal
    objectives the card with the smallest sum of |points| wins, then the fewest terms, then the
    first items in order of the columns. A weight of 2 is the row twice, exactly.

    References
    ----------
    Ustun & Rudin (2016), Supersparse linear integer models for optimized medical scoring systems,
    Machine Learning 102.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 4, (300, 5))
    >>> y = 2 * X[:, 1] + X[:, 4] > 5
    >>> model = ScoringSystemClassifier(max_terms=2).fit(X, y)
    >>> [(term.item.label, term.points) for term in model.card_.terms], model.threshold_
    ([('x1', 2), ('x4', 1)], 5.0)
    >>> model.certificate_.status, model.certificate_.loss
    ('optimal', 0.0)
    """

    kind = "scoring_system"

    def __init__(
        self,
        max_terms: int = 5,
        max_points: int = 5,
        *,
        max_features: int | None = None,
        penalty: float = 1e-6,
        max_false_positive_rate: float | None = None,
        max_false_negative_rate: float | None = None,
        binning: Literal["auto", "none"] | Binarizer = "auto",
        constraints: Constraints | dict[str, Any] | None = None,
        certify: bool = True,
        time_limit: float | None = 60.0,
        cv: Any = None,
        class_weight: dict[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.max_terms = max_terms
        self.max_points = max_points
        self.max_features = max_features
        self.penalty = penalty
        self.max_false_positive_rate = max_false_positive_rate
        self.max_false_negative_rate = max_false_negative_rate
        self.binning = binning
        self.constraints = constraints
        self.certify = certify
        self.time_limit = time_limit
        self.cv = cv
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> ScoringSystemClassifier:
        """Learn the card.

        Parameters
        ----------
        X : array, data frame (pandas, polars, Arrow) of shape (n_rows, n_features), or a `Table`
            Missing values (NaN, null) are legal and get an item of their own. A `Table` brings its
            own outcome, weights, units and ranges.
        y : array of shape (n_rows,), two classes; the larger one is the event
        sample_weight : array of shape (n_rows,), at least 0

        Raises
        ------
        DataError : the rows or the outcome cannot be used.
        ParameterError : a parameter has a value that is not allowed.
        ConstraintError : no card meets the constraints or the limits on the error rates; for the
            limits it says what is attainable.
        SearchError : the time was up before a card within both limits was found.
        """
        self._check_parameters()
        study = self._study(X, y, sample_weight, None)
        self.seed_ = self._seed()
        return self._fit_study(study, self._splits(study.data))

    def _fit_study(self, study: Study, splits: list[Split]) -> ScoringSystemClassifier:
        data = study.data
        self.binarizer_ = self._fit_binarizer(study)
        patterns = self._fold(study)
        rules = self._rules()
        solution = self._solve(self._weighted(patterns, data), rules)
        self.points_ = np.zeros(len(self.items_), dtype=np.int64)
        self.points_[list(solution.items)] = solution.points
        self.threshold_ = solution.threshold
        self.certificate_ = self._certificate(data, patterns, rules, solution)
        self.card_ = self._card(study, patterns, splits)
        return self

    def _rules(self) -> ItemRules:
        return self._resolve(math.inf)

    def _check_parameters(self) -> None:
        self._check_common()
        self._need("penalty", number(self.penalty, 0.0, 1.0), "a number from 0 to 1")
        for name in ("max_false_positive_rate", "max_false_negative_rate"):
            rate = getattr(self, name)
            self._need(name, rate is None or number(rate, 0.0, 1.0), "None or a number from 0 to 1")

    def _fit_binarizer(self, study: Study) -> Binarizer:
        data, features = study.data, study.features
        if isinstance(self.binning, Binarizer):
            if hasattr(self.binning, "items_"):
                return self.binning
            given = Binarizer(**self.binning.get_params())
            return given.fit(data.X, data.y, data.weight, features=features)
        uncut = Binarizer(method="none").fit(data.X, data.y, data.weight, features=features)
        if self.binning == "none":
            return uncut
        cut_points = study.cut_points or {}
        wide = _wide_columns(uncut, data) | set(cut_points)
        if not wide:
            return uncut
        monotone = {k: v for k, v in self._constraints().monotone.items() if k in wide}
        cut = Binarizer(monotone=monotone or None, cut_points=cut_points or None)
        cut.fit(data.X, data.y, data.weight, features=features)
        return _joined(uncut, cut, wide)

    def _weighted(self, patterns: Patterns, data: TrainingData) -> Patterns:
        """The patterns with class weights, which count in the loss alone."""
        if self.class_weight is None:
            return patterns
        negative, positive = class_factors(
            self, self.class_weight, data.classes, data.classes[data.y], data.weight
        )
        return dataclasses.replace(
            patterns,
            positive=patterns.positive * positive,
            negative=patterns.negative * negative,
        )

    def _solve(self, patterns: Patterns, rules: ItemRules) -> ScoringSystemSolution:
        problem = ScoringSystemProblem(
            patterns=patterns,
            rules=rules,
            max_terms=int(self.max_terms),
            max_features=self.max_features,
            penalty=float(self.penalty),
            max_false_positive_rate=self.max_false_positive_rate,
            max_false_negative_rate=self.max_false_negative_rate,
        )
        callback = self._callback()
        begin = time.perf_counter()

        def report(objective: float, lower_bound: float) -> None:
            assert callback is not None
            known = 0.0 < objective < math.inf
            callback(
                {
                    "elapsed": time.perf_counter() - begin,
                    "objective": objective,
                    "lower_bound": lower_bound,
                    "gap": (objective - lower_bound) / objective if known else math.inf,
                }
            )

        return solve_scoring_system(
            problem,
            certify=self.certify,
            time_limit=math.inf if self.time_limit is None else float(self.time_limit),
            threads=available_threads(self.n_jobs),
            seed=self.seed_,
            on_progress=None if callback is None else report,
        )

    def _bounds(self, rules: ItemRules) -> dict[str, float]:
        bounds = {"max_terms": float(self.max_terms), "max_points": float(self.max_points)}
        for name in ("max_features", "max_false_positive_rate", "max_false_negative_rate"):
            if getattr(self, name) is not None:
                bounds[name] = float(getattr(self, name))
        return bounds

    def _sentences(self, rules: ItemRules) -> tuple[str, ...]:
        limits = tuple(
            f"false-{kind} rate at most {limit:g}"
            for kind in ("positive", "negative")
            if (limit := getattr(self, f"max_false_{kind}_rate")) is not None
        )
        return tuple(dict.fromkeys((*rules.sentences, *limits)))

    def _certificate(
        self,
        data: TrainingData,
        patterns: Patterns,
        rules: ItemRules,
        solution: ScoringSystemSolution,
    ) -> Certificate:
        sentences = self._sentences(rules)
        return Certificate(
            score_class="scoring_system",
            loss_name="zero_one",
            objective=solution.objective,
            loss=solution.loss,
            penalty_per_term=float(self.penalty),
            lower_bound=solution.lower_bound,
            gap=solution.gap,
            status=solution.status,
            statement=self._statement(solution, sentences),
            method=(
                f"{solution.supports_examined:,} sets of terms bounded by the best rule on their "
                f"distinct rows, {solution.supports_searched:,} searched over all points"
                if self.certify
                else "local search"
            ),
            supports_examined=solution.supports_examined,
            supports_total=min(solution.supports_total, 2**62),
            seconds=solution.seconds,
            margin=solution.margin,
            bounds=self._bounds(rules),
            constraints=sentences,
            n_rows=len(data),
            n_patterns=len(patterns),
            n_candidates=len(self.items_),
            data_digest=pattern_digest(patterns),
        )

    def _statement(self, solution: ScoringSystemSolution, constraints: tuple[str, ...]) -> str:
        among = (
            f"scores of at most {self.max_terms} terms with points from -{self.max_points} to "
            f"{self.max_points}"
        )
        if self.max_features is not None:
            among += f" on at most {self.max_features} columns"
        if constraints:
            among += f" ({'; '.join(constraints)})"
        weighted = " (errors weighted by class)" if self.class_weight is not None else ""
        errors = f"{solution.loss:.4%} of the training data{weighted} misclassified"
        if solution.status == "heuristic":
            return f"Not certified: found by search among {among}; {errors}."
        if solution.status == "optimal":
            return (
                f"Optimal on the training data: {errors}, and none of the {among} has a lower "
                f"objective than {solution.objective:.7f} (settled in {solution.seconds:.2f} s). "
                "It says nothing about new data."
            )
        ended = "interrupted" if solution.status == "interrupted" else "the time limit was reached"
        return (
            f"Within {solution.gap:.2%} of the best on the training data: {errors}, objective "
            f"{solution.objective:.7f}, and none of the {among} lies below "
            f"{solution.lower_bound:.7f} ({ended} after {solution.seconds:.0f} s). "
            "It says nothing about new data."
        )

    def _card(self, study: Study, patterns: Patterns, splits: list[Split]) -> ScoreCard:
        data = study.data
        used = np.flatnonzero(self.points_)
        found = Found(
            items=tuple(int(j) for j in used),
            points=tuple(int(p) for p in self.points_[used]),
            slope=math.nan,
            intercept=math.nan,
            loss=self.certificate_.loss,
            objective=self.certificate_.objective,
        )
        terms = ordered_terms(self.items_, self.binarizer_.item_feature_.tolist(), found)
        names = {term.item.feature for term in terms}
        share = 1.0 if data.weight is None else effective_size(data.weight) / data.total
        performance, method = (
            ({}, INTERRUPTED)
            if self.certificate_.status == "interrupted"
            else self._cross_validated(study, splits)
        )
        return ScoreCard(
            title="Scoring system",
            outcome=study.outcome,
            terms=terms,
            score_class="scoring_system",
            features=tuple(f for f in self.binarizer_.features_ if f.name in names),
            rows=_rate_rows(patterns, pattern_totals(patterns, found), self.threshold_, share),
            n=len(data),
            events=data.events,
            threshold=self.threshold_,
            weight_total=None if data.weight is None else data.total,
            positive_label=study.positive_label,
            date=datetime.date.today().isoformat(),
            version=__version__,
            missing=missing_statement(self.binarizer_.features_, terms),
            certificate=self.certificate_,
            performance=performance,
            performance_method=method,
            limits=LIMITS,
            data_digest=self.certificate_.data_digest,
        )

    def _cross_validated(
        self, study: Study, splits: list[Split]
    ) -> tuple[dict[str, Estimate], str]:
        if self.cv is None:
            return {}, "not cross-validated"
        if not splits:
            return {}, TOO_FEW
        data = study.data
        splits = once_tested(splits, len(data))
        says_yes = np.zeros(len(data), dtype=bool)
        seen = np.zeros(len(data), dtype=bool)
        for train, test in splits:
            try:
                model = self._fit_part(study, train)
            except (ConstraintError, ParameterError, SearchError) as error:
                return {}, f"not cross-validated; in a fold: {error.problem}"
            except KeyboardInterrupt:
                return {}, INTERRUPTED
            if model.certificate_.status == "interrupted":
                return {}, INTERRUPTED
            says_yes[test] = model.decision_function(take_rows(data.X, test)) > 0
            seen[test] = True
        return _error_rates(data.take(np.flatnonzero(seen)), says_yes[seen]), self._folds_stated(
            len(splits)
        )

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Total points minus the threshold, above 0 for yes; shape (n_rows,)."""
        return self.total_points(X) - self.threshold_

    def predict(self, X: Any) -> NDArray[Any]:
        """The event's class where the total exceeds the threshold; shape (n_rows,)."""
        says_yes = self.decision_function(X) > 0
        return np.asarray(self.classes_[says_yes.astype(int)])

    def _proof_terms(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Study, Patterns, Patterns, ItemRules, dict[str, Any], dict[str, Any]]:
        study = self._fresh()._study(X, y, sample_weight, None)
        patterns = fold_items(self.binarizer_, study.data)
        stated = {
            "loss": "zero_one",
            "max_false_positive_rate": self.max_false_positive_rate,
            "max_false_negative_rate": self.max_false_negative_rate,
        }
        weighed = self._weighted(patterns, study.data)
        return study, patterns, weighed, self._rules(), stated, {"threshold": self.threshold_}

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and body of the saved form (`riskwright.save`)."""
        kind, body = super().to_artifact()
        body["threshold"] = self.threshold_
        return kind, body

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> ScoringSystemClassifier:
        """The fitted model that `to_artifact` described."""
        model = super().from_artifact(body)
        model.threshold_ = float(body["threshold"])
        return model


def _wide_columns(uncut: Binarizer, data: TrainingData) -> set[str]:
    """Number columns that need cut points: many values, large ones, or fractions."""
    seen: dict[int, set[float]] = {
        j: set() for j, item in enumerate(uncut.items_) if item.kind == "value"
    }
    wide: set[str] = set()
    for items, _, _ in item_chunks(uncut, data):
        for j in list(seen):
            seen[j].update(np.unique(items[:, j])[: _MOST_VALUES + 1].tolist())
            whole = all(v == math.floor(v) and abs(v) <= _LARGEST_VALUE for v in seen[j])
            if len(seen[j]) > _MOST_VALUES or not whole:
                del seen[j]
                wide.add(uncut.items_[j].feature)
    return wide


def _joined(uncut: Binarizer, cut: Binarizer, wide: set[str]) -> Binarizer:
    """A binarizer with the items of `cut` for the columns `wide` and of `uncut` for the others."""
    body, narrow = cut.to_dict(), uncut.to_dict()
    items, owners = [], []
    for index, feature in enumerate(cut.features_):
        source = body if feature.name in wide else narrow
        for item, owner in zip(source["items"], source["item_feature"], strict=True):
            if owner == index:
                items.append(item)
                owners.append(index)
    return Binarizer.from_dict({**body, "items": items, "item_feature": owners})


def _rate_rows(
    patterns: Patterns, totals: NDArray[np.float64], threshold: float, share: float
) -> tuple[RiskRow, ...]:
    """Observed rates by total, with no line across the threshold."""
    rows: tuple[RiskRow, ...] = ()
    for side in (totals <= threshold, totals > threshold):
        if not side.any():
            continue
        positive, negative = patterns.positive[side], patterns.negative[side]
        rate = float(positive.sum() / (positive.sum() + negative.sum()))
        rows += risk_rows(
            totals[side],
            positive,
            negative,
            np.full(int(side.sum()), rate),
            risk=lambda total, rate=rate: np.full(len(total), rate),  # type: ignore[misc]
            effective_share=share,
        )
    return rows


def _error_rates(data: TrainingData, says_yes: NDArray[np.bool_]) -> dict[str, Estimate]:
    weight = np.ones(len(data)) if data.weight is None else data.weight
    event = data.y == 1
    figures = {}
    for name, among, counted in (
        ("sensitivity", event, says_yes),
        ("specificity", ~event, ~says_yes),
        ("error_rate", np.ones(len(data), dtype=bool), says_yes != event),
    ):
        if not among.any():
            continue
        value = float(weight[among & counted].sum() / weight[among].sum())
        size = effective_size(weight[among])
        low, high = proportion_interval(value * size, size, _LEVEL, "wilson")
        figures[name] = Estimate(
            value=value,
            low=low,
            high=high,
            level=_LEVEL,
            n=int(among.sum()),
            method="Wilson",
            name=name,
        )
    return figures
