"""`Threshold` and `Abstain`: exact by brute force, valid by simulation, honest where they fail."""

import math

import numpy as np
import pytest
from scipy.stats import binom

import riskwright as rw
from riskwright.core import (
    DataError,
    MissingValueError,
    ParameterError,
    TargetError,
    UsageError,
    ValueRangeError,
)
from riskwright.decision import Abstain, Budget, RiskCertificate, Threshold
from riskwright.decision.losses import LOSSES
from riskwright.metrics import ScoreSketch

from .worlds import BUMPY, CALIBRATED, RARE, SAFE_ABOVE


def brute_force(loss, score, y, limit, delta):
    """Thresholds certified one after another, by plain counting, from the safest end."""
    values = np.unique(score)
    order = values if LOSSES[loss].shape == "rises" else [*values[::-1]]
    kept = []
    for t in order:
        errors, members = LOSSES[loss].of_rows(score >= t, y)
        if not binom.cdf(errors.sum(), members.sum(), limit) <= delta:
            break
        kept.append(t)
    return kept


@pytest.mark.parametrize("loss", ["miss rate", "false alarm rate", "action rate"])
@pytest.mark.parametrize("seed", range(6))
def test_losses_of_one_direction_equal_brute_force(loss, seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 40, 150) / 40 if seed % 2 else rng.random(150)
    y = rng.random(150) < score
    rule = Threshold(Budget(loss, 0.3, 0.1)).fit(score, y)
    kept = brute_force(loss, score, y, 0.3, 0.1)
    assert rule.certificate_.certified == bool(kept)
    if kept:
        assert rule.threshold_ == kept[-1]
        assert (rule.predict(score) == (score >= kept[-1])).all()


def test_the_bound_of_the_certificate_is_clopper_and_pearsons():
    score, y = CALIBRATED.draw(1000, np.random.default_rng(0))
    certificate = Threshold("miss rate <= 10%").fit(score, y).certificate_
    (bound,) = certificate.bounds
    misses = int(np.sum(y & (score < certificate.thresholds["threshold"])))
    assert (bound.errors, bound.members) == (misses, y.sum())
    assert binom.cdf(misses, y.sum(), bound.upper) == pytest.approx(0.05)
    assert bound.upper <= 0.10 < bound.upper + 0.01


@pytest.mark.parametrize("world", [CALIBRATED, RARE, BUMPY], ids=lambda w: w.name)
@pytest.mark.parametrize(
    ("loss", "limit"),
    [("miss rate", 0.1), ("false alarm rate", 0.1), ("false discovery rate", 0.2)],
)
def test_the_limit_is_broken_at_most_as_often_as_promised(world, loss, limit):
    rng = np.random.default_rng(11)
    broken = 0
    for _ in range(150):
        rule = Threshold(Budget(loss, limit, 0.1)).fit(*world.draw(300, rng))
        broken += rule.certificate_.certified and world.risk(loss, rule.threshold_) > limit
    assert broken <= 150 * 0.1 + 3 * math.sqrt(150 * 0.1 * 0.9)


def test_abstention_keeps_the_error_among_the_accepted():
    rng = np.random.default_rng(2)
    broken, answered = 0, []
    for _ in range(150):
        rule = Abstain(Budget("error among accepted", 0.1, 0.1)).fit(*SAFE_ABOVE.draw(500, rng))
        if rule.certificate_.certified:
            broken += SAFE_ABOVE.risk("error among accepted", rule.threshold_) > 0.1
            answered.append(1 - rule.threshold_)
    assert len(answered) > 130
    assert broken <= 150 * 0.1 + 3 * math.sqrt(150 * 0.1 * 0.9)
    assert np.mean(answered) > 0.5


def test_two_budgets_hold_together():
    score, y = BUMPY.draw(3000, np.random.default_rng(1))
    budgets = [Budget("miss rate", 0.3), Budget("false alarm rate", 0.2)]
    rule = Threshold(budgets).fit(score, y)
    assert rule.certificate_.certified
    assert all(bound.met for bound in rule.certificate_.bounds)
    assert rule.certificate_.delta == pytest.approx(0.1)
    more = Threshold(budgets, prefer="more").fit(score, y)
    assert more.threshold_ <= rule.threshold_


def test_budgets_that_clash_are_an_answer():
    score, y = CALIBRATED.draw(3000, np.random.default_rng(1))
    rule = Threshold(["miss rate <= 5%", "false alarm rate <= 5%"]).fit(score, y)
    assert rule.certificate_.verdict == "not attainable"
    assert "no candidate keeps them together" in rule.certificate_.statement
    assert set(rule.decide(score)) == {"abstain"}
    assert not rule.predict(score).any()


