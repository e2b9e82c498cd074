"""Somebody in distress is answered under guidelines, and nothing goes out that breaks them."""

import pytest

from riskwright.core import ParameterError
from riskwright.core.scores import Band, Decision, Score
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.guard import Guard
from riskwright.guard.guiding import guided_reply
from riskwright.scoring.guidelines import Guideline, GuidelineLibrary

DISTRESS = Exchange(prompt="lately I feel so alone that I cannot cope any more", id="d")
GUIDE = Decision(action="guide", hazard="ssh")


class Words:
    """Severity by a word in the reply."""

    name, version, taxonomy, cost = "words", "1", "ailuminate", 0.0

    def score(self, exchanges):
        return [Score(severity=0.9 if "pineapple" in e.judged[1] else 0.1) for e in exchanges]


@pytest.fixture
def setting(policy):
    rules = policy(hazards={"any": {}}).with_thresholds(
        {"any": {"strict": Band(low=0.5, high=0.8)}}
    )
    return {"guard": Guard([Words()]), "policy": rules, "library": GuidelineLibrary.starter()}


def test_a_person_in_distress_gets_a_supportive_answer(setting):
    seen = []

    def answer(messages):
        seen.append(messages)
        return "I am sorry. Is there somebody you can talk to?"

    found = guided_reply(DISTRESS, GUIDE, **setting, answer=answer, judge=lambda r, g: True)
    assert found.reply.startswith("I am sorry")
    assert "distress" in found.guidelines
    assert found.decision.action == "allow"
    assert found.attempts == 1
    assert seen[0][0].role == "system"
    assert seen[0][-1].content == DISTRESS.prompt
    assert "sorry" not in repr(found)


def test_answers_are_asked_for_again_until_one_keeps_the_guidelines(setting):
    answers = iter(["no.", "talk to somebody"])
    found = guided_reply(
        DISTRESS, GUIDE, **setting, answer=lambda m: next(answers), judge=lambda r, g: "talk" in r
    )
    assert (found.reply, found.attempts) == ("talk to somebody", 2)


def test_what_breaks_the_guidelines_or_the_policy_does_not_go_out(setting):
    broken = guided_reply(
        DISTRESS, GUIDE, **setting, answer=lambda m: "no.", judge=lambda r, g: False
    )
    assert (broken.reply, broken.decision.action, broken.attempts) == (None, "escalate", 2)
    grave = guided_reply(DISTRESS, GUIDE, **setting, answer=lambda m: "pineapple")
    assert (grave.reply, grave.decision.action) == (None, "block")


def test_no_guideline_means_somebody_else_looks(setting):
    def never(messages):
        raise AssertionError("the model must not be asked")

    far = Guideline(id="parcels", guideline="Say where.", inputs=("where is my parcel",))
    empty = {**setting, "library": GuidelineLibrary([far])}
    found = guided_reply(DISTRESS, GUIDE, **empty, answer=never)
    assert (found.reply, found.decision.action) == (None, "escalate")


def test_guidelines_that_the_policy_names_come_first(setting):
    ids = [g.id for g in setting["library"].guidelines_]
    named = Decision(action="guide", guidance=(ids[-1],))
    found = guided_reply(DISTRESS, named, **setting, answer=lambda m: "talk")
    assert found.guidelines[0] == ids[-1]


def test_other_decisions_are_refused(setting):
    with pytest.raises(ParameterError, match="guidance"):
        guided_reply(DISTRESS, Decision(action="block"), **setting, answer=lambda m: "")


def test_no_answer_is_never_taken_for_one(setting):
    """Without a reply the prompt itself would be judged, and pass."""
    with pytest.raises(ParameterError, match="no text"):
        guided_reply(DISTRESS, GUIDE, **setting, answer=lambda m: None)
    with pytest.raises(ParameterError, match="no attempts"):
        guided_reply(DISTRESS, GUIDE, **setting, answer=lambda m: "a", attempts=0)
