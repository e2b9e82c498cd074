"""`replay`: stored scores decided anew under another policy, with no scorer asked."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from riskwright.core import ArtifactError, Record
from riskwright.core.scores import ACTIONS, Action, Decision, Score
from riskwright.taxonomy.policies import Policy

from .scored_files import records_of

__all__ = ["Change", "Replay", "Stored", "replay", "stored_scores"]

Stored = tuple[Score, Decision | None]
"""A score, and what was decided on it if anything was."""


class Change(Record, frozen=True, kw_only=True):
    """One exchange that the other policy decides otherwise."""

    id: str
    before: Action
    after: Action
    hazard: str
    reasons: tuple[str, ...]


class Replay(Record, frozen=True, kw_only=True):
    """What another policy changes.

    `actions` maps "before" and "after" to counts of actions, `moves` "before -> after" to counts,
    `milder` and `severer` count the changes of either kind. `n` decisions were made anew, of
    which `undecided` had none before (they are not counted as changes).
    """

    policy: str
    n: int
    undecided: int
    actions: dict[str, dict[str, int]]
    moves: dict[str, int]
    milder: int
    severer: int
    changes: tuple[Change, ...]

    @property
    def changed(self) -> int:
        return len(self.changes)


def replay(
    stored: Iterable[Stored],
    policy: Policy,
    *,
    against: Policy | None = None,
    audience: str | None = None,
) -> tuple[list[Decision], Replay]:
    """Decide stored scores anew.

    Parameters
    ----------
    stored : scores with the decisions that were made of them (None where there is none), such as
        `stored_scores` reads.
    policy : the one to try.
    against : compare with this policy's decisions instead of the stored ones.
    audience : for all exchanges, instead of what their attributes say.

    Returns
    -------
    decisions, one per score, and what they change. A few microseconds per score.
    """
    decisions: list[Decision] = []
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    changes: list[Change] = []
    undecided = 0
    for score, old in stored:
        new = policy.decide(score, audience=audience)
        decisions.append(new)
        if against is not None:
            old = against.decide(score, audience=audience)
        after[new.meant] += 1
        if old is None:
            undecided += 1
            continue
        before[old.meant] += 1
        if old.meant != new.meant:
            changes.append(
                Change(
                    id=score.id,
                    before=old.meant,
                    after=new.meant,
                    hazard=new.hazard,
                    reasons=new.reasons,
                )
            )
    moves = Counter(f"{change.before} -> {change.after}" for change in changes)
    severer = sum(ACTIONS.index(c.after) > ACTIONS.index(c.before) for c in changes)
    return decisions, Replay(
        policy=f"{policy.id} {policy.version}",
        n=len(decisions),
        undecided=undecided,
        actions={"before": dict(before), "after": dict(after)},
        moves=dict(moves.most_common()),
        milder=len(changes) - severer,
        severer=severer,
        changes=tuple(changes),
    )


def stored_scores(path: str | os.PathLike[str]) -> Iterator[Stored]:
    """Scores and decisions of a decision log, of scored JSON lines, or of scored tables.

    Raises `UnreadableError` (no such file) and `ArtifactError` (a line that holds no score, named
    by its number).
    """
    for number, line in records_of(Path(path)):
        try:
            entry = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ArtifactError("no score", where=f"{path}, line {number}") from None
        if entry.score is not None:
            yield entry.score, entry.decision
        elif not entry.note:
            raise ArtifactError("no score", where=f"{path}, line {number}")


class _Line(msgspec.Struct):
    """What lines of logs and of scored files have in common."""

    score: Score | None = None
    decision: Decision | None = None
    note: str = ""
