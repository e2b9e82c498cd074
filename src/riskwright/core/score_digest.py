"""`score_digest`: one text for what a score computes, whatever its card is called."""

from __future__ import annotations

from typing import Any

import msgspec

from .artifacts import content_hash
from .exceptions import ParameterError
from .score_card import ScoreCard

__all__ = ["score_digest"]


def score_digest(score: Any) -> str:
    """`sha256:` and 64 hexadecimal digits over all that decides which score a person gets.

    Parameters
    ----------
    score : ScoreCard, or a model with one as `card_`: items, points, slope, intercept, threshold
        count; title, texts, figures and proof do not. A pipeline: its card likewise,
        and its calibrator and rule. Another object that `save` takes: all that would be saved. A
        text: a digest already, given back as it is.

    Raises
    ------
    ParameterError : for anything else.
    """
    if isinstance(score, str):
        return score
    card = score if isinstance(score, ScoreCard) else getattr(score, "card_", None)
    if isinstance(card, ScoreCard):
        return "sha256:" + content_hash(_computes(card))
    if not hasattr(score, "to_artifact"):
        raise ParameterError(
            "this score has no digest",
            where="score",
            expected="a card, a fitted model of riskwright, or a digest as text",
            got=type(score).__name__,
            hint="For a score of another kind, give a text that names its version",
        )
    kind, body = score.to_artifact()
    held = getattr(score, "card", None)
    if isinstance(held, ScoreCard):
        if not any(body.get(part) for part in ("calibrator", "rule")):
            return score_digest(held)
        body = {**body, "card": _computes(held), "digests": None}
    return "sha256:" + content_hash([kind, body])


def _computes(card: ScoreCard) -> list[Any]:
    terms = [
        [msgspec.to_builtins(msgspec.structs.replace(term.item, label="")), term.points]
        for term in card.terms
    ]
    return [card.score_class, terms, card.slope, card.intercept, card.threshold]
