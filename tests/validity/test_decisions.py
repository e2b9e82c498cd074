"""Every rule breaks its limit no more often than it says, by simulation.

Each case has a finite population whose risks are known exactly, and draws 2,000 data sets from it
with replacement; the Monte-Carlo standard error of a rate of 10 % is 0.67 percentage points, and a
rule fails where it is broken more often than delta by more than two of them.
"""

import math

import numpy as np
import pytest

from riskwright.decision import (
    Abstain,
    Boundary,
    Budget,
    Cascade,
    Conformal,
    RiskControl,
    Strictness,
    ThreeWay,
    Threshold,
    Watch,
    boundary,
    cascade,
)
from riskwright.decision.losses import LOSSES
from riskwright.stats import CVaR

DRAWS, DELTA, SIZE = 2000, 0.1, 3000

pytestmark = pytest.mark.validity


def allowed(delta=DELTA, draws=DRAWS):
    return delta + 2 * math.sqrt(delta * (1 - delta) / draws)


def share_broken(trial, seed=0, draws=DRAWS):
    rng = np.random.default_rng(seed)
    found = np.mean([bool(trial(rng)) for _ in range(draws)])
    print(f"broken in {found:.4f} of {draws} draws")
    return found


def population(chance, atoms=None, seed=1):
    """Scores and outcomes whose shares follow `chance` as closely as whole numbers allow."""
    rng = np.random.default_rng(seed)
    score = rng.permutation((np.arange(SIZE) + 0.5) / SIZE)
    if atoms:
        score = np.floor(score * atoms) / atoms
    return score, rng.random(SIZE) < chance(score)


WORLDS = {
    "calibrated": population(lambda s: s),
    "rare": population(lambda s: 0.06 * s),
    "no relation": population(lambda s: np.full(s.shape, 0.19)),
    "falling": population(lambda s: 0.9 - 0.8 * s),
    "bumps": population(
        lambda s: np.where(s > 0.98, 0.05, np.where(s > 0.6, 0.9, 0.15 + 0.1 * (s % 0.1 > 0.05)))
    ),
    "five values": population(lambda s: np.where(s == 0.6, 0.1, 0.2 + 0.7 * s), atoms=5),
}
LIMITS = {
    "miss rate": 0.1,
    "false alarm rate": 0.1,
    "false discovery rate": 0.25,
    "false omission rate": 0.15,
    "error rate": 0.2,
    "action rate": 0.2,
}


def risk(loss, acted, y):
    errors, members = LOSSES[loss].of_rows(acted, y)
    return errors.sum() / members.sum() if members.any() else 0.0


def one_threshold(rule, loss, limit, world, n, rng):
    score, y = world
    rows = rng.integers(0, SIZE, n)
    rule.fit(score[rows], y[rows])
    return rule.certificate_.certified and risk(loss, score >= rule.threshold_, y) > limit


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("loss", LIMITS)
def test_threshold(loss, world):
    rule = Threshold(Budget(loss, LIMITS[loss], DELTA))

    def trial(rng):
        return one_threshold(rule, loss, LIMITS[loss], WORLDS[world], 250, rng)

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("world", ["no relation", "bumps", "five values"])
@pytest.mark.parametrize("loss", ["false discovery rate", "error among accepted"])
def test_limits_that_are_true_risks_give_the_least_room(loss, world):
    """The limit lies just under the risk at the middle threshold."""
    score, y = WORLDS[world]
    limit = risk(loss, score >= 0.5, y) - 1e-9
    kind = Abstain if loss == "error among accepted" else Threshold
    rule = kind(Budget(loss, limit, DELTA))

    def trial(rng):
        return one_threshold(rule, loss, limit, WORLDS[world], 200, rng)

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("family", ["holm", "bonferroni", "fixed-sequence", None])
def test_given_candidates(family):
    score, y = WORLDS["bumps"]
    limit = risk("false discovery rate", score >= 0.5, y) - 1e-9
    rule = Threshold(
        Budget("false discovery rate", limit, DELTA),
        candidates=np.linspace(0.95, 0.05, 19),
        family=family,
    )

    def trial(rng):
        return one_threshold(rule, "false discovery rate", limit, (score, y), 200, rng)

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("loss", ["miss rate", "false discovery rate"])
def test_every_group_at_once(loss):
    """Three groups, one of a tenth of the rows; broken where any of them is."""
    score, y = WORLDS["calibrated"]
    group = np.random.default_rng(3).choice(["a", "b", "c"], SIZE, p=[0.6, 0.3, 0.1])
    limit = 0.25
    rule = Threshold(Budget(loss, limit, DELTA, per="group"), small_groups="abstain")

    def trial(rng):
        rows = rng.integers(0, SIZE, 300)
        rule.fit(score[rows], y[rows], groups=group[rows])
        acted = score >= rule.threshold_
        kept = set("abc") - set(rule.left_out_.get("group", {}))
        return rule.certificate_.certified and any(
            risk(loss, acted[group == g], y[group == g]) > limit for g in kept
        )

    assert share_broken(trial) <= allowed()


