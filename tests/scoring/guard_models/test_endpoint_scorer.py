"""The scorer of an endpoint, repeated answers, beginnings that are followed, names and files."""

from __future__ import annotations

import re

import msgspec
import pytest

from riskwright.core import ParameterError
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.replies import Completion, Failure
from riskwright.language_models.requests import ChatRequest, CompletionRequest
from riskwright.scoring.guard_models.endpoint_scorer import EndpointScorer
from riskwright.scoring.guard_models.endpoint_settings import load_endpoint_settings
from riskwright.scoring.guard_models.llama_guard import LlamaGuard
from riskwright.scoring.guard_models.marginals import marginal_at_any_place
from riskwright.scoring.guard_models.next_tokens import next_tokens_of
from riskwright.scoring.guard_models.openai_moderation import OpenAIModeration
from riskwright.scoring.guard_models.registry import adapter_named, adapter_names
from riskwright.scoring.guard_models.sampled import Sampled
from riskwright.scoring.guard_models.shieldgemma import ShieldGemma
from riskwright.scoring.perception import Scorer

from .doubles import ENDPOINT, Fake, place, said, text, token

EXCHANGES = [Exchange(prompt="one", id="1", attributes={"group": "x"}), Exchange(prompt="two")]


def test_scores_are_in_order_and_say_where_they_come_from():
    fake = Fake(lambda r: text("unsafe\nS2" if "one" in r.messages[-1]["content"] else "safe"))
    scorer: Scorer = EndpointScorer(LlamaGuard(), ENDPOINT, complete=fake, cost=0.5)
    first, second = scorer.score(EXCHANGES)
    assert (first.severity, second.severity) == (1.0, 0.0)
    assert first.id == "1"
    assert first.attributes == {"group": "x"}
    assert first.digest == EXCHANGES[0].digest
    assert first.scorers == {"llama-guard-3": scorer.version}
    assert first.values["llama-guard-3"]["any"] == 1.0
    assert first.values["llama-guard-3"]["S2"] == 1.0
    assert scorer.cost == 0.5
    assert scorer.score([]) == []


def test_outcomes_stay_apart_and_cost_and_latency_are_summed():
    answers = iter([
        Completion(text="No", cost=1.0, latency_ms=2.0),
        Completion(text="Yes", cost=1.0, latency_ms=3.0),
        Completion(text="No", cost=1.0, latency_ms=2.0),
        Failure(kind="timeout"),
        Completion(text="hm"), Completion(text="No"), Completion(text="No"), Completion(text="No"),
        Completion(refusal="no"), Completion(text="No"), Completion(text="No"), Completion(),
    ])  # fmt: skip
    scorer = EndpointScorer(ShieldGemma(), ENDPOINT, complete=Fake(lambda _: next(answers)))
    failed, unparsable, refused = scorer.score([Exchange(prompt=p) for p in "abc"])
    assert (failed.outcome, unparsable.outcome, refused.outcome) == (
        "failed",
        "unparsable",
        "refused",
    )
    assert failed.severity is unparsable.severity is refused.severity is None
    assert (failed.cost, failed.latency_ms) == (3.0, 7.0)
    assert not failed.values


def test_versions_follow_model_and_settings():
    other = msgspec.structs.replace(ENDPOINT, model="another")
    versions = {
        EndpointScorer(LlamaGuard(), ENDPOINT).version,
        EndpointScorer(LlamaGuard(), other).version,
        EndpointScorer(LlamaGuard(off=("S1",)), ENDPOINT).version,
        EndpointScorer(Sampled(LlamaGuard(), 5), ENDPOINT).version,
    }
    assert len(versions) == 4


def test_samples_are_counted_with_an_exact_interval():
    """7 of 10 unsafe: Clopper and Pearson's interval is (0.3475, 0.9333)."""
    fake = Fake(lambda r: text("unsafe\nS1" if r.seed % 10 < 7 else "safe"))
    sampled = Sampled(LlamaGuard(), 10, seed=40)
    (score,) = EndpointScorer(sampled, ENDPOINT, complete=fake).score(EXCHANGES[:1])
    assert [r.seed for r in fake.asked] == list(range(40, 50))
    assert {r.temperature for r in fake.asked} == {1.0}
    assert {r.top_logprobs for r in fake.asked} == {None}
    assert score.severity == pytest.approx(0.7)
    assert score.hazards["S1"] == pytest.approx(0.7)
    assert score.uncertainty == (pytest.approx(0.3475, abs=1e-4), pytest.approx(0.9333, abs=1e-4))
    assert score.uncertainty_source == "10 samples"
    assert score.meaning == "probability"


