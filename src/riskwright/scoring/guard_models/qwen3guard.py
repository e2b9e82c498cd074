"""`Qwen3Guard`: safe, controversial or unsafe, with categories and, for replies, refusal."""

from __future__ import annotations

import math
from functools import cache
from typing import ClassVar

from riskwright.core import ParameterError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.replies import Completion, Token
from riskwright.language_models.requests import ChatRequest, Request

from .adapters import Adapter, Unreadable
from .answers import answer_of, fields_of, said
from .marginals import AnswerLabels, marginal_at_any_place, recorded
from .prompts import chat_of, published
from .tokens import first_word, share

__all__ = ["Qwen3Guard"]

_LEVELS = ("Safe", "Controversial", "Unsafe")
_REFUSAL = {"yes": 1.0, "no": 0.0}


class Qwen3Guard(Adapter, frozen=True, kw_only=True):
    """Qwen3Guard-Gen: three levels, nine categories, and whether a reply refuses.

    Parameters
    ----------
    controversial : the severity of an answer Controversial, between those of Safe (0) and
        Unsafe (1).

    Notes
    -----
    With log-probabilities the severity is P(Unsafe) + `controversial` · P(Controversial) among the
    three, a graded severity; with u unknown it lies between that of all u safe and all u unsafe.
    The probabilities of both levels and of a refusal stand in `values`. The server's chat template
    builds the prompt.
    """

    family: ClassVar[str] = "qwen3guard"

    controversial: float = 0.5
    top_logprobs: int | None = 20
    max_tokens: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.controversial <= 1:
            raise ParameterError(
                "value out of range", where="controversial", expected="between 0 and 1"
            )

    def _trained_on(self) -> str:
        return "qwen3guard"

    def requests(self, exchange: Exchange) -> list[Request]:
        """One request."""
        return [
            ChatRequest(
                messages=chat_of(exchange),
                max_tokens=self.max_tokens,
                top_logprobs=self.top_logprobs,
            )
        ]

    def _read(self, exchange: Exchange, answers: list[Completion]) -> Score:
        text, tokens = answer_of(answers[0])
        fields = fields_of(text)
        level = {name.casefold(): name for name in _LEVELS}.get(fields.get("safety", "").casefold())
        if level is None or not text.casefold().startswith("safety"):
            raise Unreadable("the first line is not Safety and one of the three levels")
        given = {part.strip().casefold() for part in fields.get("categories", "").split(",")}
        given -= {"", "none"}
        if level == "Safe" and given:
            raise Unreadable("the safe verdict is followed by categories")
        names = {category.name.casefold(): category.code for category in published(self.taxonomy)}
        unknown = len(given - set(names))
        severity, bounds, levels = self._severity(tokens, level)
        hazards, brackets = _hazards(tokens if bounds else None, names, given)
        values = dict(levels)
        if (refusal := fields.get("refusal", "").casefold()) in _REFUSAL:
            values["refusal"] = _refusal(tokens, refusal)
        return Score(
            severity=severity,
            meaning="severity",
            taxonomy=self.taxonomy,
            hazards=hazards if given or level == "Safe" or bounds else {},
            bounds={**brackets, **bounds},
            values={self.name: values},
            reason=f"{unknown} of the categories are not in the taxonomy" if unknown else "",
        )

    def _severity(
        self, tokens: tuple[Token, ...] | None, level: str
    ) -> tuple[float, dict[str, tuple[float, float]], dict[str, float]]:
        weights = {"Safe": 0.0, "Controversial": self.controversial, "Unsafe": 1.0}
        mass = first_word(tokens, _LEVELS, after="safety:") if tokens else None
        total = math.fsum(mass.mass.values()) if mass else 0.0
        if mass is None or total <= 0 or mass.written != level:
            return weights[level], {}, {}
        graded = math.fsum(weights[name] * p for name, p in mass.mass.items())
        whole = total + mass.unknown
        if graded / total < {"Safe": 0.0, "Unsafe": 0.5}.get(level, self.controversial / 2):
            raise Unreadable("the verdict and its probabilities contradict each other")
        bracket = (graded / whole, min(1.0, (graded + mass.unknown) / whole))
        levels = {name.casefold(): mass.mass[name] / total for name in _LEVELS[1:]}
        return graded / total, {"any": bracket}, levels


def _hazards(
    tokens: tuple[Token, ...] | None, names: dict[str, str], given: set[str]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    if tokens is None:
        return {code: float(name in given) for name, code in names.items()}, {}
    found = marginal_at_any_place(recorded(tokens), _labels(tuple(names)), budget=len(tokens) + 1)
    hazards = {names[name]: value for name, value in found.values.items()}
    return hazards, {names[name]: pair for name, pair in found.bounds.items()}


@cache
def _labels(names: tuple[str, ...]) -> AnswerLabels:
    return AnswerLabels(names, verdict="", heading="categories:")


def _refusal(tokens: tuple[Token, ...] | None, word: str) -> float:
    mass = first_word(tokens, ("yes", "no"), after="refusal:") if tokens else None
    found = share(mass, ["yes"]) if mass else None
    return found[0] if found else (said(word == "yes", None).severity or 0.0)
