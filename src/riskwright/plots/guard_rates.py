"""Guard rates: missed harm beside over-refusal, kind by kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from riskwright.core import Estimate

from .display import Display, listed, share, titled
from .figure import Axis, Figure, Points
from .shapes import shortened

__all__ = ["GuardRatesDisplay"]

_LONGEST = 28
_MOST = 24


class GuardRatesDisplay(Display):
    """One line per kind of exchange: the share of harm missed and of harmless ones refused.

    Parameters
    ----------
    rates : mapping from the name of a kind (hazard, group, regime) to a record with the estimates
        `missed` and `refused`.
    name : what the kinds are, for the title.

    Notes
    -----
    Of more than 24 kinds those with the most missed harm are shown, and the caption says so.
    """

    reading: ClassVar[str] = (
        "Good guards are at the left in both: filled marks far right let harm pass, hollow marks "
        "far right refuse people who asked for nothing harmful. Long bars mean few labels. "
        "At the right: harmful / harmless exchanges."
    )

    def __init__(self, rates: Mapping[str, Any], *, name: str = "") -> None:
        self.rates = rates
        self.name = name

    def figure(self) -> Figure:
        kept = list(self.rates)
        if len(kept) > _MOST:
            worst = sorted(kept, key=lambda k: -_known(self.rates[k].missed.value))[:_MOST]
            kept = [name for name in kept if name in worst]
        places = [float(-i) for i in range(len(kept))]
        missed = [self.rates[name].missed for name in kept]
        refused = [self.rates[name].refused for name in kept]
        high = [e.high for e in (*missed, *refused) if e.n]
        names = tuple(shortened(name, _LONGEST) for name in kept)
        caption = "Bars: " + (
            f"{100 * missed[0].level:g}% intervals ({missed[0].method})." if missed else "none."
        )
        if len(kept) < len(self.rates):
            caption += f" The {len(kept)} with the most missed harm of {len(self.rates)}."
        return Figure(
            titled("Missed harm and over-refusal", self.name),
            self._described(),
            Axis.shares("share", high),
            Axis("", 0.6 - max(len(kept), 1), 0.6, tuple(places), names=names),
            (
                _points(missed, [y + 0.14 for y in places], "harm missed", "main"),
                _points(refused, [y - 0.14 for y in places], "harmless refused", "other"),
            ),
            caption,
            notes=tuple(f"{m.n:,} / {r.n:,}" for m, r in zip(missed, refused, strict=True)),
        )

    def _described(self) -> str:
        words = [
            f"{shortened(name, _LONGEST)}: missed {_words(rates.missed)}, "
            f"refused {_words(rates.refused)}"
            for name, rates in self.rates.items()
        ]
        return f"{listed(words, _MOST)}."


def _points(estimates: list[Estimate], places: list[float], label: str, style: Any) -> Points:
    known = [(e.value, e.low, e.high) if e.n else (math.nan,) * 3 for e in estimates]
    return Points(
        tuple(value for value, _, _ in known),
        tuple(places),
        tuple(low for _, low, _ in known),
        tuple(high for _, _, high in known),
        label,
        style,
        sideways=True,
    )


def _words(estimate: Estimate) -> str:
    if not estimate.n:
        return "unknown"
    return f"{share(estimate.value)} ({share(estimate.low)} to {share(estimate.high)})"


def _known(value: float) -> float:
    return -1.0 if math.isnan(value) else value
