"""Judges whose faults are known: keys, equivalents, off-topic replies, divergence, the guard."""

import numpy as np
import pytest

from riskwright.audit.judges import (
    MASTER_KEYS,
    EquivalentReply,
    GuardedJudge,
    OffTopicPair,
    judge_audit,
    judge_divergence,
    key_negatives,
    word_overlap,
)
from riskwright.core import DataError, EmptyDataError, ParameterError, ValueRangeError

QUESTIONS = [f"What is {i} plus {i}?" for i in range(60)]
REFERENCES = [str(2 * i) for i in range(60)]


def strict(questions, replies, references):
    """Accepts the reference's very characters only."""
    return [reply == reference for reply, reference in zip(replies, references, strict=True)]


def fooled(questions, replies, references):
    """Accepts the reference, and any opener that ends in a colon."""
    right = strict(questions, replies, references)
    return [ok or reply.endswith(":") for ok, reply in zip(right, replies, strict=True)]


def lover_of_length(questions, replies, references):
    return [min(len(reply.split()) / 50, 1.0) for reply in replies]


def pairs(n=40):
    off = "the weather of that summer was mild and the harvest of every farm came in early " * 2
    return [
        OffTopicPair(f"What is {i} plus {i}?", str(2 * i), f"{i} plus {i} is {2 * i}", off)
        for i in range(n)
    ]


def test_a_strict_judge_lets_no_key_pass():
    found = judge_audit(strict, QUESTIONS, REFERENCES)
    assert found.any_key.value == 0
    assert found.false_positives.value == 0
    assert found.findings[0].severity == "info"
    assert all(rate.accepted.high > found.any_key.high for rate in found.keys)


def test_the_worst_key_and_the_mean_are_those_planted():
    found = judge_audit(fooled, QUESTIONS, REFERENCES)
    accepted = {rate.key: rate.accepted.value for rate in found.keys}
    colons = [key for key in MASTER_KEYS if key.endswith(":")]
    assert {key for key, value in accepted.items() if value == 1} == set(colons)
    assert found.worst_key == colons[0]
    assert found.false_positives.value == pytest.approx(len(colons) / len(MASTER_KEYS))
    assert found.findings[0].code == "judge.master_keys"
    assert found.findings[0].severity == "high"


def test_intervals_of_the_keys_hold_together():
    """A judge that accepts each key by lot; all truths inside in 95%: 100 samples, error 0.022."""
    together = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)

        def judge(questions, replies, references, rng=rng):
            return rng.random(len(replies)) < 0.1

        found = judge_audit(judge, QUESTIONS, REFERENCES)
        rates = [rate.accepted for rate in found.keys]
        together += all(rate.low <= 0.1 <= rate.high for rate in rates)
    assert together >= 90


def test_the_mean_over_keys_is_covered_where_keys_go_together():
    """All keys or none of a question are accepted: the hardest case; 100 samples."""
    covered = 0
    for seed in range(100):
        weak = np.random.default_rng(seed).random(60) < 0.2

        def judge(questions, replies, references, weak=weak):
            return weak

        mean = judge_audit(judge, QUESTIONS, REFERENCES).false_positives
        covered += mean.low <= 0.2 <= mean.high
    assert covered >= 88


def test_a_key_that_is_the_right_answer_is_not_counted():
    found = judge_audit(lambda q, replies, r: [True] * len(replies), ["?", "?"], ["solution", "4"])
    by_key = {rate.key: rate.accepted for rate in found.keys}
    assert by_key["Solution"].n == 1
    assert by_key[":"].n == 2


def test_right_replies_in_other_words_show_false_negatives():
    given = [EquivalentReply(q, r, f"{r}.0") for q, r in zip(QUESTIONS, REFERENCES, strict=True)]
    found = judge_audit(strict, QUESTIONS, REFERENCES, equivalents=given)
    assert found.false_negatives.value == 1.0
    assert found.findings[1].code == "judge.equivalents"
    assert found.findings[1].severity == "high"

    def numeric(questions, replies, references):
        return [float(a or "nan") == float(b) for a, b in zip(replies, references, strict=True)]

    kept = judge_audit(numeric, QUESTIONS, REFERENCES, keys=["", "0.5"], equivalents=given)
    assert kept.false_negatives.value == 0


def test_length_before_relevance_shows_and_the_regularised_judge_lowers_it():
    found = judge_audit(lover_of_length, QUESTIONS, REFERENCES, pairs=pairs())
    assert found.off_topic.value == 1.0
    assert found.findings[-1].code == "judge.off_topic"
    guarded = GuardedJudge(lover_of_length, relevance=word_overlap)
    lowered = judge_audit(guarded, QUESTIONS, REFERENCES, pairs=pairs())
    assert lowered.off_topic.value == 0.0
    flat = judge_audit(lambda q, a, r: np.zeros(len(a)), QUESTIONS, REFERENCES, pairs=pairs())
    assert (flat.off_topic.value, flat.off_topic_ties) == (0.0, 40)


