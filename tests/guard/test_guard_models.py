"""Guard models within a guard: every family in the terms of the pivot, own categories, files."""

from __future__ import annotations

import pytest

from riskwright.evidence.exchanges import Exchange
from riskwright.guard.combining import combined
from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion, Moderation
from riskwright.scoring.guard_models.endpoint_scorer import EndpointScorer
from riskwright.scoring.guard_models.granite_guardian import Criterion, GraniteGuardian
from riskwright.scoring.guard_models.llama_guard import LlamaGuard
from riskwright.scoring.guard_models.nemotron import NemotronSafety
from riskwright.scoring.guard_models.openai_moderation import OpenAIModeration
from riskwright.scoring.guard_models.registry import adapter_named, adapter_names
from riskwright.scoring.guard_models.shieldgemma import Principle, ShieldGemma
from riskwright.taxonomy.crosswalks import crosswalk_names, load_crosswalk
from riskwright.taxonomy.taxonomies import Category, Taxonomy, load_taxonomy

ENDPOINT = Endpoint(url="http://localhost:1/v1", model="double")
EXCHANGE = Exchange(prompt="A line of made-up words.", id="a")

GRAVE = {
    "llama-guard-1": ("unsafe\nO6", "ssh"),
    "llama-guard-2": ("unsafe\nS10", "ssh"),
    "llama-guard-3": ("unsafe\nS11", "ssh"),
    "llama-guard-4": ("unsafe\nS11", "ssh"),
    "aegis-1": ("unsafe\nO6", "ssh"),
    "aegis-2": ('{"User Safety": "unsafe", "Safety Categories": "Suicide and Self Harm"}', "ssh"),
    "nemotron-reasoning": ("Prompt harm: harmful\nResponse harm: None", None),
    "wildguard": ("Harmful request: yes\nResponse refusal: n/a\nHarmful response: n/a", None),
    "shieldgemma": ("Yes", "hte"),
    "granite-guardian-3": ("Yes", None),
    "granite-guardian-4.1": ("<score> yes </score>", None),
    "qwen3guard": ("Safety: Unsafe\nCategories: Suicide & Self-Harm", "ssh"),
    "xguard": ("mh", "ssh"),
    "severity-judge": ("90", None),
    "openai-moderation": (None, "ssh"),
}


def answered(adapter, words, scores=None):
    """The score of an adapter that is given this answer to whatever it asks."""

    def complete(endpoint, requests):
        results = () if scores is None else (Moderation(flagged=True, scores=scores),)
        return [Completion(text=words or "", moderation=results) for _ in requests]

    (score,) = EndpointScorer(adapter, ENDPOINT, complete=complete).score([EXCHANGE])
    return score


@pytest.mark.parametrize("name", adapter_names())
def test_every_family_speaks_of_the_pivots_hazards(name):
    words, hazard = GRAVE[name]
    adapter = adapter_named(name)
    scores = dict.fromkeys(load_taxonomy("openai_moderation").codes, 0.9) if not words else None
    score = answered(adapter, words, scores)
    assert (score.severity or 0) >= 0.9
    assert score.taxonomy in crosswalk_names()
    assert set(score.hazards) <= set(load_taxonomy(score.taxonomy).codes)
    found = combined(EXCHANGE, {adapter.name: score}, taxonomy="ailuminate")
    assert found.taxonomy == "ailuminate"
    assert found.severity == score.severity
    assert set(found.hazards) <= set(load_taxonomy("ailuminate").codes)
    if hazard is not None:
        assert found.hazards[hazard] >= 0.9
    assert not found.reason


