"""`ActionTextModel`: ordinal regression on hashed n-grams of the text of an action."""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError, TargetError, UsageError, content_hash, generator
from riskwright.core.scores import Score
from riskwright.evidence.actions import AgentAction, rendered
from riskwright.evidence.exchanges import Exchange

from .ordinal import cumulative, fit_linear, ordinal_loss

__all__ = ["ActionTextModel", "level_codes"]

LEVELS = ("SAFE", "LOW", "HIGH")
_WORD = re.compile(r"[^\W_]+")
_PENALTIES = (0.03, 0.1, 0.3, 1.0)
_SEED_KEY = 71


def level_codes(levels: Sequence[str | int]) -> NDArray[np.int64]:
    """SAFE, LOW and HIGH (or 0, 1, 2) as numbers; `TargetError` for anything else."""
    found = []
    for place, level in enumerate(levels):
        name = LEVELS[level] if type(level) is int and 0 <= level <= 2 else str(level).upper()
        if name not in LEVELS:
            raise TargetError(
                "unknown level", where=f"levels[{place}]", expected="SAFE, LOW or HIGH"
            )
        found.append(LEVELS.index(name))
    return np.array(found, dtype=np.int64)


def enough(level: NDArray[np.int64], rows: int, least: int = 5) -> None:
    """`TargetError` where lengths differ or a level has fewer than `least` rows."""
    if level.size != rows:
        raise TargetError(
            "lengths differ", where="levels", expected=f"{rows} levels", got=str(level.size)
        )
    for code, name in enumerate(LEVELS):
        count = int((level == code).sum())
        if count < least:
            raise TargetError(
                f"too few actions of level {name}",
                where="levels",
                expected=f"at least {least} of every level",
                got=str(count),
                hint="Label more actions, or use the card that is set by hand",
            )


