"""Thresholds of a policy are certified by the decision engine, nested, and say what they cost."""

import re

import msgspec
import numpy as np
import pytest

from riskwright.core import DataError, ParameterError
from riskwright.core.scores import Score
from riskwright.decision import ThreeWay
from riskwright.evidence.labels import Label
from riskwright.guard.certifying import NEVER, certify_policy
from riskwright.guard.regimes import acted_on, in_regime


def rates(bands, scores, labels):
    """Worst miss and false alarm rate of every band on these rows."""
    found = {}
    for one in bands:
        value = np.array([s.severity if one.hazard == "any" else s.hazards["hte"] for s in scores])
        y = np.array([y.any if one.hazard == "any" else y.hazards["hte"] for y in labels]) > 0.5
        found[one.hazard, one.regime] = (
            (value[y] < one.band.low).mean(),
            (value[~y] >= one.band.high).mean(),
        )
    return found


def test_thresholds_are_those_of_three_way_rules_at_the_shared_delta(labelled, policy):
    scores, labels = labelled
    only = policy(
        hazards={"any": {}},
        regimes=["strict"],
        budgets={"strict": ["miss rate <= 10% with 95% confidence", "false alarm rate <= 30%"]},
    )
    found = certify_policy(only, scores, labels)
    value = np.array([s.severity for s in scores])
    y = np.array([label.any for label in labels])
    rule = ThreeWay("miss rate <= 10%", "false alarm rate <= 30%").fit(value, y)
    (band,) = found.bands
    assert (band.band.low, band.band.high) == (rule.low_, rule.high_)
    assert found.policy.thresholds["any"]["strict"] == band.band
    assert found.policy.certificates["any"]["strict"].digest == band.digest
    assert found.certified


def test_delta_is_shared_by_hazards_and_regimes(labelled, policy):
    found = certify_policy(policy(), *labelled)
    assert len(found.bands) == 4
    for band in found.bands:
        for certificate in band.certificates:
            for budget in certificate.budgets:
                assert budget["delta"] == pytest.approx(0.05 / 4)


def test_regimes_are_nested_and_decide_monotonely(labelled, policy):
    found = certify_policy(policy(), *labelled)
    by = {(band.hazard, band.regime): band.band for band in found.bands}
    for hazard in ("any", "hte"):
        assert by[hazard, "strict"].low <= by[hazard, "loose"].low
        assert by[hazard, "strict"].high <= by[hazard, "loose"].high
    strict, loose = (in_regime(found.policy, name) for name in ("strict", "loose"))
    order = ("allow", "escalate", "block", "stop")
    for score in labelled[0][:300]:
        actions = [order.index(rules.decide(score).action) for rules in (strict, loose)]
        assert actions[0] >= actions[1]


def test_budgets_hold_on_new_rows(labelled, policy, traffic):
    found = certify_policy(policy(), *labelled)
    limits = {"strict": (0.10, 0.30), "loose": (0.30, 0.10)}
    for (_, regime), (miss, alarm) in rates(found.bands, *traffic(20_000, 9)).items():
        assert miss <= limits[regime][0]
        assert alarm <= limits[regime][1]


def test_certified_rates_are_broken_in_at_most_delta_of_draws(policy, traffic):
    """All eight budgets at once, in 120 draws of 600 labels: Monte-Carlo error of 2 points."""
    truth = traffic(30_000, 12345)
    limits = {"strict": (0.10, 0.30), "loose": (0.30, 0.10)}
    broken = 0
    for seed in range(120):
        found = certify_policy(policy(), *traffic(600, seed + 1))
        over = rates(found.bands, *truth).items()
        broken += any(m > limits[r][0] or a > limits[r][1] for (_, r), (m, a) in over)
    delta = 0.10
    assert broken / 120 <= delta + 3 * np.sqrt(delta * (1 - delta) / 120)


def test_what_cannot_be_certified_is_an_answer(policy, traffic):
    found = certify_policy(policy(), *traffic(120, 3))
    assert not found.certified
    assert found.labels_needed > 0
    open_ones = [band for band in found.bands if not band.certified]
    assert open_ones
    for band in open_ones:
        misses, alarms = band.certificates
        assert band.band.low == 0 or misses.certified
        assert band.band.high == NEVER or alarms.certified
    rules = found.policy
    assert rules.decide(Score(severity=0.0, hazards={"hte": 0.0})).action != "block"


def test_expected_shares_add_up_and_costs_are_stated(labelled, policy):
    expected = certify_policy(policy(), *labelled).expected
    for figures in expected.values():
        shares = [e.value for name, e in figures.items() if name.startswith("share")]
        assert sum(shares) == pytest.approx(1)
        assert figures["mean cost"].value == pytest.approx(0.1)
        assert figures["p95 latency (ms)"].value == 6


def test_budgets_can_hold_per_group(labelled, policy):
    per = {
        "strict": ["miss rate <= 15% per language", "false alarm rate <= 30%"],
        "loose": ["miss rate <= 30% per language", "false alarm rate <= 10%"],
    }
    found = certify_policy(policy(budgets=per), *labelled)
    groups = {bound.group for band in found.bands for c in band.certificates for bound in c.bounds}
    assert {"de", "en"} <= groups
    bare = [msgspec.structs.replace(s, attributes={}) for s in labelled[0]]
    with pytest.raises(ParameterError, match="'language'"):
        certify_policy(policy(budgets=per), bare, labelled[1])