def test_too_few_labels_are_an_answer_with_the_number_needed():
    rng = np.random.default_rng(0)
    score, y = rng.random(200), np.arange(200) < 20
    certificate = Threshold(Budget("miss rate", 0.05, 0.05)).fit(score, y).certificate_
    assert certificate.verdict == "not attainable"
    assert certificate.labels_needed == math.ceil(math.log(0.05) / math.log(0.95)) == 59
    (bound,) = certificate.bounds
    assert bound.attainable == pytest.approx(1 - 0.05 ** (1 / 20))
    assert "59 labels" in certificate.statement


def test_a_budget_holds_in_every_group():
    rng = np.random.default_rng(3)
    score, y = CALIBRATED.draw(4000, rng)
    group = np.where(rng.random(4000) < 0.3, "a", "b")
    score = np.where((group == "a") & y, score * 0.6, score)
    overall = Threshold("miss rate <= 10%").fit(score, y)
    rule = Threshold("miss rate <= 10% per group").fit(score, y, groups={"group": group})
    assert rule.threshold_ < overall.threshold_
    assert [bound.group for bound in rule.certificate_.bounds] == ["a", "b"]
    for label in "ab":
        here = (group == label) & y
        assert (score[here] < rule.threshold_).mean() < 0.1


def test_small_groups_are_listed_not_pooled():
    rng = np.random.default_rng(3)
    score, y = CALIBRATED.draw(4000, rng)
    group = np.where(np.arange(4000) < 12, "few", "many")
    budget = "miss rate <= 10% per group"
    refused = Threshold(budget).fit(score, y, groups={"group": group})
    assert refused.certificate_.verdict == "not attainable"
    assert "few" in refused.certificate_.statement
    rule = Threshold(budget, small_groups="abstain").fit(score, y, groups={"group": group})
    assert rule.certificate_.certified
    assert list(rule.left_out_["group"]) == ["few"]
    assert "few (needs" in rule.certificate_.statement
    with pytest.raises(UsageError, match="group"):
        rule.decide(score)
    decided = rule.decide(score, groups={"group": group})
    assert set(decided[:12]) == {"abstain"}
    assert set(decided[12:]) == {"flag", "pass"}


def test_known_weights_carry_the_promise_to_another_population():
    """Rows with scores uniform, population of use with density 2 s: weights 2 s, at most 2."""
    rng = np.random.default_rng(5)
    broken = 0
    for _ in range(40):
        score, y = CALIBRATED.draw(1500, rng)
        budget = Budget("miss rate", 0.2, 0.1, weight="shift")
        rule = Threshold(budget).fit(score, y, sample_weight=2 * score, max_weight=2.0)
        assert rule.certificate_.certified
        broken += rule.threshold_**3 > 0.2  # the weighted share of events below t
    assert broken <= 40 * 0.1 + 3 * math.sqrt(40 * 0.1 * 0.9)


def test_costs_and_functions_are_bounded_by_betting():
    score, y = CALIBRATED.draw(3000, np.random.default_rng(0))
    cost = Budget("cost", limit=0.6, costs={"miss": 2, "false alarm": 1})
    rule = Threshold(cost).fit(score, y)
    assert rule.certificate_.certified
    acts = score >= rule.threshold_
    (bound,) = rule.certificate_.bounds
    assert bound.upper <= 0.6
    assert (2 * (~acts & y) + 1 * (acts & ~y)).mean() < 0.6
    function = Budget(lambda acted, y: np.where(acted != y, 0.5, 0.0), limit=0.2)
    assert Threshold(function).fit(score, y).certificate_.certified
    with pytest.raises(ValueRangeError, match="bound"):
        Threshold(Budget(lambda acted, y: 3.0 * (acted != y), limit=0.2)).fit(score, y)


def test_a_tail_measure_is_kept():
    rng = np.random.default_rng(0)
    confidence = rng.random(1500)
    loss = rng.random(1500) * (1 - confidence)
    budget = Budget("loss", limit=0.5, measure="cvar 0.9")
    rule = Abstain(budget, candidates=19).fit(confidence, loss)
    assert rule.certificate_.certified
    kept = np.sort(loss[confidence >= rule.threshold_])
    assert kept[int(0.9 * kept.size) :].mean() < 0.5
    assert "berk-jones" in rule.certificate_.bounds[0].method


@pytest.mark.parametrize("family", ["fixed-sequence", "holm", "bonferroni"])
def test_given_candidates_are_tested_by_a_family(family):
    score, y = CALIBRATED.draw(2000, np.random.default_rng(0))
    candidates = np.linspace(0.95, 0.05, 19)
    budget = Budget("false discovery rate", 0.2)
    rule = Threshold(budget, candidates=candidates, family=family).fit(score, y)
    assert rule.certificate_.certified
    assert rule.threshold_ in candidates
    assert CALIBRATED.risk("false discovery rate", rule.threshold_) <= 0.2


def test_candidates_read_off_the_certifying_rows_are_refused():
    score, y = CALIBRATED.draw(500, np.random.default_rng(0))
    with pytest.raises(ParameterError, match="chosen on the certifying data"):
        Threshold("precision >= 80%", candidates=np.sort(score)[::20]).fit(score, y)


