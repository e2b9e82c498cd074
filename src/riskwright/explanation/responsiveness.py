"""Responsiveness: which features could change a decision, how often, and for whom none can."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from riskwright.core import DataError, Estimate, Finding, ParameterError, Record, generator
from riskwright.stats import normal_quantile, proportion_interval
from riskwright.stats._columns import is_number, numbers, same_length
from riskwright.stats.bounds import mean_lower, mean_upper

from ._changes import single_changes
from ._decisions import Decisions
from ._people import People, fingerprints
from .actions import Actions, stated_levels
from .reachable import LIMIT, ReachableSets
from .recourse import Cost, PercentileShift, Recourse, Search, checked_cost, search

__all__ = [
    "FeatureResponsiveness",
    "Reason",
    "Responsiveness",
    "ResponsivenessReport",
    "responsiveness",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
HARM_LIMIT = 0.1


class FeatureResponsiveness(Record, frozen=True, kw_only=True):
    """Of the people asked: the share for whom changing this feature alone can work, and the mean
    share of its feasible changes that do."""

    feature: str
    can_work: Estimate
    mean_score: Estimate


class ResponsivenessReport(Record, frozen=True, kw_only=True):
    """Over the people who did not get the target decision.

    `fixed` is the share whom no feasible action brings to the target, `has_reason` the share with
    at least one feature that can, `notices_that_work` the share of usual notices (the features
    that cost most points) of which at least one reason can. `exact` says whether all was
    enumerated; where it was not, the brackets of the estimates hold what enumeration would give.
    """

    n: int
    n_asked: int
    target: str
    features: tuple[FeatureResponsiveness, ...]
    fixed: Estimate
    has_reason: Estimate
    notices_that_work: Estimate | None
    exact: bool
    method: str
    findings: tuple[Finding, ...] = ()


class Reason(NamedTuple):
    """A feature as a reason: its score with interval, and whether changing it alone can change
    the decision (None: no change that was drawn does, which proves nothing)."""

    feature: str
    works: bool | None
    score: float
    low: float
    high: float


class Responsiveness:
    """Responsiveness scores of the people who do not get the target decision.

    Attributes
    ----------
    features : names of the columns of X.
    asked : (n_asked,) rows of X that do not get the target, counted from 0.
    scores : (n_asked, n_features) share of a feature's feasible changes that reach the target, 0
        where there is none.
    low, high : intervals of the scores at `level` (Clopper-Pearson); equal to the scores where
        all changes were tried.
    exact : (n_asked, n_features) whether they were.
    n, n_asked, target, level : what was asked.
    """

    def __init__(
        self,
        decisions: Decisions,
        sets: ReachableSets,
        asked: NDArray[np.intp],
        place: NDArray[np.intp],
        *,
        draws: int,
        level: float,
        seed: int,
    ) -> None:
        self._decisions, self._sets, self._place = decisions, sets, place
        self._draws, self._seed = draws, seed
        self._shift = PercentileShift(sets)
        found = single_changes(
            sets, decisions, draws=draws, rng=self._generator(0), shift=self._shift
        )
        self._kept = found.kept
        self._works: Bools = np.asarray((found.hits > 0).any(axis=1))
        self.n, self.n_asked = len(sets.people), len(asked)
        self.features, self.asked = sets.people.names, asked
        self.target, self.level = decisions.target, level
        scores = np.divide(
            found.hits, found.tried, out=np.zeros(found.hits.shape), where=found.tried > 0
        )
        low, high = scores.copy(), scores.copy()
        drawn = ~found.exact
        low[drawn], high[drawn] = proportion_interval(
            found.hits[drawn], found.tried[drawn], level, "clopper_pearson"
        )
        none = drawn & (found.tried == 0)
        low[none], high[none] = 0.0, 1.0
        self.scores, self.low, self.high = scores[place], low[place], high[place]
        self.exact = found.exact[place]

    def __repr__(self) -> str:
        return (
            f"<Responsiveness: {self.n_asked:,} of {self.n:,} people asked, "
            f"{len(self.features)} features>"
        )

    @cached_property
    def _reach(self) -> Search:
        persons = np.flatnonzero(~self._works)
        return search(
            self._sets,
            self._decisions,
            persons,
            shift=self._shift,
            cost=None,
            draws=self._draws,
            kept=self._kept,
            rng=self._generator(1),
        )

    @property
    def fixed(self) -> Bools:
        """(n_asked,): no feasible action that was tried reaches the target.

        Reachable sets of up to `limit` points are tried whole, so that it is proved (`proven`);
        of larger ones `draws` points and the changes of single features are.
        """
        return ~(self._works | self._reach.found)[self._place]

    @property
    def proven(self) -> Bools:
        """(n_asked,): whether `fixed` is certain, either way."""
        reach = self._reach
        return (self._works | reach.found | reach.complete)[self._place]

    @property
    def reach_high(self) -> Floats:
        """(n_asked,): upper end (Clopper-Pearson, `level`) of the share of reachable points that
        get the target, as drawn, for people in whose drawn points none did; 0 where it is proved,
        nan where an action was found."""
        reach = self._reach
        high = np.full(len(self._works), np.nan)
        none = ~(self._works | reach.found)
        high[none] = np.where(
            reach.complete[none],
            0.0,
            proportion_interval(
                np.zeros(none.sum()), reach.tried[none], self.level, "clopper_pearson"
            )[1],
        )
        return high[self._place]

    def reasons(
        self, k: int = 4, contributions: ArrayLike | None = None
    ) -> tuple[tuple[Reason, ...], ...]:
        """At most `k` reasons for each person asked.

        Without `contributions` the features that can change the decision, the most responsive
        first. With them (n, n_features: points that each feature costs each row of X) the usual
        notice, the features that cost most, each marked as able to change the decision or not.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ParameterError("no reasons", where="k", expected="at least 1", got=repr(k))
        weights = self.scores if contributions is None else self._costs(contributions)
        order = np.argsort(-weights, axis=1, kind="stable")[:, :k]
        works = self._marks()
        return tuple(
            tuple(
                Reason(
                    self.features[j],
                    works[j],
                    float(self.scores[i, j]),
                    float(self.low[i, j]),
                    float(self.high[i, j]),
                )
                for j in order[i]
                if weights[i, j] > 0
            )
            for i, works in enumerate(works)
        )

    def recourse(self, cost: Cost | None = None) -> tuple[Recourse, ...]:
        """The cheapest action for each person asked, or that there is none.

        Parameters
        ----------
        cost : callable (before, after) of two tables like X that gives a cost of at least 0 per
            row; by default `PercentileShift`, the percentiles moved, added up.

        Notes
        -----
        Of a set of at most `limit` points all that are cheaper are tried, so that the action is
        proved cheapest, or it is proved that there is none. So are, by the default cost, the points
        of a larger set that cost less than its best single change, where they are no more than
        `limit`. Of other sets only drawn points and changes of single features are tried, and the
        record says so.
        """
        result = search(
            self._sets,
            self._decisions,
            np.arange(len(self._works)),
            shift=self._shift,
            cost=checked_cost(cost),
            draws=self._draws,
            kept=self._kept,
            rng=self._generator(1),
        )
        changes = self._changes(result)
        return tuple(
            Recourse(
                row=int(row),
                status="found"
                if result.found[i]
                else "none"
                if result.complete[i]
                else "not found",
                cost=float(result.cost[i]),
                changes=dict(changes[i]),
                cheapest=bool(result.cheapest[i]),
                tried=int(result.tried[i]),
            )
            for row, i in zip(self.asked, self._place, strict=True)
        )

    def notices_that_work(self, contributions: ArrayLike, k: int = 4) -> Estimate:
        """Share of usual notices (the `k` features that cost most, of those that cost anything) of
        which at least one reason can change the decision.

        People whom no feature costs any points have no notice and are left out of n.
        """
        notices = self.reasons(k, contributions)
        marks = [[reason.works for reason in notice] for notice in notices if notice]
        yes = np.array([any(mark is True for mark in notice) for notice in marks], dtype=bool)
        maybe = np.array([any(mark is None for mark in notice) for notice in marks], dtype=bool)
        if not marks:
            raise DataError(
                "no feature costs anyone any points",
                where="contributions",
                expected="points lost, larger where a feature counts more against the person",
                hint="Are the signs swapped?",
            )
        return _share("notices that work", yes, maybe & ~yes, self.level)

    def report(
        self,
        contributions: ArrayLike | None = None,
        *,
        k: int = 4,
        harm_limit: float = HARM_LIMIT,
    ) -> ResponsivenessReport:
        """The shares over the people asked, with findings.

        A finding is "high" where its interval proves that more than `harm_limit` of the people
        asked are harmed: fixed, without a reason that can work, or with a notice that cannot.
        """
        if not (is_number(harm_limit) and 0 <= harm_limit < 1):
            raise ParameterError(
                "not a share", where="harm_limit", expected="0 to 1", got=repr(harm_limit)
            )
        reason, unsure = self._has_reason()
        has_reason = _share("has a reason that can work", reason, unsure, self.level)
        fixed, proven = self.fixed, self.proven
        stuck = _share("fixed", fixed & proven, fixed & ~proven, self.level, none_found=True)
        notices = None if contributions is None else self.notices_that_work(contributions, k)
        findings = [_fixed_finding(stuck, harm_limit), _reason_finding(has_reason, harm_limit)]
        if notices is not None:
            findings.append(_notice_finding(notices, k, harm_limit))
        return ResponsivenessReport(
            n=self.n,
            n_asked=self.n_asked,
            target=str(self.target),
            features=tuple(self._feature(j) for j in range(len(self.features))),
            fixed=stuck,
            has_reason=has_reason,
            notices_that_work=notices,
            exact=bool(self.exact.all() and proven.all()),
            method=self._method(),
            findings=tuple(findings),
        )

    def _generator(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream])

    def _marks(self) -> list[list[bool | None]]:
        marks = np.where(self.scores > 0, 1, np.where(self.exact, 0, -1))
        words = {1: True, 0: False, -1: None}
        return [[words[mark] for mark in row] for row in marks.tolist()]

    def _has_reason(self) -> tuple[Bools, Bools]:
        yes = np.asarray((self.scores > 0).any(axis=1))
        return yes, np.asarray(~yes & ~self.exact.all(axis=1))

    def _costs(self, contributions: ArrayLike) -> Floats:
        costs = numbers(contributions, "contributions", ndim=2)
        same_length(costs, "contributions", self.n, "X")
        if costs.shape[1] != len(self.features):
            raise DataError(
                "wrong number of columns",
                where="contributions",
                expected=f"{len(self.features)}, one per column of X",
                got=str(costs.shape[1]),
            )
        return costs[self.asked]

    def _feature(self, j: int) -> FeatureResponsiveness:
        scores, yes = self.scores[:, j], self.scores[:, j] > 0
        name = self.features[j]
        tail = (1 - self.level) / 2
        bounds = (
            mean_lower(scores, tail, method="hb").value,
            mean_upper(scores, tail, method="hb").value,
        )
        return FeatureResponsiveness(
            feature=name,
            can_work=_share(f"{name} can work", yes, ~yes & ~self.exact[:, j], self.level),
            mean_score=Estimate(
                value=float(scores.mean()),
                low=bounds[0],
                high=bounds[1],
                level=self.level,
                n=self.n_asked,
                method="mean over the people asked, Hoeffding-Bentkus bounds",
                name=f"responsiveness of {name}",
            ),
        )

    def _changes(self, result: Search) -> list[list[tuple[str, tuple[Any, Any]]]]:
        """By distinct person: the features that move, with both values as the table has them."""
        sets = self._sets
        columns = sets.columns.tolist()
        changes: list[list[tuple[str, tuple[Any, Any]]]] = [[] for _ in self._works]
        who = np.flatnonzero(result.found)
        starts = sets.people.codes[sets.rows[who]][:, sets.columns]
        for k, j in enumerate(columns):
            name = sets.people.names[j]
            kind = sets.people.observed[name]
            for i in np.flatnonzero(starts[:, k] != result.values[who, k]):
                pair = [float(starts[i, k]), float(result.values[who[i], k])]
                words = [kind.levels[int(code)] for code in pair] if kind.kind == "text" else pair
                changes[who[i]].append((name, (words[0], words[1])))
        return changes

    def _method(self) -> str:
        share = self.exact.mean()
        singles = (
            "every feasible change of every feature was tried"
            if share == 1
            else f"for {share:.1%} of the pairs of person and feature every feasible change was "
            f"tried, for the others {self._draws} drawn ones"
        )
        proven = self.proven.mean()
        whole = (
            "for everyone it is proved whether any reachable point gets the target"
            if proven == 1
            else f"for {proven:.1%} it is proved whether any reachable point gets the target, for "
            f"the others {self._draws} reachable points were drawn"
        )
        return f"responsiveness scores: {singles}; {whole}"