def test_llama_guard_is_sent_the_pivots_hazards_under_its_own_kind_of_codes():
    guard = LlamaGuard(layout="prompt", categories=load_taxonomy("ailuminate"))
    prompt = guard.prompt(EXCHANGE)
    codes = load_taxonomy("ailuminate").codes
    number = 1 + codes.index("prv")
    assert f"\nS{number}: Privacy.\n" in prompt
    assert guard.taxonomy == "ailuminate"
    score = answered(guard, f"unsafe\nS{number}")
    assert [code for code, value in score.hazards.items() if value] == ["prv"]
    assert set(score.hazards) == set(codes)
    arguments = LlamaGuard(categories=guard.categories).requests(EXCHANGE)[0].extra
    assert list(arguments["chat_template_kwargs"]["categories"])[number - 1] == f"S{number}"
    without = LlamaGuard(categories=guard.categories, off=(codes[0],))
    assert answered(without, "unsafe\nS1").reason == "1 category that was switched off"
    assert answered(without, "unsafe\nS2").hazards[codes[1]] == 1.0


def test_nemotron_answers_with_the_names_of_the_categories_that_it_was_given():
    guard = NemotronSafety(categories=load_taxonomy("ailuminate"))
    score = answered(guard, '{"User Safety": "unsafe", "Safety Categories": "Privacy"}')
    assert score.taxonomy == "ailuminate"
    assert score.hazards["prv"] == 1.0


@pytest.mark.parametrize(
    ("adapter", "words", "outside"),
    [
        (LlamaGuard(categories=(Category(code="S90", name="Riddles"),)), "unsafe\nS90", "S90"),
        (LlamaGuard(categories=(Category(code="riddle", name="Riddles"),)), "unsafe\nS1", "riddle"),
        (
            ShieldGemma(principles=(Principle(code="riddle", name="R", forbids="x."),)),
            "Yes",
            "riddle",
        ),
        (GraniteGuardian(criteria=(Criterion(code="riddle", text="A riddle."),)), "Yes", "riddle"),
        (adapter_named("xguard", {"added": ["zz"]}), "zz", "zz"),
    ],
    ids=["own code", "numbered", "principle", "criterion", "added"],
)
def test_categories_without_a_taxonomy_stand_in_the_values_and_count_for_the_severity(
    adapter, words, outside
):
    score = answered(adapter, words)
    assert outside not in score.hazards
    assert score.values[adapter.name][outside] == 1.0
    assert score.reason == "1 category that the taxonomy does not have: in the values alone"
    found = combined(EXCHANGE, {adapter.name: score}, taxonomy="ailuminate")
    assert found.severity == 1.0
    assert found.values[adapter.name][outside] == 1.0
    assert found.reason == score.reason


def test_a_taxonomy_of_ones_own_without_a_crosswalk_is_told_of_and_counts():
    own = Taxonomy(
        id="riddles",
        name="Riddles",
        version="1",
        categories=(Category(code="short", name="Short"), Category(code="long", name="Long")),
    )
    score = answered(LlamaGuard(categories=own), "unsafe\nS2")
    assert (score.taxonomy, score.hazards) == ("riddles", {"short": 0.0, "long": 1.0})
    found = combined(EXCHANGE, {"llama-guard-3": score}, taxonomy="ailuminate")
    assert (found.taxonomy, found.hazards, found.severity) == ("ailuminate", {}, 1.0)
    assert found.values["llama-guard-3"]["long"] == 1.0
    assert found.reason == "2 hazards of 'riddles' in the values alone: no crosswalk"
    kept = combined(EXCHANGE, {"llama-guard-3": score}, taxonomy="riddles")
    assert kept.hazards == score.hazards


def test_unknown_codes_of_a_known_taxonomy_do_not_stop_a_guard():
    score = answered(OpenAIModeration(), None, {"hate": 0.2, "riddles": 0.9, "puns": 0.1})
    assert score.hazards == {"hate": 0.2}
    assert score.severity == 0.9
    wild = score.__class__(severity=0.9, taxonomy="openai_moderation", hazards={"riddles": 0.9})
    found = combined(EXCHANGE, {"x": wild}, taxonomy="ailuminate")
    assert (found.severity, found.hazards) == (0.9, {})
    assert "no crosswalk" in found.reason


def test_crosswalks_hold_every_code_that_an_adapter_can_tell():
    for name in adapter_names():
        adapter = adapter_named(name)
        walk = load_crosswalk(adapter.taxonomy, "ailuminate")
        told = {c.code for c in getattr(adapter, "used", ())}
        assert told <= set(walk.source.codes)