def test_scores_of_a_card_are_fair_candidates():
    """A card has few distinct risks, which are known before any row is seen."""
    rng = np.random.default_rng(0)
    risks = np.linspace(0.05, 0.95, 12)
    score = rng.choice(risks, 2000)
    rule = Threshold("precision >= 60%", candidates=risks).fit(score, rng.random(2000) < score)
    assert rule.certificate_.certified


def test_a_sketch_gives_what_its_rows_give():
    rng = np.random.default_rng(0)
    score, y = CALIBRATED.draw(5000, rng)
    score = np.round(score * 256) / 256
    sketch = ScoreSketch(bins=65536).update(score, y)
    for text in ("miss rate <= 10%", "false alarm rate <= 10%"):
        by_rows, by_counts = Threshold(text).fit(score, y), Threshold(text).fit(sketch)
        assert by_counts.threshold_ == by_rows.threshold_
        assert by_counts.certificate_.bounds == by_rows.certificate_.bounds


def test_a_rule_is_saved_and_read_back(tmp_path):
    score, y = CALIBRATED.draw(800, np.random.default_rng(0))
    rule = Threshold(["miss rate <= 30%", "false alarm rate <= 50%"]).fit(score, y)
    rw.save(rule, tmp_path / "rule.json")
    again = rw.load(tmp_path / "rule.json")
    assert again.threshold_ == rule.threshold_
    assert again.certificate_ == rule.certificate_
    assert (again.decide(score) == rule.decide(score)).all()


def test_the_certificate_is_verified_without_the_model():
    score, y = BUMPY.draw(1500, np.random.default_rng(0))
    for text in ("miss rate <= 10%", "precision >= 60%", "error rate <= 30%"):
        certificate = Threshold(text).fit(score, y).certificate_
        told = RiskCertificate.from_dict(certificate.to_dict())
        assert [finding.passed for finding in told.check(score, y)] == [True, True, True]
        data, _, procedure = told.check(score, ~y)
        assert (data.passed, procedure.passed) == (False, False)


def test_a_forged_certificate_is_found_out():
    from msgspec.structs import replace

    score, y = CALIBRATED.draw(1500, np.random.default_rng(0))
    certificate = Threshold("miss rate <= 10%").fit(score, y).certificate_
    forged = replace(certificate, thresholds={"threshold": certificate.thresholds["threshold"] * 2})
    assert [finding.passed for finding in forged.check(score, y)] == [True, False, False]
    bound = replace(certificate.bounds[0], upper=0.01)
    forged = replace(certificate, bounds=(bound,))
    assert [finding.passed for finding in forged.check(score, y)] == [True, False, False]


@pytest.mark.parametrize(
    ("score", "y", "error"),
    [
        ([0.1, np.nan], [0, 1], MissingValueError),
        ([0.1, np.inf], [0, 1], ValueRangeError),
        ([0.1, 0.2], [0, 2], TargetError),
        ([0.1, 0.2, 0.3], [0, 1], DataError),
        ([], [], DataError),
    ],
)
def test_bad_rows_are_refused(score, y, error):
    with pytest.raises(error):
        Threshold("miss rate <= 10%").fit(score, y)


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({"tune": 0.0}, {}),
        ({"family": "simes"}, {}),
        ({"family": "holm"}, {}),
        ({"prefer": "most"}, {}),
        ({"candidates": []}, {}),
        ({"candidates": 0}, {}),
        ({}, {"sample_weight": [1.0, 1.0]}),
        ({}, {"groups": [1, 2, 3]}),
    ],
)
def test_bad_settings_are_refused(options, fit):
    with pytest.raises((ParameterError, DataError)):
        Threshold("miss rate <= 10%", **options).fit([0.1, 0.9], [0, 1], **fit)


def test_weights_must_fit_the_budget():
    score, y = CALIBRATED.draw(100, np.random.default_rng(0))
    shift = Budget("miss rate", 0.5, weight="shift")
    with pytest.raises(ParameterError, match="max_weight"):
        Threshold(shift).fit(score, y, sample_weight=np.ones(100))
    with pytest.raises(ValueRangeError, match="never cut off"):
        Threshold(shift).fit(score, y, sample_weight=np.full(100, 3.0), max_weight=2.0)
    with pytest.raises(ValueRangeError, match="weights"):
        Threshold(shift).fit(score, y, sample_weight=np.full(100, -1.0), max_weight=2.0)


def test_a_rule_before_fit_says_so():
    with pytest.raises(UsageError, match="fit"):
        Threshold("miss rate <= 10%").decide([0.5])


def test_one_class_gives_no_certificate_for_what_it_lacks():
    certificate = Threshold("miss rate <= 10%").fit([0.1, 0.2], [0, 0]).certificate_
    assert certificate.verdict == "not attainable"
    assert certificate.labels_needed == 29
