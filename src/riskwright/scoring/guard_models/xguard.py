"""`XGuard`: YuFeng-XGuard, whose first token is the code of a category."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

from riskwright.core import ParameterError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.replies import Completion
from riskwright.language_models.requests import ChatRequest, Request

from .adapters import Adapter, Unreadable
from .answers import answer_of
from .prompts import chat_of, published
from .tokens import first_word, share

__all__ = ["XGuard"]

SAFE = "sec"
_EXPLANATION = re.compile(r"<explanation>(.{0,4000}?)(?:</explanation>|$)", re.DOTALL)


class XGuard(Adapter, frozen=True, kw_only=True):
    """YuFeng-XGuard: the probability of each of 28 categories from one token.

    Parameters
    ----------
    reason : whether the model also writes why, which then stands in `Score.reason`; the verdict
        comes first all the same. It may quote the exchange.
    policy : the text of a policy for the 8B model, which narrows, widens or adds categories.
    added : codes that the policy adds (single letters).

    Notes
    -----
    The severity is 1 less the share of the code for safe among all codes that are listed (the top
    10 as published; as many as the server gives up to `top_logprobs`), in the bracket that the
    unlisted tokens leave; a hazard's value is the share of its code. Without log-probabilities
    the severity is 0 or 1.
    """

    family: ClassVar[str] = "xguard"

    reason: bool = False
    policy: str = ""
    added: tuple[str, ...] = ()
    top_logprobs: int | None = 10
    max_tokens: int = 200

    def __post_init__(self) -> None:
        wrong = [code for code in self.added if not code.isalnum() or code in (*_codes(), SAFE)]
        if wrong or len(set(self.added)) < len(self.added):
            raise ParameterError(
                "a code that is not new, or not of letters and digits", where="added"
            )

    def _trained_on(self) -> str:
        return "yufeng_xguard"

    def requests(self, exchange: Exchange) -> list[Request]:
        """One request: of one token, or with the written reason."""
        arguments: dict[str, Any] = {"reason_first": False}
        if self.policy:
            arguments["policy"] = self.policy
        return [
            ChatRequest(
                messages=chat_of(exchange),
                max_tokens=self.max_tokens if self.reason else 1,
                top_logprobs=self.top_logprobs,
                extra={"chat_template_kwargs": arguments},
            )
        ]

    def _read(self, exchange: Exchange, answers: list[Completion]) -> Score:
        text, tokens = answer_of(answers[0])
        codes = (*_codes(), *self.added)
        first, _, rest = text.partition("\n")
        verdict = first.partition("<explanation>")[0].strip().casefold()
        if verdict not in (*codes, SAFE):
            raise Unreadable("the first word is not the code of a category")
        if not self.reason and rest.strip():
            raise Unreadable("more than the code of a category")
        written = _EXPLANATION.search(text) if self.reason else None
        why = written[1].strip() if written else ""
        mass = first_word(tokens, (*codes, SAFE), whole=True) if tokens else None
        found = share(mass, codes) if mass and mass.written == verdict else None
        if mass is None or found is None:
            return Score(
                severity=float(verdict != SAFE),
                meaning="rank",
                taxonomy=self.taxonomy,
                hazards={code: float(code == verdict) for code in codes},
                reason=why,
            )
        if verdict != SAFE and found[0] < 0.5:
            raise Unreadable("the verdict and its probabilities contradict each other")
        total = math.fsum(mass.mass.values())
        whole = total + mass.unknown
        brackets = {
            code: (mass.mass[code] / whole, min(1.0, (mass.mass[code] + mass.unknown) / whole))
            for code in codes
        }
        return Score(
            severity=found[0],
            meaning="probability",
            taxonomy=self.taxonomy,
            hazards={code: mass.mass[code] / total for code in codes},
            bounds={**brackets, "any": found[1]},
            reason=why,
        )


def _codes() -> tuple[str, ...]:
    return tuple(category.code for category in published("yufeng_xguard"))
