"""`next_tokens_of`: what a model would write after any beginning of its answer, by prefilling."""

from __future__ import annotations

import math

import msgspec

from riskwright.core import ParameterError
from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion
from riskwright.language_models.requests import ChatRequest, CompletionRequest, Request

from .endpoint_scorer import Complete
from .marginals import NextToken, Step
from .tokens import is_end, listed

__all__ = ["next_tokens_of"]


def next_tokens_of(
    endpoint: Endpoint, request: Request, *, complete: Complete | None = None, top: int = 20
) -> NextToken:
    """A source for `marginal_at_any_place`: one call of one token for every beginning.

    Parameters
    ----------
    endpoint, request : where, and the request whose answers are followed: a chat, whose answer is
        prefilled (vLLM continues it; other servers may not), or a raw prompt, which is extended.
    top : tokens asked for at each place.

    Notes
    -----
    The beginning is sent as text, so the server may cut it into other tokens than those that were
    listed; the estimate is then one for the text. Where a call fails or gives no
    log-probabilities, nothing is known, and the bracket stays wide: so with servers that list no
    token for an end of the answer that they choose (llama-cpp-python).
    """
    if not isinstance(request, ChatRequest | CompletionRequest):
        raise ParameterError("not a request that is answered in words", where="request")

    def following(prefix: tuple[str, ...]) -> Step | None:
        text = "".join(prefix)
        fields = {"max_tokens": 1, "temperature": 0.0, "n": 1, "top_logprobs": top}
        if isinstance(request, ChatRequest):
            asked: Request = msgspec.structs.replace(request, prefill=text, **fields)
        else:
            asked = msgspec.structs.replace(request, prompt=request.prompt + text, **fields)
        (answer,) = _send(endpoint, asked, complete)
        if not isinstance(answer, Completion) or not answer.tokens:
            return None
        found = listed(answer.tokens[0])
        ending = math.fsum(p for spelling, p in found.items() if is_end(spelling))
        tokens = {spelling: p for spelling, p in found.items() if not is_end(spelling)}
        return Step(tokens={**tokens, "": ending} if ending else tokens) if found else None

    return following


def _send(endpoint: Endpoint, request: Request, complete: Complete | None) -> list[object]:
    if complete is not None:
        return list(complete(endpoint, [request]))
    from riskwright.language_models.bulk import complete_many

    return list(complete_many(endpoint, [request]))
