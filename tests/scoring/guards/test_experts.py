"""No-regret weighting: the bound holds on every sequence, also on those made to break it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ParameterError, UsageError
from riskwright.core.scores import Score
from riskwright.scoring.experts import Experts

LOSSES = st.lists(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=3, max_size=3), min_size=1, max_size=60
)
NAMES = ("a", "b", "c")


def fed(experts, rounds):
    for losses in rounds:
        experts.update({n: x for n, x in zip(experts.names, losses, strict=False) if x is not None})
    return experts


@given(LOSSES)
@settings(max_examples=25, deadline=None)
def test_regret_stays_within_the_bound(rounds):
    experts = fed(Experts(NAMES), rounds)
    t = experts.rounds_
    assert experts.regret_ <= experts.regret_bound_ + 1e-9
    assert experts.regret_bound_ <= math.sqrt(t * math.log(3)) + 1e-9


@given(LOSSES)
@settings(max_examples=25, deadline=None)
def test_regret_stays_within_the_bound_of_a_known_horizon(rounds):
    experts = fed(Experts(NAMES, horizon=len(rounds)), rounds)
    assert experts.regret_ <= experts.regret_bound_ + 1e-9
    if experts.rounds_ == len(rounds):
        assert experts.regret_bound_ == pytest.approx(math.sqrt(len(rounds) * math.log(3) / 2))


@given(
    st.lists(
        st.tuples(
            st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=3, max_size=3), st.booleans()
        ),
        min_size=1,
        max_size=60,
    )
)
@settings(max_examples=25, deadline=None)
def test_log_loss_is_within_ln_n_of_the_best(rounds):
    experts = Experts(NAMES, loss="log")
    for values, label in rounds:
        scores = {
            n: Score(severity=v, meaning="probability")
            for n, v in zip(NAMES, values, strict=True)
            if v is not None
        }
        experts.learn(scores, float(label))
    assert experts.regret_ <= math.log(3) + 1e-9 == experts.regret_bound_ + 1e-9


@pytest.mark.parametrize("horizon", [None, 3000])
def test_an_adversary_who_knows_the_weights_keeps_within_the_bound(horizon):
    """The heavier expert always loses: regret comes near to the bound, never above it."""
    experts = Experts(["a", "b"], horizon=horizon)
    worst = 0.0
    for _ in range(1000):
        heavy = max(experts.weights_, key=experts.weights_.get)
        experts.update({name: float(name == heavy) for name in experts.names})
        worst = max(worst, experts.regret_ / experts.regret_bound_)
    assert worst <= 1
    assert worst > 0.02


def test_weights_follow_the_formula():
    """exp(-eta L) with eta = 2 sqrt(ln N / t) of the coming round."""
    experts = fed(Experts(NAMES), [[0.1, 0.5, 0.9]] * 4)
    rate = 2 * math.sqrt(math.log(3) / 5)
    raw = np.exp(-rate * np.array([0.4, 2.0, 3.6]))
    assert list(experts.weights_.values()) == pytest.approx(raw / raw.sum())
    assert experts.losses_ == pytest.approx({"a": 0.4, "b": 2.0, "c": 3.6})


def test_sleepers_neither_gain_nor_lose():
    """A guard that is away keeps its weight; a round without any guard is no round."""
    experts = Experts(["a", "b"], loss="log")
    experts.update({"a": 2.0})
    assert experts.weights_ == pytest.approx({"a": 0.5, "b": 0.5})
    before = experts.weights_
    experts.update({})
    assert experts.weights_ == before
    assert experts.rounds_ == 1


def test_one_expert_has_no_regret():
    experts = fed(Experts(["only"]), [[0.7], [0.2]])
    assert (experts.regret_, experts.regret_bound_) == (0.0, 0.0)
    assert experts.weights_ == {"only": 1.0}


def test_partial_feedback_keeps_its_bound_on_average():
    """Labels with probability 0.2: the mean over 30 draws of the regret on the whole sequence is
    below the mean of the bounds; its Monte-Carlo error is stated in the assertion."""
    rng = np.random.default_rng(0)
    n = 300
    losses = np.column_stack([rng.random(n), np.tile([0.0, 1.0], n // 2), rng.random(n) * 0.8])
    found, bounds = [], []
    for _ in range(30):
        experts = Experts(NAMES, least_probability=0.2)
        met = 0.0
        for row in losses:
            met += float(np.array(list(experts.weights_.values())) @ row)
            seen = bool(rng.random() < 0.2)
            experts.update(dict(zip(NAMES, row, strict=True)), probability=0.2, labelled=seen)
        found.append(met - losses.sum(axis=0).min())
        bounds.append(experts.regret_bound_)
    error = 3 * np.std(found) / math.sqrt(30)
    assert np.mean(found) + error <= np.mean(bounds)
    assert np.mean(bounds) <= 2 * math.sqrt((n + 1) / 0.2 * math.log(3))


def test_estimated_losses_are_unbiased():
    """Over all outcomes of the labelling of two rounds, weighted by their probabilities."""
    total = 0.0
    for seen in ((0, 0), (0, 1), (1, 0), (1, 1)):
        experts = Experts(["a", "b"], least_probability=0.25)
        chance = 1.0
        for labelled, loss in zip(seen, (0.3, 0.8), strict=True):
            experts.update({"a": loss, "b": 0.0}, probability=0.25, labelled=bool(labelled))
            chance *= 0.25 if labelled else 0.75
        total += chance * experts.losses_["a"]
    assert total == pytest.approx(1.1)


def test_combined_score_says_who_voted_and_with_what_weight():
    experts = fed(Experts(NAMES), [[0.1, 0.9, 0.5]] * 5)
    scores = {
        "a": Score(severity=0.2, hazards={"prv": 0.4}, cost=1.0, scorers={"a": "1"}, id="x"),
        "b": Score(severity=0.6, hazards={"prv": 0.8, "hte": 0.1}, bounds={"any": (0.5, 0.7)}),
        "c": Score(outcome="unparsable", reason="no verdict"),
    }
    joint = experts.combine(scores)
    w = experts.weights_
    share = w["a"] / (w["a"] + w["b"])
    assert joint.severity == pytest.approx(share * 0.2 + (1 - share) * 0.6)
    assert joint.hazards == pytest.approx({"prv": share * 0.4 + (1 - share) * 0.8, "hte": 0.1})
    assert joint.bounds["any"] == pytest.approx(
        (share * 0.2 + (1 - share) * 0.5, share * 0.2 + (1 - share) * 0.7)
    )
    assert joint.uncertainty == (0.2, 0.6)
    assert joint.values["experts"]["weight of a"] == pytest.approx(share)
    assert joint.values["b"] == {"any": 0.6, "prv": 0.8, "hte": 0.1}
    assert (joint.reason, joint.cost, joint.scorers, joint.id) == (
        "c: unparsable",
        1.0,
        {"a": "1"},
        "x",
    )


def test_where_nobody_votes_there_is_no_severity():
    joint = Experts(NAMES).combine({"a": Score(outcome="failed"), "b": Score(outcome="failed")})
    assert (joint.outcome, joint.severity, joint.hazards) == ("failed", None, {})
    assert joint.reason == "a: failed; b: failed"
    assert Experts(NAMES).combine({}).outcome == "not scored"


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_the_blend_loses_no_more_than_the_average(loss):
    """The bounded quantity is at least the loss of the score that `combine` gives (Jensen)."""
    rng = np.random.default_rng(1)
    experts, lost = Experts(NAMES, loss=loss), 0.0
    for _ in range(200):
        label = float(rng.random() < 0.4)
        scores = {n: Score(severity=float(rng.random())) for n in NAMES}
        blend = experts.combine(scores).severity
        lost += abs(blend - label) ** (2 if loss == "squared" else 1)
        experts.learn(scores, label)
    assert lost <= experts.loss_ + 1e-9
    assert lost - min(experts.losses_.values()) <= experts.regret_bound_


def test_saved_experts_learn_on():
    experts = fed(Experts(NAMES), [[0.1, 0.9, None]] * 7)
    kind, body = experts.to_artifact()
    again = Experts.from_artifact(body)
    assert kind == "experts"
    assert again.weights_ == experts.weights_
    assert again.regret_bound_ == experts.regret_bound_
    more = [[0.5, 0.2, 0.1]] * 3
    assert fed(again, more).weights_ == fed(experts, more).weights_


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Experts([]), "no guards"),
        (lambda: Experts(["a", "a"]), "one name"),
        (lambda: Experts(NAMES, loss="zero-one"), "unknown loss"),
        (lambda: Experts(NAMES, least_probability=0), "share of them"),
        (lambda: Experts(NAMES, loss="log", least_probability=0.5), "no bound is known"),
        (lambda: Experts(NAMES, horizon=0), "not a horizon"),
        (lambda: Experts(NAMES).update({"d": 0.1}), "unknown guard"),
        (lambda: Experts(NAMES).update({"a": 1.1}), "out of range"),
        (lambda: Experts(NAMES).update({"a": math.nan}), "out of range"),
        (lambda: Experts(NAMES).update({"a": None}), "Leave out"),
        (lambda: Experts(NAMES).learn({"a": Score(severity=0.1)}, None), "without a label"),
        (lambda: Experts(NAMES).learn({"a": Score(severity=0.1)}, 2), "not a label"),
        (lambda: Experts(NAMES).update({"a": 0.1}, probability=0.5), "foreseen"),
        (
            lambda: Experts(NAMES, loss="log").learn({"a": Score(severity=0.1)}, 1),
            "for probabilities",
        ),
        (
            lambda: Experts(NAMES).combine(
                {"a": Score(severity=0.1, id="1"), "b": Score(severity=0.1, id="2")}
            ),
            "differ in their id",
        ),
        (
            lambda: Experts(NAMES).combine(
                {"a": Score(severity=0.1), "b": Score(severity=0.1, meaning="probability")}
            ),
            "different meanings",
        ),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(ParameterError, match=match):
        make()


def test_more_rounds_than_foreseen_are_refused():
    with pytest.raises(UsageError, match="more rounds"):
        fed(Experts(NAMES, horizon=2), [[0.1, 0.1, 0.1]] * 3)
