"""`LocalHeads`: what a guard learns from labels of its own deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Estimate
from riskwright.core.scores import Meaning, Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label, Pair
from riskwright.metrics import auroc, brier
from riskwright.scoring.perception import Scorer
from riskwright.scoring.text.heads import TextHead
from riskwright.stats import proportion_interval

from .truths import severities_of, shares_of

__all__ = ["LocalHeads"]

Floats = NDArray[np.float64]
_FEWEST = 10
_FEWEST_PAIRS = 20
_MOST_LEVELS = 8
_NEAREST = 50
_EDGE = 1e-4


class LocalHeads:
    """Heads on the scorers' values and features: one for the severity, one per labelled hazard.

    Attributes
    ----------
    meaning : of the severity: "probability" from labels of harm, "severity" from three or more
        levels (the mean of the probabilities of reaching each level), "rank" from pairs alone.
    keys : hazards, and "any", that have a head.
    left_out : hazard -> why it has none; its values stay those of the scorers.
    summary : key -> figures on predictions that left out the row they are about.
    """

    def __init__(self, *, random_state: int = 0) -> None:
        self.random_state = random_state
        self.meaning: Meaning = "rank"
        self.left_out: dict[str, str] = {}
        self.summary: dict[str, dict[str, Estimate]] = {}
        self._columns: list[tuple[str, str, float]] = []
        self._heads: dict[str, list[TextHead]] = {}
        self._pairs: tuple[TextHead, float] | None = None
        self._nearest: tuple[Floats, Floats, Floats] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._heads)

    def fit(
        self,
        exchanges: Sequence[Exchange],
        scores: Sequence[Score],
        labels: Sequence[Label],
        scorers: Sequence[Scorer],
        *,
        pairs: Sequence[Pair] = (),
        pair_scores: Sequence[Score] = (),
    ) -> LocalHeads:
        """Fit to labels, and to pairs whose scores follow one another, the worse one first.

        Raises `DataError` where neither labels nor pairs are enough.
        """
        self._choose_columns(scores if scores else pair_scores, scorers)
        if pairs:
            sides = [side for pair in pairs for side in (pair.worse, pair.milder)]
            self._fit_pairs(self._blocks(sides, pair_scores, scorers), pairs)
        rows = [k for k, score in enumerate(scores) if score.outcome == "scored"]
        told = [labels[k] for k in rows]
        blocks = self._blocks([exchanges[k] for k in rows], [scores[k] for k in rows], scorers)
        weight = np.array([label.weight for label in told], dtype=np.float64)
        self._fit_severity(blocks, told, weight)
        for hazard in sorted({code for label in told for code in label.hazards}):
            try:
                self._fit_key(hazard, blocks, shares_of(told, hazard), weight)
            except DataError as error:
                self.left_out[hazard] = error.problem
        if not self._heads and self._pairs is None:
            raise DataError(
                "too few labels to fit a guard",
                where="labels",
                expected=f"{_FEWEST} with harm and {_FEWEST} without, or {_FEWEST_PAIRS} pairs",
                got="; ".join(f"{key}: {why}" for key, why in self.left_out.items())
                or f"{len(pairs):,} pairs",
            )
        return self

    def _choose_columns(self, scores: Sequence[Score], scorers: Sequence[Scorer]) -> None:
        """Which raw values enter, with what stands for one that is not there."""
        own = {scorer.name for scorer in scorers if hasattr(scorer, "features")}
        seen: dict[tuple[str, str], list[float]] = {}
        for score in scores:
            for name, values in score.values.items():
                for key, value in values.items():
                    if name not in own:
                        seen.setdefault((name, key), []).append(_logit(value))
        self._columns = [(name, key, float(np.mean(v))) for (name, key), v in sorted(seen.items())]

    def _blocks(
        self, exchanges: Sequence[Exchange], scores: Sequence[Score], scorers: Sequence[Scorer]
    ) -> dict[str, Any]:
        blocks: dict[str, Any] = {}
        if self._columns:
            blocks["values"] = np.array(
                [
                    [
                        _logit(score.values[name][key])
                        if key in score.values.get(name, {})
                        else instead
                        for name, key, instead in self._columns
                    ]
                    for score in scores
                ],
                dtype=np.float64,
            ).reshape(len(scores), len(self._columns))
        texts = [exchange.judged[1] for exchange in exchanges]
        for scorer in scorers:
            for kind in ("features", "grams"):
                if hasattr(scorer, kind):
                    blocks[f"{scorer.name}.{kind}"] = getattr(scorer, kind)(texts)
        return blocks

    def _fit_pairs(self, blocks: Mapping[str, Any], pairs: Sequence[Pair]) -> None:
        if len(pairs) < _FEWEST_PAIRS:
            self.left_out["pairs"] = f"{len(pairs):,} pairs, fewer than {_FEWEST_PAIRS}"
            return
        worse = {name: block[0::2] - block[1::2] for name, block in blocks.items()}
        both = {name: _stacked(block, -block) for name, block in worse.items()}
        y = np.repeat([1.0, 0.0], len(pairs))
        weight = np.tile([max(pair.weight, 1e-12) for pair in pairs], 2)
        head = TextHead().fit(both, y, weight)
        self._pairs = (head, float(np.median(head.log_odds(blocks))))
        right = head.log_odds(worse) > head.log_odds({n: 0 * b for n, b in worse.items()})
        low, high = proportion_interval(int(right.sum()), len(pairs))
        self.summary["pairs"] = {
            "pairs in the right order (fitted)": Estimate(
                value=float(right.mean()),
                low=low,
                high=high,
                level=0.95,
                n=len(pairs),
                method="Wilson; on the pairs that were fitted",
            )
        }

    def _fit_severity(
        self, blocks: dict[str, Any], labels: Sequence[Label], weight: Floats
    ) -> None:
        if not labels:
            return
        if self._pairs is not None:
            blocks["pairs"] = self._pairs[0].log_odds(blocks)[:, None]
        severity = severities_of(labels)
        told = severity[~np.isnan(severity)]
        cuts = _cuts(told)
        try:
            if len(cuts) > 1:
                truths = [np.where(np.isnan(severity), np.nan, severity >= cut) for cut in cuts]
                self._fit_levels(blocks, truths, weight)
            else:
                self._fit_key("any", blocks, shares_of(labels, "any"), weight)
                self.meaning = "probability"
        except DataError as error:
            self.left_out["any"] = error.problem

    def _fit_levels(self, blocks: Mapping[str, Any], truths: list[Floats], weight: Floats) -> None:
        heads = []
        for truth in truths:
            try:
                heads.append(_head(blocks, truth, weight)[0])
            except DataError:
                continue
        if not heads:
            raise DataError(f"no level with {_FEWEST} labels on either side")
        self._heads["any"] = heads
        self.meaning = "severity"

    def _fit_key(self, key: str, blocks: Mapping[str, Any], truth: Floats, weight: Floats) -> None:
        head, y = _head(blocks, truth, weight)
        self._heads[key] = [head]
        kept = head.compared_
        p = 1 / (1 + np.exp(-head.loo_))
        outcome = y[kept]
        self.summary[key] = {
            "AUROC (left out)": auroc(outcome, p),
            "Brier score (left out)": brier(outcome, p),
        }
        if key == "any":
            self._nearest = _intervals(p, outcome)

    def apply(
        self, exchanges: Sequence[Exchange], scores: Sequence[Score], scorers: Sequence[Scorer]
    ) -> list[Score]:
        """The scores with calibrated severity and hazards."""
        if not scores:
            return []
        blocks = self._blocks(exchanges, scores, scorers)
        if self._pairs is not None:
            order = self._pairs[0].log_odds(blocks)
            blocks = {**blocks, "pairs": order[:, None]}
        found = {
            key: np.mean([head.predict(_of(head, blocks)) for head in heads], axis=0)
            for key, heads in self._heads.items()
        }
        if "any" not in found and self._pairs is not None:
            found["any"] = 1 / (1 + np.exp(-(order - self._pairs[1])))
        return [
            self._told(score, {key: float(column[k]) for key, column in found.items()})
            for k, score in enumerate(scores)
        ]

    def _told(self, score: Score, values: dict[str, float]) -> Score:
        calibrated = tuple(self._heads)
        hazards = {**score.hazards, **{k: v for k, v in values.items() if k != "any"}}
        severity = values.get("any", score.severity)
        interval = None
        if self._nearest is not None and severity is not None:
            place = int(np.searchsorted(self._nearest[0], severity))
            place = min(place, self._nearest[0].size - 1)
            interval = (float(self._nearest[1][place]), float(self._nearest[2][place]))
        return msgspec.structs.replace(
            score,
            severity=severity,
            hazards=hazards,
            meaning=self.meaning,
            calibrated=calibrated,
            bounds={},
            uncertainty=interval,
            uncertainty_source=""
            if interval is None
            else f"harm among the {_NEAREST} labels nearest in score, 95% Wilson",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "random_state": self.random_state,
            "meaning": self.meaning,
            "left_out": self.left_out,
            "summary": msgspec.to_builtins(self.summary),
            "columns": [list(column) for column in self._columns],
            "heads": {key: [h.to_json() for h in heads] for key, heads in self._heads.items()},
            "pairs": None if self._pairs is None else [self._pairs[0].to_json(), self._pairs[1]],
            "nearest": None if self._nearest is None else [v.tolist() for v in self._nearest],
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> LocalHeads:
        """The heads that `to_dict` described."""
        found = cls(random_state=int(body["random_state"]))
        found.meaning = msgspec.convert(body["meaning"], Meaning)
        found.left_out = dict(body["left_out"])
        found.summary = msgspec.convert(
            body["summary"], dict[str, dict[str, Estimate]], strict=False
        )
        found._columns = [(str(a), str(b), float(c)) for a, b, c in body["columns"]]
        found._heads = {
            key: [TextHead.from_json(one) for one in heads] for key, heads in body["heads"].items()
        }
        if body["pairs"] is not None:
            found._pairs = (TextHead.from_json(body["pairs"][0]), float(body["pairs"][1]))
        if body["nearest"] is not None:
            a, b, c = (np.asarray(v, dtype=np.float64) for v in body["nearest"])
            found._nearest = (a, b, c)
        return found


def _logit(value: float) -> float:
    clipped = min(max(value, _EDGE), 1 - _EDGE)
    return float(np.log(clipped / (1 - clipped)))


def _stacked(one: Any, other: Any) -> Any:
    if hasattr(one, "tocsr"):
        from scipy.sparse import vstack

        return vstack([one, other]).tocsr()
    return np.vstack([one, other])


def _of(head: TextHead, blocks: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks that the head was fitted with."""
    return {name: blocks[name] for name in head.shares_}


