"""The 31 source attributes that ONC's HTI-1 rule asks of predictive decision support."""

from __future__ import annotations

from .forms import Heading, form
from .known import Known, listed

__all__ = ["hti1"]

_ABOUT = (
    "Source attributes of a predictive decision support intervention, numbered as in "
    "45 CFR 170.315(b)(11)(iv)(B); the names are short descriptions."
)


def hti1(known: Known) -> str:
    """Every attribute by number, with what the cards say."""
    return form("Source attributes", _ABOUT, known, _headings(known))


def _headings(known: Known) -> list[Heading]:
    sheet, answer = known.sheet, known.answer
    demographics = known.representativeness()
    return [
        ("1", "Details and output", None),
        ("1.1", "Developer and contact", listed([sheet.owner, sheet.contact])),
        ("1.2", "Funding of the development", answer("funding")),
        ("1.3", "What it puts out", known.output()),
        ("1.4", "Kind of output", "A prediction, as a total of points and a risk."),
        ("2", "Purpose", None),
        ("2.1", "Intended use", sheet.intended_use),
        ("2.2", "Intended patients", known.population()),
        ("2.3", "Intended users", answer("users")),
        ("2.4", "Role in the decision", answer("decision_role")),
        ("3", "Out-of-scope use", None),
        ("3.1", "Tasks, situations and people to avoid", known.not_for()),
        ("3.2", "Known risks, wrong settings and limits", known.limits()),
        ("4", "Development and input features", None),
        ("4.1", "Who was included and excluded", known.inclusion()),
        ("4.2", "Use of demographic, social and health status data as inputs", known.inputs()),
        ("4.3", "Demographic representativeness", demographics),
        ("4.4", "Relevance of the training data to the setting", answer("relevance")),
        ("5", "Fairness in development", None),
        ("5.1", "How the output is kept fair", answer("fairness_approach")),
        ("5.2", "How bias is managed", answer("bias_mitigation")),
        ("6", "External validation", None),
        ("6.1", "Where it was tested", answer("external_validation")),
        ("6.2", "Who tested it", answer("external_party")),
        ("6.3", "Demographics of the external data", answer("external_demographics")),
        ("6.4", "How it was tested", answer("external_process")),
        ("7", "Measured performance", None),
        ("7.1", "Validity in data of the same source", known.performance()),
        ("7.2", "Fairness in data of the same source", known.fairness()),
        ("7.3", "Validity in external data", answer("external_validity")),
        ("7.4", "Fairness in external data", answer("external_fairness")),
        ("7.5", "Studies of outcomes", answer("outcomes")),
        ("8", "Maintenance", None),
        ("8.1", "How validity is watched", known.monitoring()),
        ("8.2", "Validity in local data", known.local_performance()),
        ("8.3", "How fairness is watched", answer("fairness_monitoring")),
        ("8.4", "Fairness in local data", answer("local_fairness")),
        ("9", "Updates", None),
        ("9.1", "How and how often it is updated", answer("updates")),
        ("9.2", "How it is corrected when validity or fairness suffer", answer("correction")),
    ]
