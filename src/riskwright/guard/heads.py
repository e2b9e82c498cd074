"""`LocalHeads`: what a guard learns from labels of its own deployment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import DataError, Estimate
from riskwright.core.scores import Meaning, Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label, Pair
from riskwright.metrics import auroc, brier
from riskwright.scoring.perception import Scorer
from riskwright.scoring.text.heads import HeadsTogether, TextHead
from riskwright.stats.logistic import probability
from riskwright.stats.shares import counted_share

from .local_bounds import LocalBounds
from .truths import severities_of, shares_of

__all__ = ["LocalHeads"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
_FEWEST = 10
_FEWEST_PAIRS = 20
_MOST_LEVELS = 8
_EDGE = 1e-4


class LocalHeads:
    """Heads on the scorers' values and features: one for the severity, one per labelled hazard.

    What half of the raters or more saw counts as seen, as where thresholds are certified; labels
    of the same exchange are raters, too. Different exchanges that no scorer tells apart, such as
    two prompts with one reply, are fitted as one row, to the weighted share of them that is
    harmful, so that a prediction that leaves a row out has not seen its twin.

    Attributes
    ----------
    meaning : of the severity: "probability" from labels of harm, "severity" from three or more
        levels (the mean of the probabilities of reaching each level), "rank" from pairs alone.
    keys : hazards, and "any", that have a head.
    left_out : what was told but not used -> why; hazards without a head keep the scorers' values.
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
        self._nearest: LocalBounds | None = None
        self._together: HeadsTogether | None = None

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

        Raises `DataError` where neither labels nor pairs are enough, where weights are not numbers
        of at least 0, or where most of the exchanges have no score.
        """
        _check_weights([*labels, *pairs])
        rows = _scored(scores)
        self._choose_columns([*(scores[k] for k in rows), *pair_scores], scorers)
        if pairs:
            self._fit_pairs(pairs, pair_scores, scorers, {one.digest for one in exchanges})
        told = [labels[k] for k in rows]
        if told:
            kept = [exchanges[k] for k in rows]
            blocks = _tables(self._blocks(kept, [scores[k] for k in rows], scorers))
            twins = _twins(kept, blocks.get("values"))
            weight = np.array([label.weight for label in told], dtype=np.float64)
            self._fit_severity(blocks, told, weight, twins)
            for hazard in sorted({code for label in told for code in label.hazards}):
                try:
                    self._fit_key(hazard, blocks, shares_of(told, hazard), weight, twins)
                except DataError as error:
                    self.left_out[hazard] = error.problem
        if not self._heads and self._pairs is None:
            raise DataError(
                "too few labels to fit a guard",
                where="labels",
                expected=f"{_FEWEST} with harm and {_FEWEST} without, or {_FEWEST_PAIRS} pairs",
                got="; ".join(f"{key}: {why}" for key, why in self.left_out.items())
                or f"{len(labels):,} labels and {len(pairs):,} pairs",
            )
        if self._heads and "any" not in self._heads:
            self.meaning = "probability"
        self._join()
        return self

    def _join(self) -> None:
        if self._heads:
            self._together = HeadsTogether([h for heads in self._heads.values() for h in heads])

    def _choose_columns(self, scores: Sequence[Score], scorers: Sequence[Scorer]) -> None:
        """Which raw values enter, with what stands for one that is not there."""
        own = {scorer.name for scorer in scorers if hasattr(scorer, "features")}
        seen: dict[tuple[str, str], list[float]] = {}
        for score in scores:
            for name, values in score.values.items():
                for key, value in values.items():
                    if name not in own and score.outcome == "scored":
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
        if not blocks:
            raise DataError("the scorers gave no numbers to learn from", where="scorers")
        return blocks

    def _fit_pairs(
        self,
        pairs: Sequence[Pair],
        scores: Sequence[Score],
        scorers: Sequence[Scorer],
        labelled: set[str],
    ) -> None:
        """Bradley & Terry (1952), Biometrika 39:324: log-odds of an order are a difference.

        Pairs of exchanges that are labelled too are left out: the head of the labels is calibrated
        on predictions for rows that nothing was learnt from.
        """
        kept = [
            k
            for k, pair in enumerate(pairs)
            if labelled.isdisjoint((pair.worse.digest, pair.milder.digest))
            and scores[2 * k].outcome == scores[2 * k + 1].outcome == "scored"
            and pair.weight > 0
        ]
        if len(kept) < len(pairs):
            self.left_out["pairs"] = (
                f"{len(pairs) - len(kept):,} of {len(pairs):,} without a score or a weight, "
                "or with an exchange that is labelled too"
            )
        if len(kept) < _FEWEST_PAIRS:
            self.left_out["pairs"] = f"{len(kept):,} pairs, fewer than {_FEWEST_PAIRS}"
            return
        sides = [side for k in kept for side in (pairs[k].worse, pairs[k].milder)]
        told = [scores[2 * k + s] for k in kept for s in (0, 1)]
        blocks = _tables(self._blocks(sides, told, scorers))
        # every other pair is turned round, since a head needs both labels
        sign = np.where(np.arange(len(kept)) % 2, -1.0, 1.0)
        turned = {name: _times(sign, block[0::2] - block[1::2]) for name, block in blocks.items()}
        weight = np.array([pairs[k].weight for k in kept], dtype=np.float64)
        head = TextHead().fit(turned, (sign > 0).astype(float), weight)
        self._pairs = (head, float(np.median(head.log_odds(blocks))))
        right = head.loo_ * sign[head.compared_] > 0
        name = "pairs in the right order (left out)"
        share = counted_share(name, int(right.sum()), right.size)
        self.summary["pairs"] = {
            name: msgspec.structs.replace(share, method="Wilson; each pair left out by itself")
        }

    def _fit_severity(
        self, blocks: dict[str, Any], labels: Sequence[Label], weight: Floats, twins: _Twins
    ) -> None:
        if self._pairs is not None:
            blocks["pairs"] = self._pairs[0].log_odds(blocks)[:, None]
        severity = severities_of(labels)
        cuts = _cuts(severity[~np.isnan(severity)])
        harm = shares_of(labels, "any")
        try:
            if len(cuts) > 1 or (cuts and np.nanmin(harm) == np.nanmax(harm)):
                self._fit_levels(blocks, severity, cuts, weight, twins)
            else:
                self._fit_key("any", blocks, harm, weight, twins)
                self.meaning = "probability"
        except DataError as error:
            self.left_out["any"] = error.problem

    def _fit_levels(
        self,
        blocks: Mapping[str, Any],
        severity: Floats,
        cuts: Sequence[float],
        weight: Floats,
        twins: _Twins,
    ) -> None:
        heads, found = [], {}
        for cut in cuts:
            truth = np.where(np.isnan(severity), np.nan, severity >= cut)
            try:
                head, told = _head(blocks, truth, weight, twins)
            except DataError as error:
                self.left_out[f"severity from {cut:g} on"] = error.problem
                continue
            heads.append(head)
            found[f"AUROC (left out), severity from {cut:g} on"] = auroc(
                told.y, told.log_odds, sample_weight=told.weight
            )
        if not heads:
            raise DataError(f"no level with {_FEWEST} labels on either side")
        self._heads["any"] = heads
        self.summary["any"] = found
        self.meaning = "severity"

    def _fit_key(
        self, key: str, blocks: Mapping[str, Any], truth: Floats, weight: Floats, twins: _Twins
    ) -> None:
        head, told = _head(blocks, truth, weight, twins)
        self._heads[key] = [head]
        p = probability(told.log_odds)
        self.summary[key] = {
            "AUROC (left out)": auroc(told.y, p, sample_weight=told.weight),
            "Brier score (left out)": brier(told.y, p, sample_weight=told.weight),
        }
        if key == "any":
            self._nearest = LocalBounds.fit(p, told.y)

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
        found = self._predicted(blocks)
        if "any" not in found and self._pairs is not None:
            found["any"] = probability(order - self._pairs[1])
        return [
            self._told(score, {key: float(column[k]) for key, column in found.items()})
            for k, score in enumerate(scores)
        ]

    def _predicted(self, blocks: Mapping[str, Any]) -> dict[str, Floats]:
        if self._together is None:
            return {}
        columns = iter(probability(self._together.log_odds(blocks)).T)
        return {
            key: np.mean([next(columns) for _ in heads], axis=0)
            for key, heads in self._heads.items()
        }

    def _told(self, score: Score, values: dict[str, float]) -> Score:
        severity = values.get("any", score.severity)
        interval = None
        if self._nearest is not None and severity is not None:
            interval = self._nearest.at(severity)
        return msgspec.structs.replace(
            score,
            severity=severity,
            hazards={**score.hazards, **{k: v for k, v in values.items() if k != "any"}},
            meaning=self.meaning,
            calibrated=tuple(self._heads),
            bounds={},
            uncertainty=interval,
            uncertainty_source="" if interval is None else LocalBounds.source,
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
            "nearest": None if self._nearest is None else self._nearest.to_list(),
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
            found._nearest = LocalBounds.from_list(body["nearest"])
        found._join()
        return found


def _logit(value: float) -> float:
    clipped = min(max(value, _EDGE), 1 - _EDGE)
    return math.log(clipped / (1 - clipped))


def _check_weights(told: Sequence[Label | Pair]) -> None:
    wrong = [k for k, one in enumerate(told) if not (math.isfinite(one.weight) and one.weight >= 0)]
    if wrong:
        raise DataError(
            "weights that are not numbers of at least 0",
            where="labels and pairs",
            got=f"{len(wrong):,} of them, the first at place {wrong[0] + 1}",
        )


def _scored(scores: Sequence[Score]) -> list[int]:
    """Rows with a score; refused where most have none, since the rest may be unlike them."""
    rows = [k for k, score in enumerate(scores) if score.outcome == "scored"]
    if 2 * len(rows) < len(scores):
        raise DataError(
            "most of the labelled exchanges have no score",
            where="scores",
            expected="scores for at least half of them",
            got=f"{len(rows):,} of {len(scores):,}",
        )
    return rows


class _Twins(NamedTuple):
    """For every row the first one of the same exchange, and the first one with the same inputs."""

    same: Rows
    alike: Rows


def _twins(exchanges: Sequence[Exchange], values: Floats | None) -> _Twins:
    """Inputs are the judged text and the values."""
    inputs = (
        (exchange.judged[1], None if values is None else values[k].tobytes())
        for k, exchange in enumerate(exchanges)
    )
    return _Twins(_firsts(exchange.digest for exchange in exchanges), _firsts(inputs))


def _firsts(keys: Iterable[Any]) -> Rows:
    """For every key the place of the first one like it."""
    first: dict[Any, int] = {}
    return np.array([first.setdefault(key, k) for k, key in enumerate(keys)], dtype=np.intp)


def _times(sign: Floats, block: Any) -> Any:
    """Rows times signs."""
    return (
        block.multiply(sign[:, None]).tocsr() if hasattr(block, "tocsr") else sign[:, None] * block
    )


def _tables(blocks: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks in forms that rows can be taken from."""
    return {name: b.tocsr() if hasattr(b, "tocsr") else b for name, b in blocks.items()}


