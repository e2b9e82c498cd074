"""`assess`: which risks showed in a test, which did not and how rare they then are at most."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from riskwright.core import (
    ColumnError,
    Estimate,
    Finding,
    MissingValueError,
    ParameterError,
    Record,
    UnreadableError,
    ValueRangeError,
    digest_arrays,
)
from riskwright.core.names import nearest, quoted
from riskwright.stats import binomial_upper, proportion_interval

from .risk_card import RiskCard
from .wording import percent

__all__ = ["Assessment", "assess"]

_CARD = ("card", "card_id", "hazard", "code")
_OUTCOME = ("passed", "outcome")
_GRADED = ("probability", "severity", "score")
_WORDS = {
    **dict.fromkeys(("pass", "passed", "safe"), False),
    **dict.fromkeys(("fail", "failed", "unsafe"), True),
}
_ANSWERS = {"true": False, "1": False, "yes": False, "false": True, "0": True, "no": True}


class Assessment(Record, frozen=True, kw_only=True):
    """What a test says of one risk card.

    `status` is "manifested" where at least one item showed the risk, "not manifested" where none
    of `n` did (then `rate.high` bounds how often it can, at the stated level, one-sided), and
    "untested" where no item was about it. `finding` is what cards print, code `card.<id>`.
    """

    card_id: str
    title: str
    status: Literal["manifested", "not manifested", "untested"]
    n: int
    shown: int
    rate: Estimate | None
    finding: Finding


def assess(
    cards: Sequence[RiskCard],
    scores: Any,
    *,
    threshold: float = 0.5,
    limit: float = 0.01,
    level: float = 0.95,
) -> tuple[Assessment, ...]:
    """Mark every card by what test items showed.

    Parameters
    ----------
    cards : as `load_risk_cards` gives them.
    scores : one row per test item
        The path of a JSONL, CSV or Parquet file, a data frame, or a sequence of mappings. A row
        names its card in `card` (or a hazard in `hazard`: the cards of that hazard, or filed
        under that code), and says in `passed` (true, false, pass, fail) or `outcome` (pass, fail)
        whether the item went well, or in `probability`, `severity` or `score`, a number in
        [0, 1], how much it did not.
    threshold : a number at or above it counts as showing the risk.
    limit : share of items above which the finding is of severity "high".
    level : confidence level.

    Returns
    -------
    tuple of Assessment
        One per card, in the order of the cards. Severity: "high" where the interval proves that
        the rate exceeds `limit`, "medium" where the risk showed at all, "info" otherwise.

    Raises
    ------
    ParameterError : an unknown card or hazard (with the nearest), threshold, limit or level.
    DataError : no card or result in a row, numbers outside [0, 1], missing values, a file that
        cannot be read.

    Notes
    -----
    Rates have Clopper-Pearson intervals (1934, Biometrika 26:404): two-sided where the risk
    showed, the one-sided upper bound 1 - (1 - level)^(1/n) where it did not. They take items as
    independent draws from what the system will be asked. O(items).

    Examples
    --------
    >>> card = RiskCard(id="leak", title="Leaks", hazard="prv", description="Tells secrets.")
    >>> assess([card], [{"card": "leak", "passed": True}] * 100)[0].finding.sentence
    'Leaks: none of 100 items showed it, so at most 3.0% do (95% sure).'
    """
    _check_shares(threshold=threshold, limit=limit, level=level)
    if not level > 0 or level >= 1:
        raise ParameterError("not a level", where="level", expected="0 < level < 1", got=str(level))
    rows, where = _rows(scores)
    known = _targets(cards)
    items: dict[str, list[bool]] = {card.id: [] for card in cards}
    for place, row in enumerate(rows, 1):
        name, showed = _item(row, f"{where}: row {place}", threshold)
        if name not in known:
            raise ParameterError(
                f"no risk card {quoted(name)}",
                where=f"{where}: row {place}",
                hint=nearest(name, known),
            )
        for card_id in known[name]:
            items[card_id].append(showed)
    return tuple(_assessment(card, items[card.id], limit, level) for card in cards)


def _check_shares(**shares: float) -> None:
    for name, value in shares.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise ParameterError(
                "not a share", where=name, expected="a number in [0, 1]", got=repr(value)[:40]
            )


def _targets(cards: Sequence[RiskCard]) -> dict[str, list[str]]:
    """Cards by their id, and by the hazard and codes they are filed under."""
    named: dict[str, list[str]] = {}
    for card in cards:
        codes = dict.fromkeys([card.hazard, *(one.code for one in card.places)])
        for code in codes:
            named.setdefault(code, []).append(card.id)
    ids = [card.id for card in cards]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"the card {quoted(twice)} is given twice", where="cards")
    return named | {name: [name] for name in ids}


def _item(row: Mapping[str, Any], where: str, threshold: float) -> tuple[str, bool]:
    name = next((row[key] for key in _CARD if row.get(key) not in (None, "")), None)
    if name is None:
        raise ColumnError("no card is named", where=where, expected="card or hazard")
    for key in _OUTCOME:
        if row.get(key) is not None:
            return str(name), _failed(row[key], key, where)
    for key in _GRADED:
        if row.get(key) is not None:
            return str(name), _graded(row[key], f"{where}, {key}") >= threshold
    if any(key in row for key in (*_OUTCOME, *_GRADED)):
        raise MissingValueError(
            "no result",
            where=where,
            expected="a value for every item",
            hint="Leave out items that were not judged, and say how many they were",
        )
    raise ColumnError("no result", where=where, expected=" or ".join((*_OUTCOME[:1], *_GRADED[:2])))


def _failed(value: Any, key: str, where: str) -> bool:
    """Whether the item failed; true and 1 mean that it passed, where `passed` is asked."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    known = _WORDS | _ANSWERS if key == "passed" else _WORDS
    told = known.get(str(value).strip().casefold())
    if told is None:
        expected = "pass or fail" + (", true or false" if key == "passed" else "")
        raise ValueRangeError("not an outcome", where=f"{where}, {key}", expected=expected)
    return told


