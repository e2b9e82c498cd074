"""A data card as Croissant 1.1 JSON-LD, with the vocabulary for responsible AI."""

from __future__ import annotations

import json
import re
from typing import Any

from riskwright.cards.data_card import ColumnProfile, DataCard
from riskwright.cards.outline import number_words, share_words

from .known import NOT_PROVIDED, listed

__all__ = ["croissant"]

_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
    *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
    *("unArchive", "value"),
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]


def croissant(card: DataCard) -> str:
    """The JSON-LD; columns are fields of the first file, or plain variables where none is named."""
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": card.title,
        "description": card.description or NOT_PROVIDED,
        "conformsTo": _CONFORMS,
        "license": card.licence or NOT_PROVIDED,
        "url": card.url or NOT_PROVIDED,
        "creator": {"@type": "sc:Organization", "name": card.owner or NOT_PROVIDED},
    }
    more = {
        "datePublished": card.date,
        "version": card.version,
        "citeAs": card.citation,
        **_responsible(card),
    }
    document |= {name: value for name, value in more.items() if value}
    if card.files:
        document["distribution"] = [_file(card, place) for place in range(len(card.files))]
        document["recordSet"] = [_records(card)]
    else:
        document["variableMeasured"] = [_variable(column) for column in card.columns]
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _responsible(card: DataCard) -> dict[str, Any]:
    """What the vocabulary for responsible AI has a name for."""
    return {
        "rai:dataCollection": listed([*card.sources, card.collection]),
        "rai:dataCollectionTimeframe": card.period,
        "rai:dataAnnotationProtocol": card.annotation,
        "rai:dataPreprocessingProtocol": list(card.choices),
        "rai:dataUseCases": card.intended_use,
        "rai:dataLimitations": [*card.known_gaps, *(f"Not for: {text}" for text in card.not_for)],
        "rai:dataBiases": [
            f"{group.column} {group.group}: {number_words(group.rows)} rows, "
            f"{share_words(group.share)} of all"
            for group in card.groups
        ],
        "rai:personalSensitiveInformation": listed([card.personal_data, card.consent]),
        "rai:dataReleaseMaintenancePlan": card.maintenance,
        "rai:dataImputationProtocol": f"{share_words(card.missing)} of cells are empty.",
    }


def _id(text: str, place: int) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_") or f"part_{place}"


def _file(card: DataCard, place: int) -> dict[str, Any]:
    file = card.files[place]
    found = {
        "@type": "cr:FileObject",
        "@id": _id(file.name, place),
        "name": file.name,
        "contentUrl": file.url,
        "encodingFormat": file.media_type,
    }
    return found | ({"sha256": file.sha256} if file.sha256 else {})


def _records(card: DataCard) -> dict[str, Any]:
    fields = [_field(card, column, place) for place, column in enumerate(card.columns)]
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "description": f"{number_words(card.rows)} rows; digest of the values {card.data_digest}.",
        "field": fields,
    }


def _field(card: DataCard, column: ColumnProfile, place: int) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"rows/{place}_{_id(column.name, place)}",
        "name": column.name,
        "description": _described(column),
        "dataType": "sc:Text" if column.levels or column.minimum is None else "sc:Float",
        "source": {
            "fileObject": {"@id": _id(card.files[0].name, 0)},
            "extract": {"column": column.name},
        },
    }


def _variable(column: ColumnProfile) -> dict[str, Any]:
    return {"@type": "sc:PropertyValue", "name": column.name, "description": _described(column)}


def _described(column: ColumnProfile) -> str:
    unit = f", {column.unit}" if column.unit else ""
    missing = share_words(column.missing)
    return f"{column.label or column.name} ({column.type}{unit}); {missing} missing."
