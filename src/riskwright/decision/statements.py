"""Certificates in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .budgets import Budget, confidence
from .certificates import BudgetBound

__all__ = ["ASSUMPTIONS", "percent", "promise"]

ASSUMPTIONS = {
    "independent": "The rows are independent draws from the population in which the rule is used.",
    "exchangeable": "The rows and the next case are exchangeable.",
    "shifted": "The rows are independent draws, and their weights are the known density ratios of "
    "the population of use to theirs, at most {:g}.",
    "fixed score": "The score was fixed before these rows were seen.",
    "fixed candidates": "The candidates were fixed before these rows were seen.",
    "two values": "Losses that are all 0 or 1 are so by their definition, not by chance.",
    "set apart": "{:,} of the rows, drawn at random (seed {}), chose among the candidates and "
    "certify nothing.",
    "censored": "The rows are independent draws, and censoring depends on neither the score, the "
    "groups nor the time of the event. Its distribution is estimated by Kaplan and Meier, whose "
    "error the bound leaves out. {:.3g}% of the rows used would weigh more than {:g} and weigh "
    "that: the promise is about the population so weighted.",
}


def percent(share: float) -> str:
    """Ten digits, so that no limit is stated smaller than it is."""
    return f"{100 * share:.10g}%"


def promise(
    budgets: Sequence[Budget],
    bounds: Sequence[BudgetBound],
    *,
    rule: str | None,
    n: int,
    left_out: Mapping[str, Mapping[str, int]] = {},
) -> str:
    """What a certificate says: each budget in words, the rule; or what is missing."""
    if rule is None:
        return _refusal(bounds, n)
    parts = [_kept(budget, n) for budget in budgets]
    if len(budgets) > 1:
        delta = sum(budget.delta or 0.0 for budget in budgets)
        if delta < 1:
            parts.append(f"All of it holds together with at least {confidence(delta)} confidence.")
    for name, labels in left_out.items():
        groups = ", ".join(f"{label} (needs {more:,} more)" for label, more in labels.items())
        parts.append(f"Nothing is promised for groups of {name} with too few labels: {groups}.")
    return " ".join([*parts, rule])


def _kept(budget: Budget, n: int) -> str:
    share = budget.is_mean and budget.bound == 1 and budget.loss != "cost"
    limit = percent(budget.limit) if share else f"{budget.limit:.6g}"
    where = f" in every group of {budget.per}" if budget.per else ""
    if budget.delta is None:
        return f"On average over such data and the next case, {budget.words} is at most {limit}."
    return (
        f"With at least {confidence(budget.delta)} confidence over the draw of these {n:,} "
        f"labelled rows, {budget.words} is at most {limit}{where}."
    )


def _refusal(bounds: Sequence[BudgetBound], n: int) -> str:
    missed = [bound for bound in bounds if not bound.met]
    if not missed:
        clash = " and ".join(f"'{name}'" for name in dict.fromkeys(b.budget for b in bounds))
        return (
            f"Not attainable: on these {n:,} rows each of {clash} can be kept, but no candidate "
            "keeps them together. The rule abstains."
        )
    parts = []
    for bound in missed:
        where = f" in group {bound.group}" if bound.group is not None else ""
        best = bound.upper if bound.attainable is None else bound.attainable
        parts.append(
            f"'{bound.budget}'{where}: the best level is {_level(bound, best)}; {_needed(bound)}"
        )
    return f"Not attainable on these {n:,} rows. {'. '.join(parts)}. The rule abstains."


def _level(bound: BudgetBound, value: float) -> str:
    """In percent where the budget is stated so."""
    limit = bound.budget.partition("= ")[2].partition(" ")[0]
    return f"{100 * value:.4g}%" if limit.endswith("%") else f"{value:.4g}"


def _needed(bound: BudgetBound) -> str:
    if bound.labels_needed is not None:
        return (
            f"about {bound.labels_needed:,} labels that count for it are needed "
            f"({bound.members:,} were given)"
        )
    if bound.limit == 0:
        return "no number of labels certifies that something never happens"
    if math.isnan(bound.empirical):
        return "no row counts for it"
    return (
        f"the level seen among the {bound.members:,} rows that count for it, "
        f"{_level(bound, bound.empirical)}, is not below the limit, so that more labels alone "
        "will hardly do"
    )
