"""`Endpoint`: where a model is served, how it may be asked, and what that may cost."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from riskwright.core import ParameterError

from .replies import Quiet
from .requests import MAX_TOP_LOGPROBS

__all__ = ["Endpoint"]

MAX_CONCURRENCY = 4096
_SECRET = re.compile(r"(?i)auth|cookie|key|token|secret|password|^sig")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CALLS = ("/chat/completions", "/completions", "/moderations")


class Endpoint(Quiet, frozen=True, kw_only=True):
    """An OpenAI-compatible server.

    Parameters
    ----------
    url : up to and with the version, such as "https://host/v1"; http or https.
    model : sent with every request that names none.
    api_key_env : name of the environment variable that holds the key; it is read when a run
        begins, and is held nowhere else. Empty: no key is sent.
    key_header : the header for the key. In "Authorization" it follows the word Bearer.
    plain_key : whether the key may be sent without TLS to another machine.
    headers : sent with every request; none that would hold a secret.
    timeout_s : for one attempt as a whole (a stream: none as a whole).
    connect_timeout_s : for the connection, with name look-up and TLS.
    idle_timeout_s : for the first byte, and between any two reads.
    max_retries : attempts after the first one. What is retried: no connection, timeouts, replies
        that broke off, and the statuses 408, 409, 425, 429 and 500 to 599. A server that has
        never answered is given two attempts to end a call in time.
    longest_wait_s : no wait between two attempts is longer, whatever the server asks for.
    concurrency : calls in flight at most. It is halved when the server answers 429, 503 or 529,
        and grows again by one per round of successes.
    requests_per_second : at most; None for no limit.
    max_calls, max_tokens, max_cost : budgets of one run. No attempt is made that would pass the
        first. The others count what the server reports (where it reports nothing, the bytes sent
        and received, of which there are more than tokens), and calls in flight at the price of
        the dearest one so far: they are passed by less than one call, unless a later call is
        dearer than all before it.
    prompt_price, completion_price : of a million tokens, in the unit of `max_cost`.
    top_logprobs : the most alternatives that this server gives; requests for more get so many.
        0 where it gives no log-probabilities; then none are asked for.
    journal : file in which finished calls are kept, so that no later run repeats them. It holds
        the replies and digests of the requests, never a request.
    max_bytes : of one reply, after decompression.
    trust_env : whether HTTP_PROXY, HTTPS_PROXY and NO_PROXY are heeded.

    Raises
    ------
    ParameterError : a value is not allowed.

    Examples
    --------
    >>> Endpoint(url="http://localhost:8000/v1", model="guard", concurrency=8)
    Endpoint(url='http://localhost:8000/v1', model='guard')
    """

    url: str
    model: str = ""
    api_key_env: str = ""
    key_header: str = "Authorization"
    plain_key: bool = False
    headers: dict[str, str] = {}
    timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    max_retries: int = 4
    longest_wait_s: float = 60.0
    concurrency: int = 64
    requests_per_second: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0
    top_logprobs: int = MAX_TOP_LOGPROBS
    journal: str | None = None
    max_bytes: int = 16 * 2**20
    trust_env: bool = False

    def __post_init__(self) -> None:
        _check_url(self.url)
        for name in ("timeout_s", "connect_timeout_s", "idle_timeout_s", "requests_per_second"):
            _check_number(name, getattr(self, name), positive=True)
        for name in ("longest_wait_s", "max_cost", "prompt_price", "completion_price"):
            _check_number(name, getattr(self, name))
        for name, low, high in (
            ("max_retries", 0, 100),
            ("concurrency", 1, MAX_CONCURRENCY),
            ("max_calls", 0, None),
            ("max_tokens", 0, None),
            ("top_logprobs", 0, MAX_TOP_LOGPROBS),
            ("max_bytes", 1, None),
        ):
            _check_count(name, getattr(self, name), low, high)
        if self.max_cost is not None and not (self.prompt_price or self.completion_price):
            raise ParameterError("a budget without prices", where="max_cost", expected="prices")
        _check_headers(self.headers, self.key_header)

    def call_url(self, path: str) -> str:
        """The address of a call such as "chat/completions"."""
        parts = urlsplit(self.url)
        return parts._replace(path=f"{parts.path.rstrip('/')}/{path}").geturl()

    def secret_headers(self) -> dict[str, str]:
        """The header with the key, read from the environment now.

        Raises
        ------
        ParameterError : the variable is unset or not fit for a header, or the key would be sent
            without TLS to another machine.
        """
        if not self.api_key_env:
            return {}
        key = os.environ.get(self.api_key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise ParameterError(
                "no key in the environment" if not key else "not a key",
                where=f"api_key_env={self.api_key_env!r}",
                expected="a variable that holds printable ASCII characters",
                hint="Set the variable, or leave api_key_env empty where no key is needed",
            )
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not self.plain_key and not _is_here(parts.hostname or ""):
            raise ParameterError(
                "the key would be sent without TLS",
                where="url",
                expected="https",
                hint="Use https; plain_key=True sends it nevertheless",
            )
        bearer = self.key_header.lower() == "authorization"
        return {self.key_header: f"Bearer {key}" if bearer else key}

    def _told(self) -> Iterator[tuple[str, Any]]:
        yield "url", urlsplit(self.url)._replace(query="").geturl()
        yield "model", self.model


def _check_url(url: str) -> None:
    expected = "http://… or https://…, up to and with the version"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except (ValueError, AttributeError, TypeError):
        raise ParameterError("not an address", where="url", expected=expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ParameterError("not an address of a server", where="url", expected=expected)
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ParameterError("characters that no address has", where="url", expected=expected)
    if parts.username is not None or parts.password is not None:
        raise ParameterError(
            "a secret in the address",
            where="url",
            expected=expected,
            hint="Put the key into an environment variable, and its name into api_key_env",
        )
    if any(_SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ParameterError(
            "a secret in the address",
            where="url",
            hint="Name the variable in api_key_env and the header in key_header",
        )
    if parts.fragment or (call := parts.path.rstrip("/")).endswith(_CALLS):
        found = "a fragment" if parts.fragment else f"…{call[call.rfind('/v') :]}"
        raise ParameterError("not the base of the calls", where="url", expected=expected, got=found)


def _check_number(name: str, value: float | None, *, positive: bool = False) -> None:
    if value is None:
        return
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        expected = "a positive number" if positive else "a number that is not negative"
        raise ParameterError("value out of range", where=name, expected=expected, got=str(value))


def _check_count(name: str, value: int | None, low: int, high: int | None) -> None:
    if value is None:
        return
    if int(value) != value or value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"{low} to {high}"
        raise ParameterError(
            "value out of range", where=name, expected=f"a whole number, {limits}", got=str(value)
        )


def _check_headers(headers: dict[str, str], key_header: str) -> None:
    for name, value in {**headers, key_header: ""}.items():
        if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not _is_line(value):
            raise ParameterError(
                "not a header", where="headers", expected="name and value in ASCII"
            )
    for name in headers:
        if _SECRET.search(name):
            raise ParameterError(
                "a header that would hold a secret",
                where=f"headers[{name!r}]",
                hint="Name the variable in api_key_env and the header in key_header",
            )


def _is_line(value: str) -> bool:
    return value.isprintable() or not value


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