class ActionTextModel:
    """Ordinal regression (proportional odds) on hashed n-grams of the text of an action.

    Parameters
    ----------
    bits : the n-grams fall into 2^bits buckets.
    penalty : ridge penalty; None chooses among 0.03, 0.1, 0.3 and 1 by 4-fold cross-validation.
    random_state : seed of the folds.

    Attributes
    ----------
    buckets_, coef_, idf_ : of the n-grams seen in training.
    cuts_ : the two cuts on the linear predictor.
    penalty_ : the penalty that was used.

    Notes
    -----
    Words, pairs of words, and runs of 3 to 5 characters of every argument's value, with its name in
    front; counts enter as 1 + log, times idf, to unit length. It reads what `rendered` gives, and
    is a `Scorer`: its severity is (P(at least LOW) + P(HIGH)) / 2. Time is linear in the text.

    Examples
    --------
    >>> texts = ["Buy now", "Add to list", "Next page"] * 10
    >>> acts = [AgentAction(tool="click", arguments={"element": t}) for t in texts]
    >>> model = ActionTextModel(penalty=0.1).fit(acts, ["HIGH", "LOW", "SAFE"] * 10)
    >>> [score.level for score in model.score_actions(acts[:3])]
    ['HIGH', 'LOW', 'SAFE']
    """

    name: ClassVar[str] = "action-text"
    taxonomy: ClassVar[str] = "ailuminate"
    cost: ClassVar[float] = 0.0

    def __init__(
        self, *, bits: int = 16, penalty: float | None = None, random_state: int = 0
    ) -> None:
        if not 8 <= bits <= 22:
            raise ParameterError("out of range", where="bits", expected="8 to 22", got=str(bits))
        self.bits = bits
        self.penalty = penalty
        self.random_state = random_state

    def fit(self, actions: Sequence[AgentAction], levels: Sequence[str | int]) -> ActionTextModel:
        """Learn from labelled actions; `TargetError` where a level has fewer than 5 of them."""
        level = level_codes(levels)
        enough(level, len(actions))
        counts = [_counts(rendered(action), self.bits) for action in actions]
        self.penalty_ = self.penalty or self._chosen(counts, level)
        self._learn(counts, level, self.penalty_)
        self.version_ = content_hash(self.to_artifact()[1])[:16]
        return self

    def _chosen(self, counts: list[Counter[int]], level: NDArray[np.int64]) -> float:
        fold = generator(self.random_state, _SEED_KEY).permutation(np.arange(level.size) % 4)
        losses = {
            penalty: sum(self._held_out(counts, level, fold == k, penalty) for k in range(4))
            for penalty in _PENALTIES
        }
        return min(losses, key=lambda penalty: losses[penalty])

    def _held_out(
        self,
        counts: list[Counter[int]],
        level: NDArray[np.int64],
        out: NDArray[np.bool_],
        penalty: float,
    ) -> float:
        self._learn([c for c, o in zip(counts, out, strict=True) if not o], level[~out], penalty)
        eta = self._eta([c for c, o in zip(counts, out, strict=True) if o])
        start, gap = self.cuts_[0], self.cuts_[1] - self.cuts_[0]
        return ordinal_loss(eta, start, math.log(gap), level[out])[0]

    def _learn(self, counts: list[Counter[int]], level: NDArray[np.int64], penalty: float) -> None:
        seen: Counter[int] = Counter()
        for row in counts:
            seen.update(row.keys())
        self.buckets_ = {bucket: place for place, bucket in enumerate(sorted(seen))}
        n = len(counts)
        self.idf_ = np.array([math.log((1 + n) / (1 + seen[b])) + 1 for b in self.buckets_])
        self.coef_, self.cuts_ = fit_linear(self._matrix(counts), level, penalty)

    def _matrix(self, counts: list[Counter[int]]) -> Any:
        from scipy.sparse import csr_array

        places: list[int] = []
        values: list[float] = []
        ends = [0]
        for row in counts:
            known = [(self.buckets_[b], n) for b, n in row.items() if b in self.buckets_]
            weights = [(1 + math.log(n)) * self.idf_[place] for place, n in known]
            length = math.sqrt(sum(w * w for w in weights)) or 1.0
            places += [place for place, _ in known]
            values += [w / length for w in weights]
            ends.append(len(places))
        shape = (len(counts), len(self.buckets_))
        return csr_array((values, places, ends), shape=shape, dtype=np.float64)

    def _eta(self, counts: list[Counter[int]]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._matrix(counts) @ self.coef_
        return found

    @property
    def version(self) -> str:
        """Digest of settings and weights."""
        self._check()
        return self.version_

    def _check(self) -> None:
        if not hasattr(self, "coef_"):
            raise UsageError("not fitted", where="ActionTextModel", hint="Call fit first")

    def score_actions(self, actions: Sequence[AgentAction]) -> list[Score]:
        """One score per action."""
        return self.score([Exchange(prompt=rendered(a), id=a.id) for a in actions])

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange that holds the text of an action."""
        self._check()
        eta = self._eta([_counts(exchange.judged[1], self.bits) for exchange in exchanges])
        some, high = cumulative(eta, self.cuts_)
        return [
            Score(
                id=exchange.id,
                severity=float((s + h) / 2),
                level="HIGH" if h >= 0.5 else "LOW" if s >= 0.5 else "SAFE",
                meaning="severity",
                scorers={self.name: self.version},
                values={self.name: _values(float(s), float(h))},
                digest=exchange.digest,
            )
            for exchange, s, h in zip(exchanges, some, high, strict=True)
        ]

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        self._check()
        return "action_text", {
            "params": {
                "bits": self.bits,
                "penalty": self.penalty,
                "random_state": self.random_state,
            },
            "used": self.penalty_,
            "buckets": list(self.buckets_),
            "coef": self.coef_.tolist(),
            "idf": self.idf_.tolist(),
            "cuts": list(self.cuts_),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> ActionTextModel:
        """The model that `to_artifact` described."""
        model = cls(**body["params"])
        model.penalty_ = float(body["used"])
        model.buckets_ = {int(b): place for place, b in enumerate(body["buckets"])}
        model.coef_ = np.array(body["coef"], dtype=np.float64)
        model.idf_ = np.array(body["idf"], dtype=np.float64)
        if not model.coef_.shape == model.idf_.shape == (len(model.buckets_),):
            raise ValueError("lengths differ")
        first, second = body["cuts"]
        model.cuts_ = (float(first), float(second))
        model.version_ = content_hash(body)[:16]
        return model


def _values(some: float, high: float) -> dict[str, float]:
    return {"any": (some + high) / 2, "LOW or HIGH": some, "HIGH": high}


def _grams(text: str) -> Iterator[str]:
    """Words, pairs of words and runs of characters, each with the name of its argument."""
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        words = [word.lower() for word in _WORD.findall(value)]
        yield from (f"{name}={word}" for word in words)
        yield from (f"{name}={a} {b}" for a, b in itertools.pairwise(words))
        for word in words:
            padded = f" {word} "
            for size in (3, 4, 5):
                yield from (padded[k : k + size] for k in range(len(padded) - size + 1))


def _counts(text: str, bits: int) -> Counter[int]:
    mask = (1 << bits) - 1
    return Counter(zlib.crc32(g.encode("utf-8", "surrogatepass")) & mask for g in _grams(text))
