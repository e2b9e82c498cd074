"""`RiskPipeline`: scorer, calibrator and decision rule as one saved object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from riskwright.core import ParameterError, ScoreCard, UsageError, artifact_kinds
from riskwright.core.score_card import decode

__all__ = ["RULES", "Finish", "RiskPipeline"]

Floats = NDArray[np.float64]
Groups = Mapping[str, ArrayLike] | None
RULES = ("threshold", "abstain", "conformal", "three_way", "strictness")
_COLUMNS = ("risk", "decision", "reason")


class RiskPipeline:
    """A score card (or the scores of any model), then a calibrator, then a rule; each optional.

    Parameters
    ----------
    card : ScoreCard, or None where scores come from elsewhere.
    calibrator : fitted Calibrator, or None: the scores are taken as risks.
    rule : fitted Threshold, Abstain, Conformal, ThreeWay or Strictness, or None.
    by : name of the grouping of a calibrator fitted by group.
    digests : data digests by step ("calibrator", "rule"), so that no rows serve two steps.

    Examples
    --------
    >>> import riskwright as rw
    >>> rng = np.random.default_rng(0)
    >>> score = rng.random(2000)
    >>> y = rng.random(2000) < score**2
    >>> calibrator = rw.Calibrator("isotonic").fit(score[:1000], y[:1000])
    >>> rule = rw.Threshold("miss rate <= 10%").fit(calibrator.predict(score[1000:]), y[1000:])
    >>> pipeline = RiskPipeline(calibrator=calibrator, rule=rule)
    >>> pipeline.apply([0.05, 0.95])["decision"].to_list()
    ['pass', 'flag']
    """

    def __init__(
        self,
        card: ScoreCard | None = None,
        calibrator: Any = None,
        rule: Any = None,
        *,
        by: str | None = None,
        digests: dict[str, str] | None = None,
    ) -> None:
        if card is not None and card.score_class == "scoring_system":
            raise ParameterError(
                "a card that says yes or no has no risk to calibrate or decide upon", where="card"
            )
        kind = None if rule is None else rule.to_artifact()[0]
        if kind is not None and kind not in RULES:
            raise ParameterError(
                "this rule does not decide on one score",
                where="rule",
                expected=", ".join(RULES),
                got=kind,
            )
        if (by is not None) != (getattr(calibrator, "by", None) is not None):
            raise ParameterError(
                "the grouping of a calibrator by group needs its name, and only that",
                where="by",
                expected="the name of its groups" if by is None else "none",
            )
        self.card = card
        self.by = by
        self.calibrator = calibrator
        self.rule = rule
        self.digests = dict(digests or {})

    @property
    def reads(self) -> tuple[str, ...]:
        """Groupings that calibrator and rule need beside the score."""
        left_out = getattr(self.rule, "left_out_", {})
        return tuple(dict.fromkeys([*([self.by] if self.by else []), *left_out]))

    @property
    def threshold(self) -> float | None:
        """The certified risk from which people are flagged; None where no rule has a single one."""
        certificate = getattr(self.rule, "certificate_", None)
        if certificate is None or self.rule.to_artifact()[0] != "threshold":
            return None
        found = certificate.thresholds.get("threshold")
        return None if found is None or certificate.verdict == "void" else float(found)

    def risk(self, score: ArrayLike, groups: Groups = None) -> Floats:
        """Calibrated risks of scores (a card's own risks); the scores where none calibrates.

        `groups` maps the names in `reads` to labels, one per score.
        """
        if self.calibrator is None:
            return np.asarray(score, dtype=np.float64)
        labels = None if self.by is None else self._labels(groups, self.by)
        found: Floats = self.calibrator.predict(score, labels)
        return found

    def _labels(self, groups: Groups, name: str) -> ArrayLike:
        if not isinstance(groups, Mapping) or name not in groups:
            raise UsageError(
                "the groups are needed", where="groups", expected=f"a mapping with {name!r}"
            )
        return groups[name]

    def apply(
        self, score: ArrayLike, groups: Groups = None, *, regime: str | None = None
    ) -> pl.DataFrame:
        """Columns `risk`, and with a rule `decision` and `reason`, for every score."""
        risk = self.risk(score, groups)
        if self.rule is None:
            return pl.DataFrame({"risk": risk})
        decision = self._decided(risk, groups, regime)
        return pl.DataFrame(
            {"risk": risk, "decision": decision, "reason": self._reasons(risk, decision, regime)}
        )

    def _decided(self, risk: Floats, groups: Groups, regime: str | None) -> NDArray[np.str_]:
        if hasattr(self.rule, "thresholds_"):
            if regime is None:
                raise UsageError(
                    "this rule has several regimes",
                    where="regime",
                    expected="one of " + ", ".join(self.rule.thresholds_),
                )
            found: NDArray[np.str_] = self.rule.decide(risk, regime)
            return found
        if regime is not None:
            raise UsageError("this rule has no regimes", where="regime")
        left_out = getattr(self.rule, "left_out_", {})
        options = {name: self._labels(groups, name) for name in left_out}
        decided: NDArray[np.str_] = (
            self.rule.decide(risk, groups=options) if options else self.rule.decide(risk)
        )
        return decided

    def _reasons(self, risk: Floats, decision: NDArray[np.str_], regime: str | None) -> pl.Series:
        certificate = self.rule.certificate_
        if hasattr(self.rule, "thresholds_"):
            certificate = self.rule.certificates_[regime]
        thresholds = certificate.thresholds
        if certificate.verdict == "void":
            return pl.repeat("the certificate is void", risk.size, eager=True)
        if not thresholds:
            return pl.repeat("no certified threshold", risk.size, eager=True)
        told = pl.Series(risk)
        if "low" in thresholds:
            low, high = float(thresholds["low"]), float(thresholds["high"])
            frame = pl.select(
                pl.when(told < low)
                .then(pl.lit(f"risk below {low:.6g}"))
                .when(told >= high)
                .then(pl.lit(f"risk at least {high:.6g}"))
                .otherwise(pl.lit(f"risk from {low:.6g} up to {high:.6g}"))
            )
            return frame.to_series()
        at = float(thresholds["threshold"])
        alone = (
            pl.Series(decision == "abstain") if certificate.rule == "threshold" else pl.lit(False)
        )
        return pl.select(
            pl.when(alone)
            .then(pl.lit("no certificate for so small a group"))
            .when(told >= at)
            .then(pl.lit(f"risk at least {at:.6g}"))
            .otherwise(pl.lit(f"risk below {at:.6g}"))
        ).to_series()

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; `card` stands where saved scores have it."""
        return "pipeline", {
            "card": None if self.card is None else msgspec.to_builtins(self.card),
            "calibrator": _saved(self.calibrator),
            "rule": _saved(self.rule),
            "by": self.by,
            "digests": self.digests,
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> RiskPipeline:
        """The pipeline that `to_artifact` described."""
        card = None if body["card"] is None else decode(body["card"])
        parts = _loaded(body["calibrator"]), _loaded(body["rule"])
        return cls(card, *parts, by=body["by"], digests=body["digests"])


class Finish:
    """Completes scored rows of a card: the columns that a pipeline puts after `points`."""

    def __init__(self, pipeline: RiskPipeline, regime: str | None = None) -> None:
        self._pipeline = pipeline
        self._regime = regime
        names = _COLUMNS if pipeline.rule is not None else _COLUMNS[:1]
        self.dtypes: dict[str, Any] = {
            name: pl.Float64() if name == "risk" else pl.String() for name in names
        }

    def __call__(self, risk: pl.Series) -> pl.DataFrame:
        return self._pipeline.apply(risk.to_numpy(), regime=self._regime)

    def row(self, risk: float) -> dict[str, Any]:
        """The same columns for one person."""
        return self._pipeline.apply([risk], regime=self._regime).row(0, named=True)


def _saved(part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    kind, body = part.to_artifact()
    return {"kind": kind, "body": body}


def _loaded(saved: dict[str, Any] | None) -> Any:
    if saved is None:
        return None
    return artifact_kinds.load(saved["kind"]).from_artifact(saved["body"])
