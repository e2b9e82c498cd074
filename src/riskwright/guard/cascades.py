"""`GuardCascade`: cheap scorers first, dearer ones while unsure, a person last."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Estimate, ParameterError, UsageError
from riskwright.core.scores import Score
from riskwright.decision import Budget, Cascade
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label
from riskwright.metrics import tail
from riskwright.scoring.perception import Scorer

from .combining import check_names
from .guard import Guard
from .timing import timed_scores
from .truths import harm_of

__all__ = ["CascadeOutcome", "GuardCascade", "GuardStage"]

Floats = NDArray[np.float64]


class CascadeOutcome(msgspec.Struct, frozen=True):
    """What the cascade made of one exchange: "pass", "flag" or "person", at which stage, and why.

    `score` is that of the last stage asked, with the values, costs and latencies of all asked.
    """

    action: str
    stage: str
    asked: tuple[str, ...]
    score: Score


class GuardStage:
    """A guard as a stage of a cascade; `cost` is that of all its scorers unless it is given.

    Exchanges that the guard was fitted on do not certify the cascade.
    """

    def __init__(self, guard: Guard, *, name: str = "guard", cost: float | None = None) -> None:
        self.guard = guard
        self.name = name
        self.cost = sum(scorer.cost for scorer in guard.scorers) if cost is None else cost

    @property
    def version(self) -> str:
        return self.guard.version

    @property
    def taxonomy(self) -> str:
        return self.guard.taxonomy

    @property
    def fitted_on_(self) -> frozenset[str]:
        """Digests of exchanges; see `Guard`."""
        return self.guard.fitted_on_

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order."""
        return self.guard.score_all(exchanges)