def test_severities_count_as_harm_from_the_level_of_the_regime(policy):
    rng = np.random.default_rng(5)
    level = rng.integers(0, 4, 3000)
    scores = [
        Score(severity=float(v)) for v in np.clip(level / 4 + rng.normal(0, 0.05, 3000), 0, 1)
    ]
    labels = [Label(severity=float(v)) for v in level]
    graded = policy(
        hazards={"any": {}},
        harmful_from={"strict": 1, "loose": 3},
        budgets={
            "strict": ["miss rate <= 5%", "false alarm rate <= 5%"],
            "loose": ["miss rate <= 5%", "false alarm rate <= 5%"],
        },
    )
    found = certify_policy(graded, scores, labels)
    strict, loose = (band.band for band in found.bands)
    assert strict.high < 0.3 < 0.5 < loose.low


def test_scores_without_a_number_are_left_to_the_fallback(labelled, policy):
    scores, labels = labelled
    silent = [Score(id="x", outcome="unparsable", attributes={"language": "en"})] * 10
    found = certify_policy(policy(), [*scores, *silent], [*labels, *labels[:10]])
    assert "10 of 3,010" in found.notes[0]
    assert [band.band for band in found.bands] == [
        band.band for band in certify_policy(policy(), scores, labels).bands
    ]


def test_hazards_without_labels_are_left_out_with_the_reason(labelled, policy):
    scores, labels = labelled
    found = certify_policy(policy(hazards={"any": {}, "vcr": {}}), scores, labels)
    assert {band.hazard for band in found.bands} == {"any"}
    assert "vcr" in found.left_out
    assert not found.certified


def test_bad_requests_are_refused(labelled, policy):
    scores, labels = labelled
    with pytest.raises(ParameterError, match="no budgets"):
        certify_policy(policy(budgets={}), scores, labels)
    with pytest.raises(ParameterError, match="not the budgets"):
        certify_policy(policy(budgets={"strict": ["miss rate <= 5%"]}), scores, labels)
    with pytest.raises(DataError, match="differ in number"):
        certify_policy(policy(), scores, labels[1:])
    with pytest.raises(DataError, match="no hazard"):
        certify_policy(policy(), scores, [Label(harmful=0.0)] * len(scores))


def test_hazards_that_no_audience_cares_for_are_not_certified(policy):
    rules = policy(
        hazards={"any": {}, "hte": {"ignore": True}, "sxc": {"ignore": True}},
        audiences={"minors": {"hazards": {"sxc": {"ignore": False}}}},
    )
    assert acted_on(rules) == ("any", "sxc")


def test_a_scorers_own_value_is_certified_like_a_hazard(policy):
    rng = np.random.default_rng(2)
    truth = rng.random(2000) < 0.3
    value = np.clip(0.5 * truth + 0.5 * rng.random(2000), 0, 1)
    scores = [Score(severity=0.0, values={"rules": {"injection": float(v)}}) for v in value]
    labels = [Label(hazards={"rules:injection": float(y)}) for y in truth]
    budgets = {"strict": ["miss rate <= 5%", "false alarm rate <= 10%"]}
    rules = policy(hazards={"rules:injection": {}, "any": {"fail": "open"}}, budgets=budgets)
    found = certify_policy(rules, scores, labels)
    (band,) = (one for one in found.bands if one.hazard == "rules:injection")
    assert band.certified
    assert (value[truth] < band.band.low).mean() <= 0.05
    assert (value[~truth] >= band.band.high).mean() <= 0.10
    assert found.policy.certificates["rules:injection"]["strict"].digest == band.digest


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_scores_that_tell_nothing_apart_pass_nothing_and_block_nothing(policy, severity):
    labels = [Label(harmful=float(k % 2)) for k in range(2000)]
    rules = policy(hazards={"any": {}})
    found = certify_policy(rules, [Score(severity=severity)] * 2000, labels)
    for band in found.bands:
        assert band.band.low <= severity < band.band.high <= NEVER


def test_values_that_no_threshold_of_a_policy_reaches_are_left_out(policy):
    labels = [Label(harmful=float(k % 2), hazards={"ss3:any": float(k % 2)}) for k in range(2000)]
    scores = [
        Score(severity=(k % 2) / 2, values={"ss3": {"any": 3.0 * (k % 2)}}) for k in range(2000)
    ]
    found = certify_policy(policy(hazards={"any": {}, "ss3:any": {}}), scores, labels)
    assert "not between 0 and 1" in found.left_out["ss3:any"]
    assert found.policy.thresholds.keys() == {"any"}


def test_thresholds_that_nothing_proves_carry_no_certificate(policy):
    rng = np.random.default_rng(3)
    budgets = {"strict": ["miss rate <= 5%", "false alarm rate <= 10%"]}
    rules = policy(hazards={"any": {}}, budgets=budgets)

    def certified(n):
        truth = np.arange(n) % 3 == 0
        scores = [Score(severity=float(0.5 * y + 0.5 * rng.random())) for y in truth]
        return certify_policy(rules, scores, [Label(harmful=float(y)) for y in truth])

    none, part = certified(20), certified(60)
    assert none.policy.certificates == {}
    assert none.policy.decide(Score(severity=0.0)).action == "escalate"
    assert none.policy.decide(Score(severity=1.0)).certificate == ""
    assert [one.certified for one in part.bands[0].certificates] == [False, True]
    assert part.policy.decide(Score(severity=0.0)).action == "escalate"
    assert part.policy.decide(Score(severity=1.0)).certificate == part.bands[0].digest


def test_the_best_level_is_told_in_the_unit_of_the_budget(policy, labelled):
    scores, labels = labelled
    found = certify_policy(policy(), scores[:40], labels[:40])
    told = " ".join(one.statement for band in found.bands for one in band.certificates)
    assert re.search(r"miss rate <= [^;]*the best level is [0-9.]+%; ", told)
