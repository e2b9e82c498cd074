"""One seeded population of 3,000, and plain curves of it in records like those of `metrics`."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from riskwright.core import Estimate, Record
from riskwright.metrics import GroupRow, GroupTable
from riskwright.stats import proportion_interval


class ReliabilityCurve(Record, frozen=True, kw_only=True):
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    count: tuple[int, ...]
    weight: tuple[float, ...]
    n: int
    level: float = 0.95
    method: str = "Wilson"
    simultaneous: bool = False


class RiskCoverage(Record, frozen=True, kw_only=True):
    coverage: tuple[float, ...]
    selective_risk: tuple[float, ...]
    generalised_risk: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    aurc: Estimate
    augrc: Estimate
    level: float = 0.95
    method: str = "normal, place by place"


class RocCurve(Record, frozen=True, kw_only=True):
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    threshold: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    auroc: Estimate
    level: float = 0.95
    method: str = "simultaneous, Kolmogorov-Smirnov"


class PrecisionRecallCurve(Record, frozen=True, kw_only=True):
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    threshold: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    level: float = 0.95
    method: str = "Wilson, threshold by threshold"


class NetBenefitCurve(Record, frozen=True, kw_only=True):
    threshold: tuple[float, ...]
    net_benefit: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    treat_all: tuple[float, ...]
    standardised: bool = False
    n: int
    level: float = 0.95
    methods: tuple[str, ...] = ("Wilson; pointwise",)


def estimate(value: float, half: float, n: int, method: str = "DeLong", name: str = "") -> Estimate:
    return Estimate(
        value=value, low=value - half, high=value + half, level=0.95, n=n, method=method, name=name
    )


def _floats(values: object) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=float).tolist())


def population(n: int = 3000, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes with a rate of about 0.15, and risks that are somewhat too extreme."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-2.2, 1.3, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return y, 1 / (1 + np.exp(-(0.35 + 1.3 * logit)))


def reliability(y: np.ndarray, p: np.ndarray, bins: int = 10) -> ReliabilityCurve:
    parts = np.array_split(np.argsort(p), bins)
    events = np.array([y[part].sum() for part in parts])
    count = np.array([part.size for part in parts])
    low, high = proportion_interval(events, count)
    return ReliabilityCurve(
        predicted=_floats([p[part].mean() for part in parts]),
        observed=_floats(events / count),
        low=_floats(low),
        high=_floats(high),
        count=tuple(count.tolist()),
        weight=_floats(count),
        n=y.size,
    )


def curves(y: np.ndarray, p: np.ndarray) -> SimpleNamespace:
    """One of each record."""
    n = y.size
    order = np.argsort(-p)
    found = np.r_[0, np.cumsum(y[order])]
    others = np.r_[0, np.cumsum(1 - y[order])]
    tpr, fpr = found / found[-1], others / others[-1]
    threshold = _floats(np.r_[np.inf, p[order]])
    low, high = proportion_interval(found, np.full(n + 1, found[-1]))
    roc = RocCurve(
        false_positive_rate=_floats(fpr),
        true_positive_rate=_floats(tpr),
        threshold=threshold,
        low=_floats(low),
        high=_floats(high),
        n=n,
        auroc=estimate(float(np.trapezoid(tpr, fpr)), 0.021, n),
    )
    flagged = np.arange(1, n + 1)
    low, high = proportion_interval(found[1:], flagged)
    precision_recall = PrecisionRecallCurve(
        recall=_floats(tpr[1:]),
        precision=_floats(found[1:] / flagged),
        threshold=threshold[1:],
        low=_floats(low),
        high=_floats(high),
        n=n,
    )
    t = np.arange(1, 61) / 100
    gains = (p >= t[:, None]) * (y - (1 - y) * (t / (1 - t))[:, None])
    half = 1.96 * gains.std(axis=1) / math.sqrt(n)
    net_benefit = NetBenefitCurve(
        threshold=_floats(t),
        net_benefit=_floats(gains.mean(axis=1)),
        low=_floats(gains.mean(axis=1) - half),
        high=_floats(gains.mean(axis=1) + half),
        treat_all=_floats(y.mean() - (1 - y.mean()) * t / (1 - t)),
        n=n,
    )
    lost = np.cumsum(((p > 0.5) != (y > 0))[np.argsort(-np.abs(p - 0.5))])
    low, high = proportion_interval(lost, flagged)
    risk_coverage = RiskCoverage(
        coverage=_floats(flagged / n),
        selective_risk=_floats(lost / flagged),
        generalised_risk=_floats(lost / n),
        low=_floats(low),
        high=_floats(high),
        n=n,
        aurc=estimate(float((lost / flagged).mean()), 0.004, n, "normal", "aurc"),
        augrc=estimate(float((lost / n).mean()), 0.003, n, "normal", "augrc"),
    )
    return SimpleNamespace(
        reliability=reliability(y, p),
        risk_coverage=risk_coverage,
        roc=roc,
        precision_recall=precision_recall,
        net_benefit=net_benefit,
        group_table=group_table(),
    )


def group_table() -> GroupTable:
    method = "difference of DeLong estimates, Bonferroni over 4 gaps"
    figures = [
        ("sex = female", estimate(0.794, 0.027, 1604), None),
        ("sex = male", estimate(0.771, 0.030, 1396), estimate(-0.023, 0.049, 1396, method)),
        ("age = under 40", estimate(0.702, 0.066, 511), estimate(-0.092, 0.085, 511, method)),
        ("age = 40 to 64", estimate(0.788, 0.031, 1498), estimate(-0.006, 0.050, 1498, method)),
        ("age = 65 or more", estimate(0.801, 0.035, 991), estimate(0.007, 0.053, 991, method)),
    ]
    return GroupTable(
        metric="auroc",
        rows=tuple(
            GroupRow(group=group, n=e.n, events=None, estimate=e, gap=gap)
            for group, e, gap in figures
        ),
        small=tuple(
            GroupRow(group=group, n=n, events=None)
            for group, n in (("sex = (missing)", 4), ("region = islands", 7))
        ),
        reference="sex = female",
        level=0.95,
        method=method,
    )


@pytest.fixture(scope="session")
def people() -> tuple[np.ndarray, np.ndarray]:
    return population()


@pytest.fixture(scope="session")
def records(people: tuple[np.ndarray, np.ndarray]) -> SimpleNamespace:
    return curves(*people)
