"""The constitution judge against a simulated judge whose leaning is known."""

from __future__ import annotations

import math
import random
import re

import pytest

from riskwright.core import ParameterError
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.replies import Failure
from riskwright.scoring.guard_models.constitution import (
    Constitution,
    Rule,
    load_constitution,
    save_constitution,
    split_rules,
)
from riskwright.scoring.guard_models.constitution_judge import (
    Chance,
    ConstitutionJudge,
    all_of,
    debiased,
)

from .doubles import ENDPOINT, Fake, said, text, token

NEUTRAL = Constitution(rules=(Rule(id="r", text="t"),)).neutral
RULES = (
    Rule(id="a", text="Rule A", hazard="prv", preconditions=("Is it A1?", "Is it A2?")),
    Rule(id="b", text="Rule B", hazard="hte", preconditions=("Is it B1?",)),
)
LEANING = {"Is it A1?": 3.0, "Is it A2?": -3.0, "Is it B1?": 1.0}


def chance(p):
    return Chance(value=p, low=p, high=p)


def sigma(x):
    return 1 / (1 + math.exp(-x))


def yes_with(p):
    p = min(max(p, 1e-6), 1 - 1e-6)
    return said(token("Yes", No=1 - p)) if p >= 0.5 else said(token("No", Yes=p))


def judge_of(signal, leaning=LEANING):
    """P(yes) = σ(signal + leaning); the signal stands in the text, that of the neutral is -4."""

    def answer(request):
        content = request.messages[-1]["content"]
        question = re.search(r"Question: (.*)", content)[1]
        if question.startswith("Is this rule about"):
            return yes_with(0.9)
        number = re.search(r"signal (-?[\d.]+)", content)
        strength = -4.0 if number is None else float(number[1])
        return yes_with(sigma(signal(strength, question) + leaning.get(question, 0.0)))

    return Fake(answer)


def judge(fake, **settings):
    return ConstitutionJudge(
        Constitution(rules=RULES), ENDPOINT, complete=fake, **{"unsure": None, **settings}
    )


def test_debiasing_takes_the_leaning_out():
    for leaning in (-3.0, 0.0, 5.0):
        found = debiased(chance(sigma(1.5 + leaning)), chance(sigma(-4.0 + leaning)), even=4.0)
        assert found.value == pytest.approx(sigma(1.5))


def test_debiasing_keeps_the_bracket():
    found = debiased(Chance(value=0.5, low=0.4, high=0.6), chance(0.1), even=0.0)
    assert found.low < found.value < found.high


def test_debiasing_recovers_ranking_and_calibration():
    """Two questions with opposite leanings: raw answers rank texts wrongly, debiased ones do not.

    The judge says yes with log-odds of the true ones plus a leaning of +3 and -3; the mean
    squared error to the true probability is nought after debiasing.
    """
    rng = random.Random(5)
    fake = judge_of(lambda strength, _: strength)
    strengths = [rng.uniform(-6, 6) for _ in range(40)]
    exchanges = [Exchange(prompt=f"signal {s:.6f}") for s in strengths]
    one = Constitution(rules=tuple(
        Rule(id=q, text=q, hazard=h, preconditions=(q,))
        for q, h in (("Is it A1?", "prv"), ("Is it A2?", "hte"))
    ))  # fmt: skip
    scores = ConstitutionJudge(one, ENDPOINT, complete=fake, unsure=None).score(exchanges)
    for strength, score in zip(strengths, scores, strict=True):
        for hazard in ("prv", "hte"):
            assert score.hazards[hazard] == pytest.approx(sigma(strength), abs=1e-4)
    raw = [sigma(s + (3.0 if k % 2 else -3.0)) for k, s in enumerate(strengths)]
    clean = [s.hazards["prv" if k % 2 else "hte"] for k, s in enumerate(scores)]
    assert swapped(strengths, raw) > 50
    assert swapped(strengths, clean) == 0


def swapped(truth, found):
    """Pairs in another order than that of the truth."""
    pairs = [(i, j) for i in range(len(truth)) for j in range(i)]
    return sum((truth[i] - truth[j]) * (found[i] - found[j]) < 0 for i, j in pairs)


def test_a_rule_is_broken_where_all_preconditions_hold():
    fake = judge_of(lambda s, question: s if question != "Is it A2?" else -s)
    (score,) = judge(fake, even=8.0).score([Exchange(prompt="signal 4")])
    assert score.outcome == "scored"
    assert score.meaning == "rank"
    low, high = score.bounds["prv"]
    assert low <= score.hazards["prv"] <= high
    assert score.severity == pytest.approx(max(score.hazards.values()))


def test_frechet():
    found = all_of([chance(0.9), chance(0.8)])
    assert (found.value, found.low, found.high) == pytest.approx((0.72, 0.7, 0.8))
    assert all_of([chance(0.3), chance(0.4)]).low == 0.0


def test_the_score_says_which_precondition_decided():
    fake = judge_of(lambda s, question: s if question != "Is it A2?" else 0.0)
    (score,) = judge(fake).score([Exchange(prompt="signal 5")])
    named = {span.by: span for span in score.evidence}
    assert set(named) == {"a/2", "b/1"}
    assert named["a/2"].hazard == "prv"
    assert (named["a/2"].start, named["a/2"].end) == (0, len("signal 5"))
    assert [span.weight for span in score.evidence] == sorted(
        (span.weight for span in score.evidence), reverse=True
    )


