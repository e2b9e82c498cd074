"""Streams with the scorers of the package: what leaks of a secret, joined scorers, logs."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ParameterError, UsageError
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.decision_log import DecisionLog, read_log, verify_log
from riskwright.guard.stream_joining import JoinedScorer
from riskwright.guard.streams import StreamMonitor
from riskwright.scoring.text.ngrams import default_ngram_scorer
from riskwright.scoring.text.rules import RuleScorer
from riskwright.scoring.text.rules.rule import AFTER
from riskwright.taxonomy.policies import load_policy

NGRAMS, RULES = default_ngram_scorer(), RuleScorer()
BOTH = JoinedScorer([RULES, NGRAMS])
KEY = "AIza" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1b-"
TOKEN = "glpat-" + "x9Y8w7V6u5T4s3R2q1P0"
PIECES = [
    *("plain words, ", "and more of them. ", "éte\u0301 ", "👩\u200d🚀 ", "。", "\n", "a"),
    *(KEY, TOKEN, "ann@example.org", "token = Zx81Qw93Er75Ty60", "-----BEGIN PRIVATE KEY-----"),
    *(
        "sk_live_" + "aB3dE5gH7jK9mN1pQ2rS4tU6",
        "4111 1111 1111 1111",
        "password: h0rse-b4ttery",
        "ghp_",
        "sk_live_",
        "_",
        "é",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=16).map("".join)


def policy(**bands):
    """A policy that blocks from these values on, hazard or signal by hazard or signal."""
    thresholds = {key: {"r": {"low": at, "high": at}} for key, at in bands.items()}
    return load_policy(
        {
            "id": "p",
            "version": "1",
            "taxonomy": "ailuminate",
            "mode": "enforce",
            "regimes": ["r"],
            "regime": "r",
            "hazards": {"any": {}} | {key: {} for key in bands},
            "thresholds": thresholds,
            "fallback": {},
        }
    )


def released(monitor, chunks):
    """All that a client sees, and the verdict."""
    *texts, verdict = monitor.filter(chunks)
    return "".join(texts), verdict


def chunked(text, places, form):
    whole = text.encode() if form else text
    ends = sorted({place % (len(whole) + 1) for place in places} | {len(whole)})
    return [whole[a:b] for a, b in zip([0, *ends], ends, strict=False)]


class TestSecrets:
    @given(TEXTS, st.lists(st.integers(0, 999), max_size=30), st.booleans(), st.integers(1, 90))
    @settings(max_examples=40, deadline=None)
    def test_with_all_of_the_reach_held_back_nothing_of_any_find_goes_out(
        self, text, places, form, every
    ):
        self.check(text, chunked(text, places, form), every, RULES.reach - 1, 0.3)

    @given(
        TEXTS,
        st.lists(st.integers(0, 999), max_size=30),
        st.integers(1, 90),
        st.integers(0, 120),
        st.sampled_from([0.3, 0.6, 0.9]),
    )
    @settings(max_examples=30, deadline=None)
    def test_with_less_held_back_the_bound_holds_from_the_start_of_the_find(
        self, text, places, every, hold_back, threshold
    ):
        self.check(text, chunked(text, places, False), every, hold_back, threshold)

    def check(self, text, chunks, every, hold_back, threshold):
        monitor = StreamMonitor(RULES, every=every, hold_back=hold_back, thresholds=threshold)
        seen, verdict = released(monitor, chunks)
        assert text.startswith(seen)
        finds = [
            span
            for span in RULES.score([Exchange(reply=text)])[0].evidence
            if span.weight >= threshold
        ]
        for find in finds:
            assert verdict.action == "stop"
            assert len(seen) - find.start <= monitor.leak_bound()
            assert len(seen) - find.start <= monitor.leak_bound(find.end - find.start + AFTER)

    def test_a_key_split_over_chunks_is_seen_where_less_than_its_length_is_held_back(self):
        text = "Here it is: " + KEY + " and on. " * 20
        for hold_back, leaked in ((len(KEY), 0), (len(KEY) - 1, 0), (10, len(KEY) - 11)):
            monitor = StreamMonitor(
                RULES, every=1, hold_back=hold_back, on="secrets", thresholds=0.9
            )
            seen, verdict = released(monitor, list(text))
            assert verdict.action == "stop"
            assert len(seen) - len("Here it is: ") <= leaked == monitor.leak_bound(len(KEY))
        assert len(seen) == len("Here it is: ") + leaked

    def test_the_reach_is_the_longest_find_with_its_context(self):
        assert RULES.reach == 4096 + AFTER
        assert StreamMonitor(RULES, hold_back=RULES.reach - 1).leak_bound() == 0
        assert StreamMonitor(RULES, hold_back=80).leak_bound() == RULES.reach - 81
        assert RuleScorer(["personal"]).reach < 640 < RuleScorer(["secrets"]).reach

    def test_a_certificate_says_what_can_leak(self):
        texts = [f"plain words {k}, {TOKEN if k % 4 == 0 else 'none'}." for k in range(400)]
        labels = [int(k % 4 == 0) for k in range(400)]
        for hold_back, told in ((80, True), (RULES.reach - 1, False)):
            monitor = StreamMonitor(RULES, hold_back=hold_back, on="secrets")
            monitor.certify(texts, labels, "false alarm rate <= 10%")
            assert (f"up to {monitor.leak_bound()} characters" in str(monitor.certificate_)) is told

    def test_no_bound_without_a_promise(self):
        with pytest.raises(UsageError, match="promise"):
            StreamMonitor(NGRAMS).leak_bound()


class TestJoined:
    @given(TEXTS, st.lists(st.integers(0, 999), max_size=8))
    @settings(max_examples=30, deadline=None)
    def test_values_are_those_of_the_scorers(self, text, places):
        states = {"rules": RULES.begin(), "ngrams": NGRAMS.begin()}
        joined = BOTH.begin()
        for chunk in chunked(text, places, False):
            own = {name: state.feed(chunk) for name, state in states.items()}
            found = joined.feed(chunk)
            for name, values in own.items():
                assert values == {key: found.pop(f"{name}:{key}") for key in values}
            assert found.pop("any") == own["ngrams"]["any"]
            assert found == {
                code: max(values[code] for values in own.values() if code in values)
                for code in {"prv"} | set(own["ngrams"]) - {"any"}
            }

    def test_a_reply_read_to_its_end_scores_as_a_guard_scores_it(self):
        reply = "Write to ann@example.org, you stupid idiot."
        exchange = Exchange(id="x", reply=reply, attributes={"language": "en"})
        _, verdict = released(StreamMonitor(BOTH, shadow=True), [reply])
        [whole] = BOTH.score([exchange])
        assert verdict.score.severity == pytest.approx(whole.severity, abs=0.2)
        assert verdict.score.values.keys() == whole.values.keys() == {"rules", "ngrams"}
        assert verdict.score.values["rules"] == whole.values["rules"]
        assert verdict.score.scorers == whole.scorers
        assert verdict.score.hazards.keys() == whole.hazards.keys()

    def test_a_policy_reads_hazards_and_signals(self):
        text = "Here it is: " + TOKEN + " and on. " * 20
        for rules in ({"rules:secrets": 0.9}, {"prv": 0.9}):
            monitor = StreamMonitor(BOTH, hold_back=40, policy=policy(any=2.0, **rules))
            seen, verdict = released(monitor, list(text))
            assert (verdict.action, verdict.decision.hazard) == ("block", next(iter(rules)))
            assert TOKEN not in seen
        quiet = StreamMonitor(BOTH, policy=policy(any=2.0, **{"rules:injection": 0.9}))
        assert released(quiet, [text])[0] == text

    def test_only_detectors_make_the_overall_value(self):
        secrets = RuleScorer(["secrets"], name="keys")
        both = JoinedScorer([RuleScorer(["personal"]), secrets])
        assert both.detector
        assert both.begin().feed(TOKEN + " ")["any"] == secrets.begin().feed(TOKEN + " ")["any"] > 0

    @pytest.mark.parametrize(
        "scorers",
        [[], [RULES, RULES], [RULES, RuleScorer(taxonomy="llama-guard-3", hazards={}, name="b")]],
    )
    def test_what_cannot_be_joined(self, scorers):
        with pytest.raises(ParameterError):
            JoinedScorer(scorers)

    def test_a_scorer_that_cannot_follow_a_text(self):
        class Whole:
            name, version, taxonomy, cost = "whole", "1", "ailuminate", 0.0

        with pytest.raises(ParameterError, match="cannot follow"):
            JoinedScorer([Whole()])


class TestScoresOfStreams:
    def test_a_log_takes_the_verdict_and_says_what_was_judged(self, tmp_path):
        text = "Here it is: " + TOKEN + " and on. " * 20
        monitor = StreamMonitor(BOTH, every=20, policy=policy(any=2.0, **{"rules:secrets": 0.9}))
        _, verdict = released(monitor, [text])
        with DecisionLog(tmp_path / "log.jsonl") as log:
            log.append(verdict.score, verdict.decision)
        assert [finding.passed for finding in verify_log(tmp_path / "log.jsonl")] == [True]
        _, entry = read_log(tmp_path / "log.jsonl")
        assert {(s.part, s.start, s.end, s.by) for s in entry.judged} == {
            ("reply", 0, verdict.judged, name) for name in ("rules", "ngrams")
        }
        assert verdict.judged < len(text)
        assert "glpat" not in (tmp_path / "log.jsonl").read_text()

    @given(TEXTS, st.sampled_from([0.3, 0.6, 0.9]), st.booleans())
    @settings(max_examples=40, deadline=None)
    def test_a_policy_decides_on_the_score_as_it_did_on_the_stream(self, text, at, shadow):
        judge = policy(**{"any": 2.0, "rules:any": at, "prv": at})
        monitor = StreamMonitor(BOTH, every=20, policy=judge, shadow=shadow)
        _, verdict = released(monitor, [text])
        again = judge.decide(verdict.score)
        assert again.action == (verdict.decision.would or verdict.action)

    def test_what_was_not_judged_to_the_end_is_not_scored(self):
        monitor = StreamMonitor(RULES, thresholds=0.9, max_characters=50)
        _, verdict = released(monitor, ["words " * 20])
        assert (verdict.score.outcome, verdict.score.severity) == ("not scored", None)
        assert monitor.begin().verdict.score.outcome == "not scored"
        broken = monitor.begin()
        with pytest.raises(UsageError):
            broken.feed(3)
        assert (broken.verdict.score.outcome, broken.verdict.action) == ("failed", "stop")

    def test_the_digest_is_that_of_the_judged_text(self):
        monitor = StreamMonitor(RULES, every=7, thresholds=2.0)
        reply = "quiet words é 👩\u200d🚀 and more"
        _, verdict = released(monitor, [reply.encode()])
        assert verdict.score.digest == monitor.path(reply).digest


class TestSources:
    def test_a_client_that_leaves_gets_nothing_more_and_the_source_is_closed(self):
        closed = []

        async def source():
            try:
                for word in ["words " * 30, "and more " * 30, "and on " * 30]:
                    yield word
            finally:
                closed.append(True)

        async def leave():
            guarded = StreamMonitor(RULES, thresholds=0.9).guard(source())
            first = await anext(guarded)
            await guarded.aclose()
            return first, [item async for item in guarded]

        first, rest = asyncio.run(leave())
        assert ("words " * 30).startswith(first)
        assert (rest, closed) == ([], [True])
        assert len(first) < 180

    def test_a_cancelled_task_releases_nothing_more(self):
        seen, closed = [], []

        async def source():
            try:
                yield "words " * 30
                await asyncio.sleep(3600)
            finally:
                closed.append(True)

        async def read():
            async for item in StreamMonitor(RULES, thresholds=0.9).guard(source()):
                seen.append(item)

        async def cancel():
            task = asyncio.create_task(read())
            while not seen:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        assert closed == [True]
        assert len(seen) == 1
        assert len(seen[0]) < 180
