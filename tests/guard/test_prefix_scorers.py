"""Several scorers follow one text as each does alone."""

import pytest

from riskwright.core import ParameterError, UsageError
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.prefix_scorers import PrefixScorers, follows, prefix_scorer
from riskwright.guard.scorers import default_scorers
from riskwright.scoring.text.rules import RuleScorer, TermList

TEXT = "A quiet beginning, ann@example.org, and then the purple elephant, you silly goose."
CHUNKS = [TEXT[k : k + 7] for k in range(0, len(TEXT), 7)]


class Plain:
    """Whole texts only."""

    name, version, taxonomy, cost = "plain", "1", "ailuminate", 0.0


def both():
    house = TermList(["purple elephant"], name="house")
    return [RuleScorer(lists=[house], hazards={"house": "spc"}), default_scorers()[1]]


def test_values_are_the_largest_of_all_and_those_of_each_stand_beside():
    rules, ngrams = both()
    joined, alone = PrefixScorers([rules, ngrams]).begin(), [rules.begin(), ngrams.begin()]
    for chunk in CHUNKS:
        found = joined.feed(chunk)
        told = [state.feed(chunk) for state in alone]
        assert found["spc"] == max(told[0]["spc"], told[1]["spc"])
        assert found["any"] == told[1]["any"]
        for name, values in zip(("rules", "ngrams"), told, strict=True):
            assert all(found[f"{name}:{key}"] == value for key, value in values.items())
    assert found["rules:house"] == found["spc"] == 0.9


def test_detectors_alone_make_the_overall_value():
    rules = RuleScorer()
    other = RuleScorer(["secrets"], name="more")
    found = PrefixScorers([rules, other]).begin().feed("Write to ann@example.org")
    assert found["any"] == found["rules:any"] > 0


def test_whole_texts_have_the_severity_of_the_same_scorers():
    joined = PrefixScorers(both())
    [score] = joined.score([Exchange(reply=TEXT)])
    assert score.severity == joined.begin().feed(TEXT)["any"]


def test_the_version_is_that_of_all_scorers():
    rules, ngrams = both()
    assert PrefixScorers([rules, ngrams]).version != PrefixScorers([RuleScorer(), ngrams]).version
    assert PrefixScorers(both()).version == PrefixScorers([rules, ngrams]).version


def test_those_that_can_follow_are_taken():
    rules, ngrams = both()
    assert prefix_scorer([Plain(), rules]) is rules
    assert prefix_scorer([rules, Plain(), ngrams]).name == "rules+ngrams"
    assert not follows(Plain())
    with pytest.raises(UsageError, match="growing text"):
        prefix_scorer([Plain()])


def test_names_and_taxonomies_must_agree():
    rules, ngrams = both()
    with pytest.raises(ParameterError, match="names"):
        PrefixScorers([rules, RuleScorer()])
    with pytest.raises(ParameterError, match="names"):
        PrefixScorers([])
    other = RuleScorer(hazards={}, taxonomy="aegis", name="other")
    with pytest.raises(ParameterError, match="taxonomies"):
        PrefixScorers([other, ngrams])