def test_the_neutral_text_is_asked_about_once():
    fake = judge_of(lambda s, _: s)
    scorer = judge(fake)
    scorer.score([Exchange(prompt="signal 1")])
    scorer.score([Exchange(prompt="signal 2")])
    about_neutral = [r for r in fake.asked if NEUTRAL in r.messages[-1]["content"]]
    assert len(about_neutral) == 3


def test_rules_that_do_not_apply_are_dropped_with_what_they_could_be():
    inner = judge_of(lambda s, _: s)

    def answer(request):
        question = re.search(r"Question: (.*)", request.messages[-1]["content"])[1]
        return yes_with(0.01) if question.endswith("Rule: Rule A") else inner.answer(request)

    fake = Fake(answer)
    (score,) = judge(fake).score([Exchange(prompt="signal 6")])
    assert score.hazards["prv"] == 0.0
    assert score.bounds["prv"] == (0.0, pytest.approx(0.01))
    assert not any(
        "Is it A1?" in r.messages[-1]["content"] and "signal" in r.messages[-1]["content"]
        for r in fake.asked
    )
    assert [span.by for span in score.evidence] == ["b/1"]


def test_reasoning_is_asked_for_only_where_the_quick_answer_is_unsure():
    def slow(request):
        if "Reason in a few sentences" in request.messages[0]["content"]:
            return said(token("It is so."), token("\nAnswer:"), token(" Yes", **{" No": 0.02}))
        return quick.answer(request)

    quick = judge_of(lambda s, question: s if question == "Is it B1?" else -9.0)
    fake = Fake(slow)
    sure, unsure = judge(fake, unsure=(0.3, 0.7)).score(
        [Exchange(prompt="signal 5"), Exchange(prompt="signal 0.1")]
    )
    asked = [r for r in fake.asked if "Reason in" in r.messages[0]["content"]]
    assert len(asked) == 1
    assert sure.reason == ""
    assert unsure.reason == "decided after reasoning: 1"
    assert unsure.hazards["hte"] == pytest.approx(0.98)


def test_what_fails_has_its_own_outcome():
    good = judge_of(lambda s, _: s)

    def answer(request):
        content = request.messages[-1]["content"]
        if "broken" in content and "Question: Is it" in content:
            return Failure(kind="timeout")
        if "odd" in content and "Question: Is it" in content:
            return text("It depends.")
        return good.answer(request)

    failed, odd, fine = judge(Fake(answer)).score(
        [Exchange(prompt=p) for p in ("broken", "odd", "signal 1")]
    )
    assert (failed.outcome, odd.outcome, fine.outcome) == ("failed", "unparsable", "scored")
    assert failed.severity is odd.severity is None
    assert "depends" not in odd.reason


def test_a_judge_without_log_probabilities_is_refused():
    with pytest.raises(ParameterError, match="log-probabilities"):
        judge(Fake(lambda _: text("No"))).score([Exchange(prompt="x")])


GOOD = """\
id: mine
rules:
  - id: a
    text: No riddles.
    hazard: prv
    preconditions:
      - Is it a riddle?
  - id: b
    text: No rhymes.
"""


def test_a_constitution_is_read_and_written(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    read = load_constitution(path)
    assert [rule.id for rule in read.rules] == ["a", "b"]
    save_constitution(read, tmp_path / "again.yaml")
    assert load_constitution(tmp_path / "again.yaml") == read


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("id: b", "id: a", "line 8.*given twice"),
        ("hazard: prv", "hazard: xyz", "line 3.*no hazard 'xyz'"),
        ("No rhymes.", "''", "line 8.*without words"),
        ("text: No riddles.", "words: No riddles.", "unknown"),
        ("      - Is it a riddle?\n", "      - Q?\n" * 13, "line 3.*more than 12"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, old, new, words):
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ParameterError) as error:
        load_constitution(path)
    assert re.search(words, str(error.value))


def test_rules_are_split_once_and_then_reviewed_by_a_person(tmp_path):
    path = tmp_path / "split.yaml"
    whole = Constitution(rules=(Rule(id="b", text="No rhymes."), RULES[0]))
    fake = Fake(lambda _: text("1. Does it rhyme?\n2. Is it in verse?"))
    split = split_rules(whole, ENDPOINT, path, complete=fake)
    assert split.rules[0].preconditions == ("Does it rhyme?", "Is it in verse?")
    assert split.rules[1] == RULES[0]
    assert not split.reviewed
    assert split_rules(whole, ENDPOINT, path, complete=fake) == split
    assert len(fake.asked) == 1
    with pytest.raises(ParameterError, match="no person has reviewed"):
        ConstitutionJudge(split, ENDPOINT)
    path.write_text(path.read_text().replace("reviewed: false", "reviewed: true"))
    ConstitutionJudge(load_constitution(path), ENDPOINT)


def test_an_answer_without_questions_splits_nothing(tmp_path):
    path = tmp_path / "split.yaml"
    for answer in (text("I would rather not."), Failure(kind="timeout"), text("")):
        with pytest.raises(ParameterError):
            split_rules(
                Constitution(rules=(Rule(id="b", text="No rhymes."),)),
                ENDPOINT,
                path,
                complete=Fake(lambda _, a=answer: a),
            )
    assert not path.exists()


def test_a_rule_is_dropped_only_where_it_surely_does_not_apply():
    """P(it applies) is 0.02 among what was listed, but half of the mass was not listed."""

    def answer(request):
        unsure = "Is this rule about" in request.messages[-1]["content"]
        return said(token("No", p=0.49, Yes=0.01)) if unsure else yes_with(0.3)

    (score,) = judge(Fake(answer)).score([Exchange(prompt="x")])
    assert score.severity > 0
    assert len(score.evidence) == len(RULES)
