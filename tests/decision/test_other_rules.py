"""Cascades, boundaries, regimes, three ways, candidates, conformal thresholds, utilities."""

import math
from itertools import product

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import binom
from sklearn.base import clone

import riskwright as rw
from riskwright.core import (
    ArtifactError,
    ContentHashError,
    DataError,
    ParameterError,
    UsageError,
    ValueRangeError,
)
from riskwright.decision import (
    Abstain,
    BayesDecision,
    Boundary,
    Budget,
    Cascade,
    Conformal,
    RiskCertificate,
    RiskControl,
    Stage,
    Strictness,
    ThreeWay,
    Threshold,
    answer_or_refuse,
    label_plan,
    plan_outreach,
)
from riskwright.decision.cascade import _cut
from riskwright.decision.search import largest_errors, smallest_size
from riskwright.metrics import ScoreSketch
from riskwright.stats import binomial_upper

RNG = np.random.default_rng(0)
N = 1200
SCORE = RNG.random(N)
Y = RNG.random(N) < SCORE
DOUBT = RNG.choice([0.1, 0.3], N)
GROUP = np.where(RNG.random(N) < 0.4, "a", "b")
TABLE = np.column_stack([np.clip(SCORE + RNG.normal(0, 0.2, N), 0, 1), SCORE])
LOSSES = {"x": RNG.random(N) * 0.2, "y": RNG.random(N) * 0.5, "z": RNG.random(N)}
RISING = np.sort(RNG.random((N, 5)) * 0.6, axis=1)
TIME, LEFT = RNG.exponential(1 / (0.05 + 2 * SCORE)), RNG.exponential(2, N)

RULES = {
    "threshold": (Threshold("miss rate <= 30%"), (SCORE, Y), {}),
    "several budgets": (
        Threshold(["miss rate <= 40% per sex", "false alarm rate <= 60%"]),
        (SCORE, Y),
        {"groups": {"sex": GROUP}},
    ),
    "cost": (Threshold(Budget("cost", 0.9, costs={"miss": 1, "false alarm": 2})), (SCORE, Y), {}),
    "candidates": (
        Threshold("precision >= 60%", candidates=[math.inf, 0.9, 0.7, 0.5], family="holm"),
        (SCORE, Y),
        {},
    ),
    "abstain": (Abstain("error among accepted <= 30%"), (SCORE, ~Y), {}),
    "graded": (Abstain(Budget("loss", 0.4), candidates=9), (SCORE, LOSSES["y"]), {}),
    "conformal": (Conformal("miss rate <= 20% in expectation"), (SCORE, Y), {}),
    "conformal losses": (Conformal("loss <= 0.3 in expectation"), (RISING,), {}),
    "three ways": (ThreeWay("miss rate <= 10%", "false alarm rate <= 10%"), (SCORE, Y), {}),
    "regimes": (Strictness({"a": "miss rate <= 5%", "b": "miss rate <= 30%"}), (SCORE, Y), {}),
    "band": (
        Strictness({"a": "false alarm rate <= 60%", "b": "false alarm rate <= 30%"}, joint="band"),
        (SCORE, Y),
        {},
    ),
    "candidates' losses": (RiskControl("loss <= 0.3"), (LOSSES,), {}),
    "candidates in groups": (RiskControl("loss <= 0.3 per sex"), (LOSSES,), {"groups": GROUP}),
    "cascade": (
        Cascade({"u": 0.1, "v": 0.3}, person=5, budgets=["miss rate <= 20%"]),
        (TABLE, Y),
        {},
    ),
    "boundary": (Boundary("precision >= 60%", bins=2), (SCORE, DOUBT, Y), {}),
    "unattainable": (Threshold("miss rate <= 0.01%"), (SCORE, Y), {}),
    "unattainable regime": (
        Strictness({"a": "miss rate <= 0.01%", "b": "miss rate <= 20%"}),
        (SCORE, Y),
        {},
    ),
    "unattainable cascade": (
        Cascade({"u": 0.1, "v": 0.3}, person=5, budgets=["miss rate <= 0.01%"]),
        (TABLE, Y),
        {},
    ),
    "unattainable boundary": (Boundary("precision >= 99.9%", bins=2), (SCORE, DOUBT, Y), {}),
    "unattainable losses": (Conformal("loss <= 0.01 in expectation"), (RISING,), {}),
    "nobody": (Threshold("false discovery rate <= 100%", prefer="fewer"), (SCORE, Y), {}),
}


