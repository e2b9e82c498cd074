"""`safe_pattern`: regular expressions from users that cannot take more than linear time."""

from __future__ import annotations

import re
from typing import NamedTuple

from riskwright.core import ParameterError
from riskwright.core.names import quoted

__all__ = ["MAX_PATHS", "MAX_WIDTH", "safe_pattern"]

MAX_WIDTH = 256
"""The longest match of a pattern, in characters."""
MAX_PATHS = 1024
"""In how many ways a pattern may be matched at one place, at most."""

_PIECE = re.compile(
    r"(?P<open>\((?:\?:)?(?!\?))|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<edge>\\[bB])|(?P<atom>\\[dDwWsS]|\\[^A-Za-z0-9]|\\[nrt]"
    r"|\[\^?\]?(?:[^\]\\\n]|\\.)+\]|[^\\()\[\]|*+?{}^$])"
)
_TIMES = re.compile(r"\?|\{(\d{1,4})(?:,(\d{1,4}))?\}")


class _Size(NamedTuple):
    width: int
    paths: int
    least: int


def _refused(pattern: str, place: int, got: str, hint: str) -> ParameterError:
    return ParameterError(
        "a pattern outside of the safe subset",
        where=f"{quoted(pattern)}, character {place + 1}",
        expected="literals, classes, ., \\d \\w \\s \\b, groups, |, and ?, {n} or {m,n} after one "
        "character or class (only ? after a group)",
        got=got,
        hint=hint,
    )


def _times(pattern: str, place: int, group: bool) -> tuple[int, int, int]:
    """Fewest and most repetitions that are stated at that place, and where they end."""
    if pattern[place : place + 1] in ("*", "+"):
        raise _refused(pattern, place, pattern[place], "State a bound, such as {0,20}")
    found = _TIMES.match(pattern, place)
    if not found:
        return 1, 1, place
    if found[0] == "?":
        return 0, 1, found.end()
    if group:
        raise _refused(pattern, place, "a repeated group", "Repeat single characters or classes")
    low, high = int(found[1]), int(found[2] or found[1])
    if low > high:
        raise _refused(pattern, place, found[0], "The first number is the smaller one")
    return low, high, found.end()


def _measured(pattern: str) -> _Size:
    """Width and number of ways of matching, in one pass with a stack of open groups."""
    stack: list[tuple[list[_Size], _Size]] = []
    done: list[_Size] = []
    now, place = _Size(0, 1, 0), 0
    while place < len(pattern):
        found = _PIECE.match(pattern, place)
        if not found:
            raise _refused(pattern, place, pattern[place], "Write a backslash before a sign")
        place, group, one = found.end(), False, _Size(1, 1, 1)
        if found["open"]:
            stack.append((done, now))
            done, now = [], _Size(0, 1, 0)
            continue
        if found["bar"]:
            done, now = [*done, now], _Size(0, 1, 0)
            continue
        if found["edge"]:
            continue
        if found["close"]:
            if not stack:
                raise _refused(pattern, place - 1, "a bracket that was never opened", "Remove it")
            group, one = True, _either([*done, now])
            done, now = stack.pop()
        low, high, place = _times(pattern, place, group)
        ways = one.paths + 1 if group and high > low else one.paths * (high - low + 1)
        now = _Size(now.width + high * one.width, now.paths * ways, now.least + low * one.least)
        if now.paths > 10**9:
            break
    if stack:
        raise _refused(pattern, len(pattern) - 1, "a group that is never closed", "Close it")
    return _either([*done, now])


def _either(sizes: list[_Size]) -> _Size:
    return _Size(
        max(one.width for one in sizes),
        sum(one.paths for one in sizes),
        min(one.least for one in sizes),
    )


def safe_pattern(pattern: str) -> tuple[re.Pattern[str], int]:
    """The compiled pattern (in any case), and the length of its longest match.

    Allowed are literals, classes in square brackets, `.`, `\\d \\w \\s \\b` and their opposites,
    groups, alternatives, and `?`, `{n}`, `{m,n}` after one character or class (`?` also after a
    group). There is no unbounded repetition, so a search over n characters takes at most
    n * `MAX_PATHS` * `MAX_WIDTH` steps.

    Raises
    ------
    ParameterError : anything else, with the place; a pattern that matches nothing at all, more
        than `MAX_WIDTH` characters, or in more than `MAX_PATHS` ways.

    Examples
    --------
    >>> safe_pattern(r"project[ -]\\d{2,4}")[1]
    12
    """
    size = _measured(pattern)
    problem = ""
    if size.least < 1:
        problem, allowed = "matches the empty text", "at least one character"
    elif size.width > MAX_WIDTH:
        problem, allowed = f"matches up to {size.width} characters", f"at most {MAX_WIDTH}"
    elif size.paths > MAX_PATHS:
        problem, allowed = "matches in too many ways", f"at most {MAX_PATHS} at one place"
    if problem:
        raise ParameterError(
            "a pattern that may take long", where=quoted(pattern), expected=allowed, got=problem
        )
    try:
        return re.compile(pattern, re.IGNORECASE), size.width
    except re.error as error:
        raise ParameterError(
            "not a regular expression", where=quoted(pattern), got=str(error)
        ) from None
