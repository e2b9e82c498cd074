"""Scorers from files, and how a saved guard gets them back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from riskwright import load, save
from riskwright.core import ArtifactError, ParameterError
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label
from riskwright.guard.guard import Guard
from riskwright.guard.scorers import described, read_scorers, rebuilt
from riskwright.language_models.replies import Completion, Failure, Token
from riskwright.scoring.guard_models.endpoint_scorer import EndpointScorer
from riskwright.scoring.guard_models.llama_guard import LlamaGuard
from riskwright.scoring.text.ss3 import SS3Classifier

LIST = """\
- kind: rules
  lists:
    - path: terms.txt
      name: house
- kind: ngrams
- kind: endpoint
  adapter: llama-guard-3
  name: second opinion
  url: http://localhost:1/v1
  model: guard
  api_key_env: GUARD_KEY
  journal: calls.jsonl
  categories: riddles.yaml
  off: [long]
- kind: constitution
  rules: rules.yaml
  url: http://localhost:1/v1
  unsure: null
- kind: ss3
  path: ss3.json
  hazards: {water: spc}
"""
RIDDLES = """\
id: riddles
name: Riddles
version: "1"
categories:
  - {code: short, name: Short riddles}
  - {code: long, name: Long riddles}
"""
RULES = """\
rules:
  - {id: r1, text: No riddles., hazard: spc, preconditions: ["Is it a riddle?"]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scorers.yaml").write_text(LIST)
    (tmp_path / "terms.txt").write_text("purple elephant\n")
    (tmp_path / "riddles.yaml").write_text(RIDDLES)
    (tmp_path / "rules.yaml").write_text(RULES)
    texts = ["red red apple", "red apple pie", "blue blue sea", "deep blue sea"]
    model = SS3Classifier(min_count=1).fit(texts, ["fruit", "fruit", "water", "water"])
    save(model, tmp_path / "ss3.json")
    return tmp_path


def test_a_list_of_every_kind(folder, monkeypatch):
    monkeypatch.chdir("/")
    scorers = read_scorers(folder / "scorers.yaml")
    assert [s.name for s in scorers] == ["rules", "ngrams", "second opinion", "constitution", "ss3"]
    assert scorers[2].endpoint.journal == str(folder / "calls.jsonl")
    assert scorers[2].taxonomy == "riddles"
    assert [c.code for c in scorers[2].adapter.used] == ["short"]
    assert scorers[3].unsure is None


def test_every_kind_is_told_and_made_again_without_files_and_keys(folder, monkeypatch):
    monkeypatch.setenv("GUARD_KEY", "zzqx-key")
    for scorer in read_scorers(folder / "scorers.yaml"):
        told = json.loads(json.dumps(described(scorer)))
        assert "zzqx" not in json.dumps(told)
        again = rebuilt(told)
        assert (again.name, again.version) == (scorer.name, scorer.version)
        assert json.loads(json.dumps(described(again))) == told
        told["version"] = "other"
        with pytest.raises(ArtifactError, match="another version"):
            rebuilt(told)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("- kind: ngrams", "- kind: ngram", "line 5.*no kind of scorer.*Did you mean 'ngrams'"),
        ("adapter: llama-guard-3", "adapter: lama-guard-3", "line 7: adapter.*Did you mean"),
        ("  off: [long]", "  off: [longer]", "line 14: off.*no category"),
        ("riddles.yaml", "riddle.yaml", "riddle.yaml"),
        ("model: guard", "modell: guard", "line 10: modell.*unknown key.*model"),
        ("rules: rules.yaml", "rules: rule.yaml", "rule.yaml"),
        ("unsure: null", "unsure: 0.5", "line 15.*wrong kind"),
        ("unsure: null", "unsur: null", "line 15.*unknown key 'unsur'"),
        ("path: ss3.json", "paths: ss3.json", "line 19.*unknown key 'paths'"),
        ("hazards: {water: spc}", "hazards: {fire: spc}", "line 19.*no class"),
        ("hazards: {water: spc}", "hazards: 3", "line 19"),
        ("name: house", "nam: house", "line 1"),
    ],
)
def test_faults_are_named_with_their_line(folder, old, new, words):
    path = folder / "scorers.yaml"
    path.write_text(LIST.replace(old, new))
    with pytest.raises(ParameterError) as error:
        read_scorers(path)
    import re

    assert re.search(words, str(error.value), re.DOTALL), str(error.value)


@pytest.mark.parametrize("body", ["{}", "[]", "- 3", "- {url: x}", "kind: rules"])
def test_what_is_no_list_of_scorers(tmp_path, body):
    path = tmp_path / "scorers.yaml"
    path.write_text(body)
    with pytest.raises(ParameterError):
        read_scorers(path)


