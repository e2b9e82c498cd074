"""`Known`: what the cards of a score, its data and its use say under each topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from riskwright.cards import wording
from riskwright.cards.data_card import DataCard
from riskwright.cards.deployment_card import DeploymentCard
from riskwright.cards.outline import number_words, share_words
from riskwright.cards.score_card_sheet import ScoreCardSheet
from riskwright.core import Finding
from riskwright.core.score_digest import score_digest

__all__ = ["NOT_PROVIDED", "Known", "listed"]

NOT_PROVIDED = "Not provided"


def listed(texts: Iterable[str]) -> str:
    """Sentences one after the other, "" where there are none."""
    return " ".join(text.strip().rstrip(".") + "." for text in texts if text.strip())


class Known(NamedTuple):
    """A score card sheet and, where there are, the cards of its data and its use.

    Every method gives a text, "" where nothing is known.
    """

    sheet: ScoreCardSheet
    data: DataCard | None = None
    deployment: DeploymentCard | None = None

    def answer(self, topic: str) -> str:
        return self.sheet.answers.get(topic, "").strip()

    def population(self) -> str:
        text = self.sheet.card.population.strip()
        return "" if text == "not stated" else text

    def summary(self) -> str:
        card = self.sheet.card
        within = f" within {self.sheet.horizon}" if self.sheet.horizon else ""
        return listed(
            [f"A score card of {len(card.terms)} statements. Predicts: {card.outcome}{within}"]
        )

    def output(self) -> str:
        if text := self.answer("output"):
            return text
        card = self.sheet.card
        low, high = card.total_range()
        return listed(
            [
                f"A total of points from {low:g} to {high:g} and, by a table, what it means for: "
                f"{card.outcome}",
                wording.formula(card),
            ]
        )

    def model_type(self) -> str:
        proof = self.sheet.card.certificate
        kind = {
            "free": "logistic risk score with integer points",
            "unit": "logistic risk score whose points are log-odds",
            "scoring_system": "scoring system with integer points and a threshold",
        }[self.sheet.card.score_class]
        return listed([kind[:1].upper() + kind[1:], "" if proof is None else proof.statement])

    def not_for(self) -> str:
        return listed(self.sheet.not_for)

    def limits(self) -> str:
        return listed(self.sheet.card.limits)

    def inputs(self) -> str:
        names = (f.label or f.name for f in self.sheet.card.features)
        used = {term.item.feature for term in self.sheet.card.terms}
        shown = [
            f"{label} ({feature.type}{', ' + feature.unit if feature.unit else ''})"
            for feature, label in zip(self.sheet.card.features, names, strict=True)
            if feature.name in used
        ]
        return f"{', '.join(shown)}." if shown else ""

    def training(self) -> str:
        card = self.sheet.card
        texts = [
            self.answer("training_data"),
            wording.facts(card)[2].text + " of the training data",
        ]
        if self.data is not None:
            texts += [self.data.title, *self.data.sources, self.data.collection, self.data.period]
        if card.data_digest:
            texts.append(f"Digest of the training data: {card.data_digest}")
        return listed(texts)

    def inclusion(self) -> str:
        data = self.data
        return self.answer("inclusion") or listed(() if data is None else data.choices)

    def representativeness(self) -> str:
        if text := self.answer("representativeness"):
            return text
        if self.data is None:
            return ""
        groups = (
            f"{group.column} {group.group}: {number_words(group.rows)} rows, "
            f"{share_words(group.share)}"
            for group in self.data.groups
        )
        return listed([self.data.population, *groups, *self.data.known_gaps])

    def labels(self) -> str:
        return "" if self.data is None else self.data.annotation

    def performance(self) -> str:
        return listed(finding.sentence for finding in self.validity_findings())

    def validity_findings(self) -> list[Finding]:
        return [*self.sheet.performance]

    def audit_findings(self, *prefixes: str) -> list[Finding]:
        found = [finding for audit in self.sheet.audits for finding in audit.findings]
        return [f for f in found if not prefixes or f.code.startswith(prefixes)]

    def fairness(self) -> str:
        return listed(finding.sentence for finding in self.audit_findings("group.", "slice."))

    def audits(self) -> str:
        verdicts = {None: "no policy applied", True: "passed", False: "failed"}
        return listed(
            f"{one.title or 'Audit'} {one.date}: {verdicts[one.passed]}; digest {one.digest}"
            for one in self.sheet.audits
        )

    def risks(self) -> str:
        grave = (f.sentence for f in self.audit_findings() if f.severity == "high")
        return listed([self.answer("risk_management"), *grave])

    def monitoring(self) -> str:
        stated = "" if self.deployment is None else self.deployment.monitoring
        return self.answer("monitoring") or stated

    def local_performance(self) -> str:
        found = () if self.deployment is None else self.deployment.performance
        return self.answer("local_validity") or listed(f.sentence for f in found)

    def guarantee(self) -> str:
        deployment = self.deployment
        if deployment is None or deployment.certificate is None:
            return ""
        return deployment.certificate.statement

    def oversight(self) -> str:
        fallback = "" if self.deployment is None else self.deployment.fallback
        return listed([self.answer("oversight"), fallback])

    def digest(self) -> str:
        return score_digest(self.sheet.card)
