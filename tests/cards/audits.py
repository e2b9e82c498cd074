"""Audits of a seeded population: figures by the real metrics, the other parts made up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from riskwright.audit.group_gaps import GroupGaps
from riskwright.audit.multiplicity import MultiplicityReport, ToleranceReport
from riskwright.audit.report import Audit, AuditSubject, ColumnSummary, OperatingPoint
from riskwright.audit.selective_labels import SelectiveLabelsReport, TestedGroup
from riskwright.audit.slices import Slice, Slices
from riskwright.core import Estimate, Finding, ScoreCard
from riskwright.explanation.distillation import DistillationReport, Shape
from riskwright.explanation.missing_feature import MissingFeature
from riskwright.explanation.responsiveness import FeatureResponsiveness, ResponsivenessReport
from riskwright.metrics import GroupRow, GroupTable, evaluate, net_benefit, reliability
from riskwright.stats import proportion_interval

DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
GROUPS = ("sex = female", "sex = male", "race = Black", "race = White", "race = Other", "age = <25")


def est(value: float, half: float, n: int, method: str = "Wilson", name: str = "") -> Estimate:
    return Estimate(
        value=value, low=value - half, high=value + half, level=0.95, n=n, method=method, name=name
    )


def no_interval(value: float = 0.2, n: int = 12) -> Estimate:
    nan = math.nan
    return Estimate(value=value, low=nan, high=nan, level=0.95, n=n, method="none: too few events")


def share(events: float, n: int) -> Estimate:
    low, high = (float(end) for end in proportion_interval(events, n))
    return Estimate(value=events / n, low=low, high=high, level=0.95, n=n, method="Wilson")


def population(n: int = 7214, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.3, 1.1, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    return y, 1 / (1 + np.exp(-(0.1 + 1.2 * logit)))


def group_tables(
    metrics: Sequence[str] = ("fpr", "fnr", "ppv", "calibration", "rate", "auc"),
    groups: Sequence[str] = GROUPS,
    *,
    reference: str | None = "rest",
    seed: int = 1,
) -> tuple[GroupTable, ...]:
    rng = np.random.default_rng(seed)
    tables = []
    for metric in metrics:
        rows = []
        for label in groups:
            n = int(rng.integers(60, 4000))
            half = 1.2 / math.sqrt(n)
            gap = est(float(rng.normal(0, 0.06)), 1.4 * half, n, "square-and-add")
            own = est(float(rng.uniform(0.15, 0.6)), half, n)
            kept = gap if reference else None
            rows.append(GroupRow(group=label, n=n, events=n // 3, estimate=own, gap=kept))
        small = (GroupRow(group="race = Native American", n=11, events=4),)
        tables.append(
            GroupTable(
                metric=metric,
                rows=tuple(rows),
                small=small,
                reference=reference,
                level=0.95,
                method="multinomial resampling of the counts, 2,000 draws",
            )
        )
    return tuple(tables)


def gaps(**options: Any) -> GroupGaps:
    return GroupGaps(
        tables=group_tables(**options),
        at=0.5,
        reference="rest",
        level=0.95,
        method="Intervals of all groups of a measure hold together",
    )


def slices(number: int = 4) -> Slices:
    named = (
        "age below 25 and priors from 3",
        "race = White and charge = felony",
        "sex = female and juvenile offences = none and age from 40",
        "charge = misdemeanour",
    )
    return Slices(
        slices=tuple(
            Slice(
                conditions=(("age", "below 25"),),
                words=named[i % 4],
                n=412 - 60 * (i % 6),
                share=0.057,
                score=1.31 - 0.1 * i,
                loss=est(0.31, 0.03, 412),
                gap=est(0.096 - 0.01 * i, 0.03, 412),
                p_value=10.0 ** (-6 + i),
                confirmed=(est(0.08, 0.05, 207), est(0.02, 0.05, 180), None)[i % 3],
            )
            for i in range(number)
        ),
        loss_name="squared error",
        baseline=est(0.21, 0.004, 7214),
        n=7214,
        columns=("age", "sex", "race", "priors"),
        depth=3,
        examined=18211,
        min_rows=72,
        level=0.95,
        method="Exact search; Bonferroni over all slices examined",
    )


def multiplicity() -> MultiplicityReport:
    def tolerance(name: str, epsilon: float, scale: float) -> ToleranceReport:
        heights = np.exp(-np.arange(20) / scale)
        counts = np.round(7214 * heights / heights.sum()).astype(int)
        return ToleranceReport(
            name=name,
            epsilon=epsilon,
            mean_width=(0.281, 0.2811),
            median_width=(0.262, 0.2621),
            widths=tuple(int(c) for c in counts),
            ambiguity={"0.05": (0.82, 0.82), "0.1": (0.688, 0.6884)},
            discrepancy={"0.05": (0.31, 0.82), "0.1": (0.22, 0.6884)},
            conflicts=(0.311, 0.3112),
            largest_gap=3.4e-4,
        )

    return MultiplicityReport(
        tolerances=(tolerance("noise", 2.7e-4, 0.8), tolerance("1% of the loss", 0.0034, 3.0)),
        score_class="linear, ridge 1e-4",
        threshold=0.5,
        n=7214,
        n_distinct=3122,
        loss=0.344669,
        method="Newton on the KKT pair with a dual certificate",
    )


def responsiveness() -> ResponsivenessReport:
    names = ("months employed", "savings", "number of open loans", "housing", "duration", "age")
    return ResponsivenessReport(
        n=1000,
        n_asked=206,
        target="granted",
        features=tuple(
            FeatureResponsiveness(
                feature=name,
                can_work=est(0.52 - 0.09 * i, 0.06, 206),
                mean_score=est(0.3 - 0.05 * i, 0.04, 206),
            )
            for i, name in enumerate(names)
        ),
        fixed=est(0.15, 0.05, 206),
        has_reason=est(0.85, 0.05, 206),
        notices_that_work=est(0.354, 0.065, 206),
        exact=True,
        method="Enumeration of every feasible change",
    )


def distillation(number: int = 6, bins: int = 6) -> DistillationReport:
    rng = np.random.default_rng(5)
    shapes = []
    for i in range(number):
        score = np.cumsum(rng.normal(0, 0.3, bins))
        outcome = score + rng.normal(0, 0.12, bins)
        shapes.append(
            Shape(
                feature=f"feature {i}",
                bins=tuple(f"{10 * b} to {10 * b + 10}" for b in range(bins)),
                n=tuple(int(v) for v in rng.integers(60, 2000, bins)),
                score=tuple(score.tolist()),
                outcome=tuple(outcome.tolist()),
                difference=tuple((score - outcome).tolist()),
                low=tuple((score - outcome - 0.15).tolist()),
                high=tuple((score - outcome + 0.15).tolist()),
                importance=1.0 / (i + 1),
                differs=i % 2 == 0,
            )
        )
    return DistillationReport(
        shapes=tuple(shapes),
        fidelity=est(0.508, 0.02, 6172, "R2, out of fold"),
        accuracy=est(0.174, 0.02, 6172, "R2, out of fold"),
        missing_feature=MissingFeature(
            pearson=est(0.122, 0.027, 6172, "bootstrap"),
            spearman=est(0.124, 0.027, 6172, "bootstrap"),
            kendall=est(0.096, 0.02, 6172, "bootstrap"),
            p_value=1e-9,
            power=0.8,
            detectable=0.036,
            score_r2=0.508,
            outcome_r2=0.174,
            n=6172,
            method="Five times ten folds",
        ),
        n=6172,
        level=0.95,
        method="Additive models of bins, bagged.",
    )


def selective_labels() -> SelectiveLabelsReport:
    return SelectiveLabelsReport(
        n=9000,
        observed=est(0.8, 0.01, 9000),
        risk_observed=est(0.45, 0.01, 7214),
        risk_unobserved=est(0.31, 0.04, 1786),
        groups=tuple(
            TestedGroup(
                group=label,
                n=900,
                tested=est(0.8, 0.02, 900),
                risk=est(0.4, 0.03, 900),
                risk_untested=est(0.3, 0.06, 200),
                under_tested=label.endswith("Black"),
                tested_at_average=est(0.84, 0.02, 900),
                gap=est(-0.04, 0.03, 900),
            )
            for label in GROUPS
        ),
        policy={"age": est(-0.2, 0.1, 9000), "priors": est(0.4, 0.1, 9000)},
        constraints=("known prevalence 0.42",),
        method="Maximum a posteriori, 21-point quadrature",
    )


def findings() -> tuple[Finding, ...]:
    found = [
        (
            "group.fpr.gap",
            "Of 1,795 Black people without the outcome 44.9% (42.6% to 47.2%) were flagged, "
            "against 23.5% (21.4% to 25.6%) of others.",
            "high",
        ),
        (
            "multiplicity.conflicts",
            "31.1% of 7,214 people would be decided otherwise by an equally good score.",
            "high",
        ),
        (
            "missing_feature",
            "The score seems to use something that predicts the outcome and is not in the data: "
            "correlation 0.122 (0.096 to 0.149), n 6,172.",
            "high",
        ),
        ("slice.worst", "Among 412 people below 25 with 3 priors errors are larger.", "medium"),
        ("calibration.slope", "High risks are too high: slope 0.83 (0.79 to 0.87).", "medium"),
        ("group.ppv.gap", "PPV of women may be lower: 3% (−1% to 7%), n 1,395.", "low"),
        ("discrimination.auroc", "AUROC 0.73 (0.72 to 0.74), n 7,214.", "info"),
    ]
    return tuple(
        Finding(
            code=code,
            sentence=sentence,
            severity=severity,
            estimate=est(0.214, 0.03, 1795),
            method="multinomial resampling",
            digests={"score": DIGEST, "data": DIGEST},
        )
        for code, sentence, severity in found
    )


def full_audit(card: ScoreCard | None = None, **changes: Any) -> Audit:
    """Every part, as of a score of 7,214 people."""
    y, p = population()
    sex = np.where(np.arange(y.size) % 5, "male", "female")
    flagged = p >= 0.5
    n = y.size
    parts: dict[str, Any] = {
        "subject": AuditSubject(
            title="Recidivism within two years",
            outcome="arrest for a new offence within two years of release",
            population="people arrested in one county and released before trial",
            horizon="two years",
            not_for=("sentencing", "people under 18"),
            version="2.1",
            date="2026-03-01",
            owner="Pretrial services",
            contact="scores@example.org",
            period="2013 to 2014",
            limits=(
                "Learned in one county; arrests are not offences.",
                "Follow-up in prison is not accounted for.",
            ),
            score_digest=DIGEST,
            data_digest=DIGEST,
            data_name="two-years.csv",
        ),
        "n": n,
        "events": float(y.sum()),
        "card": card,
        "evaluation": evaluate(y, p, groups={"sex": sex}),
        "reliability": reliability(y, p),
        "reliability_by_group": {
            f"sex = {s}": reliability(y[sex == s], p[sex == s]) for s in ("male", "female")
        },
        "net_benefit": net_benefit(y, p),
        "operating_point": OperatingPoint(
            threshold=0.5,
            flagged=share(flagged.sum(), n),
            rightly_flagged=share((flagged & (y == 1)).sum(), n),
            missed=share((~flagged & (y == 1)).sum(), n),
            events=share(y.sum(), n),
        ),
        "gaps": gaps(),
        "slices": slices(),
        "multiplicity": multiplicity(),
        "responsiveness": responsiveness(),
        "distillation": distillation(),
        "selective_labels": selective_labels(),
        "columns": (
            ColumnSummary(name="age", missing=0),
            ColumnSummary(name="priors", missing=112, note="shifted: mean 3.1, was 2.4"),
            ColumnSummary(name="charge", missing=31),
        ),
        "findings": findings(),
        "not_run": {"familiarity": "no reference table: the rows that the score was learned from"},
        "level": 0.95,
        "seconds": 12.3,
    }
    return Audit(**(parts | changes))


def bare_audit(**changes: Any) -> Audit:
    """Nothing ran."""
    reasons = dict.fromkeys(
        ("evaluation", "groups", "slices", "multiplicity", "selective_labels"),
        "no outcome was named",
    )
    reasons |= {
        "responsiveness": "no actions were stated: the plan's `actions`",
        "distillation": "the score is a card: it shows what it uses",
        "familiarity": "left out by the plan",
        "data": "left out by the plan",
    }
    nothing = dict.fromkeys(
        (
            *("card", "evaluation", "reliability", "net_benefit", "operating_point", "gaps"),
            *("slices", "multiplicity", "responsiveness", "distillation", "selective_labels"),
        )
    )
    empty = {"subject": AuditSubject(title="", outcome=""), "reliability_by_group": {}}
    return full_audit(
        **(nothing | empty | {"columns": (), "findings": (), "not_run": reasons} | changes)
    )
