"""Exchanges to label are drawn with known chances, the informative ones more often."""

import numpy as np
import pytest

from riskwright.core import DataError, ParameterError
from riskwright.core.scores import Score
from riskwright.guard.labelling import to_label


def scores(n=200):
    rng = np.random.default_rng(1)
    return [Score(id=str(k), severity=float(v)) for k, v in enumerate(rng.random(n))]


def test_chances_add_up_and_are_those_of_the_draw():
    many = scores()
    drawn = np.zeros(200)
    chance = np.full(200, np.nan)
    rounds = 600
    for seed in range(rounds):
        chosen = to_label(many, 40, random_state=seed)
        assert len({one.place for one in chosen}) == len(chosen) == 40
        for one in chosen:
            drawn[one.place] += 1
            chance[one.place] = one.probability
    known = ~np.isnan(chance)
    assert chance[known].sum() == pytest.approx(40, abs=1)
    error = np.sqrt(chance[known] * (1 - chance[known]) / rounds)
    assert (np.abs(drawn[known] / rounds - chance[known]) < 5 * error + 1e-9).all()


def test_a_mean_weighted_by_the_chances_is_unbiased():
    many = scores()
    y = np.array([s.severity**2 for s in many])
    found = [
        sum(y[one.place] / one.probability for one in to_label(many, 30, random_state=seed)) / 200
        for seed in range(400)
    ]
    assert np.mean(found) == pytest.approx(y.mean(), abs=4 * np.std(found) / 20)


def test_uncertain_strange_and_unscored_ones_come_more_often():
    plain = [Score(id=f"p{k}", severity=v, calibrated=("any",)) for k, v in enumerate([0.01] * 90)]
    special = [
        Score(id="middle", severity=0.5, calibrated=("any",)),
        Score(id="none", outcome="unparsable"),
        Score(id="strange", severity=0.01, calibrated=("any",), out_of_distribution=True),
        Score(
            id="torn",
            severity=0.01,
            calibrated=("any",),
            values={"a": {"any": 0.0}, "b": {"any": 1.0}},
        ),
    ]
    chances = {one.id: one for one in to_label([*plain, *special], 90)}
    reasons = {name: chances[name].reasons for name in ("middle", "none", "strange", "torn")}
    assert reasons["none"] == ("no score",)
    assert reasons["torn"] == ("scorers disagree",)
    assert reasons["middle"] == ("near the middle",)
    ordinary = min(one.probability for one in chances.values() if one.id.startswith("p"))
    assert all(chances[name].probability > ordinary for name in reasons)


def test_all_are_drawn_where_there_are_few():
    assert len(to_label(scores(5), 9)) == 5


def test_bad_numbers_are_refused():
    with pytest.raises(ParameterError):
        to_label(scores(3), 0)
    with pytest.raises(DataError):
        to_label([], 3)
