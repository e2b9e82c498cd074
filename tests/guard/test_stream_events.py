"""Server-sent events: the shape that clients of streamed chat completions read."""

import asyncio
import json

import pytest

from riskwright.core import ParameterError
from riskwright.guard.stream_events import (
    DONE,
    ChunkHead,
    blocked_events,
    stream_events,
    stream_events_async,
)
from riskwright.guard.streams import StreamMonitor

HEAD = ChunkHead(id="chatcmpl-1", model="some-model", created=1_700_000_000)


class Marks:
    name, version, taxonomy, cost = "marks", "1", "ailuminate", 0.0

    def begin(self, exchange=None):
        self.seen = 0.0
        return self

    def feed(self, text):
        self.seen = max(self.seen, float("!" in text))
        return {"any": self.seen}


def read(events):
    """The chunks of server-sent events, as a client reads them, and whether they are done."""
    lines = "".join(events).split("\n\n")
    assert lines.pop() == ""
    done = lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[: len(lines) - done]], done


def test_a_stopped_stream():
    monitor = StreamMonitor(Marks(), every=1, hold_back=0, thresholds=0.5)
    chunks, done = read(stream_events(monitor.filter(["ab ", "“c”", "d!e", "f"]), HEAD))
    assert done
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == "ab “c”d"
    assert chunks[-1]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        assert (chunk["id"], chunk["model"], chunk["created"]) == (
            HEAD.id,
            HEAD.model,
            HEAD.created,
        )
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_a_stream_that_ends_well():
    monitor = StreamMonitor(Marks(), thresholds=0.5)
    chunks, done = read(stream_events(monitor.filter(["a\nb"]), HEAD))
    assert (chunks[-1]["choices"][0]["finish_reason"], done) == ("stop", True)


def test_line_breaks_and_separators_stay_within_their_event():
    texts = ["a\n\nb\r\n", "\u2028data: [DONE]\n\n"]
    chunks, _ = read(blocked_events(texts, HEAD))
    assert [c["choices"][0]["delta"] for c in chunks] == [{"content": t} for t in texts] + [{}]


def test_blocked_before_the_first_character():
    assert read(blocked_events("", HEAD))[0][0]["choices"][0]["finish_reason"] == "content_filter"


def test_further_choices_follow():
    head = ChunkHead(id="a", model="m", created=0, index=1)
    events = list(blocked_events("x", head, done=False))
    assert DONE not in events
    assert read(events)[0][0]["choices"][0]["index"] == 1


def test_without_a_verdict_a_stream_does_not_look_finished():
    events = stream_events(["abc"], HEAD)
    next(events)
    with pytest.raises(ParameterError, match="without a verdict"):
        next(events)


@pytest.mark.parametrize("chunks", [["ab ", "c"], ["ab ", "d!e", "f"], []])
def test_events_of_asynchronous_streams_are_the_same(chunks):
    monitor = StreamMonitor(Marks(), every=1, hold_back=0, thresholds=0.5)

    async def source():
        for chunk in chunks:
            yield chunk

    async def read_all():
        return [event async for event in stream_events_async(monitor.guard(source()), HEAD)]

    assert asyncio.run(read_all()) == list(stream_events(monitor.filter(chunks), HEAD))


def test_asynchronous_streams_without_a_verdict():
    async def source():
        yield "ab"

    async def read_all():
        return [event async for event in stream_events_async(source(), HEAD)]

    with pytest.raises(ParameterError, match="without a verdict"):
        asyncio.run(read_all())
