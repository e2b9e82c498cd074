"""`Label` and `Pair`: what a person says of an exchange."""

from __future__ import annotations

from riskwright.core import Record

from .exchanges import Exchange

__all__ = ["Label", "Pair"]


class Label(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a person says of one exchange; what they did not say is None or absent.

    Parameters
    ----------
    harmful : 0 or 1, or the share of several raters that said 1.
    severity : a level or a number, higher is worse; only the order of levels counts.
    hazards : code -> 0 or 1, or the share of raters, for the hazards that were looked for. A key
        "SCORER:NAME", such as "rules:secrets", is about what a scorer finds, and is no harm.
    weight : at least 0.
    """

    harmful: float | None = None
    severity: float | None = None
    hazards: dict[str, float] = {}
    weight: float = 1.0

    @property
    def any(self) -> float | None:
        """Whether there is any harm: as said, or by the hazards and the severity that were."""
        if self.harmful is not None:
            return self.harmful
        told = [share for key, share in self.hazards.items() if ":" not in key]
        if self.severity is not None:
            told.append(float(self.severity > 0))
        return max(told, default=None)


class Pair(Record, frozen=True, kw_only=True):
    """A person's judgement that one exchange is worse than another."""

    worse: Exchange
    milder: Exchange
    weight: float = 1.0
