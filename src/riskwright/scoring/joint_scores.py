"""What ways of joining several guards' scores of one exchange share: who voted, and on what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from riskwright.core import ParameterError
from riskwright.core.scores import Score

__all__ = ["awake", "blended", "common", "severity_of", "silent"]


def awake(scores: Mapping[str, Score]) -> dict[str, Score]:
    """The scores that are scores."""
    return {name: s for name, s in scores.items() if s.severity is not None}


def severity_of(score: Score) -> float:
    """Of a score that is one."""
    assert score.severity is not None
    return score.severity


def common(scores: Mapping[str, Score]) -> dict[str, Any]:
    """What the joint score takes over: identity, sums of costs, versions and raw values.

    Raises `ParameterError` where the scores are of different exchanges, or where those that voted
    differ in taxonomy or meaning.
    """
    voted = awake(scores)
    for field, among in (("id", scores), ("digest", scores), ("taxonomy", voted)):
        found = {getattr(s, field) for s in among.values()} - {""}
        if len(found) > 1:
            raise ParameterError(
                f"scores differ in their {field}", where="scores", expected="one exchange"
            )
    meanings = {s.meaning for s in voted.values()}
    if len(meanings) > 1:
        raise ParameterError(
            "scores of different meanings cannot be joined",
            where="scores",
            expected="one meaning",
            got=", ".join(sorted(meanings)),
            hint="Calibrate them to probabilities first",
        )
    first = next(iter(scores.values()), Score())
    attributes: dict[str, str] = {}
    versions: dict[str, str] = {}
    for score in scores.values():
        attributes |= score.attributes
        versions |= score.scorers
    return {
        "id": next((s.id for s in scores.values() if s.id), ""),
        "digest": next((s.digest for s in scores.values() if s.digest), ""),
        "taxonomy": next((s.taxonomy for s in voted.values()), first.taxonomy),
        "meaning": next(iter(meanings), first.meaning),
        "scorers": versions,
        "attributes": attributes,
        "cost": math.fsum(s.cost for s in scores.values()),
        "latency_ms": math.fsum(s.latency_ms for s in scores.values()),
        "values": {n: {"any": severity_of(s), **s.hazards} for n, s in voted.items()},
        "reason": "; ".join(
            f"{name}: {s.outcome}" for name, s in scores.items() if s.severity is None
        ),
    }


def silent(scores: Mapping[str, Score], told: dict[str, Any]) -> Score:
    """The joint score where nobody voted."""
    reason = told["reason"] or "no guard was asked"
    outcomes = {s.outcome for s in scores.values()}
    outcome = outcomes.pop() if len(outcomes) == 1 else "failed" if outcomes else "not scored"
    return Score(**{**told, "outcome": outcome, "reason": reason})


def blended(scores: Mapping[str, Score], weights: Mapping[str, float], *, by: str) -> Score:
    """Weighted means of severity, hazards and bounds over the guards that voted."""
    told = common(scores)
    voted = awake(scores)
    if not voted:
        return silent(scores, told)
    severity = _mean({n: severity_of(s) for n, s in voted.items()}, weights)
    codes = sorted({code for s in voted.values() for code in s.hazards})
    hazards = {
        code: _mean({n: s.hazards[code] for n, s in voted.items() if code in s.hazards}, weights)
        for code in codes
    }
    told["values"][by] = {
        "any": severity,
        **{f"weight of {name}": _share(name, voted, weights) for name in voted},
    }
    ranged = [s for s in voted.values() if "any" in s.bounds]
    bounds = {}
    if ranged:
        sides = [
            {n: s.bounds.get("any", (severity_of(s),) * 2)[k] for n, s in voted.items()}
            for k in (0, 1)
        ]
        bounds = {"any": (_mean(sides[0], weights), _mean(sides[1], weights))}
    alone = [severity_of(s) for s in voted.values()]
    return Score(
        **told,
        severity=severity,
        hazards=hazards,
        bounds=bounds,
        uncertainty=(min(alone), max(alone)),
        uncertainty_source="range of the guards",
        evidence=tuple(
            sorted((span for s in voted.values() for span in s.evidence), key=lambda e: -e.weight)
        ),
    )


def _share(name: str, among: Mapping[str, Any], weights: Mapping[str, float]) -> float:
    total = math.fsum(weights[n] for n in among)
    return weights[name] / total if total > 0 else 1 / len(among)


def _mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    mean = math.fsum(_share(name, values, weights) * value for name, value in values.items())
    return min(max(mean, min(values.values())), max(values.values()))
