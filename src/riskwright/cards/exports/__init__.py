"""Documents in the forms that others ask for; what is not known is said to be missing.

A form is a list of headings in our own words with what the cards say below each; a heading that no
card answers says "Not provided" and is listed at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from riskwright.cards.data_card import DataCard
from riskwright.cards.deployment_card import DeploymentCard
from riskwright.cards.documents import Document
from riskwright.cards.score_card_sheet import ScoreCardSheet
from riskwright.core import ParameterError

from .annex_iv import annex_iv
from .chai import chai
from .croissant import croissant
from .hti1 import hti1
from .huggingface import huggingface_dataset, huggingface_model
from .known import Known

__all__ = ["EXPORT_FORMATS", "ExportFormat", "export"]

ExportFormat = Literal["huggingface", "croissant", "chai", "annex-iv", "hti1"]
EXPORT_FORMATS: tuple[str, ...] = get_args(ExportFormat)

_OF_SCORES: dict[str, Callable[[Known], str]] = {
    "huggingface": huggingface_model,
    "chai": chai,
    "annex-iv": annex_iv,
    "hti1": hti1,
}
_OF_DATA: dict[str, Callable[[DataCard], str]] = {
    "huggingface": huggingface_dataset,
    "croissant": croissant,
}


def export(
    card: Document,
    format: ExportFormat,
    *,
    data: DataCard | None = None,
    deployment: DeploymentCard | None = None,
) -> str:
    """A document in a form that others ask for.

    Parameters
    ----------
    card : ScoreCardSheet ("huggingface", "chai", "annex-iv", "hti1") or DataCard ("huggingface",
        "croissant").
    format : "huggingface" is a README with a YAML head; "croissant" JSON-LD, Croissant 1.1 with
        its vocabulary for responsible AI 1.0; "chai" the XML of an applied model card, schema 0.2;
        "annex-iv" Markdown by the headings of Annex IV of the EU AI Act (Regulation 2024/1689);
        "hti1" Markdown by the 31 source attributes of ONC's HTI-1 rule (45 CFR
        170.315(b)(11)(iv)(B)).
    data, deployment : cards of the training data and of the use, which answer more headings.

    Raises
    ------
    ParameterError : an unknown format, or one that this card does not have.

    Notes
    -----
    A form that is filled in is no statement that the law is kept. Headings are named as short
    descriptions of our own; the legal texts are what counts.
    """
    if format not in EXPORT_FORMATS:
        raise ParameterError(
            "unknown format", where="format", expected=", ".join(EXPORT_FORMATS), got=repr(format)
        )
    if isinstance(card, ScoreCardSheet) and format in _OF_SCORES:
        return _OF_SCORES[format](Known(card, data, deployment))
    if isinstance(card, DataCard) and format in _OF_DATA:
        return _OF_DATA[format](card)
    forms: Any = {ScoreCardSheet: _OF_SCORES, DataCard: _OF_DATA}.get(type(card), {})
    raise ParameterError(
        f"a {type(card).__name__} cannot be exported as {format}",
        where="export(card, format)",
        expected="one of " + ", ".join(forms) if forms else "a ScoreCardSheet or a DataCard",
    )
