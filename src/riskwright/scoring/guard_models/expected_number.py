"""Expected value of a number that a model writes, over all ways to write it, with its bracket."""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections.abc import Sequence
from functools import cache

from riskwright.core import ParameterError, Record

from .marginals import NextToken, Step
from .tokens import MOST_MASS

__all__ = ["ExpectedNumber", "expected_number"]

HIGHEST = 100
ROUNDING = 1e-9
_OPEN = re.compile(r"\d{0,3}(?:\.\d{0,3})?")
_ENDED = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)(?:[^\d]|\.(?!\d))")
_BLANK = " \t\r\n*\"'`"


class ExpectedNumber(Record, frozen=True, kw_only=True):
    """`value` in [0, 100] among answers that are such a number; `bounds` surely holds it.

    `numbers` is the mass of answers that are a number, `other` that of answers that are not,
    `open` that of answers that were not followed to their end.
    """

    value: float
    bounds: tuple[float, float]
    numbers: float
    other: float
    open: float
    calls: int


def expected_number(
    next_token: NextToken, *, budget: int = 64, width: float = 0.5
) -> ExpectedNumber | None:
    """Expected value of a number from 0 to 100 that begins an answer.

    Parameters
    ----------
    next_token : as for `marginal_at_any_place`.
    budget : beginnings that are asked for at most.
    width : stop when the bracket is no wider (on the scale of 0 to 100).

    Returns
    -------
    None where no number was found at all.

    Notes
    -----
    Beginnings are followed by falling mass times the range of the numbers that they may become.
    Those that were not followed keep that range in the bracket (and may also turn out to be no
    number); for the value a beginning counts as the number it spells where the model writes
    numbers as one token, else as the middle of the ten that it begins. Cost: one call per
    beginning.

    Examples
    --------
    >>> steps = {(): {"7": 0.6, "100": 0.4}, ("7",): {"0": 0.5, "": 0.5}}
    >>> found = expected_number(lambda prefix: Step(tokens=steps.get(prefix, {"": 1.0})))
    >>> round(found.value, 3), [round(x, 3) for x in found.bounds]
    (63.1, [63.1, 63.1])
    """
    if budget < 0:
        raise ParameterError("value out of range", where="budget", expected="at least 0")
    tree = _Tree()
    calls = 0
    while tree.heap and calls < budget and tree.spread() > width:
        mass, prefix, text, whole = tree.pop()
        step = next_token(prefix)
        if step is None:
            tree.stuck.append((mass, text, whole))
            continue
        calls += 1
        tree.expand(mass, prefix, text, step)
    return tree.result(calls)


