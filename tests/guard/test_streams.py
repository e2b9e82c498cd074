"""Streams: what is released, when, and that it does not depend on how the text was cut."""

import asyncio
import dataclasses
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import (
    ArtifactError,
    DataError,
    ParameterError,
    UnreadableError,
    UsageError,
)
from riskwright.core.scores import Decision
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.stream_paths import token_weights, trajectory
from riskwright.guard.stream_records import StreamVerdict
from riskwright.guard.stream_text import Characters, Looks
from riskwright.guard.streams import StreamMonitor


class Replay:
    """A scorer whose value after n characters is `course[n]`; it counts what it is fed."""

    name, version, taxonomy, cost = "replay", "v1", "ailuminate", 0.0

    def __init__(self, course, hazards=()):
        self.course, self.hazards = course, hazards
        self.fed = []

    def begin(self, exchange=None):
        self.fed, self.read = [], 0
        return self

    def feed(self, text):
        self.fed.append(text)
        self.read += len(text)
        value = float(self.course[min(self.read, len(self.course) - 1)])
        return {"any": value, **dict.fromkeys(self.hazards, value / 2)}


def steady(value=0.0):
    return Replay([value])


def naive_looks(text, every, sentences=True):
    """Where the looks are, one character at a time."""
    found, since = [], 0
    for n, char in enumerate(text, 1):
        since += 1
        before = text[n - 2] if n > 1 else ""
        end = (
            char in "。！？"
            or (char == "\n" and not before.isspace())
            or (char.isspace() and before != "" and before in ".!?…")
        )
        if since == every or (sentences and end):
            found.append(n)
            since = 0
    return found


def naive_stream(text, course, every, hold_back, threshold):
    """Released characters and the look that stopped, by the definition."""
    released, looks = 0, naive_looks(text, every)
    at_end = [] if looks and looks[-1] == len(text) else [len(text)]
    for look in looks + at_end:
        if course[look] >= threshold:
            return released, look
        released = max(released, look - hold_back)
    return len(text), None


