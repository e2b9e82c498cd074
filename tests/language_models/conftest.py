"""A server that answers byte by byte as a test says, and recordings of what real servers write."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from riskwright.language_models import ChatRequest, Endpoint

STATUS = {200: "OK", 307: "Temporary Redirect", 429: "Too Many Requests", 503: "Unavailable"}


@dataclass
class Answer:
    """What is sent back: a body in `pieces`, `pause` seconds apart, after `delay` seconds.

    `length` is what the header claims (None: chunked; -1: the end of the connection is the end).
    `close` closes the connection afterwards, `raw` replaces everything.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] | None = None
    pause: float = 0.0
    delay: float = 0.0
    length: int | None = 0
    close: bool = False
    raw: bytes | None = None

    def parts(self) -> list[bytes]:
        if self.pieces is not None:
            return self.pieces
        return [self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()]

    def head(self, size: int) -> bytes:
        fields = {"Content-Type": "application/json", **self.headers}
        if self.length is None:
            fields["Transfer-Encoding"] = "chunked"
        elif self.length >= 0:
            fields["Content-Length"] = str(self.length or size)
        lines = [f"HTTP/1.1 {self.status} {STATUS.get(self.status, 'Whatever')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass
class Asked:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: Any


class FakeServer:
    """HTTP/1.1 with keep-alive; `answer` is called with each request and its number from 0."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked, int], Answer] = lambda asked, number: Answer(chat("safe"))
        self.connections = self.in_flight = self.most_in_flight = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def endpoint(self, **options: Any) -> Endpoint:
        return Endpoint(**{"url": self.url, "model": "guard", "timeout_s": 5.0, **options})

    def replies(self, *answers: Answer) -> None:
        """These in turn, the last one again and again."""
        self.answer = lambda asked, number: answers[min(number, len(answers) - 1)]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(head[0].split()[1], headers, json.loads(body) if body else None))
        answer = self.answer(self.asked[-1], len(self.asked) - 1)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(answer.delay)
            await self._send(answer, writer)
        finally:
            self.in_flight -= 1
        return not (answer.close or answer.raw is not None or answer.length == -1)

    async def _send(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        if answer.raw is not None:
            writer.write(answer.raw)
            await writer.drain()
            return
        parts = answer.parts()
        writer.write(answer.head(sum(map(len, parts))))
        for part in parts:
            chunked = answer.length is None
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
            await asyncio.sleep(answer.pause)
        if answer.length is None and not answer.close:
            writer.write(b"0\r\n\r\n")
        await writer.drain()


def chat(text: Any, **more: Any) -> dict[str, Any]:
    """A chat completion as OpenAI writes it."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "guard",
        "choices": [choice | more.pop("choice", {})],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    } | more


def ask(text: str = "a made-up phrase", **more: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": text},), **more)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def fakes() -> Any:
    """`Answer`, `chat` and `ask`, as a namespace."""
    import types

    return types.SimpleNamespace(Answer=Answer, chat=chat, ask=ask)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """First waits of a millisecond."""
    import riskwright.language_models.pacing as pacing

    monkeypatch.setattr(pacing, "_FIRST_WAIT_S", 0.001)
