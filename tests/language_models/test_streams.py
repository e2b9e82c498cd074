"""Streamed replies, in the shapes of real servers and in broken ones."""

import asyncio
import json
from contextlib import aclosing

import pytest

from riskwright.language_models import Client, CompletionRequest, Delta, Failure

SECRET = "phrase-that-nobody-may-see"
EVENTS = {"Content-Type": "text/event-stream"}

pytestmark = pytest.mark.usefixtures("quick_retries")


def chunk(delta=None, **more):
    choice = {"index": 0, "delta": delta or {}, "finish_reason": more.pop("finish", None)}
    base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return base | {"choices": [choice | more.pop("choice", {})]} | more


def sse(*chunks, done=True):
    lines = [f"data: {json.dumps(c, ensure_ascii=False)}\n\n" for c in chunks]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


OPENAI = sse(
    chunk({"role": "assistant", "content": "", "refusal": None}, obfuscation="abc"),
    chunk({"content": "grö"}, obfuscation="d"),
    chunk({"content": "ßer"}),
    chunk({}, finish="stop"),
    chunk(usage={"prompt_tokens": 5, "completion_tokens": 2}) | {"choices": []},
)
TRANSFORMERS = sse(
    chunk({"role": "assistant"}),
    chunk({"content": "grö"}),
    chunk({"content": "ßer"}),
    chunk({}, finish="stop", usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}),
    done=False,
)
VLLM = b": ping\n\n" + sse(
    chunk({"role": "assistant", "content": ""}, choice={"logprobs": None}),
    chunk({"content": "größer", "reasoning": None}, choice={"stop_reason": None}),
    chunk({"content": ""}, finish="stop"),
    chunk(usage={"prompt_tokens": 5, "completion_tokens": 2}) | {"choices": []},
).replace(b"\n", b"\r\n")


def streamed(server, fakes, *answers, request=None, **options):
    server.replies(*answers)

    async def work():
        async with Client(server.endpoint(**options)) as client:
            return [item async for item in client.stream(request or fakes.ask())]

    return asyncio.run(work())


@pytest.mark.parametrize("body", [OPENAI, TRANSFORMERS, VLLM], ids=["openai", "hf", "vllm"])
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_streams_of_real_servers_in_any_pieces(server, fakes, body, size):
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    items = streamed(server, fakes, fakes.Answer(pieces=pieces, length=None, headers=EVENTS))
    assert "".join(item.text for item in items) == "größer"
    assert [item.finish_reason for item in items if item.finish_reason] == ["stop"]
    assert [item.completion_tokens for item in items if item.completion_tokens] == [2]
    assert Delta() not in items
    assert server.asked[0].body["stream"] is True


def test_counts_are_asked_for_on_demand(server, fakes):
    server.replies(fakes.Answer(OPENAI))

    async def work():
        async with Client(server.endpoint()) as client:
            return [item async for item in client.stream(fakes.ask(), usage=True)]

    asyncio.run(work())
    assert server.asked[0].body["stream_options"] == {"include_usage": True}


def test_logprobs_refusals_samples_and_moderation(server, fakes):
    top = [{"token": "a", "logprob": -0.5}]
    tokens = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": top}]
    result = {"flagged": True, "category_scores": {"hate": 0.5}}
    body = sse(
        chunk({"content": "a"}, choice={"logprobs": {"content": tokens}}),
        chunk({"refusal": "No"}, choice={"index": 1}),
        chunk(moderation={"input": {"results": [result]}}) | {"choices": []},
        chunk({}, finish="content_filter"),
    )
    text, refusal, moderation, end = streamed(server, fakes, fakes.Answer(body))
    assert text.tokens[0].top == (("a", -0.5),)
    assert (refusal.refusal, refusal.index) == ("No", 1)
    assert moderation.moderation[0].scores == {"hate": 0.5}
    assert end.finish_reason == "content_filter"


