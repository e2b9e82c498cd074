"""Notices: at most four reasons by points, each marked, and what else could help."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.cards.document_views import render_document
from riskwright.cards.notice import MOST_REASONS, Notice, notice
from riskwright.core import ParameterError

TOLD: dict[str, Any] = {
    "decision": "Refused.",
    "score": 5,
    "possible_range": (0, 9),
    "date": "2026-01-31",
    "decided_by": "the desk",
    "source": "your application",
    "contest": "Write to us.",
    "contact": "desk@example.org",
}


def test_reasons_are_ranked_by_points_and_marked(documents: ModuleType) -> None:
    letter = documents.letter()
    assert [r.words for r in letter.reasons] == [
        *("debt over 40%", "two late payments", "short history", "new account")
    ]
    assert [r.can_change for r in letter.reasons] == [True, False, None, False]
    assert letter.further_reasons.value == 1
    assert [r.words for r in letter.alternatives] == ["few accounts"]


def test_the_letter_says_all_that_a_person_needs(documents: ModuleType) -> None:
    text = render_document(documents.letter(), "txt")
    flat = " ".join(text.split())
    for words in (
        "Your score: 7.5",
        "Possible scores: 0 to 9; a higher score means a higher risk",
        "a risk of 40.0% (30.0%–50.0%)",
        "1. debt over 40% Points: 3; Can it change the decision?: Changing this alone can change",
        "Changing this alone cannot change the decision.",
        "It is not known whether changing this alone can change the decision.",
        "1 further reason added no more points than these",
        "few accounts",
        "Decided by: the credit desk",
        "Your data come from: your application",
        "Write within 30 days.",
        "desk@example.org",
    ):
        assert words in flat, words


def test_a_person_whom_nothing_alone_can_help_is_told_so() -> None:
    letter = notice(reasons=[("a", "A", 2, False), ("b", "B", 1, False)], **TOLD)
    assert "None of these, changed alone, can change the decision." in render_document(letter)
    some = notice(reasons=[("a", "A", 2, False), ("b", "B", 1, None)], **TOLD)
    assert "None of these" not in render_document(some)


reasons = st.lists(
    st.tuples(
        st.text("abcdef", min_size=1),
        st.text("xyz", min_size=1),
        st.integers(-5, 9),
        st.sampled_from([True, False, None]),
    ),
    unique_by=lambda reason: reason[0],
    max_size=9,
)


@given(reasons)
def test_no_reason_is_lost_and_none_is_out_of_order(given_reasons: list[Any]) -> None:
    letter = notice(reasons=given_reasons, **TOLD)
    assert isinstance(letter, Notice)
    points = [reason.points.value for reason in letter.reasons]
    assert points == sorted(points, reverse=True)
    assert all(value > 0 for value in points)
    adding = [reason for reason in given_reasons if reason[2] > 0]
    assert len(points) == min(len(adding), MOST_REASONS)
    assert letter.further_reasons is not None
    assert letter.further_reasons.value == max(len(adding) - MOST_REASONS, 0)
    told = {r.feature for r in (*letter.reasons, *letter.alternatives)}
    assert {reason[0] for reason in given_reasons if reason[3]} <= told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score": 10}, "not within its range"),
        ({"score": float("nan")}, "not within its range"),
        ({"decided_by": " "}, "decided_by: a notice needs this"),
        ({"contest": ""}, "contest"),
        ({"reasons": [("a", "A", 1, True), ("a", "B", 1, True)]}, "reasons: a: not a reason"),
        ({"reasons": [("a", "A", float("nan"), True)]}, "not a reason"),
        ({"reasons": [("a", "", 1, True)]}, "not a reason"),
    ],
)
def test_what_no_person_should_get_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(words)):
        notice(**({"reasons": []} | TOLD | changes))
