"""Guard rates: two marks per kind at the right places, unknown ones left out and said."""

from __future__ import annotations

import math
from types import SimpleNamespace

from riskwright.core import Estimate
from riskwright.plots.guard_rates import GuardRatesDisplay


def share(value: float, n: int = 50) -> Estimate:
    low, high = (max(0.0, value - 0.1), min(1.0, value + 0.1)) if n else (0.0, 1.0)
    return Estimate(value=value, low=low, high=high, level=0.95, n=n, method="Clopper-Pearson")


def kind(missed: float, refused: float, n: int = 50) -> SimpleNamespace:
    return SimpleNamespace(missed=share(missed, n), refused=share(refused))


def test_marks_stand_at_the_rates_and_bars_at_the_bounds():
    figure = GuardRatesDisplay({"a": kind(0.2, 0.1), "b": kind(0.4, 0.3)}, name="by x").figure()
    missed, refused = figure.marks
    assert (missed.x, refused.x) == ((0.2, 0.4), (0.1, 0.3))
    assert all(y > z for y, z in zip(missed.y, refused.y, strict=True))
    assert figure.y.names == ("a", "b")
    assert "by x" in figure.title
    assert "a: missed 20.0% (10.0% to 30.0%), refused 10.0%" in figure.description


def test_a_kind_without_rows_has_no_mark():
    display = GuardRatesDisplay({"a": kind(math.nan, 0.1, 0), "b": kind(0.4, 0.3)})
    missed, _ = display.figure().marks
    assert math.isnan(missed.x[0])
    assert "a: missed unknown" in display.figure().description
    assert "nan" not in display.to_svg()


def test_of_many_kinds_those_with_the_most_missed_harm_are_shown():
    display = GuardRatesDisplay({f"k{i}": kind(i / 100, 0.1) for i in range(40)})
    figure = display.figure()
    assert figure.y.names == tuple(f"k{i}" for i in range(16, 40))
    assert "The 24 with the most missed harm of 40" in figure.caption
