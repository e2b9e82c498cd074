"""`Experts`: several guards weighted online from feedback, never much worse than the best of them.

An expert that is asleep in a round (its guard failed, refused, or could not be parsed) has no vote
there, and is charged what the others lost on average, so that silence neither helps nor harms it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError, UsageError
from riskwright.core.scores import Score

from .joint_scores import blended

__all__ = ["Experts"]

Floats = NDArray[np.float64]
Loss = Literal["absolute", "squared", "log"]
_LOSSES = ("absolute", "squared", "log")


class Experts:
    """Exponentially weighted average of guards, with its regret and the bound on it.

    Parameters
    ----------
    names : of the guards, at least one.
    loss : of a score s for a label y in [0, 1]: "absolute" |s - y|, "squared" (s - y)^2, or "log",
        -y ln s - (1 - y) ln(1 - s), for scores that mean probabilities.
    horizon : number of rounds to come, where it is known; the bound is then smaller by a factor of
        sqrt 2. More rounds are refused.
    floor : for the log loss: probabilities p are taken as floor + (1 - 2 floor) p, since an expert
        that is once surely wrong would be lost for ever. The bound is about experts so moved.
    least_probability : where not every item is labelled: each is labelled with a known probability
        that is at least this, and labels count by its inverse. 1: every round has its label.

    Attributes
    ----------
    weights_ : mapping from guard to weight; they sum to 1.
    rounds_ : rounds in which at least one guard was awake.
    losses_ : mapping from guard to its own cumulative loss over the rounds it was awake in.
    loss_ : cumulative loss of the weighted average.
    regret_ : largest, over the guards, of what the average lost more than that guard over the
        rounds in which that guard was awake. Under partial feedback an unbiased estimate of it.
    regret_bound_ : the regret is at most this, for any sequence of labels and scores, also one
        chosen by an adversary who knows all weights; under partial feedback in expectation over
        what is labelled, for sequences that do not react to it.

    Notes
    -----
    Weights proportional to exp(-eta_t L) of cumulative losses L, O(N) a round. With N guards and
    losses in [0, 1], eta_t = 2 sqrt(ln N / t) gives a regret of at most ln N / eta_T + sum_t
    eta_t / 8 <= sqrt(T ln N) after any T rounds; eta = sqrt(8 ln N / T) for a known T gives
    sqrt(T ln N / 2). Log loss with eta = 1: ln N. Labels drawn with probability q_t and losses
    divided by it, with eta_t = sqrt(ln N / (1 / least_probability + sum of 1 / q_s before t)):
    ln N / eta_T + sum_t eta_t / (2 q_t). The bounds are for the mean loss of the guards under the
    weights, which for these convex losses is at least the loss of the blended score.
    Cesa-Bianchi & Lugosi (2006), Prediction, Learning, and Games, theorems 2.2 and 2.3 and section
    6.2; sleeping experts: Freund et al. (1997), STOC; several guards: Ghosh et al. (2024), AEGIS.

    Examples
    --------
    >>> experts = Experts(["rules", "model"])
    >>> for _ in range(50):
    ...     experts.update({"rules": 0.9, "model": 0.1})
    >>> experts.weights_["model"] > 0.99
    True
    >>> experts.regret_ <= experts.regret_bound_
    True
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        loss: Loss = "absolute",
        horizon: int | None = None,
        floor: float = 1e-6,
        least_probability: float = 1.0,
    ) -> None:
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.loss, self.horizon, self.floor = loss, horizon, floor
        self.least_probability = least_probability
        self._check()
        n = len(self.names)
        self._charged = np.zeros(n)  # losses that weights rest on, asleep rounds included
        self._own = np.zeros(n)
        self._met = np.zeros(n)  # loss of the average over the rounds of each guard
        self.loss_, self.rounds_ = 0.0, 0
        self._slack = 0.0  # sum of the terms of the bound beside ln N / eta
        self._inverse = 0.0  # sum of 1 / q
        self._last_rate = 1.0

    def _check(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ParameterError(
                "no guards" if not self.names else "two guards have one name", where="names"
            )
        if self.loss not in _LOSSES:
            raise ParameterError(
                "unknown loss", where="loss", expected=", ".join(_LOSSES), got=repr(self.loss)
            )
        if not 0 < self.least_probability <= 1:
            raise ParameterError(
                "not a probability",
                where="least_probability",
                expected="above 0, at most 1",
                got=f"{self.least_probability}",
                hint="Items that can never be labelled have no bound; label a random share of them",
            )
        if self._partial and (self.loss == "log" or self.horizon is not None):
            raise ParameterError(
                "no bound is known for this with labels for some items only",
                where="least_probability",
                expected='the "absolute" or "squared" loss, without a horizon',
            )
        if self.horizon is not None and self.horizon < 1:
            raise ParameterError("not a horizon", where="horizon", expected="at least 1 round")
        if not 0 < self.floor < 0.5:
            raise ParameterError("not a floor", where="floor", expected="0 < floor < 0.5")

    @property
    def _partial(self) -> bool:
        return self.least_probability < 1

    @property
    def weights_(self) -> dict[str, float]:
        return dict(zip(self.names, map(float, self._weights()), strict=True))

    @property
    def losses_(self) -> dict[str, float]:
        return dict(zip(self.names, map(float, self._own), strict=True))

    @property
    def regret_(self) -> float:
        return float((self._met - self._own).max())

    @property
    def regret_bound_(self) -> float:
        if self.loss == "log":
            return math.log(len(self.names))
        if not self.rounds_ or len(self.names) == 1:
            return 0.0
        return math.log(len(self.names)) / self._last_rate + self._slack

    def _rate(self) -> float:
        """Of the coming round."""
        if self.loss == "log":
            return 1.0
        size = math.log(len(self.names))
        if self._partial:
            return math.sqrt(size / (1 / self.least_probability + self._inverse))
        if self.horizon is not None:
            return math.sqrt(8 * size / self.horizon)
        return 2 * math.sqrt(size / (self.rounds_ + 1))

    def _weights(self) -> Floats:
        weight = np.exp(-self._rate() * (self._charged - self._charged.min()))
        return np.asarray(weight / weight.sum())

    def combine(self, scores: Mapping[str, Score]) -> Score:
        """The blended score of one exchange: weighted means over the guards that gave a score.

        The severity, and each hazard over the guards that judge it. `uncertainty` spans the
        guards' severities; `values` keep every guard's own numbers and, under "experts", its
        weight as "weight of NAME". Where no guard gave a score, neither does this one, and
        `reason` tells each outcome. Raises `ParameterError` for scores of other guards, or of
        different exchanges, taxonomies or meanings.
        """
        self._known(scores)
        weights = {name: self.weights_[name] for name in scores}
        return blended(scores, weights, by="experts")

    def learn(
        self, scores: Mapping[str, Score], label: float | None, *, probability: float = 1.0
    ) -> None:
        """One round: the guards' scores of an exchange, and what it turned out to be.

        Parameters
        ----------
        scores : guard -> score; guards that are absent or gave no score are asleep.
        label : in [0, 1], 1 for harmful; None where the item was not labelled (partial feedback).
        probability : with which the item was labelled or would have been, given all before it.

        Raises
        ------
        ParameterError : for labels or probabilities that are not allowed. Items that could never
            be labelled, such as all that a policy lets pass, have probability 0 and no bound:
            label a random share of them too.
        """
        self._known(scores)
        if label is not None and not 0 <= label <= 1:
            raise ParameterError("not a label", where="label", expected="0 to 1, or None")
        awake = {name: s for name, s in scores.items() if s.severity is not None}
        if self.loss == "log" and any(s.meaning != "probability" for s in awake.values()):
            raise ParameterError(
                "the log loss is for probabilities",
                where="scores",
                expected='meaning="probability"',
                hint="Calibrate the scores first, or use another loss",
            )
        severity = {name: float(s.severity) for name, s in awake.items() if s.severity is not None}
        if label is None:
            self.update(dict.fromkeys(severity), probability=probability, labelled=False)
            return
        losses = {name: self._loss(value, label) for name, value in severity.items()}
        self.update(losses, probability=probability)

    def _loss(self, score: float, label: float) -> float:
        if self.loss == "absolute":
            return abs(score - label)
        if self.loss == "squared":
            return (score - label) ** 2
        p = self.floor + (1 - 2 * self.floor) * score
        return -label * math.log(p) - (1 - label) * math.log1p(-p)

    def update(
        self,
        losses: Mapping[str, float | None],
        *,
        probability: float = 1.0,
        labelled: bool = True,
    ) -> None:
        """One round from losses: in [0, 1], or at least 0 for the log loss.

        Guards that are absent are asleep. With `labelled=False` the losses were not seen: keys say
        who was awake, values are not read.
        """
        self._known(losses)
        self._check_probability(probability, labelled)
        awake = np.array([name in losses for name in self.names])
        if not awake.any():
            return
        if self.horizon is not None and self.rounds_ >= self.horizon:
            raise UsageError(
                "more rounds than the horizon", where="horizon", expected=f"{self.horizon} rounds"
            )
        seen = np.array([self._seen(name, losses, labelled) for name in self.names]) / probability
        self._last_rate = self._rate()
        self._slack += self._last_rate * (1 / (2 * probability) if self._partial else 1 / 8)
        met = self._met_by(_shares(self._weights(), awake), seen, awake)
        self._inverse += 1 / probability
        self.rounds_ += 1
        self._charged += np.where(awake, seen, met)
        self._own += np.where(awake, seen, 0.0)
        self._met += np.where(awake, met, 0.0)
        self.loss_ += met

    def _met_by(self, weight: Floats, seen: Floats, awake: NDArray[np.bool_]) -> float:
        """Loss of the average: for the log loss that of the mixed probability."""
        if self.loss != "log":
            return float(weight @ seen)
        least = float(seen[awake].min())
        return least - math.log(float(weight[awake] @ np.exp(least - seen[awake])))

    def _seen(self, name: str, losses: Mapping[str, float | None], labelled: bool) -> float:
        if name not in losses or not labelled:
            return 0.0
        loss = losses[name]
        most = math.inf if self.loss == "log" else 1.0
        if loss is None or not (0 <= loss <= most and math.isfinite(loss)):
            raise ParameterError(
                "a loss out of range",
                where=f"losses[{name!r}]",
                expected=f"0 to {most:g}",
                got=f"{loss}",
                hint="Leave out guards that gave no score",
            )
        return float(loss)

    def _check_probability(self, probability: float, labelled: bool) -> None:
        if not self.least_probability <= probability <= 1:
            raise ParameterError(
                "not a probability of being labelled that was foreseen",
                where="probability",
                expected=f"at least least_probability = {self.least_probability:g}, at most 1",
                got=f"{probability}",
                hint="Items that can never be labelled have no bound; label a random share of them",
            )
        if not self._partial and not labelled:
            raise ParameterError(
                "a round without a label", where="label", expected="least_probability below 1"
            )

    def _known(self, given: Mapping[str, Any]) -> None:
        unknown = [name for name in given if name not in self.names]
        if unknown:
            raise ParameterError(
                "unknown guard", where=repr(unknown[0]), expected=", ".join(self.names)
            )

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`."""
        return "experts", {
            "settings": {
                "names": list(self.names),
                "loss": self.loss,
                "horizon": self.horizon,
                "floor": self.floor,
                "least_probability": self.least_probability,
            },
            "charged": self._charged.tolist(),
            "own": self._own.tolist(),
            "met": self._met.tolist(),
            "totals": [self.loss_, self.rounds_, self._slack, self._inverse, self._last_rate],
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> Experts:
        """The experts that `to_artifact` described; they learn on from there."""
        experts = cls(**body["settings"])
        columns = [np.array(body[key], dtype=np.float64) for key in ("charged", "own", "met")]
        if any(c.shape != (len(experts.names),) or not np.isfinite(c).all() for c in columns):
            raise ParameterError("not the losses of these guards", where="experts")
        experts._charged, experts._own, experts._met = columns
        loss, rounds, *rest = body["totals"]
        experts.loss_, experts.rounds_ = float(loss), int(rounds)
        experts._slack, experts._inverse, experts._last_rate = map(float, rest)
        return experts


def _shares(weight: Floats, awake: NDArray[np.bool_]) -> Floats:
    """Of those awake; equal where what they weigh is too little to be told from nothing."""
    held = weight * awake
    total = held.sum()
    return np.asarray(held / total if total > 0 else awake / awake.sum())
