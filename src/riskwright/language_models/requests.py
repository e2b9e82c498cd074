"""What is asked of an endpoint: a chat, a raw prompt to be continued, texts to be moderated.

Their `repr` never shows a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from riskwright.core import ParameterError

from .replies import Quiet

__all__ = ["ChatRequest", "CompletionRequest", "ModerationRequest", "Request", "encoded"]

MAX_TOP_LOGPROBS = 20
_RESERVED = {"stream", "stream_options"}


class _Generation(Quiet, frozen=True, kw_only=True):
    """What chats and raw prompts share."""

    model: str = ""
    max_tokens: int | None = None
    temperature: float | None = 0.0
    top_logprobs: int | None = None
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        _within("max_tokens", self.max_tokens, 0)
        _within("n", self.n, 1)
        _within("top_logprobs", self.top_logprobs, 0, MAX_TOP_LOGPROBS)
        if self.temperature is not None and not 0 <= self.temperature <= 10:
            raise ParameterError(
                "value out of range", where="temperature", expected="0 to 10 or None"
            )
        _checked_extra(self.extra, _GENERATED)

    def _common(self, model: str) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model or model} if self.model or model else {}
        for name in ("max_tokens", "temperature", "seed"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        if self.n != 1:
            body["n"] = self.n
        if self.stop:
            body["stop"] = self.stop
        return body

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "model", self.model
        yield "max_tokens", self.max_tokens


class ChatRequest(_Generation, frozen=True, kw_only=True):
    """A request to `/chat/completions`.

    Parameters
    ----------
    messages : {"role": ..., "content": ...}, the oldest first; sent as they are.
    prefill : the beginning of the reply, which the model is to continue. It is sent as a last
        message of the assistant, with the fields by which vLLM continues it
        (`continue_final_message`, `add_generation_prompt`). The reply holds only what follows.
    model : in place of the endpoint's.
    max_tokens : left out if None. For servers that want another name: None, and the name in
        `extra`.
    temperature : left out if None.
    top_logprobs : how many alternatives to give for each token, at most 20 and at most what the
        endpoint says it can; None asks for no log-probabilities.
    n : number of samples.
    seed, stop : left out if None or empty.
    extra : further fields of the body, such as those of one server alone.

    Raises
    ------
    ParameterError : a value is out of range, or `extra` holds a field that has its own parameter.

    Examples
    --------
    >>> request = ChatRequest(messages=({"role": "user", "content": "Hello"},), max_tokens=1)
    >>> request
    ChatRequest(model='', max_tokens=1, messages=1)
    >>> request.body("guard")["temperature"]
    0.0
    """

    path: ClassVar[str] = "chat/completions"

    messages: tuple[dict[str, Any], ...]
    prefill: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.messages:
            raise ParameterError("no messages", where="messages", expected="at least one")
        for number, message in enumerate(self.messages):
            if not (isinstance(message, Mapping) and isinstance(message.get("role"), str)):
                raise ParameterError(
                    "not a message",
                    where=f"messages[{number}]",
                    expected="a mapping with role and content",
                )

    def body(self, model: str = "", top_logprobs: int = MAX_TOP_LOGPROBS) -> dict[str, Any]:
        """What is sent, for an endpoint with this model and this many alternatives at most."""
        body = self._common(model)
        messages = list(self.messages)
        if self.prefill:
            messages.append({"role": "assistant", "content": self.prefill})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if self.top_logprobs is not None and top_logprobs > 0:
            body |= {"logprobs": True, "top_logprobs": min(self.top_logprobs, top_logprobs)}
        return {**body, "messages": messages, **self.extra}

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield from super()._told()
        yield "messages", len(self.messages)


class CompletionRequest(_Generation, frozen=True, kw_only=True):
    """A request to `/completions`: a raw prompt, without a chat template.

    Parameters
    ----------
    prompt : sent as it is.
    echo : whether the prompt comes back before what follows. With `max_tokens=0` and
        `top_logprobs` this gives the log-probabilities of a fixed text.

    The others are those of `ChatRequest`.
    """

    path: ClassVar[str] = "completions"

    prompt: str
    echo: bool = False

    def body(self, model: str = "", top_logprobs: int = MAX_TOP_LOGPROBS) -> dict[str, Any]:
        """What is sent, for an endpoint with this model and this many alternatives at most."""
        body = self._common(model) | {"prompt": self.prompt}
        if self.echo:
            body["echo"] = True
        if self.top_logprobs is not None and top_logprobs > 0:
            body["logprobs"] = min(self.top_logprobs, top_logprobs)
        return body | self.extra


class ModerationRequest(Quiet, frozen=True, kw_only=True):
    """A request to `/moderations`.

    Parameters
    ----------
    input : a text, several texts (one result each), or parts such as {"type": "text", ...} (one
        result for all of them).
    model : in place of the endpoint's.
    extra : further fields of the body.
    """

    path: ClassVar[str] = "moderations"

    input: str | tuple[str, ...] | tuple[dict[str, Any], ...]
    model: str = ""
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not self.input and self.input != "":
            raise ParameterError("no texts", where="input", expected="at least one")
        _checked_extra(self.extra, {"input", "model"})

    def body(self, model: str = "", top_logprobs: int = MAX_TOP_LOGPROBS) -> dict[str, Any]:
        """What is sent, for an endpoint with this model."""
        named = {"model": self.model or model} if self.model or model else {}
        return {**named, "input": self.input, **self.extra}

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "model", self.model


Request = ChatRequest | CompletionRequest | ModerationRequest
_GENERATED = {*_Generation.__struct_fields__, "messages", "prompt", "echo", "logprobs"} - {"extra"}


def encoded(body: dict[str, Any]) -> bytes:
    """A body as JSON; equal bodies give equal bytes."""
    return msgspec.json.encode(body, order="deterministic")


def _within(name: str, value: int | None, low: int, high: int | None = None) -> None:
    if value is None:
        return
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ParameterError("value out of range", where=name, expected=limits, got=str(value))


def _checked_extra(extra: dict[str, Any], known: set[str]) -> None:
    if clash := sorted(set(extra) & (known | _RESERVED)):
        raise ParameterError(
            "field that has its own parameter, or that is not for the caller",
            where=f"extra[{clash[0]!r}]",
            expected="fields that only some servers know",
        )
