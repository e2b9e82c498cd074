"""Scores in the forms that other software reads."""

import msgspec
import pytest

from riskwright.core import ParameterError
from riskwright.core.scores import Decision, Score
from riskwright.guard.wire import llama_guard_text, moderation_response, moderation_result
from riskwright.taxonomy import load_taxonomy

SCORE = Score(severity=0.9, hazards={"hte": 0.9, "vcr": 0.2, "ssh": 0.6})
BLOCK = Decision(action="block", hazard="hte", policy="p@1")
CODES = load_taxonomy("openai_moderation").codes


def test_every_required_key_of_a_moderation_result_is_there():
    result = moderation_result(SCORE, BLOCK)
    assert result["flagged"] is True
    for name in ("categories", "category_scores", "category_applied_input_types"):
        assert tuple(result[name]) == CODES
    assert len(CODES) == 13
    assert result["categories"]["hate"] is True
    assert result["category_scores"]["hate"] == 0.9
    assert result["category_applied_input_types"]["hate"] == ["text"]
    assert result["riskwright"]["action"] == "block"
    assert "illicit" in result["riskwright"]["unjudged"]
    whole = moderation_response([result], model="m")
    assert whole["id"].startswith("modr-")
    assert msgspec.json.decode(msgspec.json.encode(whole)) == whole


def test_what_passes_is_flagged_nowhere():
    result = moderation_result(SCORE, Decision(action="allow"))
    assert result["flagged"] is False
    assert not any(result["categories"].values())


def test_no_score_is_flagged_as_the_policy_says():
    unparsable = Score(outcome="unparsable")
    assert moderation_result(unparsable, Decision(action="escalate"))["flagged"] is True
    assert llama_guard_text(unparsable, Decision(action="escalate")) == "unsafe"


@pytest.mark.parametrize(("version", "codes"), [(3, "S10,S11"), (2, "S9,S10")])
def test_llama_guards_answer_has_the_codes_of_its_version(version, codes):
    assert llama_guard_text(SCORE, BLOCK, version=version) == f"unsafe\n{codes}"
    assert llama_guard_text(SCORE, Decision(action="guide"), version=version) == "safe"


def test_an_unknown_version_is_refused_whatever_the_decision():
    for decision in (BLOCK, Decision(action="allow")):
        with pytest.raises(ParameterError, match="llama_guard_4"):
            llama_guard_text(SCORE, decision, version=9)
