"""Budgets: read from sentences and files, written back, and refused where they mean nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import ParameterError
from riskwright.decision import Budget, read_budgets
from riskwright.decision.budgets import read_regimes
from riskwright.stats import CVaR


@pytest.mark.parametrize(
    ("text", "loss", "limit", "delta", "per"),
    [
        ("miss rate <= 5% with 95% confidence", "miss rate", 0.05, 0.05, None),
        ("FNR at most 0.1", "miss rate", 0.1, 0.05, None),
        ("recall >= 95%, with 90% confidence per sex", "miss rate", 0.05, 0.1, "sex"),
        ("precision ≥ 0.9", "false discovery rate", 0.1, 0.05, None),
        ("specificity at least 99.9% with 99% confidence", "false alarm rate", 0.001, 0.01, None),
        ("false positive rate below 2%", "false alarm rate", 0.02, 0.05, None),
        ("error among accepted <= 1e-3", "error among accepted", 0.001, 0.05, None),
        ("miss rate <= 10% in expectation", "miss rate", 0.1, None, None),
        ("expected false-alarm rate <= 10%", "false alarm rate", 0.1, None, None),
        ("coverage >= 80% in every age band", "abstention rate", 0.2, 0.05, "age band"),
    ],
)
def test_sentences_are_read(text, loss, limit, delta, per):
    budget = Budget.parse(text)
    assert (budget.loss, budget.per) == (loss, per)
    assert budget.limit == pytest.approx(limit)
    assert budget.delta == (None if delta is None else pytest.approx(delta))


def test_a_tail_of_a_loss_is_read():
    budget = Budget.parse("CVaR 0.95 of loss <= 0.2 with 95% confidence")
    assert budget.measure == CVaR(0.95)
    assert (budget.loss, budget.limit) == ("loss", 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "miss rate",
        "miss rate <= lots",
        "miss rate >= 5%",
        "recall <= 5%",
        "mis rate <= 5%",
        "miss rate <= 5% with 100% confidence",
        "miss rate <= 500%",
        "miss rate <= 5% with 95% confidence in expectation",
    ],
)
def test_sentences_without_a_meaning_are_refused(text):
    with pytest.raises(ParameterError):
        Budget.parse(text)


@given(
    st.sampled_from(["miss rate", "false alarm rate", "error rate", "error among accepted"]),
    st.integers(1, 99),
    st.integers(1, 99) | st.none(),
    st.sampled_from([None, "sex", "age band"]),
)
def test_what_is_printed_is_read_back(loss, limit, delta, per):
    budget = Budget(loss, limit / 100, None if delta is None else delta / 100, per=per)
    again = Budget.parse(str(budget))
    assert str(again) == str(budget)
    assert Budget.from_dict(budget.to_dict()) == budget


@pytest.mark.parametrize(
    "wrong",
    [
        {"delta": 0.0},
        {"delta": 1.0},
        {"limit": -0.1},
        {"limit": 1.5},
        {"limit": float("nan")},
        {"loss": "unheard of"},
        {"loss": 3},
        {"measure": "cvar 2"},
        {"weight": "yes"},
        {"costs": {"miss": 1}},
        {"bound": 5.0},
        {"per": ""},
    ],
)
def test_impossible_budgets_are_refused(wrong):
    with pytest.raises(ParameterError):
        Budget(**{"loss": "miss rate", "limit": 0.1, **wrong})


def test_costs_bound_the_loss():
    budget = Budget("cost", limit=1.0, costs={"miss": 5, "false alarm": 1})
    assert budget.bound == 5
    with pytest.raises(ParameterError, match="costs"):
        Budget("cost", limit=0.5)
    with pytest.raises(ParameterError, match="costs"):
        Budget("cost", limit=0.5, costs={"mis": 1})


def test_a_loss_needs_a_finite_bound():
    with pytest.raises(ParameterError, match="bound"):
        Budget("loss", limit=0.5, bound=float("inf"))


def test_files_hold_sentences_and_mappings(tmp_path):
    path = tmp_path / "budgets.yaml"
    path.write_text(
        "budgets:\n- miss rate <= 5% with 95% confidence\n"
        "- {loss: cost, limit: 0.3, costs: {miss: 5, false alarm: 1}}\n"
        "- {loss: loss, limit: 0.3, measure: cvar 0.9, delta: 0.1}\n"
    )
    first, second, third = read_budgets(path)
    assert first == Budget("miss rate", 0.05, 0.05)
    assert second.costs == {"miss": 5.0, "false alarm": 1.0}
    assert third.measure == CVaR(0.9)
    path.write_text("regimes:\n  strict: miss rate <= 1%\n  loose: miss rate <= 10%\n")
    assert list(read_regimes(path)) == ["strict", "loose"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "budgets: []",
        "budget: x",
        "budgets:\n- {loss: miss rate}",
        "budgets:\n- miss rte <= 5%",
        "budgets:\n- {loss: miss rate, limit: 0.1, extra: 1}",
        "budgets:\n- 5",
    ],
)
def test_files_that_are_wrong_name_the_entry(tmp_path, text):
    path = tmp_path / "budgets.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=r"budgets\.yaml"):
        read_budgets(path)
