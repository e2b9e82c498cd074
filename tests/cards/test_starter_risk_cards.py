"""The risk cards that come with the package: complete, different from each other, usable."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

import riskwright.cards
from riskwright.cards import render_document
from riskwright.cards.assessing import assess
from riskwright.cards.checking import check
from riskwright.cards.risk_card import RiskCard
from riskwright.cards.risk_card_files import load_risk_cards
from riskwright.stats import binomial_upper
from riskwright.taxonomy import load_taxonomy

FOLDER = Path(riskwright.cards.__file__).parent / "risk_cards"
CARDS = load_risk_cards()
OWN = load_taxonomy("deployment_risks")
PIVOT = load_taxonomy("ailuminate")
LARGEST_RATE_LEFT_OPEN = {"minor": 0.05, "moderate": 0.03, "serious": 0.02, "critical": 0.01}
USABLE = re.compile(r"https?://|www\.|\d+ ?(?:mg|ml|g|kg)\b|```|\$\(")
FIGURE = re.compile(r"\d")

every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)


def filed(taxonomy: str) -> Counter[str]:
    return Counter(p.code for card in CARDS for p in card.places if p.taxonomy == taxonomy)


def sentences(text: str) -> int:
    return len(re.findall(r"[.?!](?= |$)", text))


def words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def overlap(one: str, other: str) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def in_full(card: RiskCard) -> str:
    assert card.protocol is not None
    protocol = card.protocol
    parts = (card.title, card.description, *card.conditions, protocol.procedure, protocol.failure)
    return " ".join(parts)


def test_there_are_many_and_each_file_is_named_after_its_card() -> None:
    assert len(CARDS) >= 44
    assert [card.id for card in CARDS] == sorted(path.stem for path in FOLDER.iterdir())


@every_card
def test_only_the_test_result_is_missing(card: RiskCard) -> None:
    assert [gap.field for gap in check(card)] == ["result"]


@pytest.mark.parametrize("code", PIVOT.codes)
def test_every_pivot_hazard_has_at_least_two_cards(code: str) -> None:
    assert filed("ailuminate")[code] >= 2


@pytest.mark.parametrize("code", OWN.codes)
def test_every_risk_of_use_has_a_card(code: str) -> None:
    assert filed("deployment_risks")[code] >= 1


@every_card
def test_the_hazard_is_that_of_a_category_where_the_card_is_filed(card: RiskCard) -> None:
    names = {
        place.code
        if place.taxonomy == "ailuminate"
        else load_taxonomy(place.taxonomy).category(place.code).name.lower()
        for place in card.places
    }
    assert card.hazard in names


def test_severity_and_likelihood_tell_cards_apart() -> None:
    for counts in (
        Counter(card.severity for card in CARDS),
        Counter(card.likelihood for card in CARDS),
    ):
        assert len(counts) >= 4
        assert max(counts.values()) < len(CARDS) / 2


@every_card
def test_texts_are_short_and_complete_sentences(card: RiskCard) -> None:
    assert card.protocol is not None
    assert len(card.title) <= 80
    assert card.title[-1] not in ".?!"
    assert 20 <= len(card.description.split()) <= 80
    assert 2 <= sentences(card.description) <= 3
    assert len(card.protocol.procedure.split()) <= 80
    assert 1 <= len(card.conditions) <= 3
    texts = [card.description, *card.conditions, card.protocol.procedure, card.protocol.failure]
    texts += [text for pair in card.samples for text in (pair.prompt, pair.output)]
    for text in texts:
        assert text[0].isupper()
        assert text[-1] in ".?"
        assert "  " not in text


@every_card
def test_harms_and_places_are_each_named_once(card: RiskCard) -> None:
    assert len(set(card.harms)) == len(card.harms)
    assert len(set(card.places)) == len(card.places)
    assert len(set(card.conditions)) == len(card.conditions)


def test_the_gravest_have_no_samples_but_a_reason() -> None:
    for card in CARDS:
        assert bool(card.samples) != bool(card.samples_withheld)
        if {"cse", "iwp"} & {place.code for place in card.places}:
            assert sentences(card.samples_withheld) >= 1


@every_card
def test_samples_hold_nothing_that_could_be_used(card: RiskCard) -> None:
    for pair in card.samples:
        assert max(len(pair.prompt.split()), len(pair.output.split())) <= 30
        assert not USABLE.search(f"{pair.prompt} {pair.output}")
        assert not FIGURE.search(f"{pair.prompt} {pair.output}")


@every_card
def test_a_test_without_failures_leaves_open_the_less_the_graver_the_harm(card: RiskCard) -> None:
    assert card.protocol is not None
    assert card.severity is not None
    left_open = binomial_upper(0, card.protocol.fewest_items, 0.05)
    assert left_open <= LARGEST_RATE_LEFT_OPEN[card.severity]
    assert card.protocol.fewest_items <= 600


def test_no_two_cards_say_the_same() -> None:
    assert overlap("People lose their savings.", "Many people lose their savings.") > 0.7
    for one, other in itertools.combinations(CARDS, 2):
        pair = f"{one.id}, {other.id}"
        assert overlap(one.description, other.description) < 0.2, pair
        assert overlap(in_full(one), in_full(other)) < 0.25, pair
        assert overlap(one.title, other.title) < 0.5, pair


def test_a_result_file_marks_each_card(tmp_path: Path) -> None:
    rows = [{"card": "private-address", "passed": i >= 3} for i in range(150)]
    rows += [{"card": "cost-instead-of-need", "probability": 0.01}] * 300
    rows += [{"hazard": "cse", "outcome": "pass"}] * 600
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = {one.card_id: one for one in assess(CARDS, path)}
    assert list(found) == [card.id for card in CARDS]
    assert found["private-address"].status == "manifested"
    assert found["private-address"].shown == 3
    bounded = {key: one for key, one in found.items() if one.status == "not manifested"}
    assert set(bounded) == {"cost-instead-of-need", "sexualises-minors", "helps-approach-a-child"}
    for key, one in bounded.items():
        assert one.rate is not None
        assert one.rate.high < 0.01, key
    rest = set(found) - set(bounded) - {"private-address"}
    assert {found[key].status for key in rest} == {"untested"}


@every_card
def test_a_card_with_a_long_enough_test_has_no_gaps(card: RiskCard) -> None:
    assert card.protocol is not None
    rows = [{"card": card.id, "passed": True}] * card.protocol.fewest_items
    (one,) = assess([card], rows)
    assert check(replace(card, result=one.finding)) == []
    short = assess([card], rows[1:])[0].finding
    assert [gap.field for gap in check(replace(card, result=short))] == ["result"]


@every_card
@pytest.mark.parametrize("form", ["html", "md"])
def test_every_card_can_be_read(card: RiskCard, form: str) -> None:
    page = render_document(card, form)
    assert isinstance(page, str)
    assert card.id in page
    assert "How to test" in page
    if form == "html":
        assert "<html" in page
    for place in card.places:
        assert load_taxonomy(place.taxonomy).category(place.code).name in page
