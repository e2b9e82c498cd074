"""Spreadsheet formulas, worked out by a small reader of the formula language."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from riskwright.core import Feature, Item, ParameterError, ScoreCard, Term, UsageError
from riskwright.scoring.deployment import RowScorer, to_spreadsheet

MOOD = 'he said "hi"'
TOKEN = re.compile(
    r'\s*(?:(?P<number>\d+\.?\d*(?:E[+-]?\d+)?)|(?P<text>"(?:[^"]|"")*")|(?P<cell>[A-Z]{1,3}\d+)'
    r"(?!\()|(?P<name>[A-Z]+)|(?P<mark><>|>=|<=|[-+*/&()<>=,]))",
    re.S,
)
BLANK = None


class NotAvailable(Exception):
    """#N/A."""


class Formula:
    """A recursive reader: comparisons over sums over products, as spreadsheets nest them."""

    def __init__(self, text: str, cells: dict[str, Any]) -> None:
        assert text.startswith("=")
        self.cells, self.tokens, place = cells, [], 1
        while place < len(text):
            match = TOKEN.match(text, place)
            assert match is not None, text[place:]
            self.tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            place = match.end()
        self.place = 0

    def value(self) -> Any:
        result = self.comparison()
        assert self.place == len(self.tokens)
        return result

    def peek(self) -> str:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def take(self) -> tuple[str, str]:
        self.place += 1
        return self.tokens[self.place - 1]

    def chain(self, marks: tuple[str, ...], part: Callable[[], Any]) -> Any:
        left = part()
        while self.peek() in marks:
            left = OPERATIONS[self.take()[1]](left, part())
        return left

    def comparison(self) -> Any:
        return self.chain(("<>", ">=", "<=", "<", ">", "="), self.joined)

    def joined(self) -> Any:
        return self.chain(("&",), self.sum)

    def sum(self) -> Any:
        return self.chain(("+", "-"), self.product)

    def product(self) -> Any:
        return self.chain(("*", "/"), self.atom)

    def atom(self) -> Any:
        kind, text = self.take()
        if text == "-":
            return -self.atom()
        if kind == "number":
            return float(text)
        if kind == "text":
            assert len(text) <= 257
            return text[1:-1].replace('""', '"')
        if kind == "cell":
            return self.cells[text]
        if text == "(":
            inner = self.comparison()
            assert self.take()[1] == ")"
            return inner
        if self.peek() != "(":
            return {"TRUE": True, "FALSE": False}[text]
        return self.call(text)

    def call(self, name: str) -> Any:
        assert self.take()[1] == "("
        arguments = []
        while self.peek() != ")":
            arguments.append(self.lazily())
            if self.peek() == ",":
                self.take()
        self.take()
        if name == "IF":
            return arguments[1]() if arguments[0]() else arguments[2]()
        return FUNCTIONS[name](*(argument() for argument in arguments))

    def lazily(self) -> Callable[[], Any]:
        start, depth = self.place, 0
        while depth or self.peek() not in (",", ")"):
            depth += {"(": 1, ")": -1}.get(self.take()[1], 0)
        end = self.place

        def work_out() -> Any:
            back, self.place = self.place, start
            result = self.comparison()
            assert self.place == end
            self.place = back
            return result

        return work_out


def _equal(a: Any, b: Any) -> bool:
    a, b = ("" if x is BLANK and isinstance(y, str) else x for x, y in ((a, b), (b, a)))
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold() == b.casefold()
    return type(a) is type(b) and a == b


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (bool, int, float)) else 0.0


def _not_available() -> None:
    raise NotAvailable


def _text(value: Any) -> str:
    return "" if value is BLANK else f"{value:g}" if isinstance(value, float) else str(value)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<>": lambda a, b: not _equal(a, b),
    "=": _equal,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "&": lambda a, b: a + b,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "AND": lambda *a: all(a),
    "OR": lambda *a: any(a),
    "NOT": lambda a: not a,
    "ISNUMBER": lambda a: isinstance(a, (int, float)) and not isinstance(a, bool),
    "ISLOGICAL": lambda a: isinstance(a, bool),
    "N": _number,
    "EXACT": lambda a, b: _text(a) == _text(b),
    "TRIM": lambda a: _text(a).strip(),
    "NA": _not_available,
    "EXP": math.exp,
    "MIN": min,
    "MAX": max,
}