def cut(sequence, places):
    ends = sorted({min(place, len(sequence)) for place in places} | {len(sequence)})
    return [sequence[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def halves(text):
    """The same text with surrogate pairs in the place of characters beyond U+FFFF."""
    data = text.encode("utf-16-le")
    return "".join(chr(int.from_bytes(data[k : k + 2], "little")) for k in range(0, len(data), 2))


PARTS = [*"abc  .!?…\n\t\r", "é", "e\u0301", "。", "😀", "👩\u200d🚀", "𝒳"]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)
PLACES = st.lists(st.integers(0, 300), max_size=40)
COURSES = st.tuples(st.integers(0, 2**16), st.sampled_from([0.0, 0.02, 0.2])).map(
    lambda drawn: (
        np.random.default_rng(drawn[0]).random(121) * 0.9
        + (np.random.default_rng(drawn[0] + 1).random(121) < drawn[1])
    )
)


def run(monitor, chunks):
    """Released texts, the stream, and the result of its end."""
    stream = monitor.begin()
    texts = []
    for chunk in chunks:
        found = stream.feed(chunk)
        texts.append(found.text)
        if found.stopped:
            break
    texts.append(stream.close().text)
    return texts, stream


class TestRelease:
    @given(TEXTS, COURSES, PLACES, st.integers(1, 9), st.integers(0, 12), st.integers(0, 2))
    @settings(max_examples=70, deadline=None)
    def test_every_chunking_gives_what_the_definition_says(
        self, text, course, places, every, hold_back, form
    ):
        coded = [text, text.encode(), halves(text)][form]
        scorer = Replay(course)
        monitor = StreamMonitor(scorer, every=every, hold_back=hold_back, thresholds=0.9)
        texts, stream = run(monitor, cut(coded, places))
        wanted, stop = naive_stream(text, course, every, hold_back, 0.9)
        verdict = stream.verdict
        assert "".join(texts) == text[:wanted]
        assert verdict.decided_at == stop
        assert verdict.action == ("allow" if stop is None else "stop")
        assert verdict.released == wanted
        if stop is None:
            assert (verdict.received, verdict.withheld) == (len(text), 0)
        else:
            assert wanted <= max(0, stop - 1 - hold_back)

    @given(TEXTS, COURSES, PLACES, st.integers(1, 9), st.integers(0, 12))
    @settings(max_examples=25, deadline=None)
    def test_looks_spans_and_decisions_do_not_depend_on_the_chunks(
        self, text, course, places, every, hold_back
    ):
        scorer = Replay(course)
        monitor = StreamMonitor(scorer, every=every, hold_back=hold_back, thresholds=0.9)
        found = []
        for chunks in ([text], list(text), cut(text, places), cut(text.encode(), places)):
            texts, stream = run(monitor, chunks)
            verdict = stream.verdict
            found.append(("".join(texts), verdict.decision, verdict.spans, tuple(scorer.fed)))
        assert len(set(map(repr, found))) == 1

    @given(TEXTS, COURSES, PLACES, st.integers(1, 9), st.integers(0, 12))
    @settings(max_examples=25, deadline=None)
    def test_no_character_past_the_first_crossing_is_released_where_scores_only_grow(
        self, text, course, places, every, hold_back
    ):
        grown = np.maximum.accumulate(course)
        monitor = StreamMonitor(Replay(grown), every=every, hold_back=hold_back, thresholds=0.9)
        texts, _ = run(monitor, cut(text, places))
        crossing = int(np.argmax(grown >= 0.9)) if (grown >= 0.9).any() else None
        if crossing is not None and crossing <= len(text):
            assert len("".join(texts)) <= max(0, crossing - 1 - hold_back)

    @given(TEXTS, COURSES, PLACES, st.integers(0, 12))
    @settings(max_examples=25, deadline=None)
    def test_with_a_look_at_every_character_the_bound_holds_for_any_score(
        self, text, course, places, hold_back
    ):
        monitor = StreamMonitor(Replay(course), every=1, hold_back=hold_back, thresholds=0.9)
        texts, _ = run(monitor, cut(text, places))
        over = [n for n in range(1, len(text) + 1) if course[n] >= 0.9]
        if over:
            assert len("".join(texts)) <= max(0, over[0] - 1 - hold_back)

    @given(TEXTS, COURSES, PLACES, st.integers(1, 9), st.integers(0, 12))
    @settings(max_examples=25, deadline=None)
    def test_released_and_withheld_are_the_input_and_only_judged_text_is_released(
        self, text, course, places, every, hold_back
    ):
        monitor = StreamMonitor(Replay(course), every=every, hold_back=hold_back, thresholds=0.9)
        stream = monitor.begin()
        out, put = "", ""
        for chunk in cut(text, places):
            put += chunk
            found = stream.feed(chunk)
            assert (found.start, found.end) == (len(out), len(out) + len(found.text))
            out += found.text
            assert out + stream.withheld == put
            assert len(out) <= stream.verdict.judged
            if found.stopped:
                break
            assert len(put) - len(out) <= hold_back + every - 1
        ends = [span.end for span in stream.spans]
        assert [span.start for span in stream.spans] == [0, *ends][:-1]

    def test_the_scorer_reads_every_character_once(self):
        scorer = steady()
        monitor = StreamMonitor(scorer, every=40, thresholds=0.5)
        text = "a line of text without an end " * 200
        run(monitor, list(text))
        assert "".join(scorer.fed) == text

    def test_nothing_is_fed_to_the_scorer_after_the_stop(self):
        scorer = Replay([0, 0, 0, 1, 1, 1, 1, 1])
        texts, stream = run(StreamMonitor(scorer, every=1, hold_back=0, thresholds=1), ["abcdefg"])
        assert ("".join(texts), scorer.fed, stream.withheld) == ("ab", ["a", "b", "c"], "cdefg")
        assert stream.verdict.judged == 3

    @pytest.mark.parametrize(("delay", "seen"), [(1, 0), (9, 0), (10, 1), (30, 21)])
    def test_late_recognition_leaks_what_the_bound_says(self, delay, seen):
        onset, length = 50, 120
        course = [float(n >= onset + delay) for n in range(length + 1)]
        monitor = StreamMonitor(Replay(course), every=1, hold_back=8, thresholds=0.5)
        texts, _ = run(monitor, ["x" * length])
        assert max(0, len("".join(texts)) - onset) == seen == monitor.leak_bound(delay)

    def test_the_arguments_of_a_call_are_held_whole(self):
        monitor = StreamMonitor(Replay([0] * 30), every=3, hold_back=0, thresholds=0.5)
        stream = monitor.begin(hold_all=True)
        assert [stream.feed(part).text for part in ('{"amount"', ": 12", "}")] == ["", "", ""]
        assert stream.close().text == '{"amount": 12}'
        blocked = StreamMonitor(Replay([0] * 9 + [1] * 9), every=3, hold_back=0, thresholds=0.5)
        stream = blocked.begin(hold_all=True)
        assert stream.feed('{"amount": 12}').text == stream.close().text == ""

    def test_an_empty_reply_is_looked_at_once(self):
        stream = StreamMonitor(steady(0.7), thresholds=0.5).begin()
        assert stream.close().text == ""
        assert stream.verdict.action == "stop"
        assert StreamMonitor(steady(0.7)).path("").maximum() == 0.7


class TestCharacters:
    @given(TEXTS, PLACES)
    def test_any_cut_of_bytes_and_of_surrogate_pairs_gives_the_text(self, text, places):
        for coded in (text, text.encode(), halves(text)):
            characters = Characters()
            parts = [characters.feed(part) for part in cut(coded, places)]
            assert "".join(parts) + characters.close() == text

    @given(st.binary(max_size=40), PLACES)
    def test_replacement_does_not_depend_on_the_chunks(self, data, places):
        characters = Characters("replace")
        parts = [characters.feed(part) for part in cut(data, places)]
        assert "".join(parts) + characters.close() == data.decode("utf-8", "replace")

    @given(st.text(alphabet="a\ud83d\ude00\udc00", max_size=12), PLACES)
    def test_lone_halves_become_one_replacement_each(self, text, places):
        characters = Characters("replace")
        parts = [characters.feed(part) for part in cut(text, places)]
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert "".join(parts) + characters.close() == whole

    @pytest.mark.parametrize("chunks", [[b"ab\xff"], [b"\xc3", b"("], ["\ude00"], ["\ud83d", "x"]])
    def test_what_is_no_text_is_refused_without_showing_it(self, chunks):
        stream = StreamMonitor(steady(), thresholds=0.5, hold_back=0, every=1).begin()
        *first, last = chunks
        for chunk in first:
            stream.feed(chunk)
        with pytest.raises(UnreadableError) as caught:
            stream.feed(last)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert stream.stopped
        assert stream.verdict.finish_reason == "content_filter"
        with pytest.raises(UsageError, match="failed"):
            stream.feed("more")

    @pytest.mark.parametrize("chunk", [b"\xe2\x82", "\ud83d"])
    def test_an_unfinished_character_at_the_end(self, chunk):
        stream = StreamMonitor(steady(), thresholds=0.5).begin()
        stream.feed(chunk)
        with pytest.raises(UnreadableError):
            stream.close()
        stream = StreamMonitor(steady(), thresholds=0.5, errors="replace").begin()
        stream.feed(chunk)
        assert stream.close().text == "�"

    def test_bytes_and_texts_do_not_mix(self):
        stream = StreamMonitor(steady(), thresholds=0.5).begin()
        stream.feed("a")
        with pytest.raises(UsageError, match="either of texts or of bytes"):
            stream.feed(b"b")

    @pytest.mark.parametrize("chunk", [None, 3, ["a"]])
    def test_other_things_are_no_chunks(self, chunk):
        with pytest.raises(UsageError, match="not a piece of a text"):
            StreamMonitor(steady(), thresholds=0.5).begin().feed(chunk)


class TestLooks:
    @given(TEXTS, PLACES, st.integers(1, 9), st.booleans())
    def test_places_are_those_of_the_definition(self, text, places, every, sentences):
        looks = Looks(every, sentences=sentences)
        found, n = [], 0
        for part in cut(text, places):
            for piece, look in looks.split(part):
                n += len(piece)
                found += [n] * look
        assert found == naive_looks(text, every, sentences)

    @pytest.mark.parametrize("unit", [".", "\n", " ", ". ", "a" * 99 + ".", "!?…", "\t\n"])
    def test_long_dull_texts_are_split_whole(self, unit):
        text = (unit * 100_000)[:100_000]
        assert "".join(piece for piece, _ in Looks(40).split(text)) == text


class Policy:
    def __init__(self, *actions):
        self.actions, self.scores = list(actions), []

    def decide(self, score):
        self.scores.append(score)
        return Decision(action=self.actions[min(len(self.scores), len(self.actions)) - 1])


class TestDecisions:
    def test_a_policy_sees_the_score_of_everything_read(self):
        policy = Policy("allow")
        monitor = StreamMonitor(Replay([0.25], ("hte",)), every=4, policy=policy)
        exchange = Exchange(prompt="p", id="7", attributes={"audience": "minor"})
        stream = monitor.begin(exchange)
        stream.feed("abcd")
        score = policy.scores[0]
        assert (score.id, score.severity, score.hazards) == ("7", 0.25, {"hte": 0.125})
        assert score.scorers == {"replay": "v1"}
        assert score.attributes == {"audience": "minor"}

    def test_escalation_withholds_the_rest_and_keeps_judging(self):
        monitor = StreamMonitor(
            steady(), every=2, hold_back=0, policy=Policy("allow", "escalate", "allow")
        )
        stream = monitor.begin()
        assert stream.feed("abcdef").text == "ab"
        assert stream.close().text == ""
        verdict = stream.verdict
        assert (verdict.action, verdict.finish_reason) == ("escalate", "content_filter")
        assert (verdict.judged, verdict.withheld, verdict.decided_at) == (6, 4, 4)
        assert stream.withheld == "cdef"

    @pytest.mark.parametrize("action", ["block", "stop"])
    def test_a_block_after_an_escalation_ends_the_stream(self, action):
        monitor = StreamMonitor(steady(), every=2, policy=Policy("escalate", action, "allow"))
        stream = monitor.begin()
        assert stream.feed("abcdef").stopped
        assert stream.verdict.action == action
        assert stream.verdict.judged == 4

    def test_values_that_are_no_hazards_do_not_reach_a_policy_as_such(self):
        policy = Policy("allow")
        stream = StreamMonitor(Replay([0.5], ("hte", "secrets")), every=2, policy=policy).begin()
        stream.feed("ab")
        assert policy.scores[0].hazards == {"hte": 0.25}
        assert policy.scores[0].values == {"replay": {"any": 0.5, "hte": 0.25, "secrets": 0.25}}

    def test_a_policy_in_shadow_lets_all_go_on_and_what_it_would_do_is_kept(self):
        class Shadow(Policy):
            def decide(self, score):
                return Decision(action="allow", would=super().decide(score).action)

        policy = Shadow("allow", "guide", "block", "allow")
        texts, stream = run(StreamMonitor(steady(), every=2, policy=policy), ["abcdefghi"])
        assert "".join(texts) == "abcdefghi"
        assert (stream.verdict.decision.would, stream.verdict.decided_at) == ("block", 6)

    def test_guidance_goes_on(self):
        monitor = StreamMonitor(steady(), every=2, hold_back=0, policy=Policy("guide"))
        assert "".join(run(monitor, ["abcde"])[0]) == "abcde"

    def test_a_threshold_on_a_hazard(self):
        monitor = StreamMonitor(
            Replay([0.8], ("hte", "vcr")), every=2, thresholds={"hte": 0.5, "vcr": 0.4}
        )
        stream = monitor.begin()
        stream.feed("ab")
        assert stream.verdict.decision.hazard == "vcr"

    def test_the_highest_of_several_values_is_watched(self):
        scorer = Replay([0.8], ("hte",))
        stream = StreamMonitor(scorer, every=2, on=("hte", "any"), thresholds=0.7).begin()
        assert stream.feed("ab").stopped
        assert (
            not StreamMonitor(scorer, every=2, on="hte", thresholds=0.7).begin().feed("ab").stopped
        )

    def test_a_shadow_releases_everything_and_says_what_it_would_do(self):
        monitor = StreamMonitor(
            Replay([0, 0, 1, 1, 1, 1, 1]), every=2, hold_back=0, thresholds=0.5, shadow=True
        )
        texts, stream = run(monitor, ["abcdef"])
        verdict = stream.verdict
        assert "".join(texts) == "abcdef"
        assert (verdict.action, verdict.decision.would, verdict.shadow) == ("allow", "stop", True)
        assert verdict.decided_at == 2
        texts, stream = run(StreamMonitor(steady(), shadow=True), ["abcdef"])
        assert ("".join(texts), stream.verdict.decision.would) == ("abcdef", None)

    def test_without_anything_that_decides_it_does_not_begin(self):
        with pytest.raises(UsageError, match="nothing decides"):
            StreamMonitor(steady()).begin()

    def test_a_missing_hazard_is_no_safe_one(self):
        stream = StreamMonitor(steady(), every=2, thresholds={"hte": 0.5}).begin()
        with pytest.raises(DataError, match="'hte'"):
            stream.feed("abc")
        assert stream.verdict.action == "stop"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_finite_end_the_stream(self, value):
        stream = StreamMonitor(steady(value), every=2, hold_back=0, thresholds=0.5).begin()
        with pytest.raises(DataError, match="not the values of a look"):
            stream.feed("abc")
        assert (stream.verdict.action, stream.verdict.judged, stream.verdict.released) == (
            "stop",
            0,
            0,
        )
        with pytest.raises(UsageError):
            stream.close()

    def test_what_a_scorer_raises_comes_through_and_nothing_counts_as_judged(self):
        class Broken(Replay):
            def feed(self, text):
                if self.read:
                    raise TimeoutError
                return super().feed(text)

        stream = StreamMonitor(Broken([0.0]), every=4, hold_back=0, thresholds=0.5).begin()
        assert stream.feed("abcd").text == "abcd"
        with pytest.raises(TimeoutError):
            stream.feed("efgh")
        assert [span.end for span in stream.spans] == [4]
        assert stream.withheld == "efgh"


class TestLimits:
    @given(st.integers(0, 40), PLACES)
    def test_a_longer_reply_is_stopped(self, n, places):
        monitor = StreamMonitor(steady(), every=3, hold_back=0, thresholds=1, max_characters=20)
        texts, stream = run(monitor, cut("x" * n, places))
        out = "".join(texts)
        assert out == "x" * (n if n <= 20 else 18)
        assert stream.verdict.action == ("allow" if n <= 20 else "stop")
        assert len(out) + len(stream.withheld) == stream.verdict.received

    def test_a_path_of_a_longer_reply_is_refused(self):
        with pytest.raises(ParameterError, match="too long"):
            StreamMonitor(steady(), max_characters=5).path("abcdef")

    def test_feeding_after_the_stop_and_closing_twice(self):
        stream = StreamMonitor(steady(1.0), every=1, thresholds=0.5).begin()
        assert stream.feed("a").stopped
        with pytest.raises(UsageError, match="has stopped"):
            stream.feed("b")
        assert stream.close().stopped
        with pytest.raises(UsageError, match="is closed"):
            stream.close()
        with pytest.raises(UsageError, match="is closed"):
            stream.feed("b")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"every": 0},
            {"every": 2.5},
            {"every": True},
            {"hold_back": -1},
            {"max_characters": 0},
            {"errors": "ignore"},
            {"on": ()},
            {"thresholds": 0.5, "policy": Policy("allow")},
            {"thresholds": float("nan")},
            {"thresholds": {}},
            {"thresholds": {"any": float("inf")}},
            {"thresholds": "0.5"},
            {"thresholds": True},
            {"policy": "block"},
        ],
    )
    def test_settings_out_of_range(self, wrong):
        with pytest.raises(ParameterError):
            StreamMonitor(steady(), **wrong)

    def test_no_text_in_what_is_printed(self):
        stream = StreamMonitor(steady(), every=1, hold_back=0, thresholds=0.5).begin()
        released = stream.feed("secret")
        assert released.text == "secret"
        for told in (released, stream, stream.verdict, stream.spans):
            assert "secret" not in repr(told) + str(told)