def test_samples_that_cannot_be_read_widen_the_bracket():
    answers = [text("safe")] * 6 + [text("hm")] * 4
    score = Sampled(LlamaGuard(), 10).read(EXCHANGES[0], answers)
    assert score.severity == 0.0
    assert score.bounds["any"] == (0.0, pytest.approx(0.4))
    assert score.reason == "4 of 10 answers cannot be read"
    few = Sampled(LlamaGuard(), 10).read(EXCHANGES[0], [text("safe")] * 4 + [text("hm")] * 6)
    assert few.outcome == "unparsable"
    assert few.severity is None


def test_samples_of_several_questions():
    sampled = Sampled(ShieldGemma(), 2)
    assert len(sampled.requests(EXCHANGES[0])) == 8
    answers = [text(w) for w in ("Yes", "No", "No", "No", "No", "No", "No", "No")]
    score = sampled.read(EXCHANGES[0], answers)
    assert score.hazards == {"dangerous": 0.5, "harassment": 0.0, "hate": 0.0, "sexual": 0.0}


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(ParameterError, match="2 to 1,000"):
        Sampled(LlamaGuard(), 1)
    with pytest.raises(ParameterError, match="one answer only"):
        Sampled(OpenAIModeration(), 3).requests(EXCHANGES[0])


CHAIN = {
    "": {"unsafe": 0.7, "safe": 0.3},
    "unsafe": {"\n": 1.0},
    "unsafe\n": {"S1": 0.6, "S2": 0.4},
    "unsafe\nS1": {"0": 0.5, "<|eot_id|>": 0.3, ",": 0.2},
    "unsafe\nS1,": {"S2": 1.0},
}


def chain_step(request):
    done = request.prefill if isinstance(request, ChatRequest) else request.prompt[len("P") :]
    step = CHAIN.get(done, {"<|eot_id|>": 1.0})
    return said(place(max(step, key=step.get), step))


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest(messages=({"role": "user", "content": "x"},)),
        CompletionRequest(prompt="P"),
    ],
)
def test_beginnings_are_followed_by_prefilling(request_):
    """P(S1) = .7 · .6 · .5, P(S10) = .7 · .6 · .5, P(S2) = .7 · (.4 + .6 · .2)."""
    fake = Fake(chain_step)
    source = next_tokens_of(ENDPOINT, request_, complete=fake)
    labels = LlamaGuard().labels()
    found = marginal_at_any_place(source, labels, budget=50)
    assert found.values["S1"] == pytest.approx(0.21)
    assert found.values["S10"] == pytest.approx(0.21)
    assert found.values["S2"] == pytest.approx(0.7 * 0.52)
    assert max(high - low for low, high in found.bounds.values()) < 1e-9
    assert {r.max_tokens for r in fake.asked} == {1}
    few = marginal_at_any_place(source, labels, budget=2)
    assert few.bounds["S2"][0] <= 0.7 * 0.52 <= few.bounds["S2"][1]


def test_a_server_without_log_probabilities_tells_nothing():
    source = next_tokens_of(
        ENDPOINT, LlamaGuard().requests(EXCHANGES[0])[0], complete=Fake(lambda _: text("safe"))
    )
    found = marginal_at_any_place(source, LlamaGuard().labels())
    assert found.bounds["S1"] == (0.0, 1.0)
    assert found.open == pytest.approx(1.0)


def test_every_name_makes_an_adapter_with_versions_of_their_own():
    adapters = [adapter_named(name) for name in adapter_names()]
    assert len({adapter.version for adapter in adapters}) == len(adapters) == 15
    for adapter in adapters:
        assert adapter.requests(EXCHANGES[0])


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("llama-guard-5", {}, "Did you mean"),
        ("llama-guard-3", {"of": []}, "unknown setting 'of'"),
        ("llama-guard-3", {"generation": "2"}, "unknown setting"),
        ("llama-guard-3", {"off": "S1"}, "wrong kind of value"),
        ("llama-guard-3", {"off": ["S77"]}, "no category 'S77'"),
    ],
)
def test_names_and_settings_that_are_unknown(name, settings, words):
    with pytest.raises(ParameterError, match=words):
        adapter_named(name, settings)


