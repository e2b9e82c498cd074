"""The card as two spreadsheet formulas, for Excel, LibreOffice and their kin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from riskwright.core import Item, ParameterError, ScoreCard, UsageError

from .rules import LARGEST_LOG_ODDS, Rule, feature_rules

__all__ = ["Formulas", "to_spreadsheet"]

_CELL = re.compile(r"\$?[A-Z]{1,3}\$?[1-9][0-9]{0,6}")
_LONGEST_FORMULA = 8192
_MOST_ARGUMENTS = 255
_LONGEST_TEXT = 127  # Excel takes 255, and every quote is written twice


class Formulas(NamedTuple):
    """`total` is the sum of points; `risk` the risk (TRUE or FALSE for a scoring system)."""

    total: str
    risk: str


def to_spreadsheet(
    card: ScoreCard, cells: Mapping[str, str] | None = None, *, total_cell: str | None = None
) -> Formulas:
    """Formulas in English notation (commas between arguments), ready for the cell of one row.

    An empty cell is a missing value, as is text that means so ("NA", ...) among levels. Text where
    the card reads a number, or a missing value that the card refuses, gives #N/A. Text is compared
    by EXACT, since `=` would not tell capitals apart. Spreadsheets compute and compare with 15
    digits: the risk may differ from the card's beyond them, and a value closer than that to a cut
    point counts as equal to it.

    Parameters
    ----------
    card : the score card.
    cells : from feature name to its cell, such as {"age": "B2"}; by default A2, B2, ... in the
        order in which the card first reads the features.
    total_cell : the cell that holds the total, for the risk formula; by default the risk formula
        repeats the sum.

    Raises
    ------
    ParameterError
        Where a feature has no cell or something is not the name of a cell.
    UsageError
        Where a formula exceeds the 8,192 characters that Excel accepts.
    """
    rules = feature_rules(card)
    places = _places(rules, cells)
    by_name = {rule.feature.name: rule for rule in rules}
    addends = [
        f"IF({_holds(by_name[t.item.feature], t.item, places)},{t.points},0)"
        for t in card.terms
        if t.item.kind != "value"
    ]
    addends += [
        f"{t.points}*N({places[t.item.feature]})" for t in card.terms if t.item.kind == "value"
    ]
    total = "+".join(addends) or "0"
    refused = [test for rule in rules for test in _refusals(rule, places[rule.feature.name])]
    if refused:
        total = f"IF(OR({','.join(refused)}),NA(),{total})"
    if total_cell is not None:
        _check_cell("total_cell", total_cell)
    formulas = Formulas("=" + total, "=" + _meaning(card, total_cell or f"({total})"))
    longest = max(map(len, formulas))
    if longest > _LONGEST_FORMULA:
        raise UsageError(
            "the formula is longer than Excel accepts",
            expected=f"at most {_LONGEST_FORMULA} characters",
            got=str(longest),
            hint="Name the cell of the total, or use SQL or the Python function",
        )
    return formulas


def _places(rules: tuple[Rule, ...], cells: Mapping[str, str] | None) -> dict[str, str]:
    names = [rule.feature.name for rule in rules]
    if cells is None:
        return {name: f"{_column_letters(i)}2" for i, name in enumerate(names)}
    absent = [name for name in names if name not in cells]
    if absent:
        raise ParameterError(
            "features without a cell", where="cells", got=", ".join(map(repr, absent))
        )
    for name in names:
        _check_cell(f"cells[{name!r}]", cells[name])
    return {name: cells[name] for name in names}


def _check_cell(where: str, cell: str) -> None:
    if not _CELL.fullmatch(cell):
        raise ParameterError("not a cell", where=where, expected="such as B2", got=repr(cell))


def _column_letters(index: int) -> str:
    letters = ""
    while index >= 0:
        letters = chr(ord("A") + index % 26) + letters
        index = index // 26 - 1
    return letters


def _holds(rule: Rule, item: Item, places: Mapping[str, str]) -> str:
    cell = places[item.feature]
    if item.kind == "missing":
        return _is_missing(rule, cell)
    if item.kind == "in":
        tests = [f"EXACT({cell},{_text(level)})" for level in item.levels or ()]
        return f'AND({cell}<>"",{_any(tests)})' if tests else "FALSE"
    tests = [f'{cell}<>""']
    if item.low is not None:
        tests.append(f"N({cell})>={_number(item.low)}")
    if item.high is not None:
        tests.append(f"N({cell})<{_number(item.high)}")
    return f"AND({','.join(tests)})"  # cells that hold no number are refused before


def _any(tests: list[str]) -> str:
    groups = [tests[i : i + _MOST_ARGUMENTS] for i in range(0, len(tests), _MOST_ARGUMENTS)]
    either = [f"OR({','.join(group)})" for group in groups]
    return either[0] if len(either) == 1 else f"OR({','.join(either)})"


def _refusals(rule: Rule, cell: str) -> list[str]:
    tests = [_is_missing(rule, cell)] if rule.feature.missing == "refused" else []
    if not rule.categorical:
        tests.append(f'AND({cell}<>"",NOT({_is_number(rule, cell)}))')
    return tests


def _is_missing(rule: Rule, cell: str) -> str:
    if not rule.categorical:
        return f'{cell}=""'
    texts = (f"EXACT(TRIM({cell}),{_text(text)})" for text in rule.missing_texts)
    return f"OR({','.join(texts)})"


def _is_number(rule: Rule, cell: str) -> str:
    if rule.feature.type == "binary":
        return f"OR(ISNUMBER({cell}),ISLOGICAL({cell}))"
    return f"ISNUMBER({cell})"


def _text(text: str) -> str:
    pieces = [text[i : i + _LONGEST_TEXT] for i in range(0, len(text), _LONGEST_TEXT)] or [""]
    return "&".join('"' + piece.replace('"', '""') + '"' for piece in pieces)


def _number(value: float) -> str:
    if float(value).is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(float(value)).upper()


def _meaning(card: ScoreCard, total: str) -> str:
    if card.score_class == "scoring_system":
        return f"{total}>{_number(card.threshold or 0.0)}"
    log_odds = f"{_number(card.slope or 0.0)}*{total}+{_number(card.intercept or 0.0)}"
    limit = f"{LARGEST_LOG_ODDS:g}"
    return f"1/(1+EXP(-MAX(-{limit},MIN({limit},{log_odds}))))"