def _cuts(severity: Floats) -> list[float]:
    """Values from which a higher level begins; a few quantiles where there are many values."""
    levels = np.unique(severity)
    if levels.size > _MOST_LEVELS:
        levels = np.unique(np.quantile(severity, np.linspace(0, 1, _MOST_LEVELS)))
    return [float(v) for v in levels[1:]]


def _head(blocks: Mapping[str, Any], truth: Floats, weight: Floats) -> tuple[TextHead, Floats]:
    """A head, and the outcomes of the rows that it was fitted on.

    A row on which raters were split enters twice, weighted by how many said what.
    """
    parts = [(np.flatnonzero(truth > 0), 1.0), (np.flatnonzero(truth < 1), 0.0)]
    rows = np.concatenate([part for part, _ in parts])
    y = np.concatenate([np.full(part.size, value) for part, value in parts])
    shares = np.where(y == 1, truth[rows], 1 - truth[rows]) * weight[rows]
    kept = shares > 0
    rows, y, shares = rows[kept], y[kept], shares[kept]
    least = int(min(y.sum(), (1 - y).sum()))
    if least < _FEWEST:
        raise DataError(
            f"{int(y.sum()):,} labels with and {int((1 - y).sum()):,} without it, "
            f"fewer than {_FEWEST} of a kind"
        )
    order = np.argsort(rows, kind="stable")
    rows, y, shares = rows[order], y[order], shares[order]
    return TextHead().fit({n: b[rows] for n, b in blocks.items()}, y, shares), y


def _intervals(p: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Steps: up to this prediction, the share of harm among the nearest labels lies within."""
    order = np.argsort(p, kind="stable")
    value, harm = p[order], np.concatenate([[0.0], np.cumsum(y[order])])
    n, k = value.size, min(_NEAREST, value.size)
    start = np.clip(np.arange(n) - k // 2, 0, n - k)
    low, high = proportion_interval(harm[start + k] - harm[start], np.full(n, float(k)))
    ends = np.append((value[1:] + value[:-1]) / 2, 1.0)
    return ends, np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high)
