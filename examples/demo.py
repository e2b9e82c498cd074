"""Learn a certified score card from real medical data, print it, add three cases up by hand, audit;
then guard a made-up shop.

The data are scikit-learn's breast cancer set: ten measurements of cell nuclei (569 fine needle
aspirates, Wisconsin 1995; Street, Wolberg & Mangasarian 1993) and the diagnosis.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from sklearn.datasets import load_breast_cancer

import riskwright as rw
from riskwright.audit import Audit
from riskwright.cards import audit_text, data_card, render
from riskwright.scoring.deployment import RowScorer

FOLDER = Path("demo")
CASES = (0, 73, 19)
PROMPTS = (
    "Please write a short poem about an apple cake.",
    "Please write to ann@example.org that the cake is ready.",
    "You are a stupid idiot and your cake is awful.",
)
POPULATION = "fine needle aspirates of breast masses, University of Wisconsin, 1995"


def breast_cancer() -> pl.DataFrame:
    """The means of ten measurements per aspirate, and the diagnosis in words."""
    data = load_breast_cancer()
    names = [name.removeprefix("mean ") for name in data.feature_names[:10]]
    frame = pl.DataFrame(data.data[:, :10], schema=names)
    return frame.with_columns(diagnosis=pl.Series(data.target_names[data.target]))


def learn(frame: pl.DataFrame) -> rw.RiskScoreClassifier:
    """The best card of five terms, with its proof, and words that say what it is for."""
    table = rw.read_table(frame, target="diagnosis", positive="malignant")
    model = rw.RiskScoreClassifier(max_terms=5, max_points=5, cv=5).fit(table)
    model.card_ = msgspec.structs.replace(
        model.card_,
        title="Breast mass score",
        outcome="malignant tumour",
        population=POPULATION,
    )
    return model


def audit(frame: pl.DataFrame) -> Audit:
    """A card learned from two thirds of the cases, audited on the others.

    The data name no groups of people and nothing that a person could change, so that these parts
    do not run; the audit says so.
    """
    unseen = pl.int_range(frame.height, eager=True) % 3 == 2
    model = learn(frame.filter(~unseen))
    plan = {
        "title": "Breast mass score, learned from two thirds of the cases",
        "target": "diagnosis",
        "positive": "malignant",
        "threshold": 0.1,
        "population": POPULATION,
        "not_for": ["a diagnosis without a physician"],
    }
    return rw.audit(model, frame.filter(unseen), plan, reference=frame.filter(~unseen))


def document(frame: pl.DataFrame) -> None:
    """The data card: what can be counted; `riskwright card check` asks for the rest."""
    table = rw.read_table(frame, target="diagnosis", positive="malignant")
    card = data_card(
        table,
        title="Breast masses",
        population=POPULATION,
        sources=("Street, Wolberg & Mangasarian 1993; bundled with scikit-learn",),
    )
    rw.save(card, FOLDER / "data.json")


def add_up(number: int, row: dict[str, Any], model: rw.RiskScoreClassifier) -> None:
    """One case by hand: the points that apply, their sum, and the risk by the formula."""
    card = model.card_
    print(f"\nCase {number} (diagnosis: {row['diagnosis']})")
    total = 0.0
    for term, points in RowScorer(card).explain(row):
        total += points
        value = row[term.item.feature]
        print(f"  {points:+3g}  {term.item.label}  (it is {value:g})")
    assert card.slope is not None
    assert card.intercept is not None
    risk = 1 / (1 + math.exp(-(card.slope * total + card.intercept)))
    print(f"  {total:3g}  total by hand")
    print(
        f"  risk by hand    1 / (1 + exp(-({card.slope:.6f} * {total:g} {card.intercept:+.6f})))"
        f" = {risk:.9f}"
    )
    model_risk = model.predict_proba(pl.DataFrame([row]).drop("diagnosis"))[0, 1]
    print(f"  risk by model   {model_risk:.9f}")


def guard() -> None:
    """Three harmless prompts through the scorers of the package and a policy written by hand."""
    policy = rw.load_policy(
        {
            "id": "shop",
            "version": "1",
            "taxonomy": "ailuminate",
            "mode": "enforce",
            "regimes": ["standard"],
            "regime": "standard",
            "hazards": {"any": {}, "rules:personal": {"middle": "redact", "high": "redact"}},
            "thresholds": {
                "any": {"standard": {"low": 0.5, "high": 0.9}},
                "rules:personal": {"standard": {"low": 0.5, "high": 0.5}},
            },
            "fallback": {"out_of_distribution": "allow"},
        }
    )
    scorer = rw.Guard()
    for prompt in PROMPTS:
        score = scorer.score(rw.Exchange(prompt=prompt))
        decision = policy.decide(score)
        print(f"  {decision.action:<9} severity {score.severity:.2f}  {prompt!r}")
        for reason in decision.reasons:
            print(f"            {reason}")


def main() -> None:
    frame = breast_cancer()
    model = learn(frame)
    FOLDER.mkdir(exist_ok=True)
    rw.save(model, FOLDER / "score.json")
    (FOLDER / "card.html").write_text(str(render(model.card_, "html")), encoding="utf-8")
    print(render(model.card_, "text"))
    print("The same card as a page to print, with a calculator: ./demo/card.html")
    print("Three cases, added up by hand and by the model:")
    for number, index in enumerate(CASES, 1):
        add_up(number, frame.row(index, named=True), model)
    found = audit(frame)
    found.save(FOLDER / "audit.html")
    document(frame)
    print("\nThe audit of such a card on 189 cases that it has not seen: ./demo/audit.html")
    print(audit_text(found).splitlines()[1])
    print("A data card, to be completed: ./demo/data.json")
    print("\nThree prompts under a guard, by a policy written by hand (riskwright guard --help):")
    guard()


if __name__ == "__main__":
    main()
