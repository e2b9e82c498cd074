"""Calls per second to an OpenAI-compatible server that answers at once, or after a wait.

The server and each client run in processes of their own; a reply has one token with 20
alternatives, which are read.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import process
from .environments import OURS
from .tasks import Limit, Task

__all__ = ["ask", "tasks"]

PEERS = ("httpx", "openai", "litellm")
HOME = "litellm"  # its environment has all of them
# case, seconds until an answer, calls in flight, what ours does with the answers, peers
CASES: tuple[tuple[str, float, int, str, tuple[str, ...]], ...] = (
    ("answers at once, 64 in flight", 0.0, 64, "", PEERS),
    ("answers at once, 64 in flight, kept in a journal", 0.0, 64, "journal", ()),
    ("answers at once, 64 in flight, scored as Llama Guard's", 0.0, 64, "scores", ()),
    ("answers after 200 ms, 512 in flight", 0.2, 512, "", PEERS),
)
CALLS, OF_PEERS = 20_000, 2_000
BODY = {
    "model": "guard",
    "messages": [{"role": "user", "content": "a made-up phrase " * 20}],
    "max_tokens": 1,
    "temperature": 0.0,
    "logprobs": True,
    "top_logprobs": 20,
}


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family; a client's calls stand for repeats."""
    return [
        _task(case, side, delay, in_flight, use, full)
        for full in (True, False)
        for case, delay, in_flight, use, peers in CASES
        for side in (OURS, *peers)
        if full or (side == OURS and not delay)
    ]


def _task(case: str, side: str, delay: float, in_flight: int, use: str, full: bool) -> Task:
    calls = (CALLS if side == OURS else OF_PEERS) // (1 if full else 10)
    told = {"client": side, "use": use, "delay": delay, "calls": calls, "in_flight": in_flight}
    return Task(
        measure="endpoint",
        case=case,
        competitor=side,
        environment=OURS if side == OURS else HOME,
        function="endpoint_throughput:ask",
        arguments=told,
        limits=(Limit("calls_per_s", 1500.0, at_least=True),) if full and side == OURS else (),
        quick=not full,
        full=full,
    )


def ask(client: str, use: str, delay: float, calls: int, in_flight: int) -> dict[str, Any]:
    """What `client` needs for so many calls; the first hundred go before."""
    with _server(delay) as port:
        url = f"http://127.0.0.1:{port}/v1"
        if client == OURS:
            wall, cpu = (
                _scored(url, calls, in_flight)
                if use == "scores"
                else _ours(use, url, calls, in_flight)
            )
        else:
            wall, cpu = _theirs(client, url, calls, in_flight)
    figures = {"calls_per_s": calls / wall, "cpu_ms_per_call": 1000.0 * cpu / calls}
    return {"wall_s": wall, "cpu_s": cpu, "figures": figures}


def _ours(use: str, url: str, calls: int, in_flight: int) -> tuple[float, float]:
    from riskwright.language_models import ChatRequest, Completion, Endpoint, complete_many

    def requests(n: int, seed: int) -> list[ChatRequest]:
        messages = ({"role": "user", "content": BODY["messages"][0]["content"]},)
        common = {"messages": messages, "max_tokens": 1, "top_logprobs": 20}
        return [ChatRequest(**common, seed=seed + i) for i in range(n)]

    with tempfile.TemporaryDirectory() as folder:
        kept = str(Path(folder) / "calls.jsonl") if use == "journal" else None
        endpoint = Endpoint(url=url, model="guard", concurrency=in_flight, journal=kept)
        complete_many(endpoint, requests(100, 0))
        work = requests(calls, 100)
        wall, cpu = time.perf_counter(), time.process_time()
        found = complete_many(endpoint, work)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert all(isinstance(r, Completion) and len(r.tokens[0].top) == 20 for r in found)
    return wall, cpu


