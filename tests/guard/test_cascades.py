"""A cascade is certified on its final decision and asks dear scorers only where it must."""

import numpy as np
import pytest

from riskwright.core import DataError, ParameterError, UsageError, load, save
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label
from riskwright.guard.cascades import GuardCascade
from riskwright.guard.guard import Guard


class Told:
    """A scorer that reads its answer out of the prompt: one number per stage."""

    taxonomy = "ailuminate"

    def __init__(self, name, place, cost, version="1"):
        self.name, self.place, self.cost, self.version = name, place, cost, version
        self.asked = 0

    def score(self, exchanges):
        self.asked += len(exchanges)
        return [self._one(exchange.prompt.split()[self.place]) for exchange in exchanges]

    def _one(self, word):
        common = {"scorers": {self.name: self.version}, "cost": self.cost, "latency_ms": 2.0}
        if word == "none":
            return Score(outcome="unparsable", **common)
        return Score(severity=float(word), values={self.name: {"any": float(word)}}, **common)


BUDGETS = ("miss rate <= 4%", "false alarm rate <= 4%")


def traffic(n, seed, silent=0.1):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    first = 1 / (1 + np.exp(-(3 * (y - 0.5) + rng.normal(0, 1, n))))
    second = 1 / (1 + np.exp(-(6 * (y - 0.5) + rng.normal(0, 1, n))))
    mute = rng.random(n) < silent
    words = ["none" if m else repr(float(v)) for v, m in zip(second, mute, strict=True)]
    exchanges = [
        Exchange(prompt=f"{float(a)!r} {b}", id=str(k))
        for k, (a, b) in enumerate(zip(first, words, strict=True))
    ]
    return exchanges, [Label(harmful=float(v)) for v in y]


def stages():
    return [Told("cheap", 0, 0.01), Told("dear", 1, 1.0)]


@pytest.fixture(scope="module")
def fitted():
    return GuardCascade(stages(), budgets=BUDGETS, person=20.0, random_state=3).fit(
        *traffic(3000, 0)
    )


def test_cost_reach_and_latency_are_stated_beforehand(fitted):
    details = fitted.certificate_.details
    assert fitted.certificate_.certified
    assert 0 < details["share reaching dear"].value < 1
    assert details["p95 latency (ms)"].value in (2.0, 4.0)
    assert details["mean cost"].value < 20


def test_the_next_stage_is_asked_only_while_one_is_unsure(fitted):
    exchanges, labels = traffic(4000, 7)
    for scorer in fitted.scorers:
        scorer.asked = 0
    outcomes = [fitted.decide(exchange) for exchange in exchanges]
    cheap, dear = fitted.scorers
    assert cheap.asked == 4000
    assert dear.asked == sum(len(one.asked) == 2 for one in outcomes) < 4000
    stated = fitted.certificate_.details["share reaching dear"]
    assert stated.low - 0.05 < dear.asked / 4000 < stated.high + 0.05
    y = np.array([label.any for label in labels], bool)
    action = np.array([one.action for one in outcomes])
    assert (action[y] == "pass").mean() <= 0.04
    assert (action[~y] == "flag").mean() <= 0.04


def test_what_a_stage_cannot_answer_goes_on_to_a_person(fitted):
    low, high = fitted.rule_.thresholds_["cheap"]
    outcome = fitted.decide(Exchange(prompt=f"{(low + high) / 2!r} none"))
    assert (outcome.action, outcome.stage, outcome.asked) == ("person", "", ("cheap", "dear"))
    assert outcome.score.cost == pytest.approx(1.01)
    assert set(outcome.score.scorers) == {"cheap", "dear"}


def test_certified_rates_hold_in_repeated_draws():
    """40 draws of 500 labels, delta 5% + 5%: Monte-Carlo error of 5 points."""
    exchanges, labels = traffic(6000, 99)
    y = np.array([label.any for label in labels], bool)
    table = np.array([[s.severity or np.nan for s in t.score(exchanges)] for t in stages()]).T
    broken = 0
    for seed in range(40):
        rule = GuardCascade(stages(), budgets=BUDGETS, person=20.0).fit(*traffic(500, seed)).rule_
        action = rule.decide(table)
        broken += (action[y] == "pass").mean() > 0.04 or (action[~y] == "flag").mean() > 0.04
    assert broken / 40 <= 0.10 + 3 * np.sqrt(0.1 * 0.9 / 40)


def test_nothing_certified_means_a_person_decides():
    cascade = GuardCascade(stages(), budgets=BUDGETS, person=20.0).fit(*traffic(30, 0))
    assert not cascade.certificate_.certified
    outcome = cascade.decide(Exchange(prompt="0.0 0.0"))
    assert (outcome.action, outcome.asked) == ("person", ())


def test_a_saved_cascade_wants_the_scorers_it_was_certified_with(fitted, tmp_path):
    save(fitted, tmp_path / "cascade.json")
    again = load(tmp_path / "cascade.json")
    assert (again.tune, again.random_state) == (fitted.tune, fitted.random_state)
    with pytest.raises(UsageError, match="with_scorers"):
        again.decide(Exchange(prompt="0.5 0.9"))
    with pytest.raises(ParameterError, match="not the scorers"):
        again.with_scorers([Told("cheap", 0, 0.01), Told("dear", 1, 1.0, version="2")])
    again.with_scorers(stages())
    exchange = Exchange(prompt="0.5 0.9")
    assert again.decide(exchange).action == fitted.decide(exchange).action


def test_bad_stages_and_labels_are_refused():
    with pytest.raises(UsageError, match="not fitted"):
        GuardCascade(stages(), budgets=BUDGETS, person=1.0).decide(Exchange(prompt="0 0"))
    with pytest.raises(ParameterError, match="names of their own"):
        GuardCascade(stages()[:1] * 2, budgets=BUDGETS, person=1.0).fit(*traffic(50, 0))
    exchanges, labels = traffic(50, 0)
    with pytest.raises(DataError, match="do not say"):
        GuardCascade(stages(), budgets=BUDGETS, person=1.0).fit(exchanges, [Label(), *labels[1:]])


def test_a_guard_has_to_be_made_a_stage():
    exchange = Exchange(prompt="hello")
    cascade = GuardCascade([Guard()], budgets="miss rate <= 10%", person=1.0)
    with pytest.raises(ParameterError, match="GuardStage"):
        cascade.fit([exchange], [Label(harmful=0.0)])
