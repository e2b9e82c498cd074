"""`Rule` and `Hit`: what a rule looks for, and where it found it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

__all__ = ["AFTER", "BEFORE", "Hit", "Rule", "find_all", "uncontained"]

BEFORE = 64
"""Characters before a match that a rule may look at."""
AFTER = 32
"""Characters after a match that a rule may look at."""


class Hit(NamedTuple):
    """Characters `start` to `end`, seen by the rule `by` with that weight."""

    start: int
    end: int
    by: str
    weight: float


class Rule(NamedTuple):
    """A bounded pattern, and what makes a match of it believable.

    Parameters
    ----------
    name : stable, "family.what".
    pattern : a regular expression whose matches have at most the reach of its family. It takes
        linear time: every repetition is bounded or possessive and starts at a boundary.
    weight : of a match without a context word; 0 where a context word is required.
    near : of a match with a context word within `BEFORE` characters before or `AFTER` after it;
        equal to `weight` where None.
    context : alternatives of a regular expression, matched as whole words in any case.
    check : how many characters of the matched text are accepted, 0 for none; None accepts all.
    triggers : one of these must occur in the text (lower case where the family folds it).
    digits : so many digits, at least, are in a match; 0 where the family does not count them.
    fixed : the case of letters counts.
    """

    name: str
    pattern: str
    weight: float
    near: float | None = None
    context: str = ""
    check: Callable[[str], int] | None = None
    triggers: tuple[str, ...] = ()
    digits: int = 0
    fixed: bool = True


@functools.lru_cache(maxsize=1024)
def compiled(pattern: str, fixed: bool = True) -> re.Pattern[str]:
    """A pattern, compiled when it is first needed."""
    return re.compile(pattern, 0 if fixed else re.IGNORECASE)


def _near(text: str, start: int, end: int, context: str) -> bool:
    words = compiled(rf"(?<![^\W_])(?:{context})(?![^\W\d_])", False)
    before = text[max(0, start - BEFORE) : start]
    return bool(words.search(before) or words.search(text[end : end + AFTER]))


def matches(rule: Rule, text: str, low: int = 0, high: int | None = None) -> Iterator[Hit]:
    """Every place between `low` and `high` where the rule matches, also where matches overlap.

    What is found at a place depends on its neighbourhood alone, never on matches before it.
    """
    search = compiled(rule.pattern, rule.fixed).search
    high = len(text) if high is None else high
    found = search(text, low, high)
    while found:
        start = found.start()
        length = rule.check(found[0]) if rule.check else found.end() - start
        if length:
            weight = rule.weight
            if rule.near is not None and _near(text, start, start + length, rule.context):
                weight = rule.near
            if weight > 0:
                yield Hit(start, start + length, rule.name, weight)
        found = search(text, start + 1, high)


def find_all(rules: Iterable[Rule], text: str) -> list[Hit]:
    """The matches of those rules whose trigger occurs."""
    hits: list[Hit] = []
    for rule in rules:
        for trigger in rule.triggers:
            if trigger in text:
                break
        else:
            if rule.triggers:
                continue
        hits.extend(matches(rule, text))
    return hits


def uncontained(hits: Iterable[Hit]) -> list[Hit]:
    """The hits that lie within no other: the longest wins, among equal ones the weightiest.

    Hits that overlap without one containing the other all stay. Sorted by place. O(n log n).

    Examples
    --------
    >>> [hit.by for hit in uncontained([Hit(0, 9, "a", 0.5), Hit(2, 9, "b", 0.9)])]
    ['a']
    """
    kept: list[Hit] = []
    last = -1
    for hit in sorted(hits, key=lambda one: (one.start, -one.end, -one.weight, one.by)):
        if hit.end > last:
            kept.append(hit)
            last = hit.end
    return kept