def test_two_budgets_together():
    score, y = WORLDS["calibrated"]
    rule = Threshold([Budget("miss rate", 0.2, 0.05), Budget("false discovery rate", 0.4, 0.05)])

    def trial(rng):
        rows = rng.integers(0, SIZE, 400)
        acted = score >= rule.fit(score[rows], y[rows]).threshold_
        broken = risk("miss rate", acted, y) > 0.2 or risk("false discovery rate", acted, y) > 0.4
        return rule.certificate_.certified and broken

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("measure", ["mean", "cvar 0.8"])
def test_abstention_under_graded_losses(measure):
    rng = np.random.default_rng(5)
    confidence = (rng.permutation(SIZE) + 0.5) / SIZE
    loss = rng.beta(0.3, 0.9, SIZE) * np.where(confidence > 0.5, 0.6, 1.0)
    of = np.mean if measure == "mean" else CVaR(0.8).of
    limit = float(of(loss[confidence >= 0.3])) - 1e-9
    rule = Abstain(
        Budget("loss", limit, DELTA, measure=measure), candidates=np.linspace(0.1, 0.9, 5)
    )

    def trial(rng):
        rows = rng.integers(0, SIZE, 200)
        rule.fit(confidence[rows], loss[rows])
        if not rule.certificate_.certified:
            return False
        return float(of(loss[confidence >= rule.threshold_])) > limit

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("loss", ["miss rate", "false discovery rate"])
def test_known_weights(loss):
    score, y = WORLDS["calibrated"]
    weight = np.where(score > 0.5, 1.6, 0.4)
    weight /= weight.mean()
    limit = 0.25
    rule = Threshold(
        Budget(loss, limit, DELTA, weight="shift"), candidates=np.linspace(0.05, 0.95, 10)
    )

    def trial(rng):
        rows = rng.integers(0, SIZE, 250)
        rule.fit(score[rows], y[rows], sample_weight=weight[rows], max_weight=2.0)
        errors, members = LOSSES[loss].of_rows(score >= rule.threshold_, y)
        true = weight @ errors / max(weight @ members, 1e-12)
        return rule.certificate_.certified and true > limit

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("loss", ["miss rate", "false discovery rate", "false alarm rate"])
def test_censored_outcomes(loss):
    """Half of the rows are censored before the horizon; the weights are estimated."""
    rng = np.random.default_rng(6)
    score = (rng.permutation(SIZE) + 0.5) / SIZE
    time = rng.exponential(1 / (0.05 + 3 * score**2))
    y = time <= 1.0
    limit = 0.3
    rule = Threshold(Budget(loss, limit, DELTA), candidates=np.linspace(0.05, 0.95, 13))

    def trial(rng):
        rows = rng.integers(0, SIZE, 300)
        left = rng.exponential(1.5, 300)
        rule.fit_censored(
            score[rows], np.minimum(time[rows], left), time[rows] <= left, 1.0, max_weight=3.0
        )
        return rule.certificate_.certified and risk(loss, score >= rule.threshold_, y) > limit

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("stages", [2, 3])
def test_cascade(stages, monkeypatch):
    """With few proposals, since the guarantee does not depend on them."""
    monkeypatch.setattr(cascade, "_PRICES", np.geomspace(0.1, 50, 5))
    monkeypatch.setattr(cascade, "_RATIOS", (1.0,))
    score, y = WORLDS["calibrated"]
    rng = np.random.default_rng(7)
    table = np.column_stack([score + rng.normal(0, s, SIZE) for s in (0.3, 0.1, 0.02)[:stages]])
    rule = Cascade(
        {"abc"[k]: 0.1 * (k + 1) for k in range(stages)},
        person=3.0,
        budgets=[Budget("miss rate", 0.2, 0.05), Budget("false alarm rate", 0.2, 0.05)],
    )

    def trial(rng):
        rows = rng.integers(0, SIZE, 200)
        rule.fit(table[rows], y[rows])
        decided = rule.decide(table)
        acted = np.where(decided == "person", y, decided == "flag")
        return risk("miss rate", acted, y) > 0.2 or risk("false alarm rate", acted, y) > 0.2

    assert share_broken(trial) <= allowed()


