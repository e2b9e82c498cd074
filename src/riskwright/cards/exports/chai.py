"""The applied model card of the Coalition for Health AI as XML, in the structure of schema 0.2."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Any

from riskwright.core import Finding, json_values

from .known import NOT_PROVIDED, Known, listed

__all__ = ["CHAI_NAMESPACE", "chai"]

CHAI_NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_Tree = Sequence[tuple[str, Any]]


def chai(known: Known) -> str:
    """Every element in the schema's order; what is not known says so."""
    root = ET.Element("AppliedModelCard", {"xmlns": CHAI_NAMESPACE})
    _fill(root, _card(known))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _fill(parent: ET.Element, tree: _Tree) -> None:
    for name, content in tree:
        child = ET.SubElement(parent, name)
        if isinstance(content, str):
            child.text = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", content.strip()) or NOT_PROVIDED
        else:
            _fill(child, content)


def _card(known: Known) -> _Tree:
    sheet, answer = known.sheet, known.answer
    return [
        (
            "BasicInfo",
            [
                ("ModelName", sheet.title),
                ("ModelDeveloper", sheet.owner),
                ("DeveloperContact", sheet.contact),
            ],
        ),
        (
            "ReleaseInfo",
            [
                ("ReleaseStage", answer("stage")),
                ("ReleaseDate", sheet.date),
                ("ReleaseVersion", sheet.version),
                ("GlobalAvailability", answer("availability")),
                *_where_known([("RegulatoryApproval", answer("approval"))]),
            ],
        ),
        ("ModelSummary", [("Summary", known.summary()), ("Keywords", _keywords(known))]),
        (
            "UsesAndDirections",
            [
                ("IntendedUseAndWorkflow", sheet.intended_use),
                ("PrimaryIntendedUsers", answer("users")),
                ("HowToUse", answer("how_to_use")),
                ("TargetedPatientPopulation", known.population()),
                ("CautionedOutOfScopeSettings", known.not_for()),
            ],
        ),
        (
            "Warnings",
            [
                ("KnownRisksAndLimitations", listed([known.limits(), known.risks()])),
                (
                    "KnownBiasesOrEthicalConsiderations",
                    listed([answer("biases"), known.fairness()]),
                ),
                ("ClinicalRiskLevel", answer("risk_level")),
            ],
        ),
        ("TrustIngredients", _ingredients(known)),
        ("KeyMetrics", _metrics(known)),
        (
            "Resources",
            [
                *_where_known([("EvaluationReferences", known.audits())]),
                ("PeerReviewedPublications", answer("references")),
                ("PatientConsentOrDisclosure", answer("consent")),
            ],
        ),
        ("Bibliography", answer("references")),
    ]


def _where_known(tree: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The optional elements of the schema, left out where nothing is known."""
    return [(name, text) for name, text in tree if text]


def _keywords(known: Known) -> _Tree:
    words = (word.strip() for word in known.answer("keywords").split(","))
    return [("Keyword", word) for word in words if word]


def _ingredients(known: Known) -> _Tree:
    answer = known.answer
    facts = [
        ("OutcomesAndOutputs", known.output()),
        ("ModelType", known.model_type()),
        ("InputDataSource", answer("training_data") or known.training()),
        ("OutputAndInputDataTypes", known.inputs()),
        (
            "DevelopmentDataCharacterization",
            listed([known.training(), known.representativeness()]),
        ),
        ("BiasMitigationApproaches", answer("bias_mitigation")),
        ("OngoingMaintenance", listed([known.monitoring(), answer("updates")])),
        *_where_known([("Security", answer("security"))]),
        ("Transparency", f"Digest of the score: {known.digest()}."),
    ]
    told = [
        ("FundingSource", answer("funding")),
        *_where_known([("ThirdPartyInformation", answer("third_parties"))]),
        ("StakeholdersConsulted", answer("stakeholders")),
    ]
    return [("AISystemFacts", facts), ("TransparencyInformation", told)]


def _metrics(known: Known) -> _Tree:
    fairness = known.audit_findings("group.", "slice.")
    safety = [f for f in known.audit_findings() if f not in fairness]
    if known.deployment is not None:
        safety += known.deployment.performance
    parts = (
        (
            "UsefulnessUsabilityEfficacy",
            "How well risks are told apart and met",
            known.sheet.performance,
        ),
        ("FairnessEquity", "How alike the score does for groups", fairness),
        ("SafetyReliability", "What can go wrong, and how often", safety),
    )
    return [(name, _metric(goal, findings, known)) for name, goal, findings in parts]


def _metric(goal: str, findings: Sequence[Finding], known: Known) -> _Tree:
    methods = dict.fromkeys(f.method for f in findings if f.method)
    data = dict.fromkeys(f.digests["data"] for f in findings if "data" in f.digests)
    rows = sorted({f.estimate.n for f in findings if f.estimate is not None})
    described = [f"Digest {digest}" for digest in data]
    if rows:
        described.append(f"Rows: {', '.join(f'{n:,}' for n in rows)}")
    return [
        ("MetricGoal", goal if findings else ""),
        ("Results", [("MetricResult", _result(f)) for f in findings] or _NO_RESULT),
        ("Interpretation", listed(f.sentence for f in findings)),
        ("TestType", known.answer("external_validation") if findings else ""),
        ("TestingDataDescription", listed(described)),
        ("ValidationProcessAndJustification", listed(methods)),
    ]


_NO_RESULT = [("MetricResult", [("Label", NOT_PROVIDED), ("ValueJson", "null")])]


def _result(finding: Finding) -> _Tree:
    value = None if finding.estimate is None else json_values(finding.estimate)
    return [("Label", finding.code), ("ValueJson", json.dumps(value, ensure_ascii=False))]