def responsiveness(
    predict: Callable[[Any], Any],
    X: Any,
    actions: Actions,
    *,
    target: Any,
    draws: int = 500,
    level: float = 0.95,
    limit: int = LIMIT,
    random_state: int | np.random.Generator | np.random.RandomState | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Responsiveness:
    """For everyone who does not get the `target` decision: which features could change that.

    Parameters
    ----------
    predict : callable that takes a table like X (the same kind of container, columns and types)
        and returns one decision per row.
    X : table of n people: frame, matrix of numbers, or `riskwright.evidence.Table`.
    actions : `Actions` on its columns.
    target : the decision that people want.
    draws : features with at most so many feasible changes for a person are tried in full; of
        others so many are drawn, as are so many points of sets larger than `limit`.
    level : of the intervals of what is drawn, and over people in the report.
    limit : the largest reachable set, and the largest number of joint values of features that
        constraints tie together, that is enumerated for a person.
    random_state : seed of the draws.
    progress : called with (points predicted, points of this stage).

    Returns
    -------
    Responsiveness
        with `scores`, `fixed`, `reasons`, `recourse` and `report`. It keeps `predict` and asks it
        again for `fixed` and `recourse`.

    Raises
    ------
    DataError : rows break their own constraints; everyone has the target; `predict` returns the
        wrong number of decisions.
    ParameterError : an argument is wrong, or `predict` never gives the target at all.

    Notes
    -----
    The score of feature j for a person x is the share of the feasible changes of j that reach the
    target, each counting alike (Cheon, Wernerfelt, Friedler and Ustun, ICLR 2025, arXiv
    2410.22598). A change of j is a feasible action in which j changes of its own, and in which,
    for that change of j, as few other features of its part change of their own as can be: none
    where j can change alone, else all smallest completions count. A feature that only moves
    because another drags it along (linkage) has no change of its own. In parts too large to list,
    the own change of j is drawn over its range and one smallest completion with it, thinned so that
    each action counts alike; completions by continuous features count as one.

    Equal people and equal points are asked once. The cost is that of `predict` on the distinct
    points: at most n times the number of feasible single changes. Points are told apart by a
    64-bit hash, which confuses any two of two million with probability 1e-7.

    Examples
    --------
    >>> import polars as pl
    >>> X = pl.DataFrame({"cards": [1, 3, 5, 6], "age": [30, 30, 50, 50]})
    >>> actions = Actions(X).fix("age").change("cards", -3, 0)
    >>> found = responsiveness(lambda t: t["cards"] < 3, X, actions, target=True)
    >>> found.asked
    array([1, 2, 3])
    >>> found.scores[:, 0].round(3)
    array([1.   , 0.333, 0.   ])
    >>> found.fixed
    array([False, False,  True])
    >>> found.recourse()[1].changes
    {'cards': (5.0, 2.0)}
    """
    normal_quantile(level)
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ParameterError(
            "not a number of draws", where="draws", expected="at least 1", got=repr(draws)
        )
    if not isinstance(actions, Actions):
        raise ParameterError(
            "not Actions",
            where="actions",
            expected="Actions(X) or Actions.from_mapping(mapping, X)",
            got=type(actions).__name__,
        )
    people = People(X, stated_levels(actions))
    decisions = Decisions(predict, target, progress)
    everyone = np.arange(len(people))
    asked = np.flatnonzero(~decisions(people.rows(everyone), len(people)))
    if not len(asked):
        raise DataError(
            "everyone has the target decision already",
            where="X",
            expected="someone to ask for",
            got=f"{len(people):,} people with decision {str(target)[:20]!r}",
        )
    codes = people.codes[asked]
    _, first, place = np.unique(
        fingerprints(codes, range(codes.shape[1])), return_index=True, return_inverse=True
    )
    sets = ReachableSets(people, actions, limit=limit, rows=asked[first])
    seed = int(generator(random_state).integers(2**63))
    result = Responsiveness(decisions, sets, asked, place, draws=draws, level=level, seed=seed)
    named = not isinstance(target, bool)  # yes and no leave no room for a slip of the pen
    if named and result.fixed.all() and not decisions.target_seen:
        raise ParameterError(
            "the target decision is never predicted",
            where="target",
            expected="one of " + ", ".join(sorted(decisions.others)),
            got=repr(target)[:40],
            hint="If no action can reach it, include people who have it, to show that it exists",
        )
    return result


def _share(
    name: str, sure: Bools, maybe: Bools, level: float, *, none_found: bool = False
) -> Estimate:
    """Share of `sure`, or with `none_found` of either, bracketed by both; exact binomial ends."""
    n, k, more = len(sure), int(sure.sum()), int(maybe.sum())
    low = proportion_interval(k, n, level, "clopper_pearson")[0]
    high = proportion_interval(k + more, n, level, "clopper_pearson")[1]
    return Estimate(
        value=(k + more * none_found) / n,
        low=low,
        high=high,
        level=level,
        n=n,
        method="exact binomial over people (Clopper-Pearson)"
        + (", widened by those undecided after drawing" if more else ""),
        name=name,
        bracket=(k / n, (k + more) / n) if more else None,
    )


def _severity(harm: float, low: float, limit: float) -> Any:
    """Of a share of people who are harmed, at least `low` of them for sure."""
    if low > limit:
        return "high"
    return "medium" if low > 0 else "low" if harm > 0 else "info"


def _fixed_finding(fixed: Estimate, limit: float) -> Finding:
    undecided = ""
    if fixed.bracket is not None:
        undecided = f" It is proved for {fixed.bracket[0]:.0%}; for the others none was found."
    return Finding(
        code="responsiveness.fixed",
        sentence=f"Of {fixed.n:,} people who do not get the decision, {fixed:.0%} cannot reach it "
        f"by any action that is stated as feasible.{undecided}",
        severity=_severity(fixed.value, fixed.low, limit),
        estimate=fixed,
        method=fixed.method,
    )


def _reason_finding(has: Estimate, limit: float) -> Finding:
    return Finding(
        code="responsiveness.has_reason",
        sentence=f"Of {has.n:,} people who do not get the decision, {_rest(has)} have no feature "
        f"whose change alone could bring it{_as_tried(has)}.",
        severity=_severity(1 - has.value, 1 - has.high, limit),
        estimate=has,
        method=has.method,
    )


def _rest(share: Estimate) -> str:
    """What is left of a share, with its interval."""
    return f"{1 - share.value:.0%} ({1 - share.high:.0%} to {1 - share.low:.0%})"


def _as_tried(share: Estimate) -> str:
    return "" if share.bracket is None else ", as far as changes were drawn"


def _notice_finding(works: Estimate, k: int, limit: float) -> Finding:
    return Finding(
        code="responsiveness.notices",
        sentence=f"Of {works.n:,} usual notices (the {k} features that cost most points), "
        f"{_rest(works)} name no feature whose change alone could bring the decision"
        f"{_as_tried(works)}.",
        severity=_severity(1 - works.value, 1 - works.high, limit),
        estimate=works,
        method=works.method,
    )
