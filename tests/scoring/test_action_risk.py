"""The card of actions: readable, additive, monotone, careful where it knows nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ParameterError, TargetError
from riskwright.core.scores import Score
from riskwright.evidence.action_formats import parse_action
from riskwright.evidence.action_tools import ToolCatalogue
from riskwright.evidence.actions import KINDS, ORIGINS, AgentAction, Money, Target
from riskwright.evidence.exchanges import Exchange
from riskwright.metrics import auroc
from riskwright.scoring.action_features import ACTION_FEATURES, action_features
from riskwright.scoring.action_risk import LEVELS, ActionCard, ActionScorer, default_card
from riskwright.scoring.action_text import ActionTextModel, level_codes

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
WEBGUARD = SHARED / "data" / "text" / "webguard"


def level(**known: Any) -> str:
    known = {
        "tool": "t",
        "origin": "user",
        "audience": "self",
        "reversibility": "reversible",
    } | known
    return ActionScorer().score([AgentAction(**known)])[0].level


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"kind": "read"}, "SAFE"),
        ({"kind": "navigate"}, "SAFE"),
        ({"kind": "write", "reversibility": "costly"}, "LOW"),
        ({"kind": "unknown"}, "LOW"),
        ({"kind": "pay", "money": Money(), "reversibility": "costly"}, "HIGH"),
        ({"kind": "delete", "reversibility": "irreversible"}, "HIGH"),
        ({"kind": "publish", "audience": "public"}, "HIGH"),
        ({"kind": "write", "reversibility": "costly", "origin": "web page"}, "HIGH"),
        ({"kind": "read", "data_exposed": ("credentials",), "origin": "tool output"}, "HIGH"),
        ({"kind": "grant", "reversibility": "costly"}, "HIGH"),
    ],
)
def test_what_the_card_set_by_hand_says(known: dict[str, Any], expected: str) -> None:
    assert level(**known) == expected


def test_the_score_is_the_sum_of_its_evidence() -> None:
    action = parse_action({"name": "send_payment", "args": {"amount": 500}}, origin="web page")
    score = ActionScorer().score([action])[0]
    assert sum(span.weight for span in score.evidence) == score.values["action-card"]["any"]
    weights = [span.weight for span in score.evidence]
    assert weights == sorted(weights, reverse=True)
    assert {span.part for span in score.evidence} == {"action"}
    assert score.digest == action.digest
    assert score.meaning == "rank"
    assert score.attributes["kind"] == "pay"


@given(st.sampled_from(KINDS), st.sampled_from(ORIGINS), st.floats(0, 1e7) | st.none())
def test_more_concern_never_lowers_the_score(kind: Any, origin: Any, amount: float | None) -> None:
    scorer = ActionScorer()
    base = AgentAction(tool="t", kind=kind, origin="user")
    worse = msgspec.structs.replace(
        base, origin=origin, money=Money(amount=amount), signs=("sudo", "new sign"), count=None
    )
    low, high = (one.severity for one in scorer.score([base, worse]))
    assert low is not None
    assert high is not None
    assert 0 <= low <= high <= 1


def test_severity_rises_with_the_total_and_agrees_with_the_level() -> None:
    card = default_card()
    values = [card.severity(t) for t in range(card.most + 1)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == 1
    assert [card.level(t) for t in (card.low - 1, card.low, card.high)] == ["SAFE", "LOW", "HIGH"]


def test_every_level_of_every_feature_has_points_on_the_card_set_by_hand() -> None:
    card = default_card()
    for feature, known in ACTION_FEATURES.items():
        held = card.points[feature]
        assert set(known.levels) - set(held) <= {"no"}
        chain = [held[one] for one in known.chain]
        assert chain == sorted(chain)


def test_an_unknown_kind_is_never_safe_on_any_card() -> None:
    card = ActionCard(points={"kind": {"pay": 9}}, low=4, high=8)
    assert card.level(card.total({"kind": "unknown"})) == "LOW"
    assert card.level(card.total({"kind": "read"})) == "SAFE"


def test_features() -> None:
    tools = ToolCatalogue(own_domains=("example.org",))
    action = AgentAction(
        tool="t",
        kind="send",
        money=Money(amount=99.99),
        count=10,
        target=Target(domain="a.example.org"),
        data_exposed=("house rule", "financial"),
    )
    found = action_features(action, tools, 1.0)
    assert found["money"] == "10 to 100"
    assert (found["count"], found["data"]) == ("10 to 99", "financial")
    assert (found["destination"], found["text"]) == ("own", "0.9 to 1.0")
    assert action_features(action)["destination"] == "external"
    read = AgentAction(tool="t", kind="read", target=Target(domain="x.example"))
    assert action_features(read)["destination"] == "none"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": {"knid": {}}}, "Did you mean 'kind'"),
        ({"points": {"kind": {"raed": 1}}}, "Did you mean 'read'"),
        ({"points": {"kind": {"read": -1}}}, "below 0"),
        ({"low": 9}, "cuts out of order"),
        ({"low": 0}, "cuts out of order"),
    ],
)
def test_cards_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        ActionCard(**({"points": {"kind": {"pay": 3}}, "low": 1, "high": 3} | changes))


def simulated(rng: np.random.Generator, n: int) -> tuple[list[AgentAction], list[str]]:
    """Actions whose level follows the card set by hand, with logistic noise."""
    actions = [
        AgentAction(
            tool="t",
            kind=KINDS[int(rng.integers(len(KINDS)))],
            origin=ORIGINS[int(rng.integers(4))],
            money=None if rng.random() < 0.6 else Money(amount=float(10 ** rng.uniform(0, 4))),
            reversibility=("reversible", "costly", "irreversible")[int(rng.integers(3))],
        )
        for _ in range(n)
    ]
    card = default_card()
    totals = np.array([card.total(action_features(a)) for a in actions])
    codes = np.digitize(totals + rng.logistic(size=n), [4.5, 8.5])
    return actions, [LEVELS[code] for code in codes]


def test_points_that_were_learned_rank_as_the_truth() -> None:
    rng = np.random.default_rng(0)
    actions, levels = simulated(rng, 1500)
    scorer = ActionScorer.fit(actions, levels)
    fresh, truth = simulated(rng, 1500)
    high = (level_codes(truth) == 2).astype(int)
    ours = auroc(high, [s.severity for s in scorer.score(fresh)]).value
    best = auroc(high, [s.severity for s in ActionScorer().score(fresh)]).value
    assert ours > best - 0.01
    assert scorer.card.basis == "fitted"
    assert max(p for f in scorer.card.points.values() for p in f.values()) <= 12


def test_probabilities_of_a_learned_card_are_calibrated() -> None:
    rng = np.random.default_rng(1)
    scorer = ActionScorer.fit(*simulated(rng, 3000))
    fresh, truth = simulated(rng, 3000)
    scores = scorer.score(fresh)
    high = level_codes(truth) == 2
    p = np.array([score.severity for score in scores])
    assert scores[0].meaning == "probability"
    assert abs(p.mean() - high.mean()) < 0.04
    for low, top in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        inside = (p >= low) & (p <= top)
        assert abs(p[inside].mean() - high[inside].mean()) < 0.08


def test_labels_of_clicks_alone_do_not_make_payments_safe() -> None:
    rng = np.random.default_rng(2)
    clicks = [
        AgentAction(tool="click", kind=("click", "navigate")[k % 2], origin="user")
        for k in range(300)
    ]
    levels = [
        LEVELS[int(rng.integers(3)) if k % 2 else min(2, int(rng.integers(1, 4)))]
        for k in range(300)
    ]
    scorer = ActionScorer.fit(clicks, levels)
    for kind in ("pay", "grant", "delete"):
        action = AgentAction(tool="t", kind=kind, origin="web page", reversibility="irreversible")
        assert scorer.score([action])[0].level == "HIGH"
    assert scorer.score([AgentAction(tool="t", origin="user")])[0].level != "SAFE"


def test_learned_points_never_fall_along_ordered_levels() -> None:
    rng = np.random.default_rng(3)
    actions, levels = simulated(rng, 400)
    upside_down = [LEVELS[2 - level_codes([one])[0]] for one in levels]
    for labels in (levels, upside_down):
        card = ActionScorer.fit(actions, labels).card
        for feature, known in ACTION_FEATURES.items():
            chain = [card.points[feature].get(one, 0) for one in known.chain]
            assert chain == sorted(chain)


def test_what_cannot_be_learned_from_is_refused() -> None:
    actions, levels = simulated(np.random.default_rng(4), 60)
    with pytest.raises(TargetError, match="too few actions of level HIGH"):
        ActionScorer.fit(actions, ["SAFE", "LOW"] * 30)
    with pytest.raises(TargetError, match=r"levels\[1\]"):
        ActionScorer.fit(actions, ["SAFE", "MEDIUM"] * 30)
    with pytest.raises(TargetError, match="lengths differ"):
        ActionScorer.fit(actions, levels[:-1])
    with pytest.raises(ParameterError, match="max_points"):
        ActionScorer.fit(actions, levels, max_points=1)
    with pytest.raises(ParameterError, match="probability"):
        ActionScorer.fit(actions, levels, high_from=1)


def test_cards_and_text_models_are_saved_whole() -> None:
    actions, levels = simulated(np.random.default_rng(5), 300)
    card = ActionScorer.fit(actions, levels).card
    kind, body = card.to_artifact()
    assert kind == "action_card"
    assert ActionCard.from_artifact(json.loads(json.dumps(body))) == card
    model = ActionTextModel(penalty=0.3).fit(actions, levels)
    again = ActionTextModel.from_artifact(json.loads(json.dumps(model.to_artifact()[1])))
    assert again.score_actions(actions[:5]) == model.score_actions(actions[:5])


class Fixed:
    """A scorer of texts that always says the same."""

    name, taxonomy, cost, version = "fixed", "ailuminate", 2.0, "1"

    def __init__(self, **told: Any) -> None:
        self.told = told

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        return [Score(id=e.id, scorers={"fixed": "1"}, **self.told) for e in exchanges]


def test_the_text_adds_its_points() -> None:
    action = AgentAction(tool="t", kind="write", origin="user")
    plain = ActionScorer().score([action])[0]
    scorer = ActionScorer(text=Fixed(severity=0.95))
    with_text = scorer.score([action])[0]
    gained = with_text.values["action-card"]["any"] - plain.values["action-card"]["any"]
    assert gained == default_card().points["text"]["0.9 to 1.0"]
    assert set(with_text.scorers) == {"action-card", "fixed"}
    assert scorer.cost == 2.0
    assert scorer.version != ActionScorer().version


@pytest.mark.parametrize("outcome", ["failed", "refused", "unparsable"])
def test_a_text_that_was_not_scored_is_no_safe_action(outcome: Any) -> None:
    scorer = ActionScorer(text=Fixed(outcome=outcome))
    score = scorer.score([AgentAction(tool="t", kind="read")])[0]
    assert (score.outcome, score.severity, score.level) == (outcome, None, "")


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_the_text_model_scores_any_text(text: str) -> None:
    score = MODEL.score([Exchange(prompt=text)])[0]
    assert score.severity is not None
    assert 0 <= score.severity <= 1


WORDS = ["Buy now", "Add to list", "Next page"] * 10
MODEL = ActionTextModel(penalty=0.1).fit(
    [AgentAction(tool="click", arguments={"element": text}) for text in WORDS],
    ["HIGH", "LOW", "SAFE"] * 10,
)
SHAPE = re.compile(
    r"The description of the element is (.*)\.\nThe tagHead of the element is (.*)\.\n"
    r"The url of the web page is (.*)\.\nThe proposed action is (\w+)\.",
    re.DOTALL,
)


def webguard(name: str) -> tuple[list[AgentAction], list[str]]:
    """One of the two files: page actions and their levels."""
    rows = json.loads((WEBGUARD / f"monitor_factory_test_{name}.json").read_text())
    actions, levels = [], []
    for row in rows:
        found = SHAPE.match(row["messages"][0]["content"].partition("<image>")[2])
        assert found is not None
        element, tag, url, action = found.groups()
        element = "" if element == "nan" else element
        source = {"action": action, "element": element, "tag": tag, "url": url}
        actions.append(parse_action(source, "browser", origin="user"))
        levels.append(json.loads(row["messages"][1]["content"])["risky_level"])
    return actions, levels


@pytest.mark.skipif(not WEBGUARD.exists(), reason="shared data are not here")
def test_on_page_actions_of_sites_that_were_not_seen() -> None:
    """Card and text learned from one file rank HIGH actions of the other far above chance."""
    scorer = ActionScorer.fit(*webguard("tail"), text=ActionTextModel(penalty=0.3))
    actions, levels = webguard("action")
    found = auroc(
        (level_codes(levels) == 2).astype(int), [s.severity for s in scorer.score(actions)]
    )
    assert found.low > 0.6