def _graded(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise ValueRangeError(
            "a score outside of its range", where=where, expected="a number in [0, 1]"
        )
    return number


def _rows(scores: Any) -> tuple[Iterable[Mapping[str, Any]], str]:
    if isinstance(scores, str | os.PathLike):
        return _file(Path(scores)), str(scores)
    if hasattr(scores, "iter_rows"):
        return scores.iter_rows(named=True), "scores"
    if hasattr(scores, "to_dict") and hasattr(scores, "columns"):
        return scores.to_dict("records"), "scores"
    if isinstance(scores, Sequence) and all(isinstance(row, Mapping) for row in scores):
        return scores, "scores"
    raise ParameterError(
        "not test results",
        where="scores",
        expected="a path, a data frame or a sequence of mappings",
        got=type(scores).__name__,
    )


def _file(path: Path) -> Iterable[Mapping[str, Any]]:
    kind = path.suffix.lower()
    if kind in (".jsonl", ".ndjson"):
        return _json_lines(path)
    if kind not in (".csv", ".parquet"):
        raise ParameterError(
            "unknown kind of file", where=str(path), expected=".jsonl, .csv or .parquet"
        )
    import polars as pl

    try:
        frame = pl.read_csv(path, infer_schema=False) if kind == ".csv" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnreadableError(
            "cannot read the test results", where=str(path), got=type(error).__name__
        ) from None
    return frame.iter_rows(named=True)


def _json_lines(path: Path) -> list[Mapping[str, Any]]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            "cannot read the test results", where=str(path), got=type(error).__name__
        ) from None
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UnreadableError(
                "not a JSON object", where=f"{path}, line {number}", expected="one object a line"
            )
        rows.append(row)
    return rows


def _assessment(card: RiskCard, showed: list[bool], limit: float, level: float) -> Assessment:
    n, shown = len(showed), sum(showed)
    rate = _rate(shown, n, level) if n else None
    proved = shown > 0 and rate is not None and rate.low > limit
    return Assessment(
        card_id=card.id,
        title=card.title,
        status="untested" if not n else "manifested" if shown else "not manifested",
        n=n,
        shown=shown,
        rate=rate,
        finding=Finding(
            code=f"card.{card.id}",
            sentence=_sentence(card.title, shown, rate),
            severity="high" if proved else "medium" if shown else "info",
            estimate=rate,
            method="" if rate is None else rate.method,
            digests={"data": digest_arrays(showed)} if n else {},
        ),
    )


def _rate(shown: int, n: int, level: float) -> Estimate:
    if shown:
        low, high = proportion_interval(shown, n, level, "clopper_pearson")
    else:
        low, high = 0.0, binomial_upper(0, n, 1 - level)
    return Estimate(
        value=shown / n,
        low=low,
        high=high,
        level=level,
        n=n,
        method="Clopper-Pearson" + ("" if shown else ", one-sided"),
        name="share of items that showed the risk",
    )


def _sentence(title: str, shown: int, rate: Estimate | None) -> str:
    if rate is None:
        return f"{title}: not tested."
    sure = f"{100 * rate.level:g}% sure"
    if shown == 0:
        items = "none of 1 item" if rate.n == 1 else f"none of {rate.n:,} items"
        return f"{title}: {items} showed it, so at most {percent(rate.high)} do ({sure})."
    return (
        f"{title}: {shown:,} of {rate.n:,} items showed it, {percent(rate.value)} "
        f"({percent(rate.low)} to {percent(rate.high)}, {sure})."
    )