GOOD = """\
adapter: llama-guard-3
url: http://localhost:8000/v1
model: guard
api_key_env: GUARD_KEY
timeout_s: 5
off: [S6]
layout: prompt
samples: 4
settings:
  max_tokens: 20
"""


def test_settings_from_a_file(tmp_path):
    path = tmp_path / "guard.yaml"
    path.write_text(GOOD)
    settings = load_endpoint_settings(path)
    assert settings.endpoint.model == "guard"
    assert settings.endpoint.timeout_s == 5
    scorer = settings.scorer(complete=Fake(lambda _: text("safe")))
    (score,) = scorer.score(EXCHANGES[:1])
    assert score.uncertainty_source == "4 samples"
    assert settings.guard_adapter().adapter.max_tokens == 20
    assert settings.guard_adapter().adapter.off == ("S6",)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("url: http://localhost:8000/v1", "url: 5", "line 2: url.*no url"),
        ("url: http://localhost:8000/v1", "url: ftp://x", "line 2: url"),
        ("adapter: llama-guard-3", "adapter: lama-guard-3", "line 1: adapter.*Did you mean"),
        ("timeout_s: 5", "timeout: 5", "line 5: timeout.*unknown key.*timeout_s"),
        ("timeout_s: 5", "timeout_s: -5", "line 5: timeout_s"),
        ("timeout_s: 5", "timeout_s: long", "line 5: timeout_s.*wrong kind"),
        ("off: [S6]", "off: [S66]", "line 6: off.*no category"),
        ("layout: prompt", "layout: round", "line 7: layout.*wrong kind"),
        ("samples: 4", "samples: 1", "line 8: samples"),
        ("samples: 4", "samples: many", "line 8: samples"),
        ("  max_tokens: 20", "  max_token: 20", "max_token"),
    ],
)
def test_faults_in_a_file_are_named_with_their_line(tmp_path, old, new, words):
    path = tmp_path / "guard.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ParameterError) as error:
        load_endpoint_settings(path)
    assert re.search(words, str(error.value), re.DOTALL)


def test_no_text_is_shown_by_a_scorer(capsys):
    scorer = EndpointScorer(LlamaGuard(), ENDPOINT, complete=Fake(lambda _: text("zzqx")))
    (score,) = scorer.score([Exchange(prompt="secret words")])
    assert "secret" not in repr(score)
    assert "zzqx" not in repr(score)
    assert capsys.readouterr() == ("", "")


def test_a_verdict_with_its_tokens_end_to_end():
    fake = Fake(lambda _: said(token("unsafe", safe=0.1), token("\n"), token("S1")))
    (score,) = EndpointScorer(LlamaGuard(), ENDPOINT, complete=fake).score(EXCHANGES[:1])
    assert score.meaning == "probability"
    assert score.values["llama-guard-3"]["any"] == pytest.approx(0.9)


def test_a_price_of_calls_counts_where_the_endpoint_tells_of_none():
    fake = Fake(lambda _: text("Yes"))
    (score,) = EndpointScorer(ShieldGemma(), ENDPOINT, cost=0.5, complete=fake).score(EXCHANGES[:1])
    assert score.cost == 2.0
    paid = Fake(lambda _: msgspec.structs.replace(text("Yes"), cost=0.1))
    (score,) = EndpointScorer(ShieldGemma(), ENDPOINT, cost=0.5, complete=paid).score(EXCHANGES[:1])
    assert score.cost == pytest.approx(0.4)


def test_scorers_of_one_family_bear_names_of_their_own():
    fake = Fake(lambda _: text("unsafe\nS1"))
    (score,) = EndpointScorer(LlamaGuard(), ENDPOINT, name="second", complete=fake).score(
        EXCHANGES[:1]
    )
    assert list(score.scorers) == ["second"]
    assert score.values["second"]["S1"] == 1.0
