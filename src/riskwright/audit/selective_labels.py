"""Selective labels: the risk of people whose outcome nobody observed, and who was not tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, Finding, ParameterError, Record
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number

from ._estimates import no_interval, share
from .selective_inputs import (
    DesignColumns,
    flags,
    group_codes,
    known_rate,
    labels,
    policy_columns,
    refuse_contradiction,
)
from .selective_likelihood import Likelihood, TestedRows
from .selective_sentences import findings_of
from .selective_solution import Solution, solutions_of

__all__ = ["SelectiveFit", "SelectiveLabelsReport", "TestedGroup", "selective_labels"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.intp]
GroupCodes = tuple[list[str], NDArray[np.int32]]

_MEMBERS = 10
_FIGURES = ("risk", "risk_untested", "tested_at_average", "gap")
_METHOD = (
    "Bernoulli-sigmoid model with a normal unobservable, maximum a posteriori by 21-point "
    "Gauss-Hermite quadrature, sandwich intervals (Balachandar, Garg & Pierson 2024)"
)


class TestedGroup(Record, frozen=True, kw_only=True):
    """A group: how many were tested, how many should be at the average policy for its risk.

    `risk` is the inferred risk of all members, `risk_untested` of those whose outcome was not
    observed. `tested_at_average` is the share that would be tested if everybody were tested by
    the risk alone, with as many tests in all; `gap` is `tested` minus that. The gaps of all
    groups hold at once.
    """

    __test__ = False

    group: str
    n: int
    tested: Estimate
    risk: Estimate
    risk_untested: Estimate
    under_tested: bool
    tested_at_average: Estimate
    gap: Estimate


class SelectiveLabelsReport(Record, frozen=True, kw_only=True):
    """Who was observed, the risk of those who were not, and the testing policy as inferred.

    `policy` maps the columns that the policy may use (and "intercept") to their coefficients in
    the log odds of being tested at equal risk, per unit of the column; `unobserved_sd` is the
    spread, in log odds of the outcome, of what testers saw and the columns do not hold.
    """

    n: int
    observed: Estimate
    risk_observed: Estimate
    risk_unobserved: Estimate
    groups: tuple[TestedGroup, ...]
    policy: dict[str, Estimate]
    constraints: tuple[str, ...]
    method: str
    findings: tuple[Finding, ...] = ()
    unobserved_sd: Estimate | None = None


def selective_labels(
    X: Any,
    outcome: ArrayLike,
    observed: ArrayLike,
    *,
    prevalence: float | Estimate | None = None,
    expertise: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    alpha: float | None = 1.0,
    feature_names: Sequence[str] | None = None,
    harm_limit: float = 0.05,
) -> SelectiveFit:
    """The risk of everybody where outcomes are seen only of those who were tested.

    Testers saw more than the columns hold: with Z ~ N(0, sigma^2) unobserved and
    r = X b_Y + Z, the outcome is 1 with log odds r, and it is observed with log odds
    alpha r + X b_D. Two constraints from knowledge of the domain narrow down what the data leave
    open.

    Parameters
    ----------
    X : array of shape (n, d), mapping from names to columns, or frame with `columns`
        Numbers. Columns that tell the `groups` apart belong here too, or the risk of a group is
        that of its columns alone.
    outcome : array of shape (n,), 0 or 1 where observed
        Ignored elsewhere (it may be NaN).
    observed : array of shape (n,), 0 or 1 (or bool)
    prevalence : the known rate of the outcome in the population of the rows, optional
        As a number, or as an `Estimate` whose interval (taken as a normal one) is passed on.
    expertise : names of the columns that the testing policy may use besides the risk, optional
        The policy's other coefficients are 0; an empty list leaves the intercept.
    groups : array of shape (n,), optional
        Labels of the groups reported.
    level : confidence level.
    alpha : how much the log odds of a test rise per unit of log odds of the outcome
        1 as in the paper; None has it estimated, which needs much more data.
    feature_names : names of the columns of an array; x0, x1, ... by default.
    harm_limit : from 0 to 1
        A group that is provably tested less often than at the average policy by more than this
        share is a finding of severity "high".

    Returns
    -------
    SelectiveFit
        Maximum a posteriori with N(0, 3^2) on coefficients of standardised columns and a
        half-normal(3) on sigma. Intervals come from influence values (sandwich), the constraint
        included, and are at least as wide as the curvature of the posterior makes them: they hold
        if the model does, in large samples. Where sigma is not clear of 0, those at all values
        of its profile interval are joined.

    Raises
    ------
    DataError : missing or infinite values, lengths, constant columns.
    TargetError : outcome observed for nobody, for everybody, or with one class only.
    ConstraintError : the prevalence contradicts the outcomes that were seen.
    ParameterError : level, alpha, prevalence or names not allowed.
    SearchError : the fit did not converge.

    Notes
    -----
    Time O(n (21 + d) d) per step, some 30 to 100 steps (0.2 to 1.4 s at n = 5,000, d = 5); memory
    O(n d). Balachandar, Garg & Pierson (2024), ICLR, Bernoulli-sigmoid model; here with a
    hard prevalence constraint, quadrature and intervals in the place of sampling.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, seen_only = rng.normal(size=(2, 2000))
    >>> chance = 1 / (1 + np.exp(1 - x - seen_only))
    >>> outcome, observed = rng.random((2, 2000)) < chance
    >>> fit = selective_labels({"age": x}, outcome, observed, expertise=[])
    >>> low, high = fit.report().risk_unobserved.low, fit.report().risk_unobserved.high
    >>> bool(low < outcome[~observed].mean() < high)
    True
    """
    normal_quantile(level)
    columns = DesignColumns.of(X, feature_names)
    seen, positive = labels(outcome, observed, columns.design.shape[0])
    rate, spread = known_rate(prevalence)
    refuse_contradiction(rate, spread, seen, positive)
    if alpha is not None and not (is_number(alpha) and 0 <= alpha < np.inf):
        raise ParameterError("not allowed", where="alpha", expected="at least 0", got=repr(alpha))
    if not (is_number(harm_limit) and 0 <= harm_limit <= 1):
        raise ParameterError("not a share", where="harm_limit", expected="from 0 to 1")
    free = policy_columns(expertise, columns.names)
    told = None if groups is None else group_codes(groups, seen.size)
    rows = TestedRows(columns.design, free, seen, positive, alpha, rate)
    solutions, sigma_range = solutions_of(rows, spread, level)
    return SelectiveFit(
        columns=columns,
        solutions=solutions,
        sigma_range=sigma_range,
        level=level,
        harm_limit=float(harm_limit),
        expertise=None if expertise is None else tuple(expertise),
        groups=told,
    )


@dataclass(frozen=True, eq=False, repr=False)
class SelectiveFit:
    """What `selective_labels` learned; made by that function."""

    columns: DesignColumns
    solutions: tuple[Solution, ...]
    sigma_range: tuple[float, float] | None
    level: float
    harm_limit: float
    expertise: tuple[str, ...] | None
    groups: GroupCodes | None

    def risk(self, X: Any, observed: ArrayLike | None = None) -> Floats:
        """Chance of the outcome for each person.

        Parameters
        ----------
        X : as in the fit.
        observed : array of shape (n,), 0 or 1, optional
            Whether the person was tested, which tells something of what the tester saw.

        Returns
        -------
        array of shape (n,), P(Y = 1 | X) or P(Y = 1 | X, observed)
        """
        design = self.columns.more(X)
        nobody = np.zeros(design.shape[0], dtype=bool)
        rows = TestedRows(
            design, self._rows.free, nobody, nobody, self._rows.alpha, None, self._rows.sigma
        )
        at = Likelihood(rows, self.solutions[0].theta)
        if observed is None:
            return at.risk
        tested = flags(observed, design.shape[0])
        return np.where(tested, at.risk_given_test(True)[0], at.risk_given_test(False)[0])

    @property
    def coefficients(self) -> dict[str, Estimate]:
        """b_Y: log odds of the outcome per unit of each column, and "intercept"."""
        return self._coefficients(np.arange(len(self.columns.names) + 1), 0)

    @property
    def policy(self) -> dict[str, Estimate]:
        """b_D: log odds of a test at equal risk, per unit of each column that it may use."""
        return self._coefficients(self._rows.free, self._rows.design.shape[1])

    @property
    def unobserved_sd(self) -> Estimate:
        """sigma, the spread of what testers saw and the columns do not hold."""
        found = self.solutions[0].sigma(self.level)
        if self.sigma_range is None:
            return found
        low, high = self.sigma_range
        return replace(found, low=low, high=high, method="profile likelihood, on a grid")

    @property
    def constraints(self) -> tuple[str, ...]:
        """The constraints in words."""
        told = []
        if self._rows.prevalence is not None:
            told.append(f"prevalence: {self._rows.prevalence:.4g} of the population")
        if self.expertise is not None:
            by = "".join(f" and on {name}" for name in self.expertise)
            told.append(f"expertise: testing depends on the risk{by or ' alone'}")
        return tuple(told)

    def undertested(self, groups: ArrayLike) -> tuple[TestedGroup, ...]:
        """Every group with its share tested beside that of the average policy at its risk.

        Parameters
        ----------
        groups : array of shape (n,), labels of the rows of the fit

        Notes
        -----
        `under_tested` is True where the whole interval of `gap` lies below 0; the gaps of all k
        groups of 10 members or more hold at once (each at 1 - (1 - level) / k); smaller ones have
        no intervals. With fewer than 5 members tested or not, the binomial variance at the
        average policy is added to that of the gap.
        """
        return self._groups(group_codes(groups, self._rows.n))

    def report(self) -> SelectiveLabelsReport:
        """All aggregates and findings as a record.

        Notes
        -----
        `selective.risk_unobserved` is "high" where those not observed are provably at greater risk
        than those observed, "medium" where provably at less. `selective.undertested` is "high"
        where the gap's interval lies beyond the limit of harm, "medium" where it lies below 0; of
        more than 5 groups that are, those furthest from 0 are findings, and the last one says how
        many more there are.
        """
        seen = self._rows.observed
        unseen = np.flatnonzero(~seen)
        found = () if self.groups is None else self._groups(self.groups)
        unobserved = self._over(lambda one: one.mean_risk(unseen, True, self.level))
        if not self.constraints:
            note = "; no constraint: rests on the model's form alone"
            unobserved = replace(unobserved, method=unobserved.method + note)
        report = SelectiveLabelsReport(
            n=self._rows.n,
            observed=_share(seen, self.level, "observed"),
            risk_observed=_share(self._rows.positive[seen], self.level, "risk_observed"),
            risk_unobserved=replace(unobserved, name="risk_unobserved"),
            groups=found,
            policy=self.policy,
            constraints=self.constraints,
            method=_METHOD,
            unobserved_sd=self.unobserved_sd,
        )
        strain = self.solutions[0].strain()
        return replace(report, findings=findings_of(report, strain, self.harm_limit))

    @property
    def _rows(self) -> TestedRows:
        return self.solutions[0].rows

    def _over(self, ask: Callable[[Solution], Estimate]) -> Estimate:
        return _joined([ask(one) for one in self.solutions])

    def _coefficients(self, free: NDArray[np.int64], start: int) -> dict[str, Estimate]:
        carried = self.columns.original_units(free)
        names = ["intercept", *self.columns.names]
        return {
            names[column]: self._over(
                lambda one, j=j, column=column: one.linear(  # type: ignore[misc]
                    start, carried[j], names[column], self.level
                )
            )
            for j, column in enumerate(free.tolist())
        }

    def _groups(self, groups: GroupCodes) -> tuple[TestedGroup, ...]:
        names, codes = groups
        order = np.argsort(codes, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
        judged = sum(part.size >= _MEMBERS for part in members)
        joint = 1 - (1 - self.level) / max(judged, 1)
        return tuple(
            self._group(name, part, joint) for name, part in zip(names, members, strict=True)
        )

    def _group(self, name: str, members: Places, joint: float) -> TestedGroup:
        seen = self._rows.observed[members]
        tested = _share(seen, self.level, "tested")
        if members.size < _MEMBERS:
            why = f"fewer than {_MEMBERS} members"
            figures = {
                figure: no_interval(figure, members.size, self.level, why) for figure in _FIGURES
            }
        else:
            figures = self._figures(members, seen, joint)
        if members.size >= _MEMBERS and not seen.any():
            figures = {figure: self._blind(found) for figure, found in figures.items()}
        return TestedGroup(
            group=name,
            n=members.size,
            tested=tested,
            under_tested=bool(figures["gap"].high < 0),
            **figures,
        )

    def _figures(self, members: Places, seen: Bools, joint: float) -> dict[str, Estimate]:
        untested = members[~seen]
        risk_untested = no_interval("risk_untested", 0, self.level, "everybody was tested")
        if untested.size:
            risk_untested = self._over(lambda one: one.mean_risk(untested, True, self.level))
        average = [one.at_average(members, self.level, joint) for one in self.solutions]
        return {
            "risk": self._over(lambda one: one.mean_risk(members, False, self.level)),
            "risk_untested": risk_untested,
            "tested_at_average": _joined([expected for expected, _ in average]),
            "gap": _joined([gap for _, gap in average]),
        }

    def _blind(self, estimate: Estimate) -> Estimate:
        """What to say of a figure of a group of which no outcome was observed."""
        if self.constraints:
            note = "; no outcome of the group was observed: rests on the constraints alone"
            return replace(estimate, method=estimate.method + note)
        why = "no outcome of the group was observed and no constraint identifies its risk"
        return no_interval(estimate.name, estimate.n, estimate.level, why)


def _joined(found: list[Estimate]) -> Estimate:
    """The estimate of the best fit; its interval joins those at all values of sigma."""
    if len(found) == 1:
        return found[0]
    return replace(
        found[0],
        low=min(one.low for one in found),
        high=max(one.high for one in found),
        method=f"{found[0].method}, joined over the profile interval of sigma",
    )


def _share(flags: Bools, level: float, name: str) -> Estimate:
    return share(int(flags.sum()), flags.size, level, name, method="wilson")
