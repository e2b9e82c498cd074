"""Risk scores: integer points to probability, learned with a certificate of optimality."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from riskwright._version import __version__
from riskwright.core import (
    Certificate,
    ConstraintError,
    Estimate,
    ParameterError,
    ScoreCard,
    SearchError,
)
from riskwright.evidence import Binarizer
from riskwright.metrics import evaluate
from riskwright.solvers import (
    CardProblem,
    Constraints,
    Found,
    ItemRules,
    Patterns,
    SearchResult,
    available_threads,
    scip_search,
    search,
)
from riskwright.stats import effective_size

from .card_building import LIMITS, missing_statement, ordered_terms, pattern_totals, risk_rows
from .card_learner import CardLearner, Study, number
from .inputs import TrainingData, fold_items, pattern_digest, take_rows
from .selection import INTERRUPTED, TOO_FEW, Split, choose_by_cross_validation, folds, once_tested

__all__ = ["RiskScoreClassifier"]

MIN_SLOPE = 1e-6  # with terms forced in, the best slope could otherwise tend to 0 unreached

_POOL_SAVED = 100


class RiskScoreClassifier(CardLearner):
    """Small-integer risk score, provably the best of its class on the training data.

    Minimises mean weighted logistic loss + ``penalty`` x number of terms over integer points.
    Columns that are not 0/1 are first cut into items such as "age ≥ 65".

    Parameters
    ----------
    max_terms : int, default=5
        Most terms on the card.
    max_points : int, default=5
        Points of a term lie in [-max_points, max_points].
    max_features : int or None, default=None
        Most columns that the card may use; several items of one column count once.
    scale : {"free", "unit"}, default="free"
        "free": risk = sigma(slope * total + intercept), one slope > 0 is learned. "unit": points
        are log-odds (slope 1, integer intercept). Losses of the two classes do not compare.
    max_log_odds : float, default=10.0
        Class "free": bound on |slope * points| of a term, so that separable data have an optimum.
        The slope itself is at least 1e-6.
    max_intercept : float, default=50.0
        Bound on the intercept's magnitude, on the log-odds scale.
    penalty : float, default=1e-6
        Added to the loss for every term.
    binning : {"auto", "none"} or Binarizer, default="auto"
        "auto": outcome-driven readable cut points; "none": numbers enter as they are, points are
        per unit; or a `Binarizer`, fitted or not.
    constraints : Constraints, mapping or None, default=None
        Ranges, signs, monotone columns, included, excluded and grouped terms, limits on sums.
    certify : bool, default=True
        Prove optimality; False gives the heuristic's card alone, in a fraction of a second.
    time_limit : float or None, default=60.0
        Seconds for the search; then the best card with its honest gap. None: no limit. Reading,
        cutting and cross-validating take their own time.
    gap_tolerance : float, default=0.0
        Stop once (objective - lower bound) / objective is no larger.
    solver : {"auto", "scip"}, default="auto"
        "auto": our own search, or SCIP where there are linear constraints. "scip": SCIP, a slower
        second opinion. SCIP needs the extra ``riskwright[scip]``; its proof holds up to a wider
        stated margin.
    select : {"loss", "cv"}, default="loss"
        "cv": of the pool, take the smallest card whose cross-validated loss is within one standard
        error of the best (pool tolerance at least 1 %).
    cv : int, splitter, iterable of (train, test) or None, default=None
        Folds for the cross-validated figures on the card; points, and cut points that were not
        given, are learned anew in each fold, without proof. A number means stratified, shuffled
        folds. A row counts in the first part that tests it. A splitter is not saved.
    pool_tolerance : float, default=0.001
        `pool_` holds cards whose objective is within this share of the best one.
    class_weight : dict, "balanced" or None, default=None
    random_state : int, RandomState or None, default=None
        Seed of the folds; the search itself draws nothing.
    n_jobs : int or None, default=None
        Threads; None or -1 for all. The card does not depend on it.
    verbose : bool, default=False
        Print a progress line on standard error.

    Attributes
    ----------
    card_ : ScoreCard
    certificate_ : Certificate
    pool_ : tuple of ScoreCard
        Near-optimal cards, best first, without rows; `pool_statement_` says how complete it is.
    pool_cutoff_ : float
        Every card whose objective is below this is in `pool_`; -inf where nothing is known.
    points_ : ndarray of int, shape (n_items,)
    slope_, intercept_ : float
    items_ : tuple of Item
    binarizer_ : Binarizer
    classes_ : ndarray of shape (2,)
    seed_ : int
        The seed that `random_state` gave.
    n_features_in_, feature_names_in_

    Notes
    -----
    Rows are folded into distinct patterns of items first; up to 7 terms over d binary items the
    proof examines C(d, terms) supports at a few nanoseconds to a microsecond each, whatever the
    number of rows; beyond, a best-first search yields a bound at any time. A weight of 2 is the
    row twice, exactly. Classes of score: Ustun & Rudin (2019), JMLR 20:150 ("unit"); Liu et al.
    (2022), NeurIPS ("free", there with another bound).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 2, (400, 6))
    >>> y = rng.random(400) < 1 / (1 + np.exp(2 - 2 * X[:, 0] - X[:, 3]))
    >>> model = RiskScoreClassifier(max_terms=2).fit(X, y)
    >>> [(term.item.label, term.points > 0) for term in model.card_.terms]
    [('x0', True), ('x3', True)]
    >>> model.certificate_.status
    'optimal'
    """

    kind = "risk_score"

    def __init__(
        self,
        max_terms: int = 5,
        max_points: int = 5,
        *,
        max_features: int | None = None,
        scale: Literal["free", "unit"] = "free",
        max_log_odds: float = 10.0,
        max_intercept: float = 50.0,
        penalty: float = 1e-6,
        binning: Literal["auto", "none"] | Binarizer = "auto",
        constraints: Constraints | dict[str, Any] | None = None,
        certify: bool = True,
        time_limit: float | None = 60.0,
        gap_tolerance: float = 0.0,
        solver: Literal["auto", "scip"] = "auto",
        select: Literal["loss", "cv"] = "loss",
        cv: Any = None,
        pool_tolerance: float = 0.001,
        class_weight: dict[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.max_terms = max_terms
        self.max_points = max_points
        self.max_features = max_features
        self.scale = scale
        self.max_log_odds = max_log_odds
        self.max_intercept = max_intercept
        self.penalty = penalty
        self.binning = binning
        self.constraints = constraints
        self.certify = certify
        self.time_limit = time_limit
        self.gap_tolerance = gap_tolerance
        self.solver = solver
        self.select = select
        self.cv = cv
        self.pool_tolerance = pool_tolerance
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RiskScoreClassifier:
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
        ConstraintError : no card meets the constraints; names a smallest set that clashes.
        MissingExtraError : SCIP is needed and PySCIPOpt is not installed.
        """
        self._check_parameters()
        study = self._study(X, y, sample_weight, self.class_weight)
        self.seed_ = self._seed()
        return self._fit_study(study, self._splits(study.data))

    def _splits(self, data: TrainingData) -> list[Split]:
        cv = 5 if self.cv is None and self.select == "cv" else self.cv
        return folds(data, cv, self.seed_)

    def _fit_study(self, study: Study, splits: list[Split]) -> RiskScoreClassifier:
        self.binarizer_ = self._fit_binarizer(study)
        patterns = self._fold(study)
        rules = self._rules()
        result = self._search(patterns, rules)
        assert result.best is not None
        self._finish(study, patterns, rules, result, splits)
        return self

    def _check_parameters(self) -> None:
        self._check_common()
        need = self._need
        need("scale", self.scale in ("free", "unit"), '"free" or "unit"')
        need("max_log_odds", number(self.max_log_odds, 1e-3, 500), "a number from 0.001 to 500")
        need("max_intercept", number(self.max_intercept, 0, 1e6), "a number from 0 to 1e6")
        need("penalty", number(self.penalty, 0.0, 1e3), "a number from 0")
        need("gap_tolerance", number(self.gap_tolerance, 0.0, 1.0), "a number from 0 to 1")
        need("select", self.select in ("loss", "cv"), '"loss" or "cv"')
        need("solver", self.solver in ("auto", "scip"), '"auto" or "scip"')
        need("pool_tolerance", number(self.pool_tolerance, 0.0, 10.0), "a number from 0")

    def _fit_binarizer(self, study: Study) -> Binarizer:
        monotone = self._constraints().monotone or None
        if isinstance(self.binning, Binarizer):
            if hasattr(self.binning, "items_"):
                return self.binning
            binarizer = Binarizer(**self.binning.get_params())
            if binarizer.monotone is None:
                binarizer.monotone = monotone
        elif self.binning == "none":
            binarizer = Binarizer(method="none")
        else:
            binarizer = Binarizer(monotone=monotone, cut_points=study.cut_points)
        data = study.data
        return binarizer.fit(data.X, data.y, data.weight, features=study.features)

    def _rules(self) -> ItemRules:
        return self._resolve(float(self.max_intercept), whole_intercept=self.scale == "unit")

    def _problem(self, patterns: Patterns, rules: ItemRules) -> CardProblem:
        tolerance = float(self.pool_tolerance)
        if self.select == "cv":
            tolerance = max(tolerance, 0.01)
        return CardProblem(
            patterns=patterns,
            rules=rules,
            max_terms=int(self.max_terms),
            unit=self.scale == "unit",
            max_features=self.max_features,
            max_log_odds=float(self.max_log_odds),
            min_slope=MIN_SLOPE,
            penalty=float(self.penalty),
            pool_tolerance=tolerance,
        )

    def _search(self, patterns: Patterns, rules: ItemRules) -> SearchResult:
        find = scip_search if self.solver == "scip" or rules.linear else search
        result = find(
            self._problem(patterns, rules),
            certify=self.certify,
            time_limit=self.time_limit,
            gap_tolerance=float(self.gap_tolerance),
            threads=available_threads(self.n_jobs),
            progress=self._callback(),
        )
        if result.best is None and result.complete:
            raise ConstraintError(
                "no card meets the constraints", conflict=rules.sentences, hint="Relax one of them"
            )
        if result.best is None:
            raise SearchError(
                "the search was stopped before it found any card",
                hint="Allow more time, or relax the constraints",
            )
        return result

    def _finish(
        self,
        study: Study,
        patterns: Patterns,
        rules: ItemRules,
        result: SearchResult,
        splits: list[Split],
    ) -> None:
        data = study.data
        if self.scale == "free":
            result = dataclasses.replace(result, pool=_without_multiples(result.pool))
        best = result.best
        assert best is not None
        chosen = best
        if self.select == "cv" and len(result.pool) > 1 and not result.interrupted:
            index = choose_by_cross_validation(
                result.pool,
                self.binarizer_,
                data,
                splits,
                float(self.max_log_odds),
                unit=self.scale == "unit",
            )
            chosen = result.pool[index]
        self.points_ = np.zeros(len(self.items_), dtype=np.int64)
        self.points_[list(chosen.items)] = chosen.points
        self.slope_, self.intercept_ = float(chosen.slope), float(chosen.intercept)
        self.certificate_ = self._certificate(data, patterns, rules, result, chosen)
        performance, method = (
            ({}, INTERRUPTED) if result.interrupted else self._cross_validated(study, splits)
        )
        base = self._card(study, patterns, chosen)
        self.card_ = msgspec.structs.replace(
            base,
            certificate=self.certificate_,
            performance=performance,
            performance_method=method,
        )
        self.pool_ = tuple(
            msgspec.structs.replace(
                base,
                terms=ordered_terms(self.items_, self.binarizer_.item_feature_.tolist(), found),
                slope=found.slope,
                intercept=found.intercept,
                rows=(),
            )
            for found in result.pool
        )
        self.pool_objectives_ = np.array([found.objective for found in result.pool])
        self.pool_statement_ = _pool_statement(result, best.objective)
        complete = result.pool_cutoff >= best.objective
        self.pool_cutoff_ = result.pool_cutoff if complete else -math.inf

    def _card(self, study: Study, patterns: Patterns, found: Found) -> ScoreCard:
        data = study.data
        totals = pattern_totals(patterns, found)
        share = 1.0 if data.weight is None else effective_size(data.weight) / data.total
        terms = ordered_terms(self.items_, self.binarizer_.item_feature_.tolist(), found)
        used = {term.item.feature for term in terms}

        def risk(total: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(expit(found.slope * total + found.intercept))

        card = ScoreCard(
            title="Risk score",
            outcome=study.outcome,
            terms=terms,
            score_class=self.scale,
            features=tuple(f for f in self.binarizer_.features_ if f.name in used),
            rows=(),
            n=len(data),
            events=data.events,
            slope=found.slope,
            intercept=found.intercept,
            weight_total=None if data.weight is None else data.total,
            positive_label=study.positive_label,
            date=datetime.date.today().isoformat(),
            version=__version__,
            missing=missing_statement(self.binarizer_.features_, terms),
            limits=LIMITS,
            data_digest=self.certificate_.data_digest,
        )
        rows = risk_rows(
            totals,
            patterns.positive,
            patterns.negative,
            risk(totals),
            risk=risk,
            reachable=card.reachable_totals(),
            effective_share=share,
        )
        return msgspec.structs.replace(card, rows=rows)

    def _bounds(self, rules: ItemRules) -> dict[str, float]:
        bounds = {"max_terms": float(self.max_terms), "max_points": float(self.max_points)}
        if self.max_features is not None:
            bounds["max_features"] = float(self.max_features)
        if self.scale == "free":
            bounds["max_log_odds"] = float(self.max_log_odds)
            bounds["min_slope"] = MIN_SLOPE
        bounds["min_intercept"], bounds["max_intercept"] = rules.intercept
        return bounds

    def _certificate(
        self,
        data: TrainingData,
        patterns: Patterns,
        rules: ItemRules,
        result: SearchResult,
        chosen: Found,
    ) -> Certificate:
        best = result.best
        assert best is not None
        margin = result.margin
        lower = result.lower_bound if self.certify else -math.inf
        gap = max(0.0, chosen.objective - lower) / chosen.objective if chosen.objective > 0 else 0.0
        if chosen.objective - lower <= margin + 1e-9:
            gap = 0.0
        status = _status(self.certify, result, gap)
        stated = {
            "class": self.scale,
            "objective": chosen.objective,
            "lower": lower,
            "gap": gap,
            "status": status,
            "chosen": chosen.objective > best.objective,
        }
        return Certificate(
            score_class=self.scale,
            loss_name="logistic",
            objective=chosen.objective,
            loss=chosen.loss,
            penalty_per_term=float(self.penalty),
            lower_bound=lower,
            gap=gap,
            status=status,
            statement=self._statement(stated, result),
            method=result.method,
            supports_examined=result.supports_examined,
            supports_total=int(min(result.supports_total, 2**62)),
            seconds=result.seconds,
            margin=margin,
            bounds=self._bounds(rules),
            constraints=self._sentences(rules),
            n_rows=len(data),
            n_patterns=len(patterns),
            n_candidates=len(self.items_),
            data_digest=pattern_digest(patterns),
        )

    def _statement(self, stated: dict[str, Any], result: SearchResult) -> str:
        among = (
            f"scores of at most {self.max_terms} terms with points from -{self.max_points} to "
            f"{self.max_points}"
        )
        if self.max_features is not None:
            among += f" on at most {self.max_features} columns"
        if self.scale == "free":
            among += f", |slope × points| up to {self.max_log_odds:g}"
        if self.constraints:
            among += " and the stated constraints"
        objective, lower, gap = stated["objective"], stated["lower"], stated["gap"]
        if stated["status"] == "heuristic":
            return f"Not certified: found by search among {among}; objective {objective:.7f}."
        if stated["status"] == "optimal":
            return (
                f"Optimal on the training data: none of the {among} has an objective below "
                f"{objective:.7f} by more than {_power(result.margin)} "
                f"({result.supports_total:,.0f} sets of terms settled in "
                f"{result.seconds:.2f} s). It says nothing about new data."
            )
        if lower == -math.inf:
            return (
                f"Not certified: stopped before any lower bound was known; found by search among "
                f"{among}; objective {objective:.7f}."
            )
        ended = (
            "chosen by cross-validation among near-best cards"
            if stated["chosen"]
            else {
                "within_gap": "stopped within the gap that was asked for"
                if gap <= self.gap_tolerance
                else "these numbers are too large or too uneven for a closer bound",
                "time_limit": f"the time limit was reached after {result.seconds:.0f} s",
                "interrupted": f"interrupted after {result.seconds:.0f} s",
            }[stated["status"]]
        )
        return (
            f"Within {gap:.2%} of the best on the training data: objective {objective:.7f}, and "
            f"none of the {among} lies below {lower:.7f} ({ended}). It says nothing about new data."
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
        risk = np.full(len(data), np.nan)
        for train, test in splits:
            try:
                model = self._fit_part(study, train)
            except (ConstraintError, ParameterError, SearchError) as error:
                return {}, f"not cross-validated; in a fold: {error.problem}"
            except KeyboardInterrupt:
                return {}, INTERRUPTED
            if model.certificate_.status == "interrupted":
                return {}, INTERRUPTED
            risk[test] = model.predict_proba(take_rows(data.X, test))[:, 1]
        seen = np.flatnonzero(~np.isnan(risk))
        weight = None if data.weight is None else data.weight[seen]
        figures = evaluate(data.y[seen], risk[seen], sample_weight=weight).overall
        return dict(figures), self._folds_stated(len(splits))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-odds of the event, slope * total + intercept; shape (n_rows,)."""
        check_is_fitted(self)
        return np.asarray(self.slope_ * self.total_points(X) + self.intercept_)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class; shape (n_rows, 2), in the order of `classes_`."""
        risk = expit(self.decision_function(X))
        return np.column_stack([1.0 - risk, risk])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class; shape (n_rows,). Choose thresholds by cost where errors differ."""
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])

    def _proof_terms(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Study, Patterns, Patterns, ItemRules, dict[str, Any], dict[str, Any]]:
        study = self._fresh()._study(X, y, sample_weight, self.class_weight)
        patterns = fold_items(self.binarizer_, study.data)
        rules = self._rules()
        problem = self._problem(patterns, rules)
        stated = {
            "loss": "logistic",
            "unit": problem.unit,
            "max_log_odds": problem.max_log_odds,
            "min_slope": problem.min_slope,
            "intercept": list(rules.intercept),
        }
        claim = {"slope": self.slope_, "intercept": self.intercept_}
        return study, patterns, patterns, rules, stated, claim

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and body of the saved form (`riskwright.save`)."""
        kind, body = super().to_artifact()
        body["slope"], body["intercept"] = self.slope_, self.intercept_
        body["pool"] = [msgspec.to_builtins(card) for card in self.pool_[:_POOL_SAVED]]
        body["pool_objectives"] = self.pool_objectives_[:_POOL_SAVED].tolist()
        body["pool_statement"] = self.pool_statement_
        cutoff = self.pool_cutoff_
        if len(self.pool_) > _POOL_SAVED:
            cutoff = min(cutoff, float(self.pool_objectives_[_POOL_SAVED]))
        body["pool_cutoff"] = cutoff
        return kind, body

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> RiskScoreClassifier:
        """The fitted model that `to_artifact` described."""
        model = super().from_artifact(body)
        model.slope_, model.intercept_ = body["slope"], body["intercept"]
        model.pool_ = tuple(msgspec.convert(c, ScoreCard, strict=False) for c in body["pool"])
        model.pool_objectives_ = np.asarray(body["pool_objectives"])
        model.pool_statement_ = body["pool_statement"]
        model.pool_cutoff_ = float(body.get("pool_cutoff", -math.inf))
        return model


def _power(margin: float) -> str:
    """
    >>> _power(1e-9), _power(2.9e-7)
    ('1e-9', '3e-7')
    """
    return f"{margin:.0e}".replace("e-0", "e-")


def _status(certify: bool, result: SearchResult, gap: float) -> Any:
    if certify and gap == 0.0 and result.complete:
        return "optimal"
    if result.interrupted:
        return "interrupted"
    if not certify:
        return "heuristic"
    if result.out_of_time:
        return "time_limit"
    return "within_gap"


def _without_multiples(pool: Sequence[Found]) -> tuple[Found, ...]:
    """The first of the cards whose points are multiples of one another's: they are one card."""
    first: dict[tuple[Any, ...], Found] = {}
    for found in pool:
        divisor = math.gcd(*found.points) or 1
        first.setdefault((found.items, *(p // divisor for p in found.points)), found)
    return tuple(first.values())


def _pool_statement(result: SearchResult, best: float) -> str:
    n = len(result.pool)
    if result.pool_cutoff >= best:
        share = (result.pool_cutoff - best) / best if best > 0 else 0.0
        which = "the only card" if n == 1 else f"all {n} cards"
        return (
            f"complete: {which} with an objective up to {result.pool_cutoff:.7f} "
            f"({share:.3%} above the best)"
        )
    return f"not known to be complete: {n} card{'s' * (n != 1)} that the search met"
