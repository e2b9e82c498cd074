"""HTTP by aiohttp, which only this module imports."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from riskwright._version import __version__

from .endpoints import Endpoint
from .event_streams import TooLarge
from .pacing import retry_after
from .parsing import error_code, parsed
from .replies import Completion, Failure

__all__ = ["events", "open_session", "post"]

_MAX_REDIRECTS = 3
_MAX_ERROR_BYTES = 2**16
_LARGE = 2**20  # above which aiohttp wants a file
Session = aiohttp.ClientSession


def open_session(endpoint: Endpoint) -> Session:
    """Connections that are used again; without cookies; secrets are read from the environment."""
    return Session(
        headers={
            "User-Agent": f"riskwright/{__version__}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            **endpoint.headers,
            **endpoint.secret_headers(),
        },
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=endpoint.trust_env,
        auto_decompress=True,
    )


async def post(
    session: Session, endpoint: Endpoint, url: str, body: bytes
) -> tuple[Completion | Failure, float]:
    """One attempt, and its milliseconds. Nothing but a cancellation is raised."""
    begin = time.perf_counter()
    answer: Completion | Failure
    try:
        async with _sent(session, endpoint, url, body, endpoint.timeout_s) as response:
            if isinstance(response, Failure):
                answer = response
            else:
                data = await _read(response, endpoint.max_bytes)
                answer = parsed(data, response.headers.get("Content-Type", ""))
    except Exception as error:
        answer = _failure(error)
    return answer, 1000.0 * (time.perf_counter() - begin)


async def events(
    session: Session, endpoint: Endpoint, url: str, body: bytes
) -> AsyncIterator[bytes | Failure]:
    """Pieces of a streamed body as they come; a failure is the last of them."""
    try:
        async with _sent(session, endpoint, url, body, None) as response:
            if isinstance(response, Failure):
                yield response
                return
            async for piece in response.content.iter_any():
                yield piece
    except Exception as error:
        yield _failure(error)


@asynccontextmanager
async def _sent(
    session: Session, endpoint: Endpoint, url: str, body: bytes, total: float | None
) -> AsyncIterator[Any]:
    """The response with a status of success, after redirects within the server; else a failure."""
    timeout = aiohttp.ClientTimeout(
        total=total,
        connect=endpoint.connect_timeout_s,
        sock_connect=endpoint.connect_timeout_s,
        sock_read=endpoint.idle_timeout_s,
    )
    for _ in range(_MAX_REDIRECTS + 1):
        data = body if len(body) <= _LARGE else io.BytesIO(body)
        async with session.post(url, data=data, timeout=timeout, allow_redirects=False) as response:
            if 200 <= response.status < 300:
                yield response
                return
            target = urljoin(url, response.headers.get("Location", ""))
            if response.status not in (307, 308) or not _same_server(url, target):
                yield await _refused(response)
                return
            url = target
    yield Failure(kind="http", status=response.status, message="too many redirects")


async def _read(response: Any, most: int) -> bytes:
    if (response.content_length or 0) > most:
        raise TooLarge(most)
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > most:
            raise TooLarge(most)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _refused(response: Any) -> Failure:
    """The failure of a status that is none of success."""
    status = response.status
    if 300 <= status < 400:
        return Failure(
            kind="http",
            status=status,
            message="redirected to another server or by another method; not followed",
        )
    try:
        code = error_code(await _read(response, _MAX_ERROR_BYTES))
    except (aiohttp.ClientError, TooLarge, OSError):
        code = ""
    return Failure(
        kind="http",
        status=status,
        message=f"the server answered {status}" + (f" ({code})" if code else ""),
        code=code,
        retry_after=retry_after(response.headers.get("Retry-After")),
    )


def _same_server(url: str, target: str) -> bool:
    one, other = urlsplit(url), urlsplit(target)
    return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())


def _failure(error: Exception) -> Failure:
    """What went wrong, told by the kind of the error and not by its words."""
    name = type(error).__name__
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Failure(kind="timeout", message="no connection in time")
        case asyncio.TimeoutError():
            return Failure(kind="timeout", message="no answer in time")
        case TooLarge():
            message = f"the reply is larger than {error.args[0]:,} bytes"
            return Failure(kind="malformed", status=200, message=message)
        case aiohttp.ContentTypeError() | aiohttp.ClientResponseError() | aiohttp.InvalidURL():
            return Failure(kind="malformed", message=f"the server does not speak HTTP ({name})")
        case aiohttp.ClientPayloadError():
            return Failure(kind="truncated", status=200, message="the reply breaks off")
        case aiohttp.ClientSSLError():
            return Failure(kind="unreachable", message="TLS failed", code="tls")
        case aiohttp.ClientError() | OSError():
            return Failure(kind="unreachable", message=f"no connection ({name})")
    raise error
