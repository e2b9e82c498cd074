"""Probability that a label stands anywhere in a guard model's answer, from token probabilities.

Three estimators of arXiv 2511.22312, with what they leave out returned as a bracket.
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

from riskwright.core import ParameterError, Record
from riskwright.language_models.replies import Token

from .tokens import MOST_MASS, is_end, listed, plain

__all__ = [
    "AnswerLabels",
    "Marginals",
    "NextToken",
    "Step",
    "marginal_at_any_place",
    "marginal_at_fixed_place",
    "recorded",
    "token_probability",
]

ROUNDING = 1e-12
_SHORT = 200


class Step(Record, frozen=True, kw_only=True):
    """What may come next: spelling -> probability ("" ends the answer).

    What the probabilities lack to 1 belongs to tokens that are not listed.
    """

    tokens: dict[str, float]


NextToken = Callable[[tuple[str, ...]], Step | None]
"""What follows a beginning, given as its tokens; None where that cannot be had."""


class Marginals(Record, frozen=True, kw_only=True):
    """Probability that each label stands in the answer.

    `values` counts what was found; `bounds` surely holds the true probability under the model that
    was asked; `calls` is the number of beginnings that were asked for, `open` the mass of answers
    that were not followed to a point where nothing can change.
    """

    values: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    calls: int
    open: float


class AnswerLabels:
    """Which labels an answer holds: a label counts once the next character ends it.

    Parameters
    ----------
    labels : such as "S1" and "S10", or names of several words; case does not matter.
    verdict : labels count only in answers whose first word is this; "" counts them in all.
    heading : labels count only after the first place where this text stands.

    Examples
    --------
    >>> answers = AnswerLabels(["S1", "S10"])
    >>> [sorted(answers.found(text, ended=False)) for text in ("unsafe\\nS1", "unsafe\\nS1,")]
    [[], ['S1']]
    >>> sorted(answers.found("unsafe\\nS10", ended=True))
    ['S10']
    """

    def __init__(
        self, labels: Sequence[str], *, verdict: str = "unsafe", heading: str = ""
    ) -> None:
        if not labels or any(not label.strip() for label in labels):
            raise ParameterError("no labels, or an empty one", where="labels")
        self.labels = tuple(labels)
        self.verdict = verdict.casefold()
        self.heading = heading.casefold()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted((x.casefold() for x in self.labels), key=len, reverse=True)
        return re.compile(
            r"(?<![^\W_])(?<!-)(" + "|".join(map(re.escape, longest_first)) + r")(?![^\W_])"
        )

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        folded = [label.casefold() for label in self.labels]
        return frozenset(label[:k] for label in folded for k in range(1, len(label)))

    @cached_property
    def _names(self) -> dict[str, str]:
        return {label.casefold(): label for label in self.labels}

    def found(self, text: str, ended: bool) -> frozenset[str]:
        """Labels that stand in every answer that begins with `text` (that is `text`, if ended)."""
        return self._kept(text, ended) if len(text) <= _SHORT else self._found(text, ended)

    @cached_property
    def _kept(self) -> Callable[[str, bool], frozenset[str]]:
        """Guard models write few different answers: those of before are looked up."""
        return lru_cache(maxsize=2**14)(self._found)

    def _found(self, text: str, ended: bool) -> frozenset[str]:
        body = self._body(text, ended)
        if body is None:
            return frozenset()
        sure = len(body) if ended else len(body) - self._open(body)
        return frozenset(
            self._names[match[1]]
            for match in self._pattern.finditer(body)
            if match.end() < sure or (ended and match.end() == sure)
        )

    def _open(self, body: str) -> int:
        """How many of the last characters may yet become part of a label."""
        longest = min(max(map(len, self.labels)) - 1, len(body))
        return next((k for k in range(longest, 0, -1) if body[-k:] in self._beginnings), 0)

    def hinted(self, text: str) -> frozenset[str]:
        """As `found`, and the label that `text` ends with, though it may go on."""
        return self.found(text, True)

    def settled(self, text: str) -> bool:
        """Whether no answer that begins with `text` can hold a further label."""
        if len(self.found(text, False)) == len(self.labels):
            return True
        return self._kept_mild(text) if len(text) <= _SHORT else self._mild(text)

    @cached_property
    def _kept_mild(self) -> Callable[[str], bool]:
        return lru_cache(maxsize=2**14)(self._mild)

    def _mild(self, text: str) -> bool:
        """Whether the first word is another than the verdict."""
        return self._begins(text, False) is False

    def _begins(self, text: str, ended: bool) -> bool | None:
        """Whether the first word is the verdict; None where it may yet become it."""
        if not self.verdict:
            return True
        match = re.match(r"\W*([^\W_]+)", text.casefold())
        if match is None:
            return False if ended else None
        if ended or match.end() < len(text):
            return match[1] == self.verdict
        return None if self.verdict.startswith(match[1]) else False

    def _body(self, text: str, ended: bool) -> str | None:
        """Where labels are looked for; None where there can be none (yet)."""
        if not self._begins(text, ended):
            return None
        folded = text.casefold()
        if self.heading:
            place = folded.find(self.heading)
            if place < 0:
                return None
            folded = folded[place + len(self.heading) :]
        return folded


def recorded(tokens: Sequence[Token]) -> NextToken:
    """What followed each beginning of one answer whose alternatives were listed.

    Costs no call. Of the end of the answer nothing is known where the server lists no token for
    it.
    """
    own = tuple(plain(token.text) for token in tokens)
    steps = [listed(token) for token in tokens]

    def following(prefix: tuple[str, ...]) -> Step | None:
        place = len(prefix)
        if place >= len(own) or prefix != own[:place]:
            return None
        return Step(tokens={"" if is_end(text) else text: p for text, p in _ends(steps[place])})

    return following


def _ends(step: dict[str, float]) -> list[tuple[str, float]]:
    """Spellings with all tokens that end an answer made one."""
    ending = math.fsum(p for text, p in step.items() if is_end(text))
    rest = [(text, p) for text, p in step.items() if not is_end(text)]
    return [*rest, ("", ending)] if ending else rest


def token_probability(tokens: Sequence[Token], answers: AnswerLabels) -> dict[str, float]:
    """Label -> probability of the token that completes it, given what the answer says before.

    The largest over all places of one answer, the spellings of one place added; 0 for a label that
    is listed nowhere. A label counts at its first place only. It says nothing of how likely the
    answer was to get there.
    """
    return {
        label: max((p for p, _ in places), default=0.0)
        for label, places in _places(tokens, answers).items()
    }


def marginal_at_fixed_place(tokens: Sequence[Token], answers: AnswerLabels) -> dict[str, float]:
    """Label -> product of the probabilities of the labels up to it, in the order of the answer.

    Each factor is that of the token that completes a label; a label that the answer does not hold
    takes the place of the one that stands there (at its best place).
    """
    return {
        label: max((before * p for p, before in places), default=0.0)
        for label, places in _places(tokens, answers).items()
    }


def _places(tokens: Sequence[Token], answers: AnswerLabels) -> dict[str, list[tuple[float, float]]]:
    """Label -> (probability of completion, product of the completions before) at each place."""
    places: dict[str, list[tuple[float, float]]] = {label: [] for label in answers.labels}
    text, before = "", 1.0
    done: set[str] = set()
    own = [plain(token.text) for token in tokens]
    for number, token in enumerate(tokens):
        completed: dict[str, float] = {}
        for spelling, p in listed(token).items():
            for label in answers.hinted(text + spelling) - answers.hinted(text) - done:
                completed[label] = completed.get(label, 0.0) + p
        following = own[number + 1] if number + 1 < len(own) else ""
        text += own[number]
        ended = is_end(following)
        written = answers.found(text + ("" if ended else following[:1]), ended) - done
        continued = answers.hinted(text) - answers.found(text + following[:1], ended)
        for label, p in completed.items():
            if label not in continued:
                places[label].append((p, before))
        for label in written:
            before *= completed.get(label, 1.0)
        done |= written
    return places


def marginal_at_any_place(
    next_token: NextToken, answers: AnswerLabels, *, budget: int = 64, width: float = 0.0
) -> Marginals:
    """Probability that each label stands anywhere in the answer, with the bracket that holds it.

    Parameters
    ----------
    next_token : what follows a beginning; `recorded` for one answer, or calls to a model.
    answers : which labels an answer holds.
    budget : beginnings that are asked for at most.
    width : stop when no bracket is wider.

    Notes
    -----
    Beginnings are followed by falling probability. Every label lies between the mass of beginnings
    that hold it for certain and 1 less the mass of finished answers that do not; unlisted tokens
    and beginnings that were not followed widen the bracket, so nothing is lost by stopping
    early (arXiv 2511.22312 prunes such mass and stops at a likely end instead). `values` adds to
    the lower end the beginnings that end with a label which could yet go on, as S1 to S10. Cost:
    one call of `next_token` per beginning; O(budget · top_k · length).

    Examples
    --------
    >>> chain = {(): {"unsafe\\n": 0.7, "safe\\n": 0.3}, ("unsafe\\n",): {"S1": 0.6, "S10": 0.4}}
    >>> ended = {("unsafe\\n", "S1"): {"": 0.5, "0": 0.5}}
    >>> def next_token(prefix):
    ...     return Step(tokens={**chain, **ended}.get(prefix, {"": 1.0}))
    >>> found = marginal_at_any_place(next_token, AnswerLabels(["S1", "S10"]))
    >>> [round(x, 3) for x in found.bounds["S10"]]
    [0.49, 0.49]
    """
    if budget < 0:
        raise ParameterError("value out of range", where="budget", expected="at least 0")
    search = _Search(answers)
    calls, widest = 0, 1.0
    while search.heap and widest > width and calls < budget:
        mass, prefix, text = search.pop()
        step = next_token(prefix)
        if step is None:
            search.stuck.append((mass, text))
            continue
        calls += 1
        search.expand(mass, prefix, text, step)
        widest = search.widest()
    return search.result(calls)


class _Search:
    """Beginnings still to be followed, and what is settled for every label."""

    def __init__(self, answers: AnswerLabels) -> None:
        self.answers = answers
        self.sure = dict.fromkeys(answers.labels, 0.0)
        self.without = dict.fromkeys(answers.labels, 0.0)
        self.heap: list[tuple[float, int, tuple[str, ...], str]] = [(-1.0, 0, (), "")]
        self.stuck: list[tuple[float, str]] = []
        self.lost = 0.0
        self.numbers = itertools.count(1)

    def widest(self) -> float:
        return max(1.0 - self.without[x] - self.sure[x] for x in self.answers.labels)

    def pop(self) -> tuple[float, tuple[str, ...], str]:
        mass, _, prefix, text = heapq.heappop(self.heap)
        return -mass, prefix, text

    def expand(self, mass: float, prefix: tuple[str, ...], text: str, step: Step) -> None:
        total = math.fsum(step.tokens.values())
        if not total <= MOST_MASS or min(step.tokens.values(), default=0.0) < 0:
            raise ParameterError("not probabilities", where="next_token", got=f"a sum of {total:g}")
        scale = mass / max(total, 1.0)
        self.lost += max(0.0, mass - scale * total)
        known = self.answers.found(text, False)
        for spelling, p in step.tokens.items():
            ended = spelling == ""
            after = text + spelling
            found = self.answers.found(after, ended)
            for label in found - known:
                self.sure[label] += scale * p
            if ended or self.answers.settled(after):
                for label in set(self.answers.labels) - found:
                    self.without[label] += scale * p
            elif p > 0:
                entry = (-scale * p, next(self.numbers), (*prefix, spelling), after)
                heapq.heappush(self.heap, entry)

    def result(self, calls: int) -> Marginals:
        values = dict(self.sure)
        waiting = [*self.stuck, *((-mass, text) for mass, _, _, text in self.heap)]
        for mass, text in waiting:
            for label in self.answers.hinted(text) - self.answers.found(text, False):
                values[label] += mass
        bounds = {
            label: (
                max(0.0, self.sure[label] - ROUNDING),
                min(1.0, max(1.0 - self.without[label], self.sure[label]) + ROUNDING),
            )
            for label in self.answers.labels
        }
        return Marginals(
            values={x: min(max(v, bounds[x][0]), bounds[x][1]) for x, v in values.items()},
            bounds=bounds,
            calls=calls,
            open=min(1.0, self.lost + math.fsum(mass for mass, _ in waiting)),
        )
