"""HTTP by aiohttp, which only this module imports."""

from __future__ import annotations

import asyncio
import io
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from riskwright._version import __version__

from .endpoints import Endpoint
from .event_streams import TooLarge
from .pacing import retry_after
from .parsing import error_code, parsed
from .replies import Completion, Failure

__all__ = ["Transport"]

_MAX_REDIRECTS = 3
_MAX_ERROR_BYTES = 2**16
_LARGE = 2**20  # above which aiohttp wants a file


class Transport:
    """Connections to an endpoint that are used again; without cookies.

    Raises
    ------
    ParameterError : the key is not in the environment.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        headers = {
            "User-Agent": f"riskwright/{__version__}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            **endpoint.headers,
            **endpoint.secret_headers(),
        }
        # as headers of the session they would also go to a proxy
        self._options = _options(endpoint, headers)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, url: str, body: bytes) -> tuple[Completion | Failure, float]:
        """One attempt, and its milliseconds. What goes wrong is a `Failure`."""
        begin = time.perf_counter()
        answer: Completion | Failure
        try:
            async with self._sent(url, body, self.endpoint.timeout_s) as response:
                if isinstance(response, Failure):
                    answer = response
                else:
                    data = await _read(response, self.endpoint.max_bytes)
                    answer = parsed(data, response.headers.get("Content-Type", ""))
        except Exception as error:
            answer = _failure(error)
        return answer, 1000.0 * (time.perf_counter() - begin)

    async def events(self, url: str, body: bytes) -> AsyncGenerator[bytes | Failure, None]:
        """Pieces of a streamed body as they come; a failure is the last of them."""
        try:
            async with self._sent(url, body, None) as response:
                if isinstance(response, Failure):
                    yield response
                    return
                async for piece in response.content.iter_any():
                    yield piece
        except Exception as error:
            yield _failure(error)

    @asynccontextmanager
    async def _sent(self, url: str, body: bytes, total: float | None) -> AsyncIterator[Any]:
        """The response with a status of success, after redirects within the server; else a
        failure."""
        timeout = aiohttp.ClientTimeout(
            total=total,
            connect=self.endpoint.connect_timeout_s,
            sock_connect=self.endpoint.connect_timeout_s,
            sock_read=self.endpoint.idle_timeout_s,
        )
        for _ in range(_MAX_REDIRECTS + 1):
            data = body if len(body) <= _LARGE else io.BytesIO(body)
            async with self._session.post(
                url, data=data, timeout=timeout, **self._options
            ) as response:
                if 200 <= response.status < 300:
                    yield response
                    return
                target = _redirected(url, response.headers.get("Location", ""))
                if response.status not in (307, 308) or target is None:
                    yield await _refused(response)
                    return
                url = target
        yield Failure(kind="http", status=response.status, message="too many redirects")


def _options(endpoint: Endpoint, headers: dict[str, str]) -> dict[str, Any]:
    """Of every request; with the proxy that the environment names, where it is to be heeded.

    aiohttp's own way would also read ~/.netrc.
    """
    options: dict[str, Any] = {"headers": headers, "allow_redirects": False}
    parts = urlsplit(endpoint.url)
    if not endpoint.trust_env or proxy_bypass(parts.netloc):
        return options
    proxy = urlsplit(getproxies().get(parts.scheme, ""))
    if not proxy.netloc:
        return options
    options["proxy"] = proxy._replace(netloc=proxy.netloc.rpartition("@")[2]).geturl()
    if proxy.username is not None:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        auth = {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"}
        if parts.scheme == "https":
            options["proxy_headers"] = auth
        else:
            options["headers"] = headers | auth
    return options


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


def _redirected(url: str, location: str) -> str | None:
    """Where a redirect leads, if that is on the same server."""
    try:
        target = urljoin(url, location)
        one, other = urlsplit(url), urlsplit(target)
    except ValueError:
        return None
    same = (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())
    return target if same else None


def _failure(error: Exception) -> Failure:
    """What went wrong, told by the kind of the error and not by its words."""
    name = type(error).__name__
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Failure(kind="unreachable", message="no connection in time")
        case asyncio.TimeoutError():
            return Failure(kind="timeout", message="no answer in time")
        case TooLarge():
            message = f"the reply is larger than {error.args[0]:,} bytes"
            return Failure(kind="malformed", status=200, message=message)
        case aiohttp.ClientHttpProxyError():
            return Failure(kind="unreachable", status=error.status, message="the proxy refuses")
        case aiohttp.ClientResponseError() | ValueError():
            return Failure(kind="malformed", message=f"the server does not speak HTTP ({name})")
        case aiohttp.ClientPayloadError():
            return Failure(kind="truncated", status=200, message="the reply breaks off")
        case aiohttp.ClientSSLError():
            return Failure(kind="unreachable", message="TLS failed", code="tls")
        case aiohttp.ClientError() | OSError():
            return Failure(kind="unreachable", message=f"no connection ({name})")
    raise error
