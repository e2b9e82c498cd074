"""`Notice`: what a person is told about a decision that a score had a part in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from riskwright.core import Estimate, ParameterError, Record

from .documents import Document, exact

__all__ = ["MOST_REASONS", "Notice", "Reason", "notice"]

MOST_REASONS = 4


class Reason(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that added points, in the person's words, and whether changing it can help.

    `can_change` is True where some feasible change of this alone leads to the other decision,
    False where none does, None where that was not found out.
    """

    feature: str
    words: str
    points: Estimate
    can_change: bool | None = None


class Notice(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The score, its possible range, at most four reasons that work or are marked as not working.

    Attributes
    ----------
    decision : what was decided, and `decided_by` who decided; `reference` names the case.
    score : the person's total; `lowest` and `highest` what anybody's can be; `risk` its meaning.
    reasons : those that added most points first, at most four; `further_reasons` counts the rest.
    alternatives : what else alone can lead to the other decision, though it is not among them.
    source : where the data about the person come from.
    contest : how to contest the decision, by when; how to have wrong data put right.
    """

    kind: ClassVar[str] = "notice"

    decision: str
    score: Estimate
    lowest: Estimate
    highest: Estimate
    risk: Estimate | None = None
    reasons: tuple[Reason, ...] = ()
    further_reasons: Estimate | None = None
    alternatives: tuple[Reason, ...] = ()
    decided_by: str = ""
    source: str = ""
    contest: str = ""
    reference: str = ""
    score_digest: str = ""


def notice(
    *,
    decision: str,
    score: float,
    possible_range: tuple[float, float],
    reasons: Sequence[tuple[str, str, float, bool | None]],
    date: str,
    decided_by: str,
    source: str,
    contest: str,
    contact: str,
    title: str = "Notice of a decision",
    risk: Estimate | None = None,
    owner: str = "",
    version: str = "",
    reference: str = "",
    score_digest: str = "",
) -> Notice:
    """The notice to one person.

    Parameters
    ----------
    decision : what was decided, as a sentence.
    score, possible_range : the total, and the lowest and highest that anybody can have.
    reasons : (feature, words, points, can_change) for every feature
        In any order; `points` is what the feature added for this person, `can_change` whether
        changing it alone can change the decision (responsiveness above 0), None where unknown.
    date, decided_by, source, contest, contact : as for `Notice`; none may be empty.

    Returns
    -------
    Notice
        Reasons are the features that added points, most points first (ties as given), at most
        four; features that added none are no reasons. Those outside of the four that can change
        the decision alone are `alternatives`.

    Raises
    ------
    ParameterError : a score outside its range, points that are no number, a feature twice, texts
        that are empty.

    Examples
    --------
    >>> told = notice(
    ...     decision="The loan was refused.", score=5, possible_range=(0, 9),
    ...     reasons=[("late", "two late payments", 2, False), ("debt", "debt over 40%", 3, True)],
    ...     date="2026-01-31", decided_by="the credit desk", source="your application",
    ...     contest="Write within 30 days.", contact="desk@example.org")
    >>> [(r.words, r.can_change) for r in told.reasons]
    [('debt over 40%', True), ('two late payments', False)]
    """
    needed = {"decision": decision, "date": date, "decided_by": decided_by, "source": source}
    for name, text in {**needed, "contest": contest, "contact": contact}.items():
        if not text.strip():
            raise ParameterError("a notice needs this", where=name, expected="a text")
    low, high = possible_range
    if not (math.isfinite(score) and low <= score <= high):
        raise ParameterError(
            "the score is not within its range",
            where="score, possible_range",
            expected="lowest <= score <= highest",
        )
    ranked = _ranked(reasons)
    against = [reason for reason in ranked if reason.points.value > 0]
    shown, rest = against[:MOST_REASONS], against[MOST_REASONS:]
    others = [reason for reason in ranked if reason.can_change and reason not in shown]
    return Notice(
        title=title,
        version=version,
        date=date,
        owner=owner,
        contact=contact,
        decision=decision,
        score=exact(score, 1, "score", "sum of the points"),
        lowest=exact(low, 1, "lowest score", "all possible inputs"),
        highest=exact(high, 1, "highest score", "all possible inputs"),
        risk=risk,
        reasons=tuple(shown),
        further_reasons=exact(len(rest), len(against), "further reasons"),
        alternatives=tuple(others),
        decided_by=decided_by,
        source=source,
        contest=contest,
        reference=reference,
        score_digest=score_digest,
    )


def _ranked(reasons: Sequence[tuple[str, str, float, bool | None]]) -> list[Reason]:
    found: dict[str, Reason] = {}
    for feature, words, points, can_change in reasons:
        if feature in found or not words.strip() or not math.isfinite(points):
            raise ParameterError(
                "not a reason",
                where=f"reasons: {feature}",
                expected="each feature once, with words and a finite number of points",
            )
        added = exact(float(points), 1, "points", "points of the card")
        change = None if can_change is None else bool(can_change)
        found[feature] = Reason(feature=feature, words=words, points=added, can_change=change)
    return sorted(found.values(), key=lambda reason: -reason.points.value)