def fitted(name):
    rule, data, named = RULES[name]
    rule = clone(rule)
    fit = rule.fit_losses if name in ("conformal losses", "unattainable losses") else rule.fit
    return fit(*data, **named), data, named


@pytest.mark.parametrize("name", RULES)
def test_every_certificate_is_verified_and_forgeries_are_not(name, tmp_path):
    """Also after a way through a file; other data, limits, statements and bounds are found out."""
    rule, data, named = fitted(name)
    rw.save(rule, tmp_path / "rule.json")
    told = rw.load(tmp_path / "rule.json").certificate_
    for certificate in (rule.certificate_, told):
        assert all(finding.passed is not False for finding in certificate.check(*data, **named))
        assert certificate.check(*data, **named)[0].passed is True
    assert str(told) == str(rule.certificate_)
    if isinstance(data[0], dict):
        other = ({key: column[::-1] ** 2 for key, column in data[0].items()},)
    else:
        other = tuple(column[: N // 2] for column in data)
        named = {key: {"sex": GROUP[: N // 2]} for key in named}
    if named and isinstance(data[0], dict):
        named = {"groups": GROUP}
    digest, _, procedure = told.check(*other, **named)
    assert (digest.passed, procedure.passed) == (False, False)


@pytest.mark.parametrize("name", RULES)
def test_forged_certificates_are_found_out(name):
    rule, data, named = fitted(name)
    certificate = rule.certificate_
    bound = replace(certificate.bounds[0], upper=certificate.bounds[0].upper * 0.5, met=True)
    forgeries = [
        replace(certificate, statement="Nothing ever goes wrong."),
        replace(certificate, bounds=(bound, *certificate.bounds[1:])),
        replace(certificate, delta=1e-9),
        replace(certificate, n=10 * certificate.n),
        replace(
            certificate,
            verdict="not attainable" if certificate.certified else "certified",
        ),
    ]
    for forged in forgeries:
        assert forged.check(*data, **named)[2].passed is False


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_saved_and_decides_alike(name, tmp_path):
    rule, data, _ = fitted(name)
    rw.save(rule, tmp_path / "rule.json")
    again = rw.load(tmp_path / "rule.json")
    assert again.certificate_.to_dict().keys() == rule.certificate_.to_dict().keys()
    if name.endswith("losses"):
        assert again.chosen_ == rule.chosen_
    elif hasattr(rule, "certificates_"):
        for regime in rule.thresholds_:
            assert (again.decide(data[0], regime) == rule.decide(data[0], regime)).all()
    elif hasattr(rule, "decide"):
        shown = data[:2] if name.endswith("boundary") else data[:1]
        assert (again.decide(*shown) == rule.decide(*shown)).all()
    else:
        assert (again.chosen_, again.certified_) == (rule.chosen_, rule.certified_)


@pytest.mark.parametrize("name", RULES)
def test_rules_before_fit_say_so(name):
    rule = clone(RULES[name][0])
    with pytest.raises(UsageError, match="fit"):
        rule.to_artifact()
    if hasattr(rule, "decide"):
        arguments = {"three ways": ([0.5],)}.get(name, ([0.5],))
        if hasattr(rule, "regimes"):
            arguments = ([0.5], "a")
        if name.endswith("boundary"):
            arguments = ([0.5], [0.1])
        with pytest.raises(UsageError, match="fit"):
            rule.decide(*arguments)


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "rule.json"
    rw.save(fitted("threshold")[0], path)
    text = path.read_text()
    path.write_text(text.replace('"verdict": "certified"', '"verdict": "void"'))
    with pytest.raises(ContentHashError):
        rw.load(path)
    path.write_text("{}")
    with pytest.raises(ArtifactError):
        rw.load(path)


def test_a_certificate_of_something_else_is_refused():
    certificate = replace(fitted("threshold")[0].certificate_, rule="score_sketch")
    with pytest.raises(UsageError, match="rule"):
        certificate.check(SCORE, Y)


def test_graded_losses_do_not_certify_errors():
    """Losses of 1 and 0.2: which answers are wrong is not known, and is not taken to be none."""
    wrong = np.where(Y, 1.0, 0.2)
    with pytest.raises(ParameterError, match="which answers are wrong"):
        Abstain(["loss <= 0.9", "error among accepted <= 1%"]).fit(SCORE, wrong)
    mixed = Abstain(["loss <= 99%", "error among accepted <= 1%"]).fit(SCORE, Y.astype(float))
    assert not mixed.certificate_.certified


def test_a_sketch_acts_where_it_counted():
    """All rows of a cell are on one side of every threshold that is taken or given."""
    sketch = ScoreSketch(bins=16).update(SCORE, Y)
    rule = Conformal("false alarm rate <= 40% in expectation").fit(sketch)
    (bound,) = rule.certificate_.bounds
    assert bound.errors == np.count_nonzero(SCORE[~Y] >= rule.threshold_)
    band = Strictness({"a": "false alarm rate <= 40%"}, joint="band").fit(sketch)
    (bound,) = band.certificate_.bounds
    assert bound.errors == np.count_nonzero(SCORE[~Y] >= band.thresholds_["a"])
    with pytest.raises(ParameterError, match="cell"):
        Threshold("precision >= 50%", candidates=[0.55], family="holm").fit(sketch)
    fair = Threshold("precision >= 50%", candidates=[0.5625], family="holm").fit(sketch)
    (bound,) = fair.certificate_.bounds
    assert bound.members == np.count_nonzero(SCORE >= 0.5625)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_limits_at_the_ends_are_answers(limit):
    for rule, data in (
        (Threshold(Budget("miss rate", limit)), (SCORE, Y)),
        (Threshold(Budget("false discovery rate", limit)), (SCORE, Y)),
        (Threshold(Budget("cost", limit, costs={"miss": 1, "false alarm": 0.5})), (SCORE, Y)),
        (RiskControl(Budget("loss", limit)), (LOSSES,)),
        (RiskControl(Budget("loss", limit, measure="cvar 0.9")), (LOSSES,)),
    ):
        certificate = rule.fit(*data).certificate_
        assert certificate.certified == (limit == 1)
        if limit == 0:
            assert "no number of labels certifies that something never happens" in str(certificate)


def test_no_confidence_is_rounded_up():
    assert str(Budget("miss rate", 0.1, 1e-9)) == "miss rate <= 10% with 99.9999999% confidence"
    assert "100%" not in str(Budget("miss rate", 0.1, 1e-30))
    assert str(Budget("miss rate", 0.1, 0.05 / 3)).startswith("miss rate <= 10% with 98.33% ")
    certificate = Threshold(Budget("miss rate", 0.4, 1e-20)).fit(SCORE, Y).certificate_
    assert "99.9999999999% confidence" in certificate.statement
    assert [finding.passed for finding in certificate.check(SCORE, Y)] == [True, True, True]


@pytest.mark.parametrize("seed", range(5))
def test_largest_errors_is_the_inverse_of_the_bound(seed):
    rng = np.random.default_rng(seed)
    n, limit, delta = int(rng.integers(1, 400)), rng.random(), rng.random()
    passing = [k for k in range(n + 1) if k < n and binom.cdf(k, n, limit) <= delta]
    assert largest_errors(n, limit, delta) == (passing[-1] if passing else -1)
    assert smallest_size(limit, delta) == next(
        m for m in range(1, 10**6) if (1 - limit) ** m <= delta * (1 + 1e-12)
    )


def test_labels_needed_attain_the_limit():
    for rate in (0.0, 0.03, 0.08):
        size = smallest_size(0.1, 0.05, rate)
        assert binomial_upper(math.ceil(rate * size), size, 0.05) <= 0.1
        if rate == 0:
            assert binomial_upper(0, size - 1, 0.05) > 0.1
    assert smallest_size(0.1, 0.05, 0.1) is None


def test_a_level_above_the_limit_is_said_to_be_that():
    score = np.random.default_rng(1).random(500)
    rule = Threshold("precision >= 99%").fit(score, np.arange(500) % 2)
    assert "is not below the limit" in str(rule.certificate_)


def test_the_band_covers_every_limit_and_keeps_regimes_nested():
    family = Strictness({"a": "miss rate <= 10%", "b": "miss rate <= 30%"}, joint="band")
    family.fit(SCORE, Y)
    limits = np.linspace(0.05, 0.9, 12)
    found = [family.threshold_for(float(x)) for x in limits]
    assert found == sorted(found)
    assert family.threshold_for(0.3) == family.thresholds_["b"]
    assert all((SCORE[Y] < t).mean() <= x for t, x in zip(found, limits, strict=True))
    with pytest.raises(UsageError, match="band"):
        fitted("regimes")[0].threshold_for(0.1)


@pytest.mark.parametrize(
    "regimes",
    [
        {},
        {"a": "miss rate <= 20%", "b": "miss rate <= 10%"},
        {"a": "miss rate <= 20%", "b": "false alarm rate <= 10%"},
        {"a": "precision >= 20%"},
        {"a": ["miss rate <= 20%", "false alarm rate <= 10%"]},
    ],
)
def test_regimes_that_do_not_fit_together_are_refused(regimes):
    with pytest.raises(ParameterError):
        Strictness(regimes).fit(SCORE, Y)


def test_three_ways_by_hand():
    rule = fitted("three ways")[0]
    miss, alarm = Threshold("miss rate <= 10%"), Threshold("false alarm rate <= 10%")
    assert rule.low_ == miss.fit(SCORE, Y).threshold_
    assert rule.high_ == alarm.fit(SCORE, Y).threshold_
    assert rule.decide([rule.low_]).tolist() == ["escalate"]
    assert rule.decide([rule.high_]).tolist() == ["block"]
    wide = ThreeWay("miss rate <= 90%", "false alarm rate <= 90%").fit(SCORE, Y)
    assert wide.low_ == wide.high_
    never = ThreeWay("miss rate <= 0.01%", "false alarm rate <= 50%").fit(SCORE, Y)
    assert set(never.decide(SCORE)) == {"escalate"}
    with pytest.raises(ParameterError, match="three ways"):
        ThreeWay(Budget("miss rate", 0.1, measure="cvar 0.9"), "false alarm rate <= 5%").fit(
            SCORE, Y
        )


@pytest.mark.parametrize("seed", range(8))
def test_conformal_is_the_last_threshold_that_keeps_the_level(seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 12, 40) / 12 if seed % 2 else rng.random(40)
    y = rng.random(40) < 0.5
    events = score[y]
    levels = {t: ((events < t).sum() + 1) / (events.size + 1) for t in [*np.unique(score)]}
    good = [t for t, level in levels.items() if level <= 0.3 + 1e-12]
    rule = Conformal("miss rate <= 30% in expectation").fit(score, y)
    (bound,) = rule.certificate_.bounds
    if good:
        assert (events < rule.threshold_).sum() == (events < max(good)).sum()
        assert bound.upper <= 0.3 + 1e-12
    else:
        assert math.isnan(rule.threshold_)


def test_holm_by_hand():
    counts = {"a": 2, "b": 6, "c": 9, "d": 30}
    table = {name: np.arange(100) < k for name, k in counts.items()}
    p = sorted(binom.cdf(k, 100, 0.15) for k in counts.values())
    kept = 0
    while kept < 4 and p[kept] <= 0.05 / (4 - kept):
        kept += 1
    control = RiskControl("loss <= 15%").fit(table)
    assert control.certified_ == tuple("abcd"[:kept])
    assert control.chosen_ == "a"
    cheap = RiskControl("loss <= 15%", cost={"a": 3, "b": 1, "c": 2, "d": 0}).fit(table)
    assert cheap.chosen_ == "b"
    order = RiskControl("loss <= 15%", family="fixed-sequence").fit(
        {name: table[name] for name in "adb"}
    )
    assert order.certified_ == ("a",)


def test_bad_candidates_are_refused():
    for losses, error in (
        ({}, ParameterError),
        ({"a": [0.1, 2.0]}, ValueRangeError),
        ({"a": [0.1], "b": [0.1, 0.2]}, DataError),
        ({"a": [0.1, math.nan]}, ValueRangeError),
    ):
        with pytest.raises(error):
            RiskControl("loss <= 0.3").fit(losses)
    with pytest.raises(ParameterError):
        RiskControl("miss rate <= 10%").fit(LOSSES)
    with pytest.raises(ParameterError, match="costs"):
        RiskControl("loss <= 0.3", cost={"x": math.nan, "y": 1, "z": 1}).fit(LOSSES)


def test_groups_belong_to_the_digest():
    budget = "loss <= 0.3 per sex"
    one, two = (RiskControl(budget).fit(LOSSES, groups=g) for g in (GROUP, GROUP[::-1]))
    assert one.certificate_.data_digest != two.certificate_.data_digest


@pytest.mark.parametrize("seed", range(6))
def test_the_two_cuts_of_a_stage_are_the_cheapest(seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 6, 12) / 6
    passing, flagging, onwards = rng.random((3, 12))
    low, high = _cut(score, passing, flagging, onwards)
    edges = [-math.inf, *np.unique(score), math.inf]

    def cost(a, b):
        kept = np.where(score < a, passing, np.where(score >= b, flagging, onwards))
        return kept.sum()

    best = min(cost(a, b) for a, b in product(edges, edges) if a <= b)
    assert cost(low, high) == pytest.approx(best)


def test_a_cascade_needs_dear_scores_only_where_it_is_unsure():
    rule, _, _ = fitted("cascade")
    low, high = rule.thresholds_["u"]
    settled = (TABLE[:, 0] < low) | (TABLE[:, 0] >= high)
    sparse = TABLE.copy()
    sparse[settled, 1] = np.nan
    assert (rule.decide(sparse) == rule.decide(TABLE)).all()
    for stages in ({}, [Stage("a", -1.0)], [Stage("a", 1.0), Stage("a", 2.0)]):
        with pytest.raises(ParameterError):
            Cascade(stages, person=1, budgets="miss rate <= 10%").fit(TABLE, Y)


def test_censored_follow_up_equals_known_outcomes_without_censoring():
    y = TIME <= 1.0
    options = {"candidates": np.linspace(0.05, 0.95, 19), "family": None}
    rule = Threshold("miss rate <= 30%", **options)
    rule.fit_censored(SCORE, TIME, np.ones(N), 1.0, max_weight=1.0)
    (bound,) = rule.certificate_.bounds
    certified_rows = bound.members
    assert 0 < certified_rows < y.sum()
    assert (SCORE[y] < rule.threshold_).mean() < 0.3
    assert "up to time 1" in rule.certificate_.statement


def test_a_certificate_under_censoring_is_verified(tmp_path):
    data = SCORE, np.minimum(TIME, LEFT), TIME <= LEFT, 1.0
    rule = Threshold("miss rate <= 40%").fit_censored(*data, max_weight=2.0)
    assert rule.certificate_.certified
    assert "Kaplan" in rule.certificate_.assumptions[0]
    rw.save(rule, tmp_path / "rule.json")
    told = rw.load(tmp_path / "rule.json").certificate_
    assert [f.passed for f in told.check(*data, max_weight=2.0)] == [True, None, True]
    with pytest.raises(DataError, match="horizon"):
        Threshold("miss rate <= 40%").fit_censored(SCORE, TIME, np.zeros(N), 1e6, max_weight=2.0)
    with pytest.raises(ParameterError, match="max_weight"):
        Threshold("miss rate <= 40%").fit_censored(*data, max_weight=0.5)
    with pytest.raises(ParameterError, match="weight"):
        Threshold(Budget("miss rate", 0.4, weight="shift")).fit_censored(*data, max_weight=2.0)


def test_bayes_decisions_by_enumeration():
    rng = np.random.default_rng(2)
    utility, p = rng.normal(size=(3, 4)), rng.dirichlet(np.ones(3), 50)
    rule = BayesDecision(utility)
    best = [max(range(4), key=lambda a: sum(row[c] * utility[c, a] for c in range(3))) for row in p]
    assert rule.decide(p).tolist() == best
    assert (rule.regret(p, rng.integers(0, 3, 50)) >= 0).all()
    moved = BayesDecision([[0, -1], [-1, 0]], trained_prior=[0.5, 0.5], prior=[0.9, 0.1])
    odds = 0.6 / 0.4 * 0.1 / 0.9
    expected = odds / (1 + odds)
    assert moved.expected_utility([0.6])[0].tolist() == pytest.approx([-expected, -(1 - expected)])
    for bad in ([[0.5, 0.6, 0.1]], [[0.5, 0.5]], [[math.nan, 0.5, 0.5]]):
        with pytest.raises(DataError):
            rule.decide(bad)
    with pytest.raises(ParameterError):
        BayesDecision([[0, -1], [-1, 0]], prior=[0.9, 0.1]).decide([0.5])


def test_answering_pays_above_the_break_even():
    assert answer_or_refuse([0.8, 0.8 + 1e-9], 1, 4).tolist() == [False, True]
    with pytest.raises(ParameterError):
        answer_or_refuse([0.5], 0, 0)
    with pytest.raises(ValueRangeError):
        answer_or_refuse([math.nan], 1, 1)


def test_label_plans_have_the_power_they_say():
    plan = label_plan(Budget("miss rate", 0.1, 0.05), pilot=0.05, share=0.5, power=0.9)
    (need,) = plan.needs

    def power(n):
        return binom.cdf(largest_errors(n, 0.1, 0.05), n, 0.05)

    assert power(need.members) >= 0.9
    assert plan.labels == math.ceil(need.members / 0.5)
    assert label_plan("miss rate <= 10%", pilot=0.2).labels is None
    unmet = Threshold(Budget("miss rate", 0.01, 1e-9)).fit(SCORE, Y).certificate_
    assert label_plan(unmet).labels > N


@pytest.mark.parametrize("most", [1.0, 1.5, 4.0])
def test_strata_weigh_one_on_average(most):
    pool = np.random.default_rng(3).beta(0.5, 5, 4000)
    plan = label_plan("miss rate <= 10%", pilot=0.05, share=0.5, pool=pool, max_weight=most)
    drawn = np.array([s.labels for s in plan.strata])
    weights = np.array([s.weight for s in plan.strata])
    assert (drawn @ weights) / drawn.sum() == pytest.approx(1)
    assert weights.max() <= most * 1.1
    assert sum(s.pool for s in plan.strata) == pool.size


@pytest.mark.parametrize("seed", range(5))
def test_outreach_is_within_one_visit_of_the_best_plan(seed):
    rng = np.random.default_rng(seed)
    p, cost = rng.random(9), rng.uniform(0.3, 2, 9)
    plan = plan_outreach(p, 4.0, cost)
    best = max(
        p[list(chosen)].sum()
        for chosen in (np.flatnonzero(bits) for bits in product([0, 1], repeat=9))
        if cost[list(chosen)].sum() <= 4.0
    )
    assert plan.hours <= 4.0 + 1e-9
    assert plan.expected_cases <= best + 1e-9 <= plan.upper_bound + 2e-9
    assert plan.expected_cases >= best - p.max()
    judged = plan.judge(rng.random(9) < p)
    assert set(judged) == {"plan", "by area", "random"}


def test_old_certificates_are_read_with_infinities():
    told = fitted("nobody")[0].certificate_.to_dict()
    certificate = RiskCertificate.from_dict({**told, "thresholds": {"threshold": "Infinity"}})
    assert float(certificate.thresholds["threshold"]) == math.inf


@pytest.mark.parametrize("name", ["threshold", "conformal", "three ways", "regimes", "cascade"])
def test_a_void_certificate_decides_nothing(name):
    rule, data, _ = fitted(name)
    rule.certificate_ = rule.certificate_.void("drift.")
    decided = rule.decide(data[0], "a") if name == "regimes" else rule.decide(data[0])
    assert set(decided) <= {"abstain", "escalate", "person"}


@pytest.mark.parametrize("name", ["threshold", "conformal", "three ways", "regimes"])
def test_missing_scores_are_not_passed(name):
    rule = fitted(name)[0]
    arguments = ([math.nan], "a") if name == "regimes" else ([math.nan],)
    with pytest.raises(DataError, match="missing"):
        rule.decide(*arguments)


@pytest.mark.parametrize("name", ["threshold", "abstain", "conformal", "three ways", "regimes"])
def test_pipelines_with_every_rule_decide_alike_after_saving(name, tmp_path):
    rule = fitted(name)[0]
    regime = "a" if name == "regimes" else None
    pipeline = rw.RiskPipeline(rule=rule)
    rw.save(pipeline, tmp_path / "pipeline.json")
    again = rw.load(tmp_path / "pipeline.json")
    assert again.apply(SCORE, regime=regime).equals(pipeline.apply(SCORE, regime=regime))


def test_a_pipeline_abstains_in_small_groups_and_says_why():
    group = np.where(np.arange(N) < 8, "few", "many")
    rule = Threshold("miss rate <= 30% per site", small_groups="abstain")
    rule.fit(SCORE, Y, groups={"site": group})
    told = rw.RiskPipeline(rule=rule).apply(SCORE, {"site": group})
    assert set(told["decision"][:8]) == {"abstain"}
    assert set(told["reason"][:8]) == {"no certificate for so small a group"}
    assert not rule.predict(SCORE, group)[:8].any()