def _cuts(severity: Floats) -> list[float]:
    """Values from which a higher level begins; a few quantiles where there are many values."""
    levels = np.unique(severity)
    if levels.size > _MOST_LEVELS:
        levels = np.unique(np.quantile(severity, np.linspace(0, 1, _MOST_LEVELS)))
    return [float(v) for v in levels[1:]]


class _LeftOut(NamedTuple):
    """Left-out log-odds and outcomes: twins are one row, or two where their outcomes differ."""

    log_odds: Floats
    y: Floats
    weight: Floats


def _head(
    blocks: Mapping[str, Any], truth: Floats, weight: Floats, twins: _Twins
) -> tuple[TextHead, _LeftOut]:
    """A head, and what it says of the rows that it was compared on when they are left out."""
    known = np.flatnonzero(~np.isnan(truth) & (weight > 0))
    same, alike, weighed = twins.same[known], twins.alike[known], weight[known]
    raters = np.bincount(same, weighed, truth.size)
    saw = np.bincount(same, weighed * truth[known], truth.size)
    seen = saw[same] >= 0.5 * raters[same]
    total = np.bincount(alike, weighed, truth.size)
    rows = np.flatnonzero(total)
    total = total[rows]
    harm = np.bincount(alike, weighed * seen, truth.size)[rows] / total
    with_it = int((harm >= 0.5).sum())
    if min(with_it, harm.size - with_it) < _FEWEST:
        raise DataError(
            f"{with_it:,} labels with and {harm.size - with_it:,} without it, "
            f"fewer than {_FEWEST} of a kind"
        )
    head = TextHead().fit({name: b[rows] for name, b in blocks.items()}, harm, total)
    share, each = harm[head.compared_], total[head.compared_]
    doubled = np.concatenate([each * share, each * (1 - share)])
    kept = doubled > 0
    y = np.repeat([1.0, 0.0], share.size)
    return head, _LeftOut(np.tile(head.loo_, 2)[kept], y[kept], doubled[kept])