def test_boundary(monkeypatch):
    monkeypatch.setattr(boundary, "_PRICES", np.geomspace(0.05, 20, 8))
    monkeypatch.setattr(boundary, "_LEVELS", 12)
    rng = np.random.default_rng(8)
    true, y = WORLDS["calibrated"]
    doubt = rng.choice([0.02, 0.3], SIZE)
    score = true + rng.normal(0, doubt)
    rule = Boundary(Budget("false discovery rate", 0.25, DELTA), bins=2)

    def trial(rng):
        rows = rng.integers(0, SIZE, 300)
        rule.fit(score[rows], doubt[rows], y[rows])
        if not rule.certificate_.certified:
            return False
        return risk("false discovery rate", rule.predict(score, doubt), y) > 0.25

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("loss", ["miss rate", "false alarm rate"])
@pytest.mark.parametrize("joint", ["bonferroni", "band"])
def test_all_regimes_at_once(joint, loss):
    """Under a band also every limit that is chosen afterwards."""
    score, y = WORLDS["calibrated"]
    limits = [0.05, 0.15, 0.4] if loss == "miss rate" else [0.4, 0.15, 0.05]
    rule = Strictness({f"{x}": Budget(loss, x, DELTA) for x in limits}, joint=joint)
    later = np.linspace(0.02, 0.9, 12)

    def trial(rng):
        rows = rng.integers(0, SIZE, 250)
        found = rule.fit(score[rows], y[rows]).thresholds_
        pairs = [(t, float(name)) for name, t in found.items()]
        if joint == "band":
            pairs += [(rule.threshold_for(float(x)), float(x)) for x in later]
        return any(risk(loss, score >= t, y) > x for t, x in pairs if not math.isnan(t))

    assert share_broken(trial) <= allowed()


def test_three_ways():
    score, y = WORLDS["calibrated"]
    rule = ThreeWay(Budget("miss rate", 0.1, 0.05), Budget("false alarm rate", 0.1, 0.05))

    def trial(rng):
        rows = rng.integers(0, SIZE, 250)
        decided = rule.fit(score[rows], y[rows]).decide(score)
        miss, alarm = (decided == "pass")[y].mean(), (decided == "block")[~y].mean()
        return miss > 0.1 or alarm > 0.1

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("kind", ["counts", "graded", "tail"])
@pytest.mark.parametrize("family", ["holm", "bonferroni", "fixed-sequence"])
def test_no_candidate_is_certified_wrongly(family, kind):
    """Twelve candidates, all but one at least as risky as the limit."""
    size = 12
    rng = np.random.default_rng(9)
    table = {"good": rng.random(SIZE) * 0.1}
    for k in range(size - 1):
        column = rng.random(SIZE) < 0.3 if kind == "counts" else rng.beta(0.5, 1.5, SIZE)
        table[f"null {k}"] = column.astype(float)
    measure = "cvar 0.5" if kind == "tail" else "mean"
    of = CVaR(0.5).of if kind == "tail" else np.mean
    true = {name: float(of(column)) for name, column in table.items()}
    limit = min(risk for name, risk in true.items() if name != "good") - 1e-9
    rule = RiskControl(Budget("loss", limit, DELTA, measure=measure), family=family)

    def trial(rng):
        rows = rng.integers(0, SIZE, 60)
        rule.fit({name: column[rows] for name, column in table.items()})
        return any(true[name] > limit for name in rule.certified_)

    assert share_broken(trial) <= allowed()


