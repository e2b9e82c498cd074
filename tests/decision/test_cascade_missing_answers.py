"""A cascade with stages that sometimes give no answer."""

import numpy as np
import pytest

from riskwright.core import MissingValueError
from riskwright.decision import Cascade


def test_a_stage_without_an_answer_passes_the_row_on():
    rng = np.random.default_rng(3)
    y = rng.random(4000) < 0.3
    first = y + rng.normal(0, 0.4, 4000)
    first[rng.random(4000) < 0.3] = np.nan
    second = y + rng.normal(0, 0.3, 4000)
    options = {"person": 10.0, "budgets": ["miss rate <= 10%", "false alarm rate <= 10%"]}
    stages = {"first": 0.1, "second": 1.0}
    scores = {"first": first, "second": second}
    with pytest.raises(MissingValueError):
        Cascade(stages, **options).fit(scores, y)
    rule = Cascade(stages, **options, missing="onwards").fit(scores, y)
    assert rule.certificate_.certified
    reaching = rule.certificate_.details["share reaching second"].value
    assert reaching >= 0.28
    low, high = rule.thresholds_["second"]
    silent = np.isnan(first)
    expected = np.where(second < low, "pass", np.where(second >= high, "flag", "person"))
    assert (rule.decide(scores)[silent] == expected[silent]).all()
    assert all(finding.passed for finding in rule.certificate_.check(scores, y))
    again = Cascade.from_artifact(rule.to_artifact()[1])
    assert (again.decide(scores) == rule.decide(scores)).all()


def test_a_stage_that_decides_nothing_is_said_to_do_so():
    rng = np.random.default_rng(3)
    y = (rng.random(800) < 0.3).astype(int)
    scores = {"same": np.zeros(800), "good": y + rng.normal(0, 0.2, 800)}
    budgets = ["miss rate <= 10%", "false alarm rate <= 10%"]
    rule = Cascade({"same": 1.0, "good": 2.0}, budgets=budgets, person=10.0).fit(scores, y)
    statement = rule.certificate_.statement
    assert "same: decides nothing" in statement
    assert "inf" not in statement