def answers(endpoint, requests):
    """unsafe with probability 0.9 for texts with "blue", 0.1 for others."""
    found = []
    for request in requests:
        p = 0.9 if "blue" in str(request.body()["messages"]) else 0.1
        word, other = ("unsafe", "safe") if p > 0.5 else ("safe", "unsafe")
        top = ((word, float(np.log(0.9))), (other, float(np.log(0.1))))
        tokens = (Token(text=word, logprob=top[0][1], top=top),)
        found.append(Completion(text=word, tokens=tokens, finish_reason="stop", latency_ms=4.0))
    return found


def test_a_saved_guard_asks_its_endpoint_again(folder, monkeypatch):
    """The key's name is in the file, the key is not; scores after loading are those before."""
    monkeypatch.setenv("GUARD_KEY", "zzqx-key")
    monkeypatch.setattr(
        "riskwright.language_models.bulk.complete_many", lambda e, r, **_: answers(e, r)
    )
    scorers = read_scorers(folder / "scorers.yaml")
    guard = Guard([scorers[1], scorers[2]])
    texts = [f"a {colour} sea number {k}" for k in range(30) for colour in ("blue", "green")]
    exchanges = [Exchange(prompt=text) for text in texts]
    guard.fit(exchanges, [Label(harmful=float("blue" in text)) for text in texts])
    path = folder / "guard.json"
    save(guard, path)
    assert "GUARD_KEY" in path.read_text()
    assert "zzqx" not in path.read_text()
    again = load(path)
    assert again.version == guard.version
    first, second = (g.score_all(exchanges[:6]) for g in (guard, again))
    assert [s.severity for s in first] == [s.severity for s in second]
    assert min(s.severity for s in first[::2]) > max(s.severity for s in first[1::2])
    assert {s.latency_ms >= 4.0 for s in second} == {True}


def test_another_model_behind_the_endpoint_is_another_scorer(folder):
    guard = Guard(read_scorers(folder / "scorers.yaml")[2:3])
    kind, body = guard.to_artifact()
    assert kind == "guard"
    body["scorers"][0]["settings"]["model"] = "another"
    with pytest.raises(ArtifactError, match="another version than the guard was fitted with"):
        Guard.from_artifact(body)


def test_an_adapter_of_ones_own_is_asked_but_cannot_be_told_of():
    class Mine(LlamaGuard, frozen=True, kw_only=True):
        pass

    scorer = EndpointScorer(Mine(), read_endpoint())
    with pytest.raises(ParameterError, match="an adapter of another kind"):
        scorer.settings()


def read_endpoint():
    from riskwright.language_models.endpoints import Endpoint

    return Endpoint(url="http://localhost:1/v1")


def test_an_interruption_is_raised_and_nothing_is_fitted_on_a_part(folder, monkeypatch):
    stopped = Failure(kind="interrupted", message="the run was stopped first")
    monkeypatch.setattr(
        "riskwright.language_models.bulk.complete_many",
        lambda e, r, **_: [*answers(e, list(r)[1:]), stopped],
    )
    for scorer in read_scorers(folder / "scorers.yaml")[2:4]:
        guard = Guard([scorer])
        exchanges = [Exchange(prompt=f"text {k}") for k in range(4)]
        with pytest.raises(KeyboardInterrupt):
            guard.fit(exchanges, [Label(harmful=k % 2) for k in range(4)])
        assert not hasattr(guard, "heads_")


def test_every_exchange_of_a_dead_endpoint_is_kept_without_a_severity(folder, monkeypatch):
    """Also by a judge that cannot even measure its leaning."""
    dead = Failure(kind="unreachable", message="no connection")
    monkeypatch.setattr(
        "riskwright.language_models.bulk.complete_many", lambda e, r, **_: [dead] * len(list(r))
    )
    scorers = read_scorers(folder / "scorers.yaml")
    guard = Guard([scorers[1], scorers[2], scorers[3]])
    scores = guard.score_all([Exchange(prompt=f"text {k}") for k in range(20)])
    assert {(s.outcome, s.severity) for s in scores} == {("failed", None)}
    assert "unreachable" in scores[0].reason
    assert scores[0].values["ngrams"]["any"] >= 0


def test_a_guard_whose_scorers_only_learn_says_so_before_it_has(folder):
    class Features:
        kind = name = "features"
        version = "1"
        taxonomy = "ailuminate"
        cost = 0.0

        def features(self, texts):
            return np.array([[float("blue" in text), 1.0] for text in texts])

        def score(self, exchanges):
            from riskwright.core.scores import Score

            return [Score(id=e.id, scorers={"features": "1"}) for e in exchanges]

    guard = Guard([Features()])
    texts = [f"a {colour} sea number {k}" for k in range(30) for colour in ("blue", "green")]
    exchanges = [Exchange(prompt=text) for text in texts]
    (before, *_) = guard.score_all(exchanges)
    assert (before.outcome, before.severity) == ("not scored", None)
    assert before.reason == "no scorer judges before fit"
    guard.fit(exchanges, [Label(harmful=float("blue" in text)) for text in texts])
    after = guard.score_all(exchanges[:2])
    assert after[0].severity > 0.8 > 0.2 > after[1].severity
