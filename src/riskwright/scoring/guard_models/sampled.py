"""`Sampled`: probabilities from repeated answers, for servers that give no log-probabilities."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import fmean

import msgspec

from riskwright.core import ParameterError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.requests import ModerationRequest, Request

from .adapters import Answer, GuardAdapter

__all__ = ["Sampled"]

MAX_SAMPLES = 1000


class Sampled:
    """Asks each question of an adapter several times at temperature 1, and counts.

    Parameters
    ----------
    adapter : what is asked, and how each answer is read.
    samples : answers per question, 2 to 1,000.
    seed : of the first answer; the k-th has seed + k, so that a run can be repeated where the
        server heeds seeds.
    level : of the interval.

    Notes
    -----
    The severity is the mean over the readable answers, `uncertainty` Clopper and Pearson's
    interval for it (exact for verdicts of 0 and 1; for graded severities it is that of a sum
    rounded to the nearest whole number, a guide). Unreadable answers widen `bounds`: each may
    have been anything from 0 to 1. Where fewer than half can be read there is no score. Each
    sample is a request of its own, since not all servers give several answers to one.
    """

    def __init__(
        self, adapter: GuardAdapter, samples: int = 10, *, seed: int = 0, level: float = 0.95
    ) -> None:
        if not 2 <= samples <= MAX_SAMPLES:
            raise ParameterError(
                "value out of range",
                where="samples",
                expected=f"2 to {MAX_SAMPLES:,}",
                got=str(samples),
            )
        self.adapter = adapter
        self.samples = samples
        self.seed = seed
        self.level = level

    @property
    def name(self) -> str:
        return self.adapter.name

    @property
    def taxonomy(self) -> str:
        return self.adapter.taxonomy

    @property
    def version(self) -> str:
        """A digest of the adapter's version and of the sampling."""
        told = f"{self.adapter.version}:{self.samples}:{self.seed}:{self.level!r}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def requests(self, exchange: Exchange) -> list[Request]:
        """All requests of the first sample, then of the second, and so on."""
        asked = self.adapter.requests(exchange)
        return [self._sample(request, k) for k in range(self.samples) for request in asked]

    def _sample(self, request: Request, k: int) -> Request:
        if isinstance(request, ModerationRequest):
            raise ParameterError("a moderation endpoint gives one answer only", where="samples")
        return msgspec.structs.replace(
            request, temperature=1.0, seed=self.seed + k, top_logprobs=None
        )

    def read(self, exchange: Exchange, answers: Sequence[Answer]) -> Score:
        """Means over the samples."""
        per = len(answers) // self.samples
        scores = [
            self.adapter.read(exchange, answers[k * per : (k + 1) * per])
            for k in range(self.samples)
        ]
        good = [score for score in scores if score.severity is not None]
        if 2 * len(good) < self.samples:
            bad = next(score for score in scores if score.severity is None)
            readable = f"{len(good)} of {self.samples} answers can be read"
            return Score(
                outcome=bad.outcome, taxonomy=self.taxonomy, reason=f"{readable}: {bad.reason}"
            )
        from riskwright.stats import proportion_interval

        severity = fmean(score.severity or 0.0 for score in good)
        events = round(severity * len(good))
        missing = self.samples - len(good)
        hazards = _means([score.hazards for score in good])
        return Score(
            severity=severity,
            meaning="probability" if good[0].meaning == "rank" else good[0].meaning,
            taxonomy=self.taxonomy,
            hazards=hazards,
            bounds={
                code: _bracket(value, len(good), missing)
                for code, value in {**hazards, "any": severity}.items()
            }
            if missing
            else {},
            uncertainty=proportion_interval(events, len(good), self.level, "clopper_pearson"),
            uncertainty_source=f"{len(good)} samples",
            reason=f"{missing} of {self.samples} answers cannot be read" if missing else "",
        )


def _means(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the samples that judge a code; one that any sample judges."""
    codes = dict.fromkeys(code for part in parts for code in part)
    return {code: fmean(part[code] for part in parts if code in part) for code in codes}


def _bracket(value: float, good: int, missing: int) -> tuple[float, float]:
    total = good + missing
    return value * good / total, min(1.0, math.fsum((value * good, missing)) / total)
