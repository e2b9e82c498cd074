"""Redaction: what was found is gone, places map back, doing it twice changes nothing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from riskwright.core import ParameterError
from riskwright.core.scores import Span
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.text.rules import RuleScorer, redact

KEY = b"sixteen bytes ok"
SCORER = RuleScorer()


def spans(text):
    [score] = SCORER.score([Exchange(prompt=text)])
    return score.evidence


def span(start, end, by="x.thing"):
    return Span(part="prompt", start=start, end=end, by=by)


@st.composite
def texts_with_spans(draw):
    text = draw(st.text("ab [card]*█1", max_size=30))
    places = st.integers(0, len(text))
    pairs = draw(st.lists(st.tuples(places, places), max_size=5))
    rules = st.sampled_from(["x.card", "a.b", "house.1"])
    return text, [span(*sorted(pair), draw(rules)) for pair in pairs]


@given(texts_with_spans(), st.sampled_from(["label", "mask", "hash"]))
@example(("1█1111111[", [span(0, 2, "x.card"), span(6, 10, "x.card")]), "label")
def test_no_found_value_is_left_and_the_rest_keeps_its_order(made, style):
    text, found = made
    done = redact(text, found, style, key=KEY)
    for one in found:
        if one.end > one.start:
            assert text[one.start : one.end] not in done.text
    kept = [place for place in range(len(text)) if outside(place, done)]
    assert [done.text[done.redacted(place)] for place in kept] == [text[p] for p in kept]
    assert [done.original(done.redacted(place)) for place in kept] == kept


def outside(place, done):
    return all(not one.start <= place < one.end for one in done.pieces)


@pytest.mark.parametrize("style", ["label", "mask", "hash"])
def test_redacting_what_is_redacted_changes_nothing(style):
    text = (
        "Ann (ann@example.org, +49 30 1234567) paid with 4111 1111 1111 1111 from 8.8.4.4; "
        "IBAN DE89 3704 0044 0532 0130 00, again ann@example.org."
    )
    once = redact(text, spans(text), style, key=KEY).text
    assert redact(once, spans(once), style, key=KEY).text == once
    for value in ("ann@", "1234567", "1111 1111", "8.8", "3704"):
        assert value not in once


def test_styles():
    text = "card 4111 1111 1111 1111 ok"
    found = spans(text)
    assert redact(text, found).text == "card [card] ok"
    assert redact(text, found, "mask").text == "card **** **** **** 1111 ok"
    one, two = (redact(text, found, "hash", key=key).text for key in (KEY, KEY + b"!"))
    assert one != two
    assert one == redact(text, found, "hash", key=KEY).text
    assert redact("abcd 12", [span(0, 4)], "mask").text == "**** 12"


def test_overlapping_spans_become_one_called_by_the_longest():
    done = redact("0123456789", [span(2, 5, "x.short"), span(4, 9, "x.long")])
    assert done.text == "01[long]9"
    assert (done.redacted(3), done.redacted(9), done.original(4)) == (2, 8, 2)


def test_a_second_place_of_the_same_value_goes_too():
    assert redact("ab x ab", [span(0, 2, "x.y")]).text == "[y] x [y]"


def test_a_label_that_holds_the_value_is_not_used():
    assert redact("card", [span(0, 4, "x.card")]).text == "███"


def test_allowed_spans_other_parts_and_empty_ones_are_left():
    left = [span(0, 2, "allowed.x"), span(1, 1), Span(part="reply", start=0, end=2, by="x.y")]
    assert redact("abc", left, part="prompt").text == "abc"


def test_entries_of_lists_are_called_by_the_list():
    assert redact("abc", [span(0, 1, "house.12")]).text == "[house]bc"


def test_wrong_arguments_are_refused():
    with pytest.raises(ParameterError, match="outside"):
        redact("abc", [span(0, 4)])
    with pytest.raises(ParameterError, match="16 bytes"):
        redact("abc", [], "hash")
    with pytest.raises(ParameterError, match="unknown style"):
        redact("abc", [], "blur")
