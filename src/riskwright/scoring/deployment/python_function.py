"""The card as the source text of one Python function that imports nothing but `math`."""

from __future__ import annotations

import keyword

from riskwright.core import Item, ParameterError, ScoreCard, Term

from .rules import LARGEST_LOG_ODDS, Rule, feature_rules

__all__ = ["to_python"]

_READERS = """

def _number(row, name, refuse_missing, may_be_absent):
    value = _read(row, name, may_be_absent)
    if value is None or value != value:
        return _missing(name, refuse_missing)
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name!r} must be a number or None")
    if abs(value) > 1.7976931348623157e308:
        raise ValueError(f"{name!r} is infinite")
    return value


def _text(row, name, refuse_missing, may_be_absent, missing_texts):
    value = _read(row, name, may_be_absent)
    if value is None or value != value:
        return _missing(name, refuse_missing)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(int(value)) if value % 1 == 0 and abs(value) < 1e16 else repr(value)
    if not isinstance(value, str):
        raise TypeError(f"{name!r} must be text or None")
    return _missing(name, refuse_missing) if value.strip() in missing_texts else value


def _read(row, name, may_be_absent):
    if name not in row and not may_be_absent:
        raise KeyError(f"{name!r} is absent; give None where the value is missing")
    return row.get(name)


def _missing(name, refuse_missing):
    if refuse_missing:
        raise ValueError(f"{name!r} is missing, which this score refuses")
"""


def to_python(card: ScoreCard, *, name: str = "score") -> str:
    """Source of a module whose function, `score(row)`, returns `(total, risk)`.

    It needs Python 3.6 or newer and the standard library alone, and repeats `RowScorer` to the last
    digit: None and NaN are missing values, unseen levels match no item. Where `RowScorer` raises a
    `ColumnError`, `MissingValueError` or `ValueRangeError`, it raises `KeyError`, `TypeError` or
    `ValueError`. Names and text enter as Python literals only. A scoring system returns
    `(total, predicted)`.

    Raises
    ------
    ParameterError
        Where `name` cannot be the name of a public Python function.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise ParameterError("not a name for a function", where="name", got=repr(name))
    rules = feature_rules(card)
    variables = {rule.feature.name: f"x{i}" for i, rule in enumerate(rules, 1)}
    reads = [_reading(rule, variables[rule.feature.name]) for rule in rules]
    sums = [
        line
        for term in sorted(card.terms, key=lambda term: term.item.kind == "value")
        for line in _addition(term, variables[term.item.feature])
    ]
    body = [*reads, "total = 0", *sums, *_meaning(card)]
    return (
        f"{_docstring(card)}\n\nimport math\n\n\ndef {name}(row):\n"
        f"    {_RETURNS[card.score_class == 'scoring_system']!r}\n"
        + "".join(f"    {line}\n" for line in body)
        + _READERS
    )


_RETURNS = (
    "The sum of points of a mapping of values, and its risk.",
    "The sum of points of a mapping of values, and whether the outcome is predicted.",
)


def _docstring(card: ScoreCard) -> str:
    return repr(f"{card.title}. Outcome: {card.outcome}. Written by riskwright {card.version}.")


def _reading(rule: Rule, variable: str) -> str:
    reader = "_text" if rule.categorical else "_number"
    missing = rule.feature.missing
    options = f"{missing == 'refused'}, {missing == 'own_level'}"
    if rule.categorical:
        options += f", {rule.missing_texts!r}"
    return f"{variable} = {reader}(row, {rule.feature.name!r}, {options})"


def _addition(term: Term, variable: str) -> list[str]:
    comment = "  # " + repr(term.item.label)[1:-1]
    if term.item.kind != "value":
        return [f"if {_holds(term.item, variable)}:", f"    total += {term.points}{comment}"]
    return [
        f"if {variable} is not None:",
        f"    total += {term.points} * float({variable}){comment}",
    ]


def _holds(item: Item, variable: str) -> str:
    if item.kind == "missing":
        return f"{variable} is None"
    if item.kind == "in":
        return f"{variable} in {item.levels or ()!r}"
    tests = [f"{variable} is not None"]
    if item.low is not None:
        tests.append(f"{variable} >= {_number(item.low)}")
    if item.high is not None:
        tests.append(f"{variable} < {_number(item.high)}")
    return " and ".join(tests)


def _number(value: float) -> str:
    return repr(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)


def _meaning(card: ScoreCard) -> list[str]:
    if card.score_class == "scoring_system":
        return [f"return total, total > {_number(card.threshold or 0.0)}"]
    limit = f"{LARGEST_LOG_ODDS:g}"
    slope, intercept = float(card.slope or 0.0), float(card.intercept or 0.0)
    return [
        f"log_odds = min(max({slope!r} * total + {intercept!r}, -{limit}), {limit})",
        "return total, 1 / (1 + math.exp(-log_odds))",
    ]