class TestIterators:
    def source(self, log):
        try:
            yield from "one two three"
        finally:
            log.append("closed")

    def test_filter_ends_with_the_verdict_and_closes_the_source(self):
        log = []
        course = [float(n >= 8) for n in range(20)]
        monitor = StreamMonitor(Replay(course), every=1, hold_back=2, thresholds=0.5)
        *texts, verdict = monitor.filter(self.source(log))
        assert "".join(texts) == "one t"
        assert isinstance(verdict, StreamVerdict)
        assert (verdict.received, verdict.finish_reason, log) == (8, "content_filter", ["closed"])

    def test_filter_without_a_stop_passes_everything(self):
        *texts, verdict = StreamMonitor(steady(), thresholds=0.5).filter(["one ", "two"])
        assert ("".join(texts), verdict.finish_reason) == ("one two", "stop")

    def test_a_caller_that_leaves_closes_the_source(self):
        log = []
        monitor = StreamMonitor(steady(), every=1, hold_back=0, thresholds=0.5)
        items = monitor.filter(self.source(log))
        next(items)
        items.close()
        assert log == ["closed"]

    def test_the_asynchronous_form_gives_the_same(self):
        log = []

        async def source():
            try:
                for char in "one two three":
                    await asyncio.sleep(0)
                    yield char
            finally:
                log.append("closed")

        async def gathered():
            return [item async for item in monitor.guard(source())]

        course = [float(n >= 8) for n in range(20)]
        monitor = StreamMonitor(Replay(course), every=1, hold_back=2, thresholds=0.5)
        found = asyncio.run(gathered())
        assert found == list(monitor.filter("one two three"))
        assert log == ["closed"]


