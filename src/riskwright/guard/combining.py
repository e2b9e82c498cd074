"""`combined`: what several scorers saw of one exchange, as one score."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from riskwright.core import ParameterError
from riskwright.core.names import quoted
from riskwright.core.scores import Outcome, Score, Span
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.perception import Scorer
from riskwright.taxonomy.crosswalks import PIVOT, crosswalk_names, load_crosswalk
from riskwright.taxonomy.policy_plans import value_of

__all__ = ["check_names", "combined", "joined"]

_GRAVEST: tuple[Outcome, ...] = ("failed", "unparsable", "refused", "not scored")
_SPANS = 16
_ONE = 1 + 1e-6  # probabilities that were summed


def check_names(scorers: Sequence[Scorer]) -> None:
    """Raises `ParameterError` where there are no scorers, or two of one name."""
    names = [scorer.name for scorer in scorers]
    if not names or len(set(names)) < len(names):
        raise ParameterError(
            "scorers need names of their own", where="scorers", got=", ".join(names) or "none"
        )


def joined(
    scorers: Sequence[Scorer],
    exchanges: Sequence[Exchange],
    columns: Mapping[str, Sequence[Score]],
    *,
    taxonomy: str,
) -> list[Score]:
    """One score per exchange of what `columns` hold by scorer; see `combined`."""
    detectors = {one.name for one in scorers if getattr(one, "detector", False)}
    return [
        combined(
            exchange,
            {name: scores[k] for name, scores in columns.items()},
            taxonomy=taxonomy,
            latency_ms=math.fsum(scores[k].latency_ms for scores in columns.values()),
            detectors=detectors,
        )
        for k, exchange in enumerate(exchanges)
    ]


def combined(
    exchange: Exchange,
    parts: Mapping[str, Score],
    *,
    taxonomy: str = PIVOT,
    latency_ms: float = 0.0,
    detectors: Collection[str] = (),
) -> Score:
    """The score of several scorers together, before any calibration.

    A hazard, and the severity, takes the largest of what the scorers say; the raw values of all of
    them stay in `values`. Where one scorer gives no answer there is no severity: what it would
    have said is not taken for harmless. A value that is not a number from 0 to 1 is no answer.

    Parameters
    ----------
    exchange : what was judged.
    parts : scorer name -> its score.
    taxonomy : of the result; hazards of other taxonomies are translated. What has no counterpart
        there, or belongs to a taxonomy without a crosswalk, still counts for the severity and
        stands in `values`; `reason` tells of the second.
    latency_ms : of all scorers together.
    detectors : names of scorers that find things (a secret, an address) without saying how grave
        they are; they do not count for the severity, unless there are no others.
    """
    parts = {name: _sound(score) for name, score in parts.items()}
    failed = {name: score for name, score in parts.items() if score.outcome != "scored"}
    here = {name: _translated(score, taxonomy) for name, score in parts.items()}
    common: dict[str, Any] = {
        "id": exchange.id,
        "taxonomy": taxonomy,
        "scorers": {k: v for score in here.values() for k, v in score.scorers.items()},
        "values": {name: _values(name, score) for name, score in parts.items()},
        "evidence": _evidence(here.values()),
        "judged": tuple(s for name, score in here.items() for s in _judged(exchange, name, score)),
        "out_of_distribution": _any(score.out_of_distribution for score in here.values()),
        "cost": sum(score.cost for score in here.values()),
        "latency_ms": latency_ms,
        "attributes": exchange.attributes,
        "digest": exchange.digest,
    }
    if failed:
        outcome = min((s.outcome for s in failed.values()), key=_GRAVEST.index)
        reason = "; ".join(f"{name}: {s.reason or s.outcome}" for name, s in failed.items())
        return Score(outcome=outcome, reason=reason, **common)
    judging = [score for name, score in here.items() if name not in detectors] or [*here.values()]
    severities = [score.severity for score in judging if score.severity is not None]
    return Score(
        severity=max(severities) if severities else None,
        meaning=next(iter(here.values())).meaning if len(here) == 1 else "rank",
        hazards=_largest([score.hazards for score in here.values()]),
        bounds=_largest_bounds(here.values()),
        reason="; ".join(score.reason for score in here.values() if score.reason),
        **common,
    )


def _sound(score: Score) -> Score:
    """The score, or that it failed."""
    told = [*score.hazards.values(), *([] if score.severity is None else [score.severity])]
    raw = (value for values in score.values.values() for value in values.values())
    if score.outcome != "scored" or (
        all(0 <= value <= _ONE for value in told) and all(map(math.isfinite, raw))
    ):
        return score
    return msgspec.structs.replace(
        score,
        outcome="failed",
        severity=None,
        hazards={},
        bounds={},
        values={},
        reason="a value that is not a number from 0 to 1",
    )


def _translated(score: Score, taxonomy: str) -> Score:
    if score.taxonomy == taxonomy or not score.hazards:
        return score
    if not {score.taxonomy, taxonomy} <= set(crosswalk_names()):
        return _without_hazards(score, taxonomy, score.hazards)
    walk = load_crosswalk(score.taxonomy, taxonomy)
    unknown = score.hazards.keys() - set(walk.source.codes)
    if unknown:
        score = _without_hazards(score, score.taxonomy, unknown)
    return walk.translate(score).score


def _without_hazards(score: Score, taxonomy: str, codes: Collection[str]) -> Score:
    """The score under `taxonomy` without these hazards, which have no counterpart there."""
    what = "hazard" if len(codes) == 1 else "hazards"
    told = f"{len(codes)} {what} of {quoted(score.taxonomy)} in the values alone: no crosswalk"
    return msgspec.structs.replace(
        score,
        taxonomy=taxonomy,
        hazards={code: value for code, value in score.hazards.items() if code not in codes},
        bounds={code: pair for code, pair in score.bounds.items() if code not in codes},
        evidence=tuple(
            msgspec.structs.replace(span, hazard="") if span.hazard in codes else span
            for span in score.evidence
        ),
        reason="; ".join(part for part in (score.reason, told) if part),
    )


def _values(name: str, score: Score) -> dict[str, float]:
    if name in score.values:
        return score.values[name]
    own = dict(score.hazards)
    return own if score.severity is None else {**own, "any": score.severity}


def _judged(exchange: Exchange, name: str, score: Score) -> Sequence[Span]:
    """What the scorer says it read; all of the judged part where it does not say."""
    if score.judged or score.outcome != "scored":
        return score.judged
    part, text = exchange.judged
    return (Span(part=part, start=0, end=len(text), by=name),)


def _evidence(scores: Iterable[Score]) -> tuple[Span, ...]:
    spans = [span for score in scores for span in score.evidence]
    return tuple(sorted(spans, key=lambda span: -span.weight)[:_SPANS])


def _any(flags: Iterable[bool | None]) -> bool | None:
    told = [flag for flag in flags if flag is not None]
    return any(told) if told else None


def _largest(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for table in tables:
        for key, value in table.items():
            found[key] = max(value, found.get(key, value))
    return found


def _largest_bounds(scores: Iterable[Score]) -> dict[str, tuple[float, float]]:
    """Bounds of the largest value: certain only where every scorer that judges the key has some."""
    held = list(scores)
    keys = {key for score in held for key in score.bounds}
    found = {}
    for key in sorted(keys):
        ends = []
        for score in held:
            value = value_of(score, key)
            if value is not None:
                ends.append(score.bounds.get(key, (value, value)))
        if ends:
            found[key] = (max(low for low, _ in ends), max(high for _, high in ends))
    return found
