"""The technical documentation that Annex IV of the EU AI Act asks of high-risk systems."""

from __future__ import annotations

from .forms import Heading, form
from .known import Known, listed

__all__ = ["annex_iv"]

_ABOUT = (
    "Outline by the points of Annex IV to Regulation (EU) 2024/1689; the names are short "
    "descriptions. Filling it in does not say that the Regulation is kept."
)


def annex_iv(known: Known) -> str:
    """Every point and letter, with what the cards say."""
    return form("Technical documentation", _ABOUT, known, _headings(known))


def _headings(known: Known) -> list[Heading]:
    return [*_general(known), *_elements(known), *_later(known)]


def _general(known: Known) -> list[Heading]:
    sheet, answer = known.sheet, known.answer
    version = f"Version {sheet.version}" if sheet.version else ""
    return [
        ("1", "General description", None),
        (
            "1.a",
            "Purpose, provider, version",
            listed([sheet.intended_use, sheet.owner, version]) if sheet.intended_use else "",
        ),
        ("1.b", "Interaction with other systems", answer("interfaces")),
        ("1.c", "Versions of software", _made_with(known)),
        ("1.d", "Forms in which it is made available", answer("availability")),
        ("1.e", "Hardware", answer("hardware")),
        ("1.f", "Pictures, where it is part of a product", answer("pictures")),
        ("1.g", "User interface", answer("user_interface")),
        ("1.h", "Instructions for use", answer("how_to_use")),
    ]


def _made_with(known: Known) -> str:
    version = known.sheet.card.version
    return f"Made with riskwright {version}." if version else ""


def _elements(known: Known) -> list[Heading]:
    answer = known.answer
    return [
        ("2", "Elements and development", None),
        ("2.a", "Methods and steps of development", answer("development")),
        ("2.b", "Design: logic, choices, assumptions, what is optimised", known.model_type()),
        ("2.c", "Architecture and computing resources", answer("hardware")),
        ("2.d", "Data: origin, scope, selection, labels, cleaning", _data(known)),
        ("2.e", "Human oversight", known.oversight()),
        ("2.f", "Changes foreseen in advance", answer("updates")),
        ("2.g", "Validation and testing: data, measures, bias, logs", _testing(known)),
        ("2.h", "Cybersecurity", answer("security")),
    ]


def _data(known: Known) -> str:
    return listed([known.training(), known.inclusion(), known.labels()])


def _testing(known: Known) -> str:
    return listed([known.performance(), known.fairness(), known.audits()])


def _later(known: Known) -> list[Heading]:
    answer, limits = known.answer, listed([known.limits(), known.not_for()])
    groups = known.fairness() or known.representativeness()
    return [
        ("3", "Monitoring, functioning and control", None),
        ("3.a", "Capabilities and limits", limits),
        ("3.b", "Accuracy, overall and for groups", listed([known.performance(), groups])),
        ("3.c", "Foreseeable unintended outcomes and risks", known.risks()),
        ("3.d", "Human oversight in use", known.oversight()),
        ("3.e", "Specifications of input data", known.inputs()),
        ("4", "Why the measures of performance fit", answer("measures")),
        ("5", "Risk management", answer("risk_management")),
        ("6", "Changes over the lifecycle", answer("changes")),
        ("7", "Standards applied", answer("standards")),
        ("8", "Declaration of conformity", answer("conformity")),
        ("9", "Monitoring after placing on the market", known.monitoring()),
    ]