@pytest.mark.parametrize("loss", ["miss rate", "false alarm rate", "action rate"])
@pytest.mark.parametrize("world", ["calibrated", "rare", "five values"])
def test_conformal_keeps_the_mean(loss, world):
    """Allowed: two standard errors of the mean risk above the limit."""
    score, y = WORLDS[world]
    rule = Conformal(Budget(loss, 0.15, delta=None))
    rng = np.random.default_rng(10)
    risks = []
    for _ in range(DRAWS):
        rows = rng.integers(0, SIZE, 100)
        rule.fit(score[rows], y[rows])
        acts = rule.predict(score)
        if math.isnan(rule.threshold_):
            acts = np.full(SIZE, loss == "miss rate")
        risks.append(risk(loss, acts, y))
    assert np.mean(risks) <= 0.15 + 2 * np.std(risks) / math.sqrt(DRAWS)


def test_conformal_over_candidates():
    rng = np.random.default_rng(11)
    table = np.sort(rng.beta(0.4, 1.2, (SIZE, 12)), axis=1)
    true = table.mean(axis=0)
    rule = Conformal(Budget("loss", 0.2, delta=None))
    risks = []
    for _ in range(DRAWS):
        rule.fit_losses(table[rng.integers(0, SIZE, 30)])
        risks.append(0.0 if rule.chosen_ is None else true[rule.chosen_])
    assert np.mean(risks) <= 0.2 + 2 * np.std(risks) / math.sqrt(DRAWS)


def certified(per=None):
    score, y = WORLDS["calibrated"]
    budgets = [Budget("miss rate", 0.25, per=per), Budget("false alarm rate", 0.6)]
    groups = np.arange(SIZE) % 3
    return Threshold(budgets).fit(score, y, groups=groups).certificate_


@pytest.mark.parametrize("partial", [False, True])
def test_a_watch_is_seldom_falsely_alarmed(partial):
    """2,500 outcomes a group at exactly the limits, looked at five times; some are never known.

    Outcomes of events that were missed come to be known half as often as the others.
    """
    certificate = certified("group")

    def trial(rng):
        watch = Watch(certificate, delta=DELTA)
        for _ in range(5):
            n = 1500
            y, groups = rng.random(n) < 0.5, rng.integers(0, 3, n)
            acted = np.where(y, rng.random(n) >= 0.25, rng.random(n) < 0.6)
            if partial:
                chance = np.where(acted, 0.9, 0.45)
                seen = np.where(rng.random(n) < chance, y, np.nan)
                watch.update(
                    acted=acted, y=seen, groups=groups, observed=chance, least_observed=0.45
                )
            else:
                watch.update(acted=acted, y=y.astype(float), groups=groups)
        return watch.alarm_

    assert share_broken(trial) <= allowed()


def test_a_watch_hears_of_drift():
    """The miss rate rises from a fifth to a half after 500 outcomes; the alarm follows."""
    certificate = certified()
    rng = np.random.default_rng(12)
    delays = []
    for _ in range(300):
        watch = Watch(certificate, delta=0.05)
        for step in range(60):
            y = rng.random(100) < 0.5
            miss = 0.2 if step < 5 else 0.5
            watch.update(acted=np.where(y, rng.random(100) >= miss, False), y=y.astype(float))
            if watch.alarm_:
                break
        delays.append(100 * (step + 1) - 500)
    assert min(delays) > -500
    assert np.median(delays) <= 400
    assert np.quantile(delays, 0.95) <= 900
