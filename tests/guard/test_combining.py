"""Scores of several scorers as one: nothing that a scorer failed to say is taken for harmless."""

import math

import pytest

from riskwright.core import ParameterError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.combining import combined
from riskwright.guard.guard import Guard

EXCHANGE = Exchange(prompt="a b c", id="x")


class Fixed:
    """Gives one and the same score."""

    version = "1"

    def __init__(self, name, score):
        self.name = name
        self.given = score

    def score(self, exchanges):
        return [self.given] * len(exchanges)


GOOD = Score(severity=0.2, hazards={"hte": 0.1}, scorers={"good": "1"})


@pytest.mark.parametrize("order", [("good", "bad"), ("bad", "good")])
@pytest.mark.parametrize(
    "bad",
    [
        Score(severity=math.nan),
        Score(severity=-0.5),
        Score(severity=1.5),
        Score(severity=0.1, hazards={"hte": math.nan}),
        Score(severity=0.1, hazards={"hte": math.inf}),
        Score(severity=0.1, values={"bad": {"any": math.nan}}),
    ],
)
def test_a_value_that_is_none_is_a_failure_not_a_low_value(order, bad):
    parts = {name: {"good": GOOD, "bad": bad}[name] for name in order}
    found = combined(EXCHANGE, parts)
    assert (found.outcome, found.severity, found.hazards) == ("failed", None, {})
    assert found.reason == "bad: a value that is not a number from 0 to 1"
    assert found.values == {"good": {"hte": 0.1, "any": 0.2}, "bad": {}}


def test_sums_of_probabilities_may_pass_one_by_rounding():
    found = combined(EXCHANGE, {"good": GOOD, "sum": Score(severity=1 + 2e-16)})
    assert (found.outcome, found.severity) == ("scored", 1 + 2e-16)


def test_the_largest_value_counts_and_raw_values_stay():
    other = Score(severity=0.7, hazards={"hte": 0.05, "vcr": 0.3}, scorers={"other": "2"})
    found = combined(EXCHANGE, {"good": GOOD, "other": other})
    assert (found.severity, found.hazards) == (0.7, {"hte": 0.1, "vcr": 0.3})
    assert found.values["other"] == {"hte": 0.05, "vcr": 0.3, "any": 0.7}
    assert {(span.by, span.end) for span in found.judged} == {("good", 5), ("other", 5)}


def test_a_policy_can_tell_the_scorers_values_apart():
    with pytest.raises(ParameterError, match="SCORER:NAME"):
        Guard([Fixed("a:b", GOOD)])
    score = Guard([Fixed("a", GOOD), Fixed("b", Score(severity=0.9))]).score(EXCHANGE)
    assert (score.values["a"]["any"], score.values["b"]["any"]) == (0.2, 0.9)