def _scored(url: str, calls: int, in_flight: int) -> tuple[float, float]:
    from riskwright.evidence.exchanges import Exchange
    from riskwright.language_models import Endpoint
    from riskwright.scoring.guard_models import EndpointScorer, LlamaGuard

    endpoint = Endpoint(url=url, model="guard", concurrency=in_flight)
    scorer = EndpointScorer(LlamaGuard(layout="prompt"), endpoint)
    texts = [f"{BODY['messages'][0]['content']} {k}" for k in range(calls)]
    work = [Exchange(prompt=text) for text in texts]
    scorer.score(work[:100])
    wall, cpu = time.perf_counter(), time.process_time()
    found = scorer.score(work)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert {score.meaning for score in found} == {"probability"}
    return wall, cpu


def _theirs(client: str, url: str, calls: int, in_flight: int) -> tuple[float, float]:
    async def work() -> tuple[float, float]:
        async with {"httpx": _httpx, "openai": _openai, "litellm": _litellm}[client](
            url, in_flight
        ) as call:
            await _at_once(call, 100, in_flight)
            wall, cpu = time.perf_counter(), time.process_time()
            await _at_once(call, calls, in_flight)
            return time.perf_counter() - wall, time.process_time() - cpu

    return asyncio.run(work())


async def _at_once(call: Any, calls: int, in_flight: int) -> None:
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            assert await call() == 20

    await asyncio.gather(*(worker() for _ in range(in_flight)))


class _Peer:
    """A client as an asynchronous context that yields a call; the call tells its alternatives."""

    def __init__(self, url: str, in_flight: int) -> None:
        self.url, self.in_flight = url, in_flight

    async def __aexit__(self, *problem: object) -> None: ...


class _httpx(_Peer):
    async def __aenter__(self) -> Any:
        import httpx

        limits = httpx.Limits(
            max_connections=self.in_flight, max_keepalive_connections=self.in_flight
        )
        client = httpx.AsyncClient(limits=limits, timeout=60.0)

        async def call() -> int:
            found = (await client.post(f"{self.url}/chat/completions", json=BODY)).json()
            return len(found["choices"][0]["logprobs"]["content"][0]["top_logprobs"])

        return call


class _openai(_Peer):
    async def __aenter__(self) -> Any:
        from openai import AsyncOpenAI

        client = AsyncOpenAI(base_url=self.url, api_key="none")

        async def call() -> int:
            found = await client.chat.completions.create(**BODY)
            return len(found.choices[0].logprobs.content[0].top_logprobs)

        return call


class _litellm(_Peer):
    async def __aenter__(self) -> Any:
        import litellm

        body = BODY | {"model": "openai/guard"}

        async def call() -> int:
            found = await litellm.acompletion(**body, api_base=self.url, api_key="none")
            return len(found.choices[0].logprobs.content[0].top_logprobs)

        return call


class _Answers(asyncio.Protocol):
    """HTTP/1.1 with keep-alive that reads no further than to the length of a body."""

    delay = 0.0
    words = ("safe", "unsafe", *(f" t{i}" for i in range(18)))
    top = [
        {"token": word, "logprob": -0.1 - 2.5 * i, "bytes": list(word.encode())}
        for i, word in enumerate(words)
    ]
    token = {**top[0], "top_logprobs": top}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "safe", "refusal": None},
        "logprobs": {"content": [token], "refusal": None},
        "finish_reason": "stop",
    }
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "guard",
            "choices": [choice],
            "usage": {"prompt_tokens": 90, "completion_tokens": 1, "total_tokens": 91},
        }
    ).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )

    def connection_made(self, transport: Any) -> None:
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.received) < end + 4 + size:
                return
            self.received = self.received[end + 4 + size :]
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.reply)


async def _serve(delay: float) -> None:
    _Answers.delay = delay
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def _server(delay: float) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.endpoint_throughput", "--serve", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=process.ROOT) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.terminate()


if __name__ == "__main__" and "--serve" in sys.argv:
    asyncio.run(_serve(float(sys.argv[-1])))
