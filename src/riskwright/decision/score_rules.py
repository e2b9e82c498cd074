"""Rules with one threshold on one score: act where the score is at least that threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from riskwright.core import (
    DataError,
    Estimate,
    MissingValueError,
    ParameterError,
    UsageError,
    ValueRangeError,
    generator,
)
from riskwright.metrics import ScoreSketch
from riskwright.metrics._inputs import factorised
from riskwright.stats import (
    HorizonOutcomes,
    bonferroni,
    fixed_sequence,
    holm,
    horizon_outcomes,
    proportion_interval,
)

from .budgets import Budget, checked_budgets
from .certificates import BudgetBound, RiskCertificate
from .losses import LOSSES
from .risks import (
    bound_of_counts,
    bound_of_losses,
    checked_losses,
    foretold_excess,
    keeps_weighted,
    losses_of_rows,
    p_value_of,
    worst,
)
from .rows import Part, Rows, read_rows
from .search import (
    EVERYTHING,
    NOTHING,
    Family,
    Region,
    one_sided_region,
    p_values,
    safest_start,
    smallest_size,
    walked_region,
)
from .statements import ASSUMPTIONS, promise

__all__ = ["Abstain", "ScoreRule", "Threshold"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Prefer = Literal["fewer", "more"]
_GRID = 200


class ScoreRule(BaseEstimator):  # type: ignore[misc]
    """What `Threshold` and `Abstain` share: the search for a certified threshold.

    Attributes
    ----------
    threshold_ : float, NaN where no threshold is certified; then the rule abstains everywhere.
    certificate_ : RiskCertificate
    certified_ : (after, upto), the certified thresholds after < t <= upto, or None for a grid.
    """

    _kind: ClassVar[str]
    _losses: ClassVar[frozenset[str]]
    _words: ClassVar[tuple[str, str, str]]
    _acted: ClassVar[str]

    def __init__(
        self,
        budgets: Budget | str | Sequence[Budget | str],
        *,
        candidates: int | ArrayLike | None = None,
        family: Family | None = None,
        prefer: Prefer | None = None,
        small_groups: Literal["refuse", "abstain"] = "refuse",
        tune: float = 0.25,
        random_state: int = 0,
    ) -> None:
        self.budgets = budgets
        self.candidates = candidates
        self.family = family
        self.prefer = prefer
        self.small_groups = small_groups
        self.tune = tune
        self.random_state = random_state

    def _fit(self, rows: Rows, follow_up: HorizonOutcomes | None = None) -> None:
        budgets = self._checked()
        self._follow_up = follow_up
        self.left_out_ = self._small(budgets, rows)
        thresholds = self._thresholds(rows)
        if thresholds is None and not any(_graded(budget, rows) for budget in budgets):
            regions = [self._region(budget, rows) for budget in budgets]
            region = EVERYTHING
            for found in regions:
                region &= found
            self.certified_: tuple[float, float] | None = (region.after, region.upto)
            threshold = self._picked(region, rows, budgets)
            spare = [
                self._best_alone(budget, alone, rows)
                for budget, alone in zip(budgets, regions, strict=True)
            ]
        else:
            self.certified_ = None
            threshold, spare = self._on_a_grid(budgets, rows, thresholds)
        self.threshold_ = math.nan if threshold is None else float(threshold)
        self.certificate_ = self._certificate(budgets, rows, spare)

    def _checked(self) -> tuple[Budget, ...]:
        budgets = checked_budgets(self.budgets, self._losses | {"cost", "loss"})
        if len({budget.weight for budget in budgets}) > 1:
            raise ParameterError(
                "some budgets are on the population of use, others on that of the rows",
                where="budgets",
                expected='weight="shift" for all of them or for none',
            )
        _choice("family", self.family, (None, "fixed-sequence", "holm", "bonferroni"))
        _choice("prefer", self.prefer, (None, "fewer", "more"))
        _choice("small_groups", self.small_groups, ("refuse", "abstain"))
        if not 0 < self.tune < 1:
            raise ParameterError(
                "not a share", where="tune", expected="0 < tune < 1", got=repr(self.tune)
            )
        if self.family is not None and self.candidates is None:
            raise ParameterError(
                "a family of tests needs the thresholds to test",
                where="family",
                expected="candidates, fixed before these rows were seen",
            )
        return budgets

    @property
    def _preference(self) -> Prefer:
        if self.prefer is not None:
            return self.prefer
        relief = any(_is_rising(b) for b in checked_budgets(self.budgets))
        return "fewer" if relief else "more"

    def _small(self, budgets: Sequence[Budget], rows: Rows) -> dict[str, dict[str, int]]:
        """Groups with too few members to certify anything, per grouping: label -> labels needed."""
        if self.small_groups != "abstain":
            return {}
        found: dict[str, dict[str, int]] = {}
        for budget in budgets:
            if budget.per is None or not _counted(budget, rows):
                continue
            assert budget.delta is not None
            needed = smallest_size(budget.limit, budget.delta)
            for part in self._certifying(budget, rows).parts(budget.per):
                members = _most_members(budget, part)
                if needed is None or members < needed:
                    assert part.label is not None
                    found.setdefault(budget.per, {})[part.label] = (needed or 0) - members
        return found

    def _parts(self, budget: Budget, rows: Rows) -> list[Part]:
        out = self.left_out_.get(budget.per or "", {})
        return [part for part in rows.parts(budget.per) if part.label not in out]

    def _thresholds(self, rows: Rows) -> Floats | None:
        if self.candidates is None:
            return None
        if isinstance(self.candidates, int) and not isinstance(self.candidates, bool):
            even = self._even_grid(self.candidates, rows)
            rows.part.refuse_inside_cells(even)
            return even
        given = np.asarray(self.candidates, dtype=np.float64)
        if given.ndim != 1 or not given.size or np.isnan(given).any():
            raise ParameterError(
                "not thresholds", where="candidates", expected="a list of numbers, or a count"
            )
        rows.part.refuse_inside_cells(given)
        _refuse_chosen_here(given, rows.part)
        return given

    def _even_grid(self, count: int, rows: Rows) -> Floats:
        if count < 1:
            raise ParameterError(
                "no candidates", where="candidates", expected="at least 1", got=str(count)
            )
        low, high = rows.part.smallest("all", 0), rows.part.smallest("all", rows.part.n - 1)
        if low < 0 or high > 1:
            raise ValueRangeError(
                "a number of candidates means thresholds spread over [0, 1]",
                where="score",
                expected="scores in [0, 1], or the thresholds themselves",
                got=f"scores from {low:g} to {high:g}",
            )
        return np.arange(1, count + 1) / (count + 1)

    def _region(self, budget: Budget, rows: Rows) -> Region:
        parts = self._parts(budget, rows)
        if not parts:
            return NOTHING
        if LOSSES[budget.name].shape != "either":
            return one_sided_region(budget, parts)
        chosen, certifying = self._halves(rows)
        ratio = (1 - self.tune) / self.tune
        start = safest_start(budget, self._parts(budget, chosen), ratio)
        return walked_region(
            budget, self._parts(budget, certifying), start, downwards=self._downwards(budget)
        )

    def _downwards(self, budget: Budget) -> bool:
        if budget.name == "error rate":
            return self._preference == "more"
        return budget.name != "false omission rate"

    def _halves(self, rows: Rows) -> tuple[Rows, Rows]:
        return rows.split(self.tune, generator(self.random_state, 3))

    def _certifying(self, budget: Budget, rows: Rows) -> Rows:
        """The rows whose counts bound this budget: all of them, or those not set apart."""
        if _certified_by_all(budget, rows) or self.family is not None:
            return rows
        return self._halves(rows)[1]

    def _picked(self, region: Region, rows: Rows, budgets: Sequence[Budget]) -> float | None:
        if not region.after < region.upto:
            return None
        if self._preference == "fewer":
            return region.upto
        return _next_score(rows.part, region.after, region.upto)

    def _best_alone(self, budget: Budget, region: Region, rows: Rows) -> float:
        """Where to look at a budget that keeps no threshold with the others: its safest place."""
        threshold = self._picked(region, rows, [budget])
        if threshold is not None:
            return threshold
        if LOSSES[budget.name].shape == "rises":
            return rows.part.smallest("all", 0)
        if LOSSES[budget.name].shape == "falls":
            return rows.part.smallest("all", rows.part.n - 1)
        return safest_start(budget, self._parts(budget, self._halves(rows)[0]) or [rows.part])

    def _on_a_grid(
        self, budgets: Sequence[Budget], rows: Rows, thresholds: Floats | None
    ) -> tuple[float | None, list[float]]:
        """Certified thresholds among given ones, or among quantiles of rows set apart."""
        split = self.family is None and not all(_certified_by_all(b, rows) for b in budgets)
        chosen = self._halves(rows)[0] if split else None
        if thresholds is None:
            assert chosen is not None
            places = np.linspace(0, 1, _GRID)
            thresholds = np.unique(np.quantile(chosen.part.score, places, method="inverted_cdf"))
        kept = np.ones(thresholds.size, bool)
        spare = []
        for budget in budgets:
            mask, best = self._mask(budget, rows, chosen, thresholds)
            spare.append(best)
            kept &= mask
        if not kept.any():
            return None, spare
        good = thresholds[kept]
        return float(good.max() if self._preference == "fewer" else good.min()), spare

    def _mask(
        self, budget: Budget, rows: Rows, chosen: Rows | None, thresholds: Floats
    ) -> tuple[Bools, float]:
        """Which thresholds keep the budget, and the most promising of them."""
        if _certified_by_all(budget, rows):
            region = one_sided_region(budget, self._parts(budget, rows))
            edge = thresholds.min() if LOSSES[budget.name].shape == "rises" else thresholds.max()
            return (thresholds > region.after) & (thresholds <= region.upto), float(edge)
        certifying = self._certifying(budget, rows)
        if self.family is None:
            assert chosen is not None
            order = np.argsort([self._excess(budget, chosen, t) for t in thresholds], kind="stable")
            passed = np.zeros(thresholds.size, bool)
            for place in order:
                if not self._keeps(budget, certifying, thresholds[place]):
                    break
                passed[place] = True
            return passed, float(thresholds[order[0]])
        tested = self._tested(budget, certifying, thresholds)
        assert budget.delta is not None
        tests = {"fixed-sequence": fixed_sequence, "holm": holm, "bonferroni": bonferroni}
        mask = np.asarray(tests[self.family](tested, budget.delta), np.bool_)
        return mask, float(thresholds[int(np.argmin(tested))])

    def _excess(self, budget: Budget, rows: Rows, threshold: float) -> float:
        """What orders the candidates: how far the worst bound lies above the limit."""
        weight = rows.max_weight
        if weight is None or not budget.is_mean:
            return worst(self._bounds_at(budget, rows, threshold))
        parts = self._parts(budget, rows)
        return max(
            foretold_excess(budget, *_losses_at(budget, part, threshold), part.weight, weight)
            for part in parts
            if part.weight is not None
        )

    def _keeps(self, budget: Budget, rows: Rows, threshold: float) -> bool:
        weight = rows.max_weight
        if weight is None:
            return all(bound.met for bound in self._bounds_at(budget, rows, threshold))
        return all(
            keeps_weighted(budget, *_losses_at(budget, part, threshold), part.weight, weight)
            for part in self._parts(budget, rows)
            if part.weight is not None
        )

    def _tested(self, budget: Budget, rows: Rows, thresholds: Floats) -> Floats:
        parts = self._parts(budget, rows)
        if _counted(budget, rows):
            return p_values(budget, parts, thresholds)
        if not budget.is_mean or rows.part.weight is not None:
            raise ParameterError(
                "tail measures and weights have bounds, not p-values, at each threshold",
                where="family",
                expected="None: thresholds in the order that rows set apart suggest",
            )
        return np.array([max(_p_at(budget, part, t) for part in parts) for t in thresholds])

    def _bounds_at(self, budget: Budget, rows: Rows, threshold: float) -> list[BudgetBound]:
        return [_bound_at(budget, part, threshold, rows) for part in self._parts(budget, rows)]

    def _certificate(
        self, budgets: Sequence[Budget], rows: Rows, spare: Sequence[float]
    ) -> RiskCertificate:
        found = not math.isnan(self.threshold_)
        bounds: list[BudgetBound] = []
        for budget, alone in zip(budgets, spare, strict=True):
            used = self._certifying(budget, rows)
            bounds += self._bounds_at(budget, used, self.threshold_ if found else alone)
        fewest = min((self._certifying(budget, rows).n for budget in budgets), default=rows.n)
        settings = {
            "budgets": [budget.to_dict() for budget in budgets],
            "candidates": _plain(self.candidates),
            "family": self.family,
            "prefer": self.prefer,
            "small_groups": self.small_groups,
            "tune": self.tune,
            "random_state": self.random_state,
        }
        until = ""
        if self._follow_up is not None:
            settings["horizon"] = self._follow_up.horizon
            until = f" Events are those up to time {self._follow_up.horizon:.6g}."
        verdict: Literal["certified", "not attainable"] = "certified" if found else "not attainable"
        details = _share_acted_on(rows.part, self.threshold_, self._acted) if found else {}
        return RiskCertificate(
            rule=self._kind,
            settings=settings,
            verdict=verdict,
            statement=promise(
                budgets,
                tuple(bounds),
                rule=self._sentence() if found else None,
                n=rows.n,
                left_out=self.left_out_,
            )
            + until,
            budgets=tuple(settings["budgets"]),
            thresholds={"threshold": self.threshold_} if found else {},
            bounds=tuple(bounds),
            n=fewest,
            labels_used=rows.n,
            delta=min(1.0, sum(budget.delta or 0.0 for budget in budgets)),
            method=self._method(budgets, rows),
            assumptions=self._assumptions(budgets, rows, fewest, bounds),
            details=details,
            data_digest=rows.digest,
        )

    def _sentence(self) -> str:
        act, _, _ = self._words
        if self.threshold_ == math.inf:
            return f"The rule can {act} nobody."
        return f"The rule {act}s where the score is at least {self.threshold_:.6g}."

    def _method(self, budgets: Sequence[Budget], rows: Rows) -> str:
        if self.family is not None:
            return f"{self.family} over given thresholds"
        if all(self._certifying(budget, rows) is rows for budget in budgets):
            return "fixed sequence over all thresholds, from the safest one"
        if self.certified_ is not None:
            return "fixed sequence over all thresholds, from a start that other rows chose"
        return "fixed sequence over thresholds in an order that other rows chose"

    def _assumptions(
        self, budgets: Sequence[Budget], rows: Rows, fewest: int, bounds: Sequence[BudgetBound]
    ) -> tuple[str, ...]:
        found = [ASSUMPTIONS["independent"], ASSUMPTIONS["fixed score"]]
        told = {str(b) for b in budgets if b.loss == "loss" or not isinstance(b.loss, str)}
        if rows.part.weight is not None:
            found[0] = ASSUMPTIONS["shifted"].format(rows.max_weight)
        if self._follow_up is not None:
            cut = 100 * self._follow_up.report.share_truncated
            found[0] = ASSUMPTIONS["censored"].format(cut, rows.max_weight)
        if self.candidates is not None:
            found.append(ASSUMPTIONS["fixed candidates"])
        if any(bound.budget in told for bound in bounds if bound.errors is not None):
            found.append(ASSUMPTIONS["two values"])
        if fewest < rows.n:
            found.append(ASSUMPTIONS["set apart"].format(rows.n - fewest, self.random_state))
        return tuple(found)

    def _acts(self, score: ArrayLike) -> Bools:
        if not hasattr(self, "certificate_"):
            raise UsageError(
                "the rule is not fitted", where=type(self).__name__, hint="Call fit first"
            )
        values = np.asarray(score, dtype=np.float64)
        if np.isnan(values).any():
            raise MissingValueError("missing scores", where="score")
        return values >= self.threshold_

    def decide(
        self, score: ArrayLike, groups: ArrayLike | Mapping[str, ArrayLike] | None = None
    ) -> NDArray[np.str_]:
        """The decision for every score, as text; "abstain" where nothing is certified.

        `groups`, as for `fit`, are needed only where small groups were left out of the certificate.
        """
        acts = self._acts(score)
        act, rest, none = self._words
        decided = np.where(acts, act, rest).astype(f"<U{max(map(len, self._words))}")
        if math.isnan(self.threshold_) or self.certificate_.verdict == "void":
            return np.full(acts.shape, none)
        for name, labels in self.left_out_.items():
            given = groups.get(name) if isinstance(groups, Mapping) else groups
            if given is None:
                raise UsageError(
                    "small groups have no certificate, so the rule must know the group",
                    where=f"decide(groups={{{name!r}: ...}})",
                )
            known, codes = factorised(given, name)
            if codes.shape != acts.shape:
                raise DataError("length differs from score", where=name, expected=str(acts.size))
            decided[np.isin(codes, [k for k, label in enumerate(known) if label in labels])] = none
        return decided

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        if not hasattr(self, "certificate_"):
            raise UsageError("the rule is not fitted", where=type(self).__name__)
        return self._kind, {
            "params": {"random_state": self.random_state},
            "left_out": self.left_out_,
            "certified": self.certified_,
            "certificate": self.certificate_.to_dict(),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> ScoreRule:
        """What `to_artifact` described; budgets on functions decide but are not fitted again."""
        certificate = RiskCertificate.from_dict(body["certificate"])
        settings = dict(certificate.settings)
        budgets = [Budget.from_dict(b) for b in settings.pop("budgets")]
        settings.pop("horizon", None)
        rule = cls(budgets, **settings)
        rule.left_out_ = body["left_out"]
        certified = body["certified"]
        rule.certified_ = None if not certified else (float(certified[0]), float(certified[1]))
        rule.threshold_ = float(certificate.thresholds.get("threshold", math.nan))
        rule.certificate_ = certificate
        return rule


class Threshold(ScoreRule):
    """Act (flag, treat, block) where the score is at least a threshold certified to keep budgets.

    Parameters
    ----------
    budgets : Budget, sentence, or a list of them
        On "miss rate", "false alarm rate", "false discovery rate", "false omission rate",
        "error rate", "action rate", "cost", or a function of (acted, y). Each is kept with its own
        delta; all of them together with probability 1 - the sum of their deltas.
    candidates : None, int or array
        None (default) searches all thresholds. An array are thresholds fixed before these rows
        were seen; an int is so many, evenly spread over [0, 1].
    family : None, "fixed-sequence", "holm" or "bonferroni"
        How given candidates are tested: in the order given until the first failure, or corrected
        for their number. None: for losses of one direction no correction is needed; for others a
        share `tune` of the rows, set apart at random, chooses order and start.
    prefer : None, "fewer" or "more"
        Among certified thresholds, act on fewer or on more rows. By default fewer where misses
        are bounded, else more.
    small_groups : "refuse" or "abstain"
        What to do with groups that hold too few members to certify anything: no certificate at
        all, or a certificate for the others, with decisions "abstain" in the small ones.
    tune : share of the rows set apart where the loss can go either way with the threshold.
    random_state : seed of that split.

    Attributes
    ----------
    threshold_, certificate_, certified_ : see `ScoreRule`. A budget that cannot be met gives a
        certificate that says so, and a rule that abstains.

    Raises
    ------
    ParameterError, DataError : by `fit`, as its docstring says.

    Notes
    -----
    O(n) for budgets of one direction, O(n log n) for others, O(n k) for k thresholds of graded
    losses. Angelopoulos et al. (2021), Learn then Test, arXiv:2110.01052; Clopper & Pearson
    (1934); Waudby-Smith & Ramdas (2024), JRSS B 86:1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(2000)
    >>> rule = Threshold("miss rate <= 10% with 95% confidence").fit(p, rng.random(2000) < p)
    >>> rule.certificate_.verdict, round(rule.threshold_, 3)
    ('certified', 0.297)
    >>> rule.decide([0.1, 0.9]).tolist()
    ['pass', 'flag']
    """

    _kind = "threshold"
    _losses = frozenset(LOSSES) - {"error among accepted", "accepted errors", "abstention rate"}
    _words = ("flag", "pass", "abstain")
    _acted = "flagged"

    def fit(
        self,
        score: ArrayLike | ScoreSketch | Mapping[str, ScoreSketch],
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        max_weight: float | None = None,
    ) -> Threshold:
        """Find the certified thresholds and choose one.

        Parameters
        ----------
        score : array of shape (n,), higher means riskier; or a `ScoreSketch` in place of score and
            y; or a mapping from group labels to sketches.
        y : array of shape (n,), outcomes 0 and 1
        groups : array of shape (n,), or a mapping from grouping names to such arrays
        sample_weight, max_weight : known importance weights in [0, max_weight], for budgets with
            weight="shift".

        Raises
        ------
        DataError : lengths, missing values, outcomes other than 0 and 1, weights out of range.
        ParameterError : unknown grouping, candidates taken from these rows, settings out of range.
        """
        budgets = self._checked()
        shifted = any(budget.weight == "shift" for budget in budgets)
        self._fit(read_rows(score, y, groups, sample_weight, max_weight, shifted=shifted))
        return self

    def fit_censored(
        self,
        score: ArrayLike,
        time: ArrayLike,
        event: ArrayLike,
        horizon: float,
        *,
        max_weight: float,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> Threshold:
        """Find certified thresholds where follow-up is censored; events are those by a horizon.

        Rows whose follow-up ends before the horizon without an event have weight 0; the others
        stand in for them with the inverse of their probability of being followed so long.

        Parameters
        ----------
        score : array of shape (n,), higher means riskier, fixed before these rows were seen.
        time, event : arrays of shape (n,): end of follow-up, and whether it was the event (1) or
            censoring (0).
        horizon : time above 0, within the follow-up.
        max_weight : at least 1, fixed beforehand; larger weights are cut to it, which shifts what
            the promise is about. The certificate says how many.
        groups : as for `fit`.

        Raises
        ------
        DataError : as for `fit`, and where the follow-up ends before the horizon.
        ParameterError : as for `fit`; budgets that already have weights.

        Notes
        -----
        Inverse probability of censoring weights by Kaplan and Meier, then the betting test for
        known weights. The guarantee is for known censoring; estimating it usually makes the test
        more careful, not less. Robins & Rotnitzky (1992); Waudby-Smith & Ramdas (2024).

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> score = rng.random(3000)
        >>> fell_ill, left = rng.exponential(2 / (0.05 + score)), rng.uniform(0.5, 4, 3000)
        >>> rule = Threshold("miss rate <= 30%").fit_censored(
        ...     score, np.minimum(fell_ill, left), fell_ill <= left, horizon=1.0, max_weight=3.0
        ... )
        >>> rule.certificate_.verdict
        'certified'
        """
        if any(budget.weight is not None for budget in self._checked()):
            raise ParameterError(
                "censoring already gives every row a weight",
                where="budgets",
                expected='budgets without weight="shift"',
            )
        if not (isinstance(max_weight, int | float) and 1 <= max_weight < math.inf):
            raise ParameterError(
                "not a largest weight",
                where="max_weight",
                expected="a finite number of at least 1",
                got=repr(max_weight),
            )
        found = horizon_outcomes(time, event, horizon, truncate=1 / max_weight)
        if not found.within:
            raise DataError(
                "nobody is followed to the horizon",
                where="horizon",
                expected="a time within the follow-up",
                got=f"{horizon:g}",
            )
        weight = np.minimum(found.weight, float(max_weight))
        rows = read_rows(score, found.y, groups, weight, float(max_weight), shifted=True)
        self._fit(rows, found)
        return self

    def predict(
        self, score: ArrayLike, groups: ArrayLike | Mapping[str, ArrayLike] | None = None
    ) -> Bools:
        """True where the rule acts; all False where nothing is certified.

        `groups` as for `decide`.
        """
        return np.asarray(self.decide(score, groups) == self._words[0])


class Abstain(ScoreRule):
    """Answer where the confidence is at least a threshold certified to keep budgets, else abstain.

    Parameters
    ----------
    budgets : on "error among accepted", "accepted errors", "abstention rate", or "loss": graded
        losses in [0, bound] among those answered; otherwise as for `Threshold`.
    candidates, family, prefer, small_groups, tune, random_state : as for `Threshold`; by default
        as many answers as the budgets allow.

    Attributes
    ----------
    threshold_, certificate_, certified_ : as for `Threshold`.

    Notes
    -----
    Geifman & El-Yaniv (2017), NeurIPS, for selective risk; the search as in `Threshold`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> confidence = rng.random(3000)
    >>> wrong = rng.random(3000) > 0.5 + confidence / 2
    >>> rule = Abstain("error among accepted <= 15%").fit(confidence, wrong)
    >>> rule.certificate_.verdict
    'certified'
    """

    _kind = "abstain"
    _losses = frozenset({"error among accepted", "accepted errors", "abstention rate"})
    _words = ("answer", "abstain", "abstain")
    _acted = "answered"

    def fit(
        self,
        confidence: ArrayLike | ScoreSketch,
        loss: ArrayLike | None = None,
        *,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        max_weight: float | None = None,
    ) -> Abstain:
        """Find the certified thresholds on `confidence` and choose one.

        Parameters
        ----------
        confidence : array of shape (n,), higher means surer; or a sketch of (confidence, wrong).
        loss : array of shape (n,), 1 where the answer is wrong, else 0; or graded losses in
            [0, bound] for budgets on "loss".
        groups, sample_weight, max_weight : as for `Threshold.fit`.

        Raises
        ------
        DataError, ParameterError : as for `Threshold.fit`.
        """
        budgets = self._checked()
        shifted = any(budget.weight == "shift" for budget in budgets)
        graded = [budget for budget in budgets if budget.loss == "loss"]
        if graded and not isinstance(confidence, ScoreSketch):
            bound = min(budget.bound for budget in graded)
            losses = checked_losses([] if loss is None else loss, bound, "loss")
            wrong: ArrayLike | None = _wrong(losses, budgets)
        else:
            losses, wrong = None, loss
        rows = read_rows(
            confidence, wrong, groups, sample_weight, max_weight, shifted=shifted, losses=losses
        )
        self._fit(rows)
        return self

    def predict(
        self, confidence: ArrayLike, groups: ArrayLike | Mapping[str, ArrayLike] | None = None
    ) -> Bools:
        """True where the rule answers. `groups` as for `decide`."""
        return np.asarray(self.decide(confidence, groups) == self._words[0])


def _wrong(losses: Floats, budgets: Sequence[Budget]) -> Floats:
    """Graded losses as outcomes, for the budgets beside them that count errors."""
    if ((losses == 0) | (losses == 1)).all():
        return losses
    blind = [b for b in budgets if b.loss not in ("loss", "abstention rate")]
    if blind:
        raise ParameterError(
            "graded losses do not say which answers are wrong",
            where=f"budget {str(blind[0])!r}",
            expected='budgets on "loss" and on the abstention rate, or losses of 0 and 1',
        )
    return np.zeros(losses.size)


def _choice(where: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        raise ParameterError(
            "unknown value",
            where=where,
            expected=" or ".join(map(repr, allowed)),
            got=repr(value),
        )


def _counted(budget: Budget, rows: Rows) -> bool:
    """Whether the budget is a share of counted errors: mean, unweighted, named."""
    return budget.is_mean and rows.part.weight is None and budget.loss in LOSSES


def _certified_by_all(budget: Budget, rows: Rows) -> bool:
    """Whether no rows need to be set apart: counted errors that grow in one direction."""
    return _counted(budget, rows) and LOSSES[budget.name].shape != "either"


def _graded(budget: Budget, rows: Rows) -> bool:
    return not _counted(budget, rows)


def _is_rising(budget: Budget) -> bool:
    return isinstance(budget.loss, str) and budget.loss in ("miss rate", "false omission rate")


def _most_members(budget: Budget, part: Part) -> int:
    """Members of a budget in a part at the threshold where they are most."""
    loss = LOSSES[budget.name]
    ends = (part.at_one(-math.inf), part.at_one(math.inf))
    return max(int(loss.members(counts)) for counts in ends)


def _bound_at(budget: Budget, part: Part, threshold: float, rows: Rows) -> BudgetBound:
    if _counted(budget, rows):
        counts, loss = part.at_one(threshold), LOSSES[budget.name]
        return bound_of_counts(
            budget, part.label, int(loss.errors(counts)), int(loss.members(counts))
        )
    if part.counts is not None:
        raise ParameterError(
            "a sketch holds counts only",
            where=f"budget {str(budget)!r}",
            expected="the mean of a named loss, or the rows themselves",
        )
    losses, members = _losses_at(budget, part, threshold)
    return bound_of_losses(budget, part.label, losses, part.weight, rows.max_weight, members)


def _losses_at(budget: Budget, part: Part, threshold: float) -> tuple[Floats, Bools | None]:
    acted = part.score >= threshold
    if budget.loss == "loss" and part.loss is not None:
        return part.loss, acted
    return losses_of_rows(budget, acted, part.y)


def _p_at(budget: Budget, part: Part, threshold: float) -> float:
    losses, members = _losses_at(budget, part, threshold)
    return p_value_of(budget, losses if members is None else losses[members])


def _next_score(part: Part, after: float, upto: float) -> float:
    """The smallest score above `after`, at most `upto`; `upto` where there is none."""
    if part.counts is not None:
        place = int(np.searchsorted(part.score, after, side="right"))
        found = float(part.score[place]) if place < part.score.size else math.inf
    else:
        found = float(np.min(part.score, initial=math.inf, where=part.score > after))
    return min(found, upto)


def _refuse_chosen_here(candidates: Floats, part: Part) -> None:
    """Refuse candidates that were evidently read off the rows that are to certify."""
    if part.counts is not None or candidates.size < 5:
        return
    distinct = np.unique(part.score)
    shared = np.isin(candidates, distinct).mean()
    if shared > 0.5 and distinct.size > 0.5 * part.n and distinct.size > 4 * candidates.size / 3:
        raise ParameterError(
            "thresholds chosen on the certifying data",
            where="candidates",
            expected="thresholds fixed before these rows were seen",
            got=f"{100 * shared:.0f}% of them are scores of these very rows",
            hint="Leave candidates out (all thresholds are searched validly), or choose them on "
            "other rows",
        )


def _share_acted_on(part: Part, threshold: float, acted: str) -> dict[str, Estimate]:
    counts = part.at_one(threshold)
    rows = int(counts.events_above) + int(counts.others_above)
    low, high = proportion_interval(rows, part.n, 0.95)
    name = f"share {acted}"
    return {
        name: Estimate(
            name=name,
            value=rows / part.n,
            low=low,
            high=high,
            level=0.95,
            n=part.n,
            method="Wilson",
        )
    }


def _plain(candidates: Any) -> Any:
    if candidates is None or isinstance(candidates, int):
        return candidates
    return [float(x) for x in np.asarray(candidates, dtype=np.float64)]