class TestPaths:
    @given(TEXTS, COURSES, st.integers(1, 9))
    @settings(max_examples=25, deadline=None)
    def test_a_path_has_the_looks_of_its_stream(self, text, course, every):
        monitor = StreamMonitor(Replay(course), every=every, thresholds=2.0)
        path = monitor.path(text)
        _, stream = run(monitor, [text])
        assert [span.end for span in stream.spans] == path.positions.tolist()
        assert [span.value for span in stream.spans] == path.signal().tolist()
        assert path.maximum() == stream.verdict.peak

    def test_a_scorer_does_not_see_the_reply_before_it_is_written(self):
        class Peeking(Replay):
            def begin(self, exchange=None):
                self.seen = exchange
                return super().begin(exchange)

        scorer = Peeking([0.0])
        StreamMonitor(scorer).path(Exchange(prompt="p", reply="four", id="7"))
        assert scorer.seen == Exchange(prompt="p", id="7")

    def test_one_text_is_not_many_replies(self):
        monitor = StreamMonitor(steady())
        for called in (monitor.fit, monitor.evaluate):
            with pytest.raises(UsageError, match="several"):
                called("some text", [1] * 9)
        with pytest.raises(UsageError, match="several"):
            monitor.certify("some text", [1] * 9, "miss rate <= 5%")
        with pytest.raises(UsageError, match="a policy decides"):
            StreamMonitor(steady(), policy=Policy("allow")).certify([], [], "miss rate <= 5%")

    def test_an_exchange_brings_its_reply(self):
        monitor = StreamMonitor(steady())
        assert monitor.path(Exchange(prompt="p", reply="four")).length == 4
        with pytest.raises(UsageError):
            monitor.path(Exchange(prompt="p"))

    def test_the_trajectory_weighs_tokens_by_the_segment_they_end_in(self):
        course = [0.0] * 5 + [0.75] * 4
        segments = trajectory(StreamMonitor(Replay(course), every=4), "abcdefgh")
        assert [(s.start, s.end, s.safety) for s in segments] == [(0, 4, 1.0), (4, 8, 0.25)]
        assert token_weights(segments, [(0, 4), (3, 5), (5, 8)]) == [1.0, 0.25, 0.25]
        with pytest.raises(ParameterError):
            token_weights(segments, [(5, 9)])
        with pytest.raises(DataError):
            trajectory(StreamMonitor(steady(1.5)), "abc")

    def test_scorers_that_change_their_keys_are_refused(self):
        class Changing(Replay):
            def feed(self, text):
                found = super().feed(text)
                return found | ({"hte": 0.1} if self.read > 4 else {})

        with pytest.raises(DataError, match="other values at other looks"):
            StreamMonitor(Changing([0.0]), every=2).path("abcdefgh")


