"""Bodies of replies, as the many servers write them, to the records of `replies`.

Unknown fields are ignored. Messages of failures name places and types, never values: servers like
to quote the request in their errors.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from .replies import Completion, Failure, Moderation, Sample, Token

__all__ = ["Chunk", "ChunkChoice", "error_code", "parsed", "parsed_chunk", "tokens_of"]

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLACE = re.compile(r" - at `(\$[A-Za-z0-9_.\[\]]*)`$")


class _Top(msgspec.Struct):
    token: str
    logprob: float | None = None


class _Token(msgspec.Struct):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[_Top] | None = None


class _Logprobs(msgspec.Struct):
    """`content` in chats; the other three in `/completions` of OpenAI and vLLM."""

    content: list[_Token] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    index: int | None = 0
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Result(msgspec.Struct):
    flagged: bool
    categories: dict[str, bool | None] = {}
    category_scores: dict[str, float | None] = {}


class _Results(msgspec.Struct):
    results: list[_Result] = []


class _Sides(msgspec.Struct):
    """The field `moderation` of a chat completion."""

    input: _Results | None = None
    output: _Results | None = None


class _Reply(msgspec.Struct):
    choices: list[_Choice] | None = None
    results: list[_Result] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None
    object: str | None = None
    moderation: _Sides | None = None


class ChunkChoice(msgspec.Struct):
    """A choice of a chunk; `/completions` streams `text` in place of a delta."""

    index: int | None = 0
    delta: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @property
    def written(self) -> str:
        return self.text or _text(self.delta)


class Chunk(msgspec.Struct):
    """One event of a streamed reply."""

    choices: list[ChunkChoice] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None
    moderation: _Sides | None = None


_REPLY = msgspec.json.Decoder(_Reply)
_CHUNK = msgspec.json.Decoder(Chunk)
_ANY = msgspec.json.Decoder()


def parsed(body: bytes, content_type: str = "") -> Completion | Failure:
    """The reply in a body that came with status 200. Invalid UTF-8 becomes U+FFFD."""
    reply = _decoded(_REPLY, body, content_type)
    if isinstance(reply, Failure):
        return reply
    if reply.error is not None or reply.object == "error":
        return _error("an error in a reply", body)
    if reply.results is not None:
        return Completion(
            model=reply.model or "", moderation=_moderations(reply.results), **_usage(reply.usage)
        )
    if not reply.choices:
        return Failure(kind="malformed", status=200, message="the reply has no choices")
    if any(c.message is None and c.text is None for c in reply.choices):
        return Failure(
            kind="malformed", status=200, message="a choice has neither message nor text"
        )
    first, *further = (_sample(c) for c in sorted(reply.choices, key=lambda c: c.index or 0))
    return Completion(
        text=first.text,
        tokens=first.tokens,
        finish_reason=first.finish_reason,
        refusal=first.refusal,
        further=tuple(further),
        model=reply.model or "",
        moderation=moderation_of(reply.moderation),
        **_usage(reply.usage),
    )


def parsed_chunk(data: bytes) -> Chunk | Failure:
    """One event of a stream."""
    chunk: Chunk | Failure = _decoded(_CHUNK, data, "")
    if isinstance(chunk, Chunk) and chunk.error is not None:
        return _error("an error in a stream", data)
    return chunk


def error_code(body: bytes) -> str:
    """The code or type in the body of an error, where it looks like a name; else nothing."""
    try:
        found = _ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    for name in ("code", "type"):
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(value, str | int) and _CODE.fullmatch(str(value)):
            return str(value)
    return ""


def tokens_of(logprobs: _Logprobs | None) -> tuple[Token, ...] | None:
    """Tokens in either form; None where there are none."""
    if logprobs is None:
        return None
    if logprobs.content is not None:
        return tuple(_token(t) for t in logprobs.content)
    if logprobs.tokens is None:
        return None
    n = len(logprobs.tokens)
    values = logprobs.token_logprobs or [None] * n
    tops = logprobs.top_logprobs or [None] * n
    return tuple(
        Token(text=text, logprob=_number(value), top=_ranked((top or {}).items()))
        for text, value, top in zip(logprobs.tokens, values, tops, strict=False)
    )


def moderation_of(sides: _Sides | None) -> tuple[Moderation, ...]:
    """Results for the input and then those for the output, in one row."""
    if sides is None:
        return ()
    both = [side.results for side in (sides.input, sides.output) if side is not None]
    return tuple(m for results in both for m in _moderations(results))


def _decoded(decoder: Any, body: bytes, content_type: str) -> Any:
    try:
        return decoder.decode(body)
    except UnicodeDecodeError:
        return _decoded(decoder, body.decode("utf-8", "replace").encode(), content_type)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        where = f" at {place[1]}" if place else ""
        message = f"the reply is not of the known form{where}"
        return Failure(kind="malformed", status=200, message=message)
    except RecursionError:
        return Failure(kind="malformed", status=200, message="the reply is nested too deeply")
    except msgspec.DecodeError as error:
        if not body.strip():
            return Failure(kind="truncated", status=200, message="the reply is empty")
        if "truncated" in str(error):
            return Failure(kind="truncated", status=200, message="the reply breaks off")
        kind = re.match(r"[a-z]+/[a-z.+-]+", content_type)
        told = f" but {kind[0]}" if kind and "json" not in kind[0] else ""
        return Failure(kind="malformed", status=200, message=f"the reply is not JSON{told}")


def _error(message: str, body: bytes) -> Failure:
    """An error under status 200; its code stands for the status where it is one."""
    code = error_code(body)
    status = int(code) if re.fullmatch("[45][0-9][0-9]", code) else 200
    told = f"{message} ({code})" if code else message
    return Failure(kind="http", status=status, message=told, code=code)


def _sample(choice: _Choice) -> Sample:
    message = choice.message
    return Sample(
        text=_text(message) if choice.text is None else choice.text,
        tokens=tokens_of(choice.logprobs),
        finish_reason=choice.finish_reason or "",
        refusal=message.refusal if message else None,
    )


def _text(message: _Message | None) -> str:
    if message is None or message.content is None:
        return ""
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text or "" for part in message.content)


def _token(token: _Token) -> Token:
    data = token.bytes
    valid = data is not None and all(0 <= b < 256 for b in data)
    return Token(
        text=token.token,
        logprob=_number(token.logprob),
        top=_ranked((t.token, t.logprob) for t in token.top_logprobs or ()),
        bytes=bytes(data) if data is not None and valid else None,
    )


def _ranked(pairs: Any) -> tuple[tuple[str, float], ...]:
    known = [(text, value) for text, value in pairs if value is not None]
    known.sort(key=lambda pair: -pair[1])
    return tuple(known)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _usage(usage: _Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}


def _moderations(results: list[_Result]) -> tuple[Moderation, ...]:
    return tuple(
        Moderation(
            flagged=r.flagged,
            categories=r.categories,
            scores={name: v for name, v in r.category_scores.items() if v is not None},
        )
        for r in results
    )
