"""Events are the same however the network cuts the stream."""

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.language_models.event_streams import EventReader, TooLarge

STREAM = (
    "\ufeff: a comment\n\n"
    'data: {"a": "größer, 猫"}\n\n'
    "event: message\r\nid: 7\r\ndata:no blank\r\ndata:  two blanks\r\n\r\n"
    "retry: 10\r\rdata: after CR\r\r"
    "data\n\n"
    "nonsense\n\n"
    'error: {"code": 500}\n\n'
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    '{"a": "größer, 猫"}'.encode(),
    b"no blank\n two blanks",
    b"after CR",
    b"",
    b'{"error":{"code": 500}}',
    b"[DONE]",
]


def read(pieces):
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


def test_whole_stream_at_once():
    assert read([STREAM]) == EVENTS


def test_byte_by_byte():
    assert read([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_cuts(cuts):
    places = [0, *sorted(cuts), len(STREAM)]
    assert read([STREAM[a:b] for a, b in pairwise(places)]) == EVENTS


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_any_bytes_give_the_same_events_however_they_are_cut(data, cuts):
    places = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert read(pieces) == read([data])


def test_an_event_that_the_end_cuts_off_is_read():
    assert read([b"data: 1\n\ndata: 2\n"]) == [b"1", b"2"]
    assert read([b"data: 1\n\ndata: 2"]) == [b"1", b"2"]
    assert read([]) == []


@pytest.mark.parametrize("data", [b"data: " + b"x" * 100, b"data: 1234567890\n" * 10, b"x" * 100])
def test_events_have_a_largest_size(data):
    reader = EventReader(max_bytes=60)
    with pytest.raises(TooLarge):
        deque(map(reader.feed, (bytes([byte]) for byte in data)))
