"""Exports: every form has its structure, what is known stands in it, the rest is named."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from types import ModuleType
from typing import Any

import msgspec
import pytest
import yaml

from riskwright.cards.exports import EXPORT_FORMATS, export
from riskwright.cards.score_card_sheet import TOPICS
from riskwright.core import Estimate, ParameterError, ScoreCard

NAMESPACE = "{https://mc.chai.org/v0.2/schema.xsd}"
CHAI: dict[str, Any] = {
    "BasicInfo": ["ModelName", "ModelDeveloper", "DeveloperContact"],
    "ReleaseInfo": ["ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability"],
    "ModelSummary": ["Summary", "Keywords"],
    "UsesAndDirections": [
        *("IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse"),
        *("TargetedPatientPopulation", "CautionedOutOfScopeSettings"),
    ],
    "Warnings": [
        *("KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"),
    ],
    "TrustIngredients": ["AISystemFacts", "TransparencyInformation"],
    "KeyMetrics": ["UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"],
    "Resources": ["PeerReviewedPublications", "PatientConsentOrDisclosure"],
    "Bibliography": [],
}
METRIC = [
    *("MetricGoal", "Results", "Interpretation", "TestType", "TestingDataDescription"),
    "ValidationProcessAndJustification",
]
OPTIONAL = ("RegulatoryApproval", "EvaluationReferences", "Security", "ThirdPartyInformation")


def local(element: ET.Element) -> list[str]:
    names = [child.tag.removeprefix(NAMESPACE) for child in element]
    return [name for name in names if name not in OPTIONAL]


@pytest.fixture
def sheet(heart: ScoreCard, documents: ModuleType) -> Any:
    return documents.sheet(heart)


def test_every_score_form_names_the_score_and_its_digest(sheet: Any) -> None:
    for format in ("chai", "annex-iv", "hti1", "huggingface"):
        text = export(sheet, format)  # type: ignore[arg-type]
        assert "Heart score" in text
        assert sheet.score_digest in text


def test_the_applied_model_card_has_the_schema_s_elements_in_order(sheet: Any) -> None:
    root = ET.fromstring(export(sheet, "chai"))
    assert root.tag == f"{NAMESPACE}AppliedModelCard"
    assert local(root) == list(CHAI)
    for part in root:
        assert local(part) == CHAI[part.tag.removeprefix(NAMESPACE)]
    metrics = root.find(f"{NAMESPACE}KeyMetrics")
    assert metrics is not None
    for metric in metrics:
        assert local(metric) == METRIC
    label = root.find(f".//{NAMESPACE}Label")
    value = root.find(f".//{NAMESPACE}ValueJson")
    assert label is not None
    assert value is not None
    assert label.text == "performance.auroc"
    assert msgspec.convert(json.loads(value.text or ""), Estimate).value == 0.81
    users = root.find(f".//{NAMESPACE}PrimaryIntendedUsers")
    assert users is not None
    assert users.text == "Nurses"
    funding = root.find(f".//{NAMESPACE}FundingSource")
    assert funding is not None
    assert funding.text == "Not provided"
    assert all(
        e.text and e.text.strip()
        for e in root.iter()
        if len(e) == 0 and e.tag != f"{NAMESPACE}Keywords"
    )


def test_the_applied_model_card_survives_any_text(sheet: Any, evil: str) -> None:
    odd = msgspec.structs.replace(sheet, title=evil + "\x00\x0b\ud800", owner="]]>")
    root = ET.fromstring(export(odd, "chai"))
    name = root.find(f".//{NAMESPACE}ModelName")
    assert name is not None
    assert name.text is not None
    assert "<script>" in name.text
    assert "\N{REPLACEMENT CHARACTER}" in name.text


def numbers(text: str) -> list[str]:
    return re.findall(r"^#{2,3} (\d+(?:\.\w+)?) ", text, re.MULTILINE)


def test_the_31_source_attributes_are_all_there(sheet: Any) -> None:
    text = export(sheet, "hti1")
    counts = (4, 4, 2, 4, 2, 4, 5, 4, 2)
    expected = []
    for place, count in enumerate(counts, 1):
        expected += [str(place), *(f"{place}.{i}" for i in range(1, count + 1))]
    assert numbers(text) == expected
    assert sum(counts) == 31
    assert "performance.auroc is 0.810" in text


def test_every_letter_of_annex_iv_is_there(sheet: Any) -> None:
    text = export(sheet, "annex-iv")
    expected = [
        *("1", *(f"1.{c}" for c in "abcdefgh"), "2", *(f"2.{c}" for c in "abcdefgh")),
        *("3", *(f"3.{c}" for c in "abcde"), "4", "5", "6", "7", "8", "9"),
    ]
    assert numbers(text) == expected


@pytest.mark.parametrize("format", ["hti1", "annex-iv"])
def test_what_is_not_provided_is_listed_at_the_end(sheet: Any, format: Any) -> None:
    body, _, end = export(sheet, format).partition("## What is not provided")
    empty = re.findall(r"^#+ (.+)\n\nNot provided$", body, re.MULTILINE)
    assert empty
    assert re.findall(r"^- (.+)$", end, re.MULTILINE) == empty
    answers = dict.fromkeys(TOPICS, "It is stated.")
    full = export(msgspec.structs.replace(sheet, answers=answers), format)
    missing = full.partition("## What is not provided")[2]
    assert len(missing) < len(end)


def test_cards_of_data_and_use_answer_more(sheet: Any, documents: ModuleType) -> None:
    alone = export(sheet, "annex-iv").count("Not provided")
    more = export(sheet, "annex-iv", data=documents.data(), deployment=documents.deployment())
    assert more.count("Not provided") < alone
    for words in ("Ward register", "Misses are counted monthly", "Transfers were left out"):
        assert words in more


def head_of(text: str) -> tuple[dict[str, Any], str]:
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_model_card_s_head_is_what_hugging_face_reads(
    sheet: Any, documents: ModuleType
) -> None:
    head, body = head_of(export(sheet, "huggingface", data=documents.data()))
    assert head["library_name"] == "riskwright"
    assert head["pipeline_tag"] == "tabular-classification"
    assert head["license"] == "unknown"
    (index,) = head["model-index"]
    (result,) = index["results"]
    assert result["task"]["type"] == "tabular-classification"
    assert result["dataset"] == {"type": "tabular", "name": "Ward data"}
    assert result["metrics"] == [{"type": "auroc", "name": "performance.auroc", "value": 0.81}]
    assert body.lstrip().startswith("# Heart score")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC BY 4.0", {"license": "cc-by-4.0"}),
        ("apache-2.0", {"license": "apache-2.0"}),
        ("Ours: ask", {"license": "other", "license_name": "Ours: ask"}),
        ("", {"license": "unknown"}),
    ],
)
def test_the_dataset_card_s_head(documents: ModuleType, licence: str, expected: Any) -> None:
    head, body = head_of(export(documents.data(licence=licence), "huggingface"))
    assert head.items() >= expected.items()
    assert head["pretty_name"] == "Ward data"
    assert head["size_categories"] == ["n<1K"]
    assert "## Known gaps" in body


@pytest.mark.parametrize(
    ("n", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (2 * 10**12, "n>1T")]
)
def test_size_categories(documents: ModuleType, n: int, size: str) -> None:
    card = documents.data()
    card = msgspec.structs.replace(card, rows=msgspec.structs.replace(card.rows, value=float(n)))
    assert head_of(export(card, "huggingface"))[0]["size_categories"] == [size]


def test_yaml_heads_survive_any_text(sheet: Any, documents: ModuleType, evil: str) -> None:
    title = "---\n" + evil
    shown = " ".join(title.split())
    assert head_of(export(documents.data(title=title), "huggingface"))[0]["pretty_name"] == shown
    answers = {"licence": evil + ": [x"}
    odd = msgspec.structs.replace(sheet, title=title, answers=answers)
    assert head_of(export(odd, "huggingface"))[0]["model-index"][0]["name"] == shown


def test_croissant_has_the_required_properties(documents: ModuleType) -> None:
    card = documents.data()
    found = json.loads(export(card, "croissant"))
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == [
        *("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"),
    ]
    for name in ("name", "description", "license", "url", "datePublished", "version"):
        assert isinstance(found[name], str), name
    assert found["creator"] == {"@type": "sc:Organization", "name": "Clinic"}
    context = found["@context"]
    assert context["@vocab"] == "https://schema.org/"
    assert context["cr"] == "http://mlcommons.org/croissant/"
    assert context["dataType"] == {"@id": "cr:dataType", "@type": "@vocab"}
    (file,) = found["distribution"]
    assert file["@type"] == "cr:FileObject"
    assert {"contentUrl", "encodingFormat", "sha256", "@id", "name"} <= set(file)
    (records,) = found["recordSet"]
    assert records["@type"] == "cr:RecordSet"
    ids = [field["@id"] for field in records["field"]]
    assert len(set(ids)) == len(card.columns)
    for field, column in zip(records["field"], card.columns, strict=True):
        assert field["@type"] == "cr:Field"
        assert field["dataType"] == ("sc:Text" if column.levels else "sc:Float")
        assert field["source"]["fileObject"] == {"@id": file["@id"]}
        assert field["source"]["extract"] == {"column": column.name}
    rai = {name: value for name, value in found.items() if name.startswith("rai:")}
    assert rai["rai:dataCollectionTimeframe"] == "2019 to 2021"
    assert rai["rai:dataLimitations"] == ["No children", "Not for: Finding out who died"]
    assert len(rai) >= 8


def test_croissant_without_files_names_variables_and_invents_no_date(
    documents: ModuleType,
) -> None:
    found = json.loads(export(documents.data(files=(), date="", url=""), "croissant"))
    assert "recordSet" not in found
    assert "datePublished" not in found
    assert found["url"] == "Not provided"
    assert {part["name"] for part in found["variableMeasured"]} == {"age", "smoker"}


def test_forms_that_a_card_does_not_have_are_refused(sheet: Any, documents: ModuleType) -> None:
    with pytest.raises(ParameterError, match=", ".join(EXPORT_FORMATS)):
        export(sheet, "pdf")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="one of huggingface, chai"):
        export(sheet, "croissant")
    with pytest.raises(ParameterError, match="one of huggingface, croissant"):
        export(documents.data(), "chai")
    with pytest.raises(ParameterError, match="a ScoreCardSheet or a DataCard"):
        export(documents.risk(), "huggingface")