class TestSaving:
    def test_a_monitor_comes_back_and_wants_its_scorer(self):
        monitor = StreamMonitor(Replay([0, 0, 1]), every=2, hold_back=3, thresholds=0.5)
        kind, body = monitor.to_artifact()
        assert kind == "stream_monitor"
        back = StreamMonitor.from_artifact(body)
        with pytest.raises(UsageError, match="no scorer"):
            back.begin()
        other = steady()
        other.version = "v2"
        with pytest.raises(ArtifactError, match="another scorer"):
            back.attach(other)
        assert back.attach(Replay([0, 0, 1])).version == monitor.version
        assert run(back, ["abcd"])[1].verdict == run(monitor, ["abcd"])[1].verdict

    def test_normal_forms_are_told_apart(self):
        texts = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
        digests = {StreamMonitor(steady()).path(text).digest for text in texts}
        assert len(digests) == 2

    def test_a_path_is_checked(self):
        path = StreamMonitor(steady()).path("abc")
        with pytest.raises(DataError):
            dataclasses.replace(path, positions=np.array([3, 2]), values=np.zeros((2, 1)))
        with pytest.raises(DataError):
            dataclasses.replace(path, values=np.array([[np.nan]]))
        with pytest.raises(ParameterError):
            path.maximum(("hte",))