def test_raw_prompts_are_streamed_too(server, fakes):
    body = sse({"choices": [{"index": 0, "text": "ab", "finish_reason": "length"}]})
    request = CompletionRequest(prompt="x")
    (item,) = streamed(server, fakes, fakes.Answer(body), request=request)
    assert (item.text, item.finish_reason) == ("ab", "length")


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        (b"", "truncated"),
        (b'data: {"choices": [{"del', "truncated"),
        (b'data: {"choices": [{"del\n\n', "truncated"),
        (b"data: <html>\n\n", "malformed"),
        (b'data: {"choices": 7}\n\n', "malformed"),
        (b'data: {"error": {"message": "%b", "code": "x"}}\n\n' % SECRET.encode(), "http"),
        (b'error: {"message": "%b", "code": 500}\n\n' % SECRET.encode(), "http"),
    ],
)
def test_streams_that_go_wrong_end_with_a_failure(server, fakes, rest, kind):
    body = sse(chunk({"content": "a"}), done=False) + rest
    *good, bad = streamed(server, fakes, fakes.Answer(body))
    assert [item.text for item in good] == ["a"]
    assert (type(bad), bad.kind) == (Failure, kind)
    assert SECRET not in repr(bad)
    assert len(server.asked) == 1  # nothing is repeated once text has come


@pytest.mark.parametrize("body", [b"data: " + b"x" * 5000, OPENAI * 9, b"x\n" * 2500])
def test_streams_have_a_largest_size(server, fakes, body):
    body = body.replace(b"data: [DONE]\n\n", b"")
    bad = streamed(server, fakes, fakes.Answer(body), max_bytes=4000)[-1]
    assert bad.message == "the reply is larger than 4,000 bytes"


def test_a_stream_that_the_server_drops(server, fakes):
    piece = sse(chunk({"content": "a"}), done=False)
    dropped = fakes.Answer(pieces=[piece], length=None, close=True)
    *good, bad = streamed(server, fakes, dropped)
    assert [item.text for item in good] == ["a"]
    assert bad.kind == "truncated"


def test_a_stream_that_stalls(server, fakes):
    first, second = sse(chunk({"content": "a"}), done=False), sse(chunk({}, finish="stop"))
    stalled = fakes.Answer(pieces=[first, second], length=None, pause=5.0)
    *good, bad = streamed(server, fakes, stalled, idle_timeout_s=0.05)
    assert [item.text for item in good] == ["a"]
    assert bad.kind == "timeout"


def test_attempts_are_repeated_before_the_first_byte(server, fakes):
    items = streamed(server, fakes, fakes.Answer(status=503), fakes.Answer(OPENAI))
    assert "".join(item.text for item in items) == "größer"
    (bad,) = streamed(server, fakes, fakes.Answer(status=400))
    assert (bad.status, bad.attempts) == (400, 1)
    (bad,) = streamed(server, fakes, fakes.Answer(status=500), max_retries=2)
    assert (bad.status, bad.attempts) == (500, 3)


def test_a_stream_of_nothing_is_no_reply(server, fakes):
    (bad,) = streamed(server, fakes, fakes.Answer(b"data: [DONE]\n\n"))
    assert bad.message == "the stream is empty"
    assert len(server.asked) == 1


def test_budgets_and_requests_that_cannot_be_sent(server, fakes):
    assert streamed(server, fakes, fakes.Answer(OPENAI), max_calls=0)[0].kind == "budget"
    lone = fakes.ask("\ud800")
    assert streamed(server, fakes, fakes.Answer(OPENAI), request=lone)[0].kind == "request"


def test_streams_count_towards_budgets(server, fakes):
    server.replies(fakes.Answer(OPENAI))

    async def work():
        async with Client(server.endpoint(max_tokens=8)) as client:
            return [[item async for item in client.stream(fakes.ask())][-1] for _ in range(3)]

    last = asyncio.run(work())
    assert [getattr(item, "kind", "") for item in last] == ["", "", "budget"]


def test_a_stream_can_be_left_early(server, fakes):
    pieces = [sse(chunk({"content": "a"}), done=False)] * 1000
    server.replies(fakes.Answer(pieces=pieces, length=None, pause=0.01))

    async def work():
        async with Client(server.endpoint(concurrency=1)) as client:
            async with aclosing(client.stream(fakes.ask())) as items:
                async for _ in items:
                    break
            server.replies(fakes.Answer(OPENAI))
            return [item.text async for item in client.stream(fakes.ask())]

    assert "".join(asyncio.run(work())) == "größer"