class _Tree:
    """Beginnings of a number still to be followed, and the numbers found."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, float, tuple[str, ...], str, bool]] = [
            (-HIGHEST, 0, 1.0, (), "", False)
        ]
        self.settled: list[tuple[float, float]] = []
        self.stuck: list[tuple[float, str, bool]] = []
        self.lost: list[tuple[float, str]] = []
        self.other = 0.0
        self.numbers = itertools.count(1)

    def pop(self) -> tuple[float, tuple[str, ...], str, bool]:
        _, _, mass, prefix, text, whole = heapq.heappop(self.heap)
        return mass, prefix, text, whole

    def expand(self, mass: float, prefix: tuple[str, ...], text: str, step: Step) -> None:
        total = math.fsum(step.tokens.values())
        if not total <= MOST_MASS or min(step.tokens.values(), default=0.0) < 0:
            raise ParameterError("not probabilities", where="next_token", got=f"a sum of {total:g}")
        scale = mass / max(total, 1.0)
        self.lost.append((max(0.0, mass - scale * total), text))
        whole = _writes_whole(step, text)
        for spelling, p in step.tokens.items():
            after = (text + spelling).lstrip(_BLANK)
            value = _value(after, ended=spelling == "")
            if value is None:
                self.other += scale * p
            elif not math.isnan(value):
                self.settled.append((scale * p, value))
            elif p > 0:
                low, high = _range(after)
                rank = (-scale * p * (high - low), next(self.numbers), scale * p)
                heapq.heappush(self.heap, (*rank, (*prefix, spelling), after, whole))

    def result(self, calls: int) -> ExpectedNumber | None:
        """What is known so far."""
        waiting = [*self.stuck, *((mass, text, w) for _, _, mass, _, text, w in self.heap)]
        return _summary(self.settled, waiting, self.lost, self.other, calls)

    def spread(self) -> float:
        found = self.result(0)
        return found.bounds[1] - found.bounds[0] if found else math.inf


def _summary(
    settled: list[tuple[float, float]],
    waiting: list[tuple[float, str, bool]],
    lost: list[tuple[float, str]],
    other: float,
    calls: int,
) -> ExpectedNumber | None:
    ranges = [(m, _range(t)) for m, t, _ in waiting] + [(m, _range(t)) for m, t in lost if m > 0]
    guesses = [(m, _guess(t, whole)) for m, t, whole in waiting if t]
    weights = [*settled, *guesses]
    mass = math.fsum(m for m, _ in weights)
    if mass <= 0:
        return None
    value = math.fsum(m * v for m, v in weights) / mass
    low = _extreme(settled, [(m, r[0]) for m, r in ranges])
    mirrored = [(m, HIGHEST - v) for m, v in settled]
    high = HIGHEST - _extreme(mirrored, [(m, HIGHEST - r[1]) for m, r in ranges])
    low, high = max(0.0, low - ROUNDING), min(float(HIGHEST), max(low, high) + ROUNDING)
    return ExpectedNumber(
        value=min(max(value, low), high),
        bounds=(low, high),
        numbers=mass,
        other=other,
        open=math.fsum(m for m, _ in ranges),
        calls=calls,
    )


def _extreme(settled: Sequence[tuple[float, float]], loose: list[tuple[float, float]]) -> float:
    """The smallest mean when each loose mass may take its value or be left out."""
    mass = math.fsum(m for m, _ in settled)
    total = math.fsum(m * v for m, v in settled)
    for extra, value in sorted(loose, key=lambda pair: pair[1]):
        if extra > 0 and (mass <= 0 or value < total / mass):
            mass, total = mass + extra, total + extra * value
    return min(max(total / mass, 0.0), float(HIGHEST)) if mass > 0 else 0.0


def _value(text: str, *, ended: bool) -> float | None:
    """The number that a text is, NaN where it is still open, None where it is none."""
    if not ended and _OPEN.fullmatch(text) and (not text or _range(text)[0] <= HIGHEST):
        return math.nan
    match = _ENDED.match(text + " ")
    if match is None or float(match[1]) > HIGHEST:
        return None
    return float(match[1])


@cache
def _range(text: str) -> tuple[float, float]:
    """Smallest and largest number that a text may become; (inf, inf) where it can become none."""
    whole, point, digits = text.partition(".")
    if point and whole.isdigit():
        low = float(f"{whole}.{digits or '0'}")
        return (low, min(float(HIGHEST), low + 10.0 ** -len(digits))) if low <= HIGHEST else _NONE
    able = [n for n in range(HIGHEST + 1) if str(n).startswith(whole)]
    if not able and whole.isdigit() and float(whole) <= HIGHEST:
        return float(whole), float(whole)
    return (float(able[0]), float(min(HIGHEST, able[-1] + 1))) if able else _NONE


_NONE = (math.inf, math.inf)


def _writes_whole(step: Step, text: str) -> bool:
    """Whether any token listed here spells more than one digit, so that numbers are one token."""
    return not text and any(
        len(token.strip(_BLANK)) > 1 and token.strip(_BLANK).isdigit() for token in step.tokens
    )


def _guess(text: str, whole: bool) -> float:
    low, high = _range(text)
    if whole or "." in text or len(text) > 1 or text == "0":
        return min(low if "." in text else float(text), high)
    return 10 * float(text) + 4.5