@pytest.mark.parametrize("age", [61, 60.999, BLANK])
@pytest.mark.parametrize("bmi", [18.5, 25.0, 24.9, BLANK])
@pytest.mark.parametrize("mood", ["it's", "IT'S", 'a "b"', "c\\d", "unseen", "NA", "", BLANK])
@pytest.mark.parametrize("smoker", [True, False, 1, 0])
def test_formulas_give_the_numbers_of_the_scorer(
    card: ScoreCard, age: Any, bmi: Any, mood: Any, smoker: Any
):
    extra = (
        Term(item=Item(feature=MOOD, kind="missing", label="no mood"), points=7),
        Term(item=Item(feature="bmi", kind="value", label="bmi"), points=-2),
    )
    full = msgspec.structs.replace(card, terms=(*card.terms, *extra))
    cells = {"A2": age, "B2": bmi, "C2": mood, "D2": smoker}
    expected = RowScorer(full)({"age": age, "bmi": bmi, MOOD: mood, "smoker": smoker})
    formulas = to_spreadsheet(full)
    assert Formula(formulas.total, cells).value() == expected.total
    assert Formula(formulas.risk, cells).value() == pytest.approx(expected.risk, rel=1e-14)


@pytest.mark.parametrize(
    "change", [{"A2": "sixty"}, {"B2": "n/a"}, {"D2": BLANK}, {"D2": "yes"}, {"A2": True}]
)
def test_what_cannot_be_scored_gives_not_available(card: ScoreCard, change: dict[str, Any]):
    cells = {"A2": 70, "B2": 20, "C2": "it's", "D2": 1, **change}
    for formula in to_spreadsheet(card):
        with pytest.raises(NotAvailable):
            Formula(formula, cells).value()


def test_cells_are_taken_as_named_and_the_risk_can_read_the_total(card: ScoreCard):
    places = {"age": "$B$7", "bmi": "AA10", MOOD: "C3", "smoker": "D$4", "unused": "Z1"}
    formulas = to_spreadsheet(card, places, total_cell="E5")
    assert "N($B$7)>=61" in formulas.total
    assert "A2" not in formulas.total
    assert formulas.risk == "=1/(1+EXP(-MAX(-700,MIN(700,0.625515*E5+-2.59554))))"


def test_a_scoring_system_answers_true_or_false(card: ScoreCard):
    system = msgspec.structs.replace(
        card, score_class="scoring_system", slope=None, intercept=None, threshold=5.0
    )
    cells = {"A2": 70, "B2": 20.0, "C2": "it's", "D2": 1}
    assert Formula(to_spreadsheet(system).risk, cells).value() is True
    assert Formula(to_spreadsheet(system).risk, {**cells, "C2": "plain"}).value() is False


@pytest.mark.parametrize("cell", ["", "2B", "B0", "A1+1", "A1)+CMD()", "Sheet2!A1", "a1", "B2\n"])
def test_what_is_no_cell_is_refused(card: ScoreCard, cell: str):
    places = {"age": cell, "bmi": "B2", MOOD: "C2", "smoker": "D2"}
    with pytest.raises(ParameterError, match="not a cell"):
        to_spreadsheet(card, places)
    with pytest.raises(ParameterError, match="not a cell"):
        to_spreadsheet(card, total_cell=cell or " ")


def test_features_without_a_cell_are_named(card: ScoreCard):
    with pytest.raises(ParameterError, match="'bmi', .*'smoker'"):
        to_spreadsheet(card, {"age": "A1"})


@pytest.mark.parametrize("text", ['"&CMD()&"', "=1+1", "x" * 600, 'a"' * 200, "line\nbreak"])
def test_text_stays_inside_its_quotes(card: ScoreCard, text: str):
    feature = Feature(name="f", type="categorical", levels=(text,))
    term = Term(item=Item(feature="f", kind="in", label="", levels=(text,)), points=4)
    formulas = to_spreadsheet(msgspec.structs.replace(card, terms=(term,), features=(feature,)))
    assert Formula(formulas.total, {"A2": text}).value() == 4
    assert Formula(formulas.total, {"A2": text[1:]}).value() == 0


def test_a_formula_too_long_for_excel_is_refused(card: ScoreCard):
    levels = tuple(f"{i:0200d}" for i in range(50))
    feature = Feature(name="f", type="categorical", levels=levels)
    term = Term(item=Item(feature="f", kind="in", label="", levels=levels), points=4)
    with pytest.raises(UsageError, match="8192"):
        to_spreadsheet(msgspec.structs.replace(card, terms=(term,), features=(feature,)))


def test_no_function_takes_more_arguments_than_excel_allows(card: ScoreCard):
    levels = tuple(f"{i}" for i in range(400))
    feature = Feature(name="f", type="categorical", levels=levels)
    term = Term(item=Item(feature="f", kind="in", label="", levels=levels), points=4)
    formula = to_spreadsheet(msgspec.structs.replace(card, terms=(term,), features=(feature,)))
    for arguments in re.findall(r"OR\(((?:EXACT\([^()]*\),?)+)\)", formula.total):
        assert arguments.count("EXACT") <= 255
    for text, total in (("0", 4), ("254", 4), ("255", 4), ("399", 4), ("400", 0)):
        assert Formula(formula.total, {"A2": text}).value() == total