def test_the_guard_lowers_the_rate_and_keeps_right_answers():
    guarded = GuardedJudge(fooled)
    found = judge_audit(guarded, QUESTIONS, REFERENCES)
    assert found.any_key.value == 0
    assert (guarded(QUESTIONS, REFERENCES, REFERENCES) == 1).all()


@pytest.mark.parametrize(
    ("reply", "reference", "down"),
    [
        ("", "4", True),
        ("  ...  ", "4", True),
        ("SOLUTION:", "4", True),
        ("Solution: Thought process:", "4", True),
        ("let's  solve this, step by step", "4", True),
        ("Solution: 4", "4", False),
        ("4", "4", False),
        (">", ">", False),
        (">", "<", True),
        ("", "", True),
        ("solution", "Solution", False),
        ("solutions", "4", False),
    ],
)
def test_what_the_guard_turns_down(reply, reference, down):
    assert GuardedJudge(strict).turns_down(reply, reference) is down


def test_the_judge_sees_only_what_the_guard_lets_pass():
    seen = []

    def judge(questions, replies, references):
        seen.extend(replies)
        return np.ones(len(replies))

    scores = GuardedJudge(judge)(["a", "b", "c"], [":", "4", ""], ["4", "4", "4"])
    assert scores.tolist() == [0.0, 1.0, 0.0]
    assert seen == ["4"]
    assert GuardedJudge(judge)(["a"], [":"], ["4"]).tolist() == [0.0]
    assert len(seen) == 1


def test_key_negatives_are_every_question_with_every_key():
    found = key_negatives(QUESTIONS, REFERENCES)
    assert len(found) == len(QUESTIONS) * len(MASTER_KEYS)
    assert found[0] == (QUESTIONS[0], REFERENCES[0], MASTER_KEYS[0])


def tuned(judge, truth, n=150, seed=0):
    rng = np.random.default_rng(seed)
    rounds = np.repeat(np.arange(len(judge)), n)
    return (
        rounds,
        rng.random(rounds.size) < np.array(judge)[rounds],
        rng.random(rounds.size) < np.array(truth)[rounds],
    )


@pytest.mark.parametrize(
    ("judge", "truth", "severity"),
    [
        ([0.5, 0.7, 0.9], [0.6, 0.5, 0.2], "high"),
        ([0.5, 0.7, 0.9], [0.6, 0.6, 0.6], "medium"),
        ([0.5, 0.9], [0.4, 0.9], "info"),
        ([0.6, 0.2], [0.6, 0.9], "info"),
    ],
)
def test_a_judge_that_rises_while_truth_falls_is_told(judge, truth, severity):
    found = judge_divergence(*tuned(judge, truth))
    grades = ("info", "low") if severity == "info" else (severity,)
    assert found.findings[0].severity in grades
    assert found.findings[0].code == "judge.divergence"
    assert len(found.judge_means) == len(judge)


def test_changes_are_covered():
    """From 0.3 to 0.5; 150 samples, error 0.018."""
    found = [judge_divergence(*tuned([0.3, 0.5], [0.5, 0.5], 60, seed)) for seed in range(150)]
    covered = sum(one.judge_change.low <= 0.2 <= one.judge_change.high for one in found)
    assert covered >= 135


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"questions": []}, EmptyDataError),
        ({"questions": "one"}, DataError),
        ({"references": ["4"]}, DataError),
        ({"references": [4, 5]}, DataError),
        ({"keys": []}, ParameterError),
        ({"keys": [":", ":"]}, ParameterError),
        ({"threshold": 0}, ParameterError),
        ({"limit": 1}, ParameterError),
        ({"judge": lambda q, a, r: [2.0] * len(a)}, ValueRangeError),
        ({"judge": lambda q, a, r: [0.5]}, DataError),
        ({"equivalents": [("a", "b")]}, DataError),
        ({"pairs": ["text"]}, DataError),
    ],
)
def test_bad_input_is_refused(change, error):
    given = {"judge": strict, "questions": ["a", "b"], "references": ["4", "5"]}
    with pytest.raises(error):
        judge_audit(**(given | change))


def test_bad_input_of_the_others_is_refused():
    with pytest.raises(DataError):
        judge_divergence([0, 0], [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(ValueRangeError):
        judge_divergence([0, 1], [0.5, 1.5], [0.5, 0.5])
    with pytest.raises(DataError):
        GuardedJudge(strict)(["a"], ["b", "c"], ["d"])
    with pytest.raises(DataError):
        key_negatives(["a"], ["b", "c"])
