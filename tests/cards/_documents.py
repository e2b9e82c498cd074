"""One document of every kind, complete enough that nothing is missing."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from riskwright.cards.data_card import DataCard, DataFile, data_card
from riskwright.cards.deployment_card import DeploymentCard
from riskwright.cards.documents import AuditReference, Document
from riskwright.cards.notice import Notice, notice
from riskwright.cards.risk_card import HarmType, Place, RiskCard, SamplePair, TestProtocol
from riskwright.cards.score_card_sheet import ScoreCardSheet
from riskwright.core import Estimate, Finding, ScoreCard
from riskwright.core.score_digest import score_digest
from riskwright.decision import Strictness, Threshold
from riskwright.evidence import Table, read_table

TODAY = "2026-03-01"
SIGNED = {"version": "1.0", "date": "2026-02-01", "owner": "Clinic", "contact": "a@b.example"}


def estimate(value: float = 0.81, low: float = 0.77, high: float = 0.85, n: int = 900) -> Estimate:
    return Estimate(value=value, low=low, high=high, level=0.95, n=n, method="DeLong")


def finding(code: str, digests: dict[str, str], found: Estimate | None = None) -> Finding:
    return Finding(
        code=code,
        sentence=f"{code} is 0.810 (0.770 to 0.850).",
        severity="info",
        estimate=found or estimate(),
        method="DeLong",
        digests=digests,
    )


def audit_of(digests: dict[str, str], passed: bool | None = True) -> AuditReference:
    gap = msgspec.structs.replace(finding("group.fpr.gap", digests), severity="high")
    return AuditReference(
        digest="sha256:" + "a" * 64,
        title="Yearly audit",
        date="2026-01-15",
        passed=passed,
        findings=(gap,),
        score_digest=digests["score"],
        data_digest=digests["data"],
    )


def sheet(card: ScoreCard, **changes: object) -> ScoreCardSheet:
    digests = {"score": score_digest(card), "data": "sha256:" + "d" * 64}
    card = msgspec.structs.replace(
        card, population="Adults in one clinic", limits=("Not tested in children.",)
    )
    made = ScoreCardSheet(
        title="Heart score",
        card=card,
        intended_use="Decide whom to see first",
        not_for=("Refusing treatment",),
        horizon="30 days",
        performance=(finding("performance.auroc", digests),),
        audits=(audit_of(digests),),
        score_digest=score_digest(card),
        answers={"users": "Nurses"},
        **SIGNED,
    )
    return msgspec.structs.replace(made, **changes)


def table(n: int = 200) -> Table:
    rng = np.random.default_rng(5)
    age = rng.integers(20, 90, n)
    frame = pl.DataFrame(
        {
            "age": age,
            "smoker": np.where(rng.random(n) < 0.3, "yes", "no"),
            "site": [["a", "b", None][i % 3] for i in range(n - 4)] + ["tiny"] * 4,
            "died": (rng.random(n) < age / 120).astype(int),
        }
    ).with_columns(pl.when(pl.col("age") > 85).then(None).otherwise(pl.col("age")).alias("age"))
    return read_table(frame, target="died", groups=["site"])


def data(n: int = 200, **changes: object) -> DataCard:
    made = data_card(
        table(n),
        title="Ward data",
        description="One row per stay.",
        sources=("Ward register",),
        collection="Typed in by nurses",
        period="2019 to 2021",
        population="Adults",
        annotation="Death as registered",
        consent="Broad consent",
        personal_data="Age",
        licence="CC BY 4.0",
        intended_use="Learning scores",
        not_for=("Finding out who died",),
        known_gaps=("No children",),
        choices=("Transfers were left out",),
        files=(DataFile(name="ward.csv", url="https://example.org/ward.csv", sha256="0" * 64),),
        url="https://example.org/ward",
        **SIGNED,
    )
    return msgspec.structs.replace(made, **changes)


def certificate(regimes: bool = False):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    p = rng.random(3000)
    y = rng.random(3000) < p
    if regimes:
        return Strictness({"strict": "miss rate <= 5%", "loose": "miss rate <= 10%"}).fit(p, y)
    return Threshold("miss rate <= 10%").fit(p, y)


def deployment(regimes: bool = False, **changes: object) -> DeploymentCard:
    digests = {"score": "sha256:" + "5" * 64, "data": "sha256:" + "d" * 64}
    rule = certificate(regimes)
    made = DeploymentCard(
        title="Heart score on ward 3",
        purpose="Order of the waiting list",
        score_digest=digests["score"],
        budgets=("miss rate <= 10% with 95% confidence",),
        certificate=rule.certificate_,
        strictness="strict" if regimes else "",
        performance=(finding("performance.auroc", digests),),
        audits=(audit_of(digests),),
        starts="2026-02-01",
        expires="2026-12-31",
        fallback="The ward's list",
        monitoring="Misses are counted monthly; above 12% the ward stops",
        approved_by="Board",
        **SIGNED,
    )
    return msgspec.structs.replace(made, **changes)


def risk(**changes: object) -> RiskCard:
    made = RiskCard(
        id="leak",
        title="Tells secrets",
        hazard="prv",
        description="It tells what it was told in confidence.",
        places=(Place(taxonomy="ailuminate", code="prv"),),
        harms=(HarmType(actor="subject", kind="privacy"),),
        conditions=("The secret is true.",),
        samples=(SamplePair(prompt="Asks for a secret.", output="Tells it."),),
        severity="serious",
        likelihood="possible",
        protocol=TestProtocol(procedure="Ask.", failure="It tells.", fewest_items=100),
        result=finding("card.leak", {"data": "sha256:" + "e" * 64}),
        **SIGNED,
    )
    return msgspec.structs.replace(made, **changes)


REASONS = [
    ("late", "two late payments", 2, False),
    ("debt", "debt over 40%", 3, True),
    ("short", "short history", 1, None),
    ("new", "new account", 1, False),
    ("none", "no default", 0, False),
    ("few", "few accounts", 0.5, True),
]


def letter(**changes: object) -> Notice:
    made = notice(
        decision="The loan was refused.",
        score=7.5,
        possible_range=(0, 9),
        reasons=REASONS,
        date="2026-01-31",
        decided_by="the credit desk",
        source="your application",
        contest="Write within 30 days.",
        contact="desk@example.org",
        risk=estimate(0.4, 0.3, 0.5),
    )
    return msgspec.structs.replace(made, **changes)


def every(card: ScoreCard) -> list[Document]:
    return [sheet(card), data(), deployment(), risk(), letter()]