class GuardCascade:
    """Scorers in the order of their cost, of which the next is asked only while one is unsure.

    Parameters
    ----------
    scorers : from the cheapest to the dearest, with different names; see `GuardStage` for guards.
    budgets : on the "miss rate", "false alarm rate" or "error rate" of the final decision.
    person : cost of a person's decision, in the unit of the scorers' costs.
    costs : stage -> cost, instead of what the scorers state.
    tune, random_state : as for `riskwright.decision.Cascade`.

    Attributes
    ----------
    rule_ : the fitted `Cascade`.
    left_out_ : how many exchanges `fit` left out, because a stage had been fitted on them.
    certificate_ : RiskCertificate of the final decision of the whole cascade; its `details` hold
        mean cost, the share that reaches each stage and the share for the person, and
        "p95 latency (ms)" without the person's time, all stated before the first use.

    Notes
    -----
    A stage that gives no answer (unparsable, refused, failed) passes the exchange on; it is never
    taken for a pass. Where nothing can be certified a person decides everything.
    """

    def __init__(
        self,
        scorers: Sequence[Scorer],
        *,
        budgets: Budget | str | Sequence[Budget | str],
        person: float,
        costs: Mapping[str, float] | None = None,
        tune: float = 0.4,
        random_state: int = 0,
    ) -> None:
        self.scorers = tuple(scorers)
        self.budgets = budgets
        self.person = person
        self.costs = costs
        self.tune = tune
        self.random_state = random_state

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(scorer.name for scorer in self.scorers)

    def fit(
        self,
        exchanges: Sequence[Exchange],
        labels: Sequence[Label],
        *,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> GuardCascade:
        """Ask every stage about every exchange that none was fitted on, then certify.

        Errors as for `fit_scores`; `DataError` where no such exchange is left.
        """
        if len(exchanges) != len(labels):
            raise DataError(
                "labels and exchanges differ in number",
                where="labels",
                expected=f"{len(exchanges):,}",
                got=f"{len(labels):,}",
            )
        if any(isinstance(scorer, Guard) for scorer in self.scorers):
            raise ParameterError(
                "a guard is not a stage", where="scorers", hint="Write GuardStage(guard)"
            )
        seen = frozenset().union(*(getattr(s, "fitted_on_", ()) for s in self.scorers))
        fresh = [k for k, one in enumerate(exchanges) if one.digest not in seen]
        if not fresh:
            raise DataError(
                "no exchanges that no stage was fitted on",
                where="exchanges",
                hint="Fit on a part of the labels and certify on the rest",
            )
        self.left_out_ = len(exchanges) - len(fresh)
        exchanges, labels = [exchanges[k] for k in fresh], [labels[k] for k in fresh]
        columns: list[list[Score]] = []
        for place, scorer in enumerate(self.scorers):
            if progress is not None:
                progress(scorer.name, place, len(self.scorers))
            columns.append(timed_scores(scorer, exchanges))
        rows = [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]
        return self.fit_scores(rows, labels)

    def fit_scores(
        self, scores: Sequence[Mapping[str, Score]], labels: Sequence[Label]
    ) -> GuardCascade:
        """Certify from stored scores: per exchange a mapping from stage to its score.

        Raises
        ------
        ParameterError : two stages of one name, a stage without a score, settings out of range.
        DataError : lengths differ, labels without an answer, one class only.
        """
        check_names(self.scorers)
        y = harm_of(labels, "any")
        table = np.array([[_severity(row, name) for name in self.names] for row in scores])
        prices = {
            scorer.name: (self.costs or {}).get(scorer.name, scorer.cost) for scorer in self.scorers
        }
        self.rule_ = Cascade(
            prices,
            person=self.person,
            budgets=self.budgets,
            tune=self.tune,
            random_state=self.random_state,
            missing="onwards",
        ).fit(table, y)
        latency = np.array([[row[name].latency_ms for name in self.names] for row in scores])
        taken = _latency(latency, self._reached(table))
        found = self.rule_.certificate_
        self.certificate_ = msgspec.structs.replace(
            found, details={**found.details, taken.name: taken}
        )
        self.rule_.certificate_ = self.certificate_
        return self

    def _reached(self, table: Floats) -> NDArray[np.intp]:
        """How many stages are asked about every row."""
        asked = np.zeros(len(table), np.intp)
        waiting = np.ones(len(table), bool)
        for k, name in enumerate(self.names):
            asked[waiting] = k + 1
            waiting &= ~self._settled(name, table[:, k])
        return asked

    def _settled(self, stage: str, value: Any) -> Any:
        low, high = self.rule_.thresholds_[stage]
        return (value < low) | (value >= high)

    def decide(self, exchange: Exchange) -> CascadeOutcome:
        """Ask stage by stage until one is sure; "person" where none is or nothing is certified.

        Raises `UsageError` where the cascade is not fitted, or was loaded and has no scorers yet.
        """
        if not hasattr(self, "rule_"):
            raise UsageError("the cascade is not fitted", where="GuardCascade", hint="Call fit")
        if not self.scorers:
            raise UsageError(
                "a loaded cascade has no scorers", where="GuardCascade", hint="Call with_scorers"
            )
        started = time.perf_counter()
        asked: list[Score] = []
        action, stage = "person", ""
        if self.certificate_.certified:
            for scorer in self.scorers:
                (score,) = scorer.score([exchange])
                asked.append(score)
                value = math.nan if score.severity is None else score.severity
                if self._settled(scorer.name, value):
                    low, _ = self.rule_.thresholds_[scorer.name]
                    action, stage = ("pass" if value < low else "flag"), scorer.name
                    break
        elapsed = 1000 * (time.perf_counter() - started)
        return CascadeOutcome(
            action=action,
            stage=stage,
            asked=self.names[: len(asked)],
            score=_joined(exchange, asked, elapsed),
        )

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; the scorers are named, not held."""
        if not hasattr(self, "rule_"):
            raise UsageError("the cascade is not fitted", where="GuardCascade")
        return "guard_cascade", {
            "params": {"random_state": self.random_state},
            "stages": [[s.name, s.version] for s in self.scorers],
            "rule": self.rule_.to_artifact()[1],
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> GuardCascade:
        """The cascade that `to_artifact` described, without scorers: see `with_scorers`."""
        rule = Cascade.from_artifact(body["rule"])
        found = cls(
            (),
            budgets=rule.budgets,
            person=rule.person,
            tune=rule.tune,
            random_state=rule.random_state,
        )
        found.rule_ = rule
        found.certificate_ = rule.certificate_
        found._stages = tuple((str(name), str(version)) for name, version in body["stages"])
        return found

    _stages: tuple[tuple[str, str], ...] = ()

    def with_scorers(self, scorers: Sequence[Scorer]) -> GuardCascade:
        """A loaded cascade with its scorers again.

        Raises `ParameterError` where they are not those that the certificate was made with: another
        version of a scorer gives other scores, for which nothing was certified.
        """
        given = tuple((scorer.name, scorer.version) for scorer in scorers)
        if given != self._stages:
            wrong = next(
                (a for a, b in zip(self._stages, given, strict=False) if a != b), self._stages[-1:]
            )
            raise ParameterError(
                "not the scorers that the cascade was certified with",
                where="scorers",
                expected=", ".join(name for name, _ in self._stages),
                got=f"a difference at {wrong}",
            )
        self.scorers = tuple(scorers)
        return self


def _severity(row: Mapping[str, Score], stage: str) -> float:
    if stage not in row:
        raise ParameterError("a stage without a score", where="scores", got=repr(stage))
    severity = row[stage].severity
    return math.nan if severity is None else severity


def _latency(latency: Floats, asked: NDArray[np.intp]) -> Estimate:
    steps = np.cumsum(latency, axis=1)
    taken = np.where(asked > 0, steps[np.arange(len(steps)), np.maximum(asked, 1) - 1], 0.0)
    return msgspec.structs.replace(tail(taken, "var 0.95"), name="p95 latency (ms)")


def _joined(exchange: Exchange, asked: Sequence[Score], elapsed: float) -> Score:
    """The score of the last stage that answered, with what all stages said and cost."""
    if not asked:
        return Score(
            id=exchange.id,
            outcome="not scored",
            reason="nothing is certified: a person decides",
            attributes=exchange.attributes,
            digest=exchange.digest,
        )
    answered = [score for score in asked if score.severity is not None]
    last = (answered or asked)[-1]
    return msgspec.structs.replace(
        last,
        scorers={k: v for score in asked for k, v in score.scorers.items()},
        values={k: v for score in asked for k, v in score.values.items()},
        judged=tuple(span for score in asked for span in score.judged),
        cost=sum(score.cost for score in asked),
        latency_ms=elapsed,
        attributes=exchange.attributes,
        digest=exchange.digest,
    )
