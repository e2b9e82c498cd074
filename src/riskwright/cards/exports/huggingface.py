"""Model and dataset cards as Hugging Face reads them: a YAML head and Markdown."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from riskwright.cards.data_card import DataCard
from riskwright.cards.document_views import render_document

from .known import Known

__all__ = ["huggingface_dataset", "huggingface_model"]

_LICENCES = {
    "cc by 4.0": "cc-by-4.0",
    "cc by sa 4.0": "cc-by-sa-4.0",
    "cc by nc 4.0": "cc-by-nc-4.0",
    "cc0 1.0": "cc0-1.0",
    "cc0": "cc0-1.0",
    "public domain": "cc0-1.0",
    "mit": "mit",
    "apache 2.0": "apache-2.0",
    "bsd 3 clause": "bsd-3-clause",
    "odbl": "odbl",
    "odc by": "odc-by",
    "gpl 3.0": "gpl-3.0",
}
_SIZES = (
    *((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")),
    *((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B")),
    *((10**10, "1B<n<10B"), (10**11, "10B<n<100B"), (10**12, "100B<n<1T")),
)
_TAGS = ["risk-score", "interpretable", "riskwright"]


def huggingface_model(known: Known) -> str:
    """A model card: what is machine-readable in the head, the sheet below it."""
    sheet = known.sheet
    head: dict[str, Any] = {
        **_licence(known.answer("licence")),
        "library_name": "riskwright",
        "pipeline_tag": "tabular-classification",
        "tags": _TAGS,
    }
    metrics = [
        {
            "type": finding.code.rpartition(".")[2],
            "name": finding.code,
            "value": finding.estimate.value,
        }
        for finding in sheet.performance
        if finding.estimate is not None and math.isfinite(finding.estimate.value)
    ]
    if metrics:
        name = "not stated" if known.data is None else known.data.title
        result = {
            "task": {"type": "tabular-classification", "name": sheet.card.outcome},
            "dataset": {"type": "tabular", "name": name},
            "metrics": metrics,
        }
        head["model-index"] = [{"name": sheet.title, "results": [result]}]
    return _page(head, render_document(sheet, "md"))


def huggingface_dataset(card: DataCard) -> str:
    """A dataset card: what is machine-readable in the head, the data card below it."""
    n = card.rows.value
    size = next((name for most, name in _SIZES if n < most), "n>1T")
    head = {
        "pretty_name": card.title,
        **_licence(card.licence),
        "size_categories": [size],
        "task_categories": ["tabular-classification"] if card.label else [],
        "tags": ["tabular", "riskwright"],
    }
    return _page({key: value for key, value in head.items() if value}, render_document(card, "md"))


def _licence(text: str) -> dict[str, str]:
    if not text.strip():
        return {"license": "unknown"}
    folded = " ".join(re.sub(r"[-_]+", " ", text.casefold()).split())
    known = _LICENCES.get(folded)
    return {"license": known} if known else {"license": "other", "license_name": text.strip()}


def _page(head: dict[str, Any], body: str) -> str:
    told = yaml.safe_dump(_on_one_line(head), sort_keys=False, allow_unicode=True, width=math.inf)
    return f"---\n{told}---\n\n{body}"


def _on_one_line(value: Any) -> Any:
    """Every text on one line, so that none can end the head."""
    if isinstance(value, dict):
        return {key: _on_one_line(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_on_one_line(part) for part in value]
    return " ".join(value.split()) if isinstance(value, str) else value
