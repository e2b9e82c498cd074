"""Errors of a guard are counted among the right rows, with intervals."""

import numpy as np
import pytest

from riskwright.cards.guard_page import guard_page
from riskwright.core import DataError
from riskwright.core.scores import Decision, Score
from riskwright.evidence.labels import Label
from riskwright.guard.certifying import certify_policy
from riskwright.guard.costs import costs_of
from riskwright.guard.figures import guard_figures
from riskwright.stats import proportion_interval

ACTIONS = ["allow", "allow", "block", "escalate", "allow", "block", "stop", "guide"]
HARM = [1, 0, 1, 1, 0, 0, 0, 0]
HATE = [1, 0, 0, 1, 0, 0, 0, 0]


def small():
    scores = [
        Score(
            id=str(k),
            severity=[0.1, 0.2, 0.9, 0.6, 0.3, 0.8, 0.95, 0.4][k],
            attributes={"language": "en" if k < 4 else "de"},
            cost=k,
            latency_ms=1.0,
        )
        for k in range(8)
    ]
    decisions = [Decision(action=a, policy="p 1", certificate="c") for a in ACTIONS]
    labels = [
        Label(harmful=float(h), hazards={"hte": float(v)}) for h, v in zip(HARM, HATE, strict=True)
    ]
    return scores, decisions, labels


def test_rates_are_counted_among_the_right_rows():
    figures = guard_figures(*small(), groups=("language",))
    overall = figures.overall
    assert (overall.n, overall.harmful) == (8, 3)
    assert overall.missed.value == pytest.approx(1 / 3)
    assert overall.refused.value == pytest.approx(2 / 5)
    assert overall.escalated.value == pytest.approx(1 / 8)
    assert (overall.missed.low, overall.missed.high) == proportion_interval(
        1, 3, 0.95, "clopper_pearson"
    )
    assert overall.f1.value == pytest.approx(2 * 2 / (2 * 2 + 3 + 1))
    hate = figures.by_hazard["hte"]
    assert (hate.n, hate.harmful, hate.missed.value) == (7, 2, 0.5)
    english = figures.by_group["language"]["en"]
    assert (english.missed.value, english.refused.value) == (pytest.approx(1 / 3), 0.0)
    assert figures.certified == 8
    assert figures.actions["allow"] == 3


def test_the_tail_is_that_of_what_passed():
    scores, decisions, labels = small()
    figures = guard_figures(scores, decisions, labels)
    assert figures.passed_tail["mean of passed severity"].value == pytest.approx(0.2)
    told = [Label(harmful=y.harmful, severity=k / 2) for k, y in enumerate(labels)]
    tail = guard_figures(scores, decisions, told).passed_tail["mean of passed severity"]
    assert tail.value == pytest.approx((0 + 0.5 + 2) / 3)
    assert "labels" in tail.name


def test_unlabelled_rows_and_missing_scores_are_said():
    scores, decisions, labels = small()
    scores[0] = Score(id="0", outcome="failed", attributes={"language": "en"})
    figures = guard_figures(scores, decisions, [None, *labels[1:]])
    assert figures.labelled == 7
    assert figures.outcomes == {"failed": 1}
    assert "1 exchanges have no label" in figures.notes[0]


def test_the_strictness_table_decides_anew(policy, labelled):
    scores, labels = labelled
    rules = certify_policy(policy(), scores, labels).policy
    decisions = [rules.decide(score) for score in scores]
    figures = guard_figures(scores, decisions, labels, policy=rules)
    strict, loose = figures.regimes["strict"], figures.regimes["loose"]
    assert strict.missed.value <= loose.missed.value
    assert strict.refused.value >= loose.refused.value
    assert figures.worst_regime in ("strict", "loose")
    assert strict == figures.overall


def test_severity_calibration_is_shown_only_where_it_means_something():
    rng = np.random.default_rng(0)
    p = rng.random(500)
    labels = [Label(harmful=float(v)) for v in rng.random(500) < p]
    decisions = [Decision(action="allow")] * 500
    rank = [Score(severity=float(v)) for v in p]
    assert guard_figures(rank, decisions, labels).calibration is None
    probable = [Score(severity=float(v), meaning="probability", calibrated=("any",)) for v in p]
    figures = guard_figures(probable, decisions, labels)
    assert figures.calibration is not None
    assert abs(figures.quality["calibration in the large (log-odds)"].value) < 0.1


def test_bad_input_is_refused():
    scores, decisions, labels = small()
    with pytest.raises(DataError):
        guard_figures(scores, decisions[1:], labels)
    with pytest.raises(DataError, match="'team'"):
        guard_figures(scores, decisions, labels, groups=("team",))


def test_the_page_is_whole_and_loads_nothing(policy, labelled):
    scores, labels = labelled
    rules = certify_policy(policy(), scores, labels).policy
    decisions = [rules.decide(score) for score in scores]
    figures = guard_figures(scores, decisions, labels, policy=rules, groups=("language",))
    page = guard_page(figures, names={"hte": "Hate"}, promises=[("any, strict", "At most 10%.")])
    for words in ("Harm missed", "Hate", "By language", "Strictness", "At most 10%.", "test 1"):
        assert words in page
    for forbidden in ("<script", "http://", "https://", "src="):
        assert forbidden not in page.replace("http://www.w3.org", "")
    assert len(page) < 200_000


def test_the_report_says_how_many_decisions_are_certified():
    scores, decisions, labels = small()
    decisions[2:] = [Decision(action="block") for _ in decisions[2:]]
    figures = guard_figures(scores, decisions, labels)
    assert figures.promise.startswith("2 of 8 decisions rest on certified thresholds")
    assert figures.promise in guard_page(figures)
    assert guard_figures(scores[2:], decisions[2:], labels[2:]).promise.startswith("None of 6")
    assert guard_figures(scores[:2], decisions[:2], labels[:2]).promise.startswith("All 2 ")


def test_a_group_without_a_name_is_called_so():
    scores, decisions, labels = small()
    scores = [Score(severity=0.5, attributes={"audience": ""}) for _ in scores]
    assert list(
        guard_figures(scores, decisions, labels, groups=["audience"]).by_group["audience"]
    ) == ["(none)"]


def test_a_quantile_of_latencies_needs_latencies_of_single_exchanges():
    batch = costs_of([Score(latency_ms=2.0) for _ in range(40)])
    assert set(batch) == {"mean latency (ms)"}
    single = costs_of([Score(latency_ms=float(k), cost=1.0) for k in range(40)])
    assert set(single) == {"mean cost", "mean latency (ms)", "p95 latency (ms)"}
