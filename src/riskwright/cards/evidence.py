"""Numbers on a card and in its texts: which are there, and which texts no number supports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from riskwright.core import Estimate, Finding

from .documents import Document

__all__ = ["digests_of", "estimates_in", "findings_in", "unsupported_figures"]

_NAMES = {"score": ("score", "model"), "data": ("data", "sample", "table")}
_CLAIMS = (
    *("intended_use", "not_for", "purpose", "description", "known_gaps", "choices"),
    *("decision", "population", "answers"),
)
_MEASURE = (
    r"au(?:ro|pr)?c|c-statistic|accuracy|sensitivity|specificity|precision|recall|f1|brier"
    r"|ppv|npv|fpr|fnr|log loss|calibration slope"
)
_SAME = (
    *(("auc", "auroc"), ("c statistic", "auroc"), ("auprc", "average precision")),
    *(("recall", "sensitivity"), ("ppv", "precision")),
    *(("fnr", "miss rate"), ("fpr", "false alarm rate")),
)
_FIGURE = re.compile(
    rf"(?P<percent>\d+(?:[.,]\d+)?)\s?(?:%|per\s?cent\b)"
    rf"|\b(?P<measure>{_MEASURE})\b[^.;,\d]{{0,24}}?(?P<plain>\d*[.,]\d+|\d+)(?!\s?(?:%|per\s?cent))",
    re.IGNORECASE,
)


def findings_in(value: Any, where: str = "") -> Iterator[tuple[str, Finding]]:
    """Every finding on a card, with the path of its field."""
    return _walk(value, where, Finding)


def estimates_in(value: Any, where: str = "") -> Iterator[tuple[str, Estimate]]:
    """Every estimate on a card, those inside of findings too."""
    return _walk(value, where, Estimate)


def _walk(value: Any, where: str, kind: type[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, kind):
        yield where, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _walk(getattr(value, name), f"{where}.{name}".lstrip("."), kind)
    elif isinstance(value, tuple | list):
        for place, part in enumerate(value):
            yield from _walk(part, f"{where}[{place}]", kind)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _walk(part, f"{where}.{key}", kind)


def digests_of(finding: Finding, what: str) -> list[str]:
    """The digests of the "score" or "data" that a finding is about."""
    return [finding.digests[name] for name in _NAMES[what] if name in finding.digests]


def unsupported_figures(card: Document) -> Iterator[tuple[str, str]]:
    """Field and wording of the figures in a card's texts that no estimate on it shows.

    A percentage needs an estimate with that value, end or level among findings, figures and
    counts; a number beside the name of a measure needs an estimate of that measure with that value.
    """
    named = list(_named_estimates(card))
    for field, text in _texts(card):
        for found in _FIGURE.finditer(text):
            percent = found["percent"]
            shown = (percent or found["plain"]).replace(",", ".")
            stated = float(shown) / (100 if percent else 1)
            decimals = len(shown.partition(".")[2]) + (2 if percent else 0)
            near = 0.5000001 * 10.0**-decimals
            measure = None if percent else _measure(found["measure"])
            known = (
                number
                for name, e in named
                if measure is None or measure in name
                for number in ((e.value, e.low, e.high, e.level) if percent else (e.value,))
            )
            if not any(abs(number - stated) <= near for number in known):
                yield field, " ".join(found.group().split())


def _named_estimates(card: Document) -> Iterator[tuple[str, Estimate]]:
    """Names and estimates that a text may speak of: not the rows of a table of totals."""
    for _, finding in findings_in(card):
        if finding.estimate is not None:
            yield _measure(f"{finding.code} {finding.estimate.name}"), finding.estimate
    for where, estimate in estimates_in(card):
        if not where.startswith("card.rows"):
            yield _measure(f"{where} {estimate.name}"), estimate


def _measure(name: str) -> str:
    """A name in which every measure goes by one word."""
    text = " ".join(re.split(r"[^a-z0-9]+", name.casefold()))
    for word, usual in _SAME:
        text = re.sub(rf"\b{word}\b", usual, text)
    return text


def _texts(card: Document) -> Iterator[tuple[str, str]]:
    for name in _CLAIMS:
        value = getattr(card, name, None)
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", text) for key, text in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{name}[{i}]", text) for i, text in enumerate(value))
