"""What the words of `riskwright guard` share: guards, files of exchanges, labels, progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from riskwright.core import DataError, UsageError
from riskwright.core.names import quoted
from riskwright.core.scores import Score
from riskwright.evidence.exchange_files import ExchangeFile, read_exchanges
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label
from riskwright.guard.guard import Guard
from riskwright.taxonomy.policies import Policy

from .running import say

__all__ = [
    "CHANCE",
    "STDIN",
    "Flag",
    "Matches",
    "Progress",
    "Words",
    "at_random",
    "code_of",
    "file_of",
    "guard_of",
    "kept_for",
    "read",
]

Words = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Flag = Annotated[bool, Parameter(negative="")]
STDIN = Path("-")
CHANCE = "chance"
"""Key of a line to label: how likely it was to be drawn."""
_WRITTEN = (CHANCE, "because")
_PROBLEMS_SHOWN = 20
_KEYS_SHOWN = 8
_TERMINAL_SECONDS, _FILE_SECONDS = 0.3, 10.0


def file_of(path: Path) -> Path | None:
    return None if path == STDIN else path


def read(
    path: Path, attributes: Sequence[str] | None = None, *, labels: bool = False
) -> ExchangeFile:
    """The exchanges of a file, or of standard input; what was set aside is told.

    With `labels` the chance that a line had to be drawn becomes an attribute. Raises `DataError`
    where no exchange is left.
    """
    kept = (*(attributes or ()), *([CHANCE] if labels else []))
    found = read_exchanges(sys.stdin.buffer if path == STDIN else path, attributes=kept)
    for problem in found.problems[:_PROBLEMS_SHOWN]:
        say(f"riskwright: {found.source}, {problem}; set aside.")
    more = len(found.problems) - _PROBLEMS_SHOWN
    if more > 0:
        say(f"riskwright: {more:,} further lines were set aside.")
    ignored = [quoted(name) for name in found.ignored if name not in _WRITTEN]
    if ignored:
        say(
            f"riskwright: nothing reads {', '.join(ignored[:_KEYS_SHOWN])}; "
            "--attributes keeps them for policies and reports."
        )
    if not found.exchanges and not found.pairs:
        raise DataError(
            "no exchange that can be read", where=found.source, got=f"{len(found.problems):,} lines"
        )
    return found


def kept_for(rules: Policy | None, attributes: Sequence[str] | None) -> list[str]:
    """The attributes that were asked for, and those that the policy decides by."""
    names = dict.fromkeys(attributes or ())
    if rules is not None:
        if rules.audiences:
            names["audience"] = None
        if rules.languages:
            names["language"] = None
        for audience in rules.audiences.values():
            names |= dict.fromkeys(audience.when)
    return list(names)


def code_of(*files: ExchangeFile) -> int:
    """1 where lines were set aside."""
    return int(any(file.problems for file in files))


def guard_of(guard: Path | None, scorers: Path | None) -> Guard:
    """A saved guard, one of the scorers that a file lists, or one of those of the package."""
    if guard is not None:
        if scorers is not None:
            raise UsageError("a saved guard has its own scorers", where="--scorers")
        return Guard.load(guard)
    if scorers is not None:
        from riskwright.guard.scorers import read_scorers

        return Guard(read_scorers(scorers))
    return Guard()


def at_random(
    exchanges: Sequence[Exchange], labels: Sequence[Label], seed: int
) -> tuple[list[Exchange], list[Label]]:
    """Without the surplus of informative exchanges that `--to-label` drew more often.

    Each stays with probability (smallest chance) / (its chance), so that all that remain were
    equally likely to be there, as certificates ask.
    """
    chances = [_chance(one) for one in exchanges]
    told = [chance for chance in chances if chance is not None]
    if not told:
        return list(exchanges), list(labels)
    from riskwright.core import generator

    least, draws = min(told), generator(seed, 11).random(len(exchanges))
    kept = [k for k, c in enumerate(chances) if c is None or draws[k] * c < least]
    say(
        f"{len(exchanges) - len(kept):,} of {len(exchanges):,} labels were left out at random: "
        "--to-label had drawn such exchanges more often than others."
    )
    return [exchanges[k] for k in kept], [labels[k] for k in kept]


def _chance(exchange: Exchange) -> float | None:
    told = exchange.attributes.get(CHANCE)
    try:
        chance = None if told is None else float(told)
    except ValueError:
        chance = 0.0
    if chance is not None and not 0 < chance <= 1:
        raise DataError(
            f"{CHANCE!r} is not a chance",
            where=f"exchange {quoted(exchange.id)}",
            expected="above 0, at most 1",
        )
    return chance


class Matches:
    """Finds the score of an exchange: by text and id, else by the text, else by an id that is more
    than the number of a line."""

    def __init__(self, scores: Iterable[Score]) -> None:
        self._by_both: dict[tuple[str, str], Score] = {}
        self._by_text: dict[str, Score] = {}
        self._by_id: dict[str, Score] = {}
        self.by_id = 0
        for score in scores:
            self._by_both[score.digest, score.id] = score
            self._by_text[score.digest] = score
            self._by_id[score.id] = score

    def score_of(self, exchange: Exchange, line: int) -> Score | None:
        """The score of that exchange, read from that line."""
        digest = exchange.digest
        found = self._by_both.get((digest, exchange.id)) or self._by_text.get(digest)
        if found is None and exchange.id != str(line):
            found = self._by_id.get(exchange.id)
            self.by_id += found is not None
        return found

    def tell(self) -> None:
        """Say how many were found by their id alone."""
        if self.by_id:
            say(f"{self.by_id:,} labels were matched by their id; their texts are others.")


class Progress:
    """Counts and rates of long work: one line of a terminal, else a line every ten seconds."""

    def __init__(self) -> None:
        self._begun = self._shown = time.perf_counter()
        self._terminal = sys.stderr.isatty()
        self._width = 0

    def __call__(self, name: str, place: int, total: int) -> None:
        """A scorer begins."""
        if self._terminal:
            self._show(f"{name} ({place + 1} of {total})")

    def rows(self, done: int, total: int) -> None:
        """Exchanges that are done."""
        seconds = time.perf_counter() - self._begun
        self._tell(f"{done:,} of {total:,} exchanges, {done / max(seconds, 1e-9):,.0f} a second")

    def calls(self, state: dict[str, Any]) -> None:
        """Calls of an endpoint that are done; see `complete_many`."""
        rate = state["done"] / max(state["elapsed"], 1e-9)
        line = f"{state['done']:,} of {state['total']:,} calls, {rate:,.1f} a second"
        told = [f"{state[name]:,} {name}" for name in ("failed", "cached") if state[name]]
        if state["cost"]:
            told.append(f"cost {state['cost']:.4g}")
        self._tell("; ".join([line, *told]))

    def clear(self) -> None:
        """Remove the line from the terminal."""
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)
            self._width = 0

    def _tell(self, line: str) -> None:
        now = time.perf_counter()
        if now - self._shown < (_TERMINAL_SECONDS if self._terminal else _FILE_SECONDS):
            return
        self._shown = now
        if self._terminal:
            self._show(line)
        else:
            say(line)

    def _show(self, line: str) -> None:
        print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
        self._width = len(line)
