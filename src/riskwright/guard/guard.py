"""`Guard`: scorers of exchanges, fitted to local labels, as one calibrated risk score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from riskwright.core import ArtifactError, DataError, ParameterError, content_hash, load
from riskwright.core.names import quoted
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label, Pair
from riskwright.scoring.perception import Scorer
from riskwright.taxonomy.crosswalks import PIVOT

from .combining import check_names, joined
from .scorers import default_scorers, described, rebuilt
from .timing import one_by_one, timed, timed_scores

if TYPE_CHECKING:
    from riskwright.taxonomy.policies import Policy

    from .certifying import Certification
    from .heads import LocalHeads

__all__ = ["LEVELS", "Guard"]

Progress = Callable[[str, int, int], None]
LEVELS = ("SAFE", "LOW", "MEDIUM", "HIGH")


class Guard:
    """One risk score for prompts and replies from any scorers, adapted to local labels.

    Without labels it gives the scorers' own values (`meaning` "rank") and can say which exchanges
    to label; it never decides: a `Policy` does, on its scores.

    Parameters
    ----------
    scorers : objects that judge exchanges (`riskwright.scoring.perception.Scorer`), with different
        names; by default the rules and the n-gram model that come with the package.
    taxonomy : of the hazards of its scores; those of other taxonomies are translated.
    levels : names of equal ranges of severity in [0, 1], from the mildest; only a severity that is
        calibrated on labels of one's own has one.
    random_state : seed of everything random in `fit`.

    Attributes
    ----------
    heads_ : what `fit` learnt; absent before.
    fitted_on_ : digests of the exchanges that `fit` saw, which cannot certify.

    Notes
    -----
    Latency is measured for each exchange by itself where all scorers take one after the other, as
    those of the package do that ask no model, and where they measure it themselves. Exchanges that
    a scorer takes many at a time share its time, which tells the mean but not the slowest.

    Examples
    --------
    >>> guard = Guard()
    >>> score = guard.score(Exchange(prompt="How do I bake bread?"))
    >>> score.outcome, score.meaning, sorted(score.scorers)
    ('scored', 'rank', ['ngrams', 'rules'])
    """

    def __init__(
        self,
        scorers: Sequence[Scorer] | None = None,
        *,
        taxonomy: str = PIVOT,
        levels: Sequence[str] = LEVELS,
        random_state: int = 0,
    ) -> None:
        self.scorers = tuple(default_scorers() if scorers is None else scorers)
        check_names(self.scorers)
        colons = [scorer.name for scorer in self.scorers if ":" in scorer.name]
        if colons:
            raise ParameterError(
                f"a scorer named {quoted(colons[0])}",
                where="scorers",
                expected="no colon: policies name a scorer's own values as SCORER:NAME",
            )
        if not levels:
            raise ParameterError("no levels", where="levels", expected="at least one name")
        self.taxonomy = taxonomy
        self.levels = tuple(levels)
        self.random_state = random_state
        self.fitted_on_: frozenset[str] = frozenset()

    heads_: LocalHeads

    @property
    def version(self) -> str:
        """Digest of the scorers' versions and of what was learnt."""
        kind, body = self.to_artifact()
        return content_hash({kind: body})

    def score(self, exchange: Exchange) -> Score:
        """The score of one exchange."""
        return self.score_all([exchange])[0]

    def score_all(
        self, exchanges: Sequence[Exchange], *, progress: Progress | None = None
    ) -> list[Score]:
        """Scores of many exchanges, in order.

        `progress` is called with the name of a scorer, how many have run, and of how many. A scorer
        that fails on an exchange leaves it without a severity; it stops nothing.
        """
        perceived = self.perceive(exchanges, progress=progress)
        return self.calibrated(exchanges, perceived)

    def perceive(
        self, exchanges: Sequence[Exchange], *, progress: Progress | None = None
    ) -> list[Score]:
        """What the scorers say, combined but not calibrated."""
        columns: dict[str, list[Score]] = {}
        for place, scorer in enumerate(self.scorers):
            if progress is not None:
                progress(scorer.name, place, len(self.scorers))
            columns[scorer.name] = timed_scores(scorer, exchanges)
        return joined(self.scorers, exchanges, columns, taxonomy=self.taxonomy)

    def calibrated(self, exchanges: Sequence[Exchange], scores: Sequence[Score]) -> list[Score]:
        """Scores that `perceive` gave, put through what `fit` learnt; unchanged before `fit`."""
        heads = getattr(self, "heads_", None)
        if heads is not None:
            scores = self._adapted(heads, exchanges, scores)
        return [self._levelled(score) for score in scores]

    def _adapted(
        self, heads: LocalHeads, exchanges: Sequence[Exchange], scores: Sequence[Score]
    ) -> list[Score]:
        """Scores that heads were applied to, the time of which is added to the latency."""
        kept = [pair for pair in zip(exchanges, scores, strict=True) if pair[1].outcome == "scored"]
        reading = [scorer for scorer in self.scorers if hasattr(scorer, "features")]

        def apply(pairs: Sequence[tuple[Exchange, Score]]) -> list[Score]:
            return heads.apply([one for one, _ in pairs], [told for _, told in pairs], self.scorers)

        found, taken = timed(apply, kept, all(map(one_by_one, reading)))
        made = iter(
            msgspec.structs.replace(score, latency_ms=score.latency_ms + ms)
            for score, ms in zip(found, taken, strict=True)
        )
        return [next(made) if score.outcome == "scored" else score for score in scores]

    def _levelled(self, score: Score) -> Score:
        if score.severity is None:
            if score.outcome != "scored" or score.hazards:
                return score
            reason = "; ".join(filter(None, (score.reason, "no scorer judges before fit")))
            return msgspec.structs.replace(score, outcome="not scored", reason=reason)
        if "any" not in score.calibrated:
            return score
        place = min(int(score.severity * len(self.levels)), len(self.levels) - 1)
        return msgspec.structs.replace(score, level=self.levels[place])

    def fit(
        self,
        exchanges: Sequence[Exchange],
        labels: Sequence[Label] = (),
        *,
        pairs: Sequence[Pair] = (),
        progress: Progress | None = None,
    ) -> Guard:
        """Adapt and calibrate the score on local labels.

        Parameters
        ----------
        exchanges, labels : exchanges with what people said of them: harmful or not, a severity of
            two or more levels, single hazards; whatever is told is used. What half of the raters
            or more saw counts as seen.
        pairs : judgements of which of two exchanges is worse, for a severity without levels.

        Raises
        ------
        DataError : lengths differ; too few labels (10 with and 10 without harm, 20 pairs); weights
            below 0; or the scorers gave no score for most of the exchanges.

        Notes
        -----
        A ridge regression on the scorers' values and features of the text, with a logistic link
        that is fitted to predictions which left out the row they are about, see
        `riskwright.scoring.text.heads.TextHead`. Half a second for 200 labels, some seconds per
        hazard for 1,000 and more. Probabilities are those of the exchanges that were labelled:
        where these were not drawn at random, give every label the weight 1 / its chance.
        """
        from .heads import LocalHeads

        if len(exchanges) != len(labels) and labels:
            raise DataError(
                "labels and exchanges differ in number",
                where="labels",
                expected=f"{len(exchanges):,}",
                got=f"{len(labels):,}",
            )
        used = list(exchanges) if labels else []
        scores = self.perceive(used, progress=progress)
        sides = [side for pair in pairs for side in (pair.worse, pair.milder)]
        judged = self.perceive(sides, progress=progress) if sides else []
        self.heads_ = LocalHeads(random_state=self.random_state).fit(
            used, scores, labels, self.scorers, pairs=pairs, pair_scores=judged
        )
        self.fitted_on_ = frozenset(one.digest for one in (*used, *sides))
        return self

    def certify(
        self,
        policy: Policy,
        exchanges: Sequence[Exchange],
        labels: Sequence[Label],
        *,
        progress: Progress | None = None,
    ) -> Certification:
        """Certify a policy's thresholds on labels that `fit` has not seen.

        Exchanges that `fit` saw are left out, and the certification's notes say how many. Errors
        and guarantee as for `riskwright.guard.certifying.certify_policy`.
        """
        from .certifying import certify_policy

        if len(exchanges) != len(labels):
            raise DataError(
                "labels and exchanges differ in number",
                where="labels",
                expected=f"{len(exchanges):,}",
                got=f"{len(labels):,}",
            )
        fresh = [k for k, one in enumerate(exchanges) if one.digest not in self.fitted_on_]
        if not fresh:
            raise DataError(
                "every one of these exchanges was used to fit the guard",
                where="exchanges",
                expected="labels that fit has not seen",
                hint="Fit on a part of the labels and certify on the rest",
            )
        kept = [exchanges[k] for k in fresh]
        scores = self.score_all(kept, progress=progress)
        found = certify_policy(policy, scores, [labels[k] for k in fresh], guard=self.version)
        left = len(exchanges) - len(fresh)
        if not left:
            return found
        note = f"{left:,} exchanges that the guard was fitted on were left out."
        return msgspec.structs.replace(found, notes=(note, *found.notes))

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; no text of any exchange."""
        heads = getattr(self, "heads_", None)
        return "guard", {
            "params": {"random_state": self.random_state},
            "taxonomy": self.taxonomy,
            "levels": list(self.levels),
            "scorers": [described(scorer) for scorer in self.scorers],
            "heads": None if heads is None else heads.to_dict(),
            "fitted_on": sorted(self.fitted_on_),
        }

    @classmethod
    def from_artifact(cls, body: Mapping[str, Any]) -> Guard:
        """The guard that `to_artifact` described.

        Raises `ArtifactError` where a scorer is not the one that the guard was fitted with.
        """
        guard = cls(
            [rebuilt(one) for one in body["scorers"]],
            taxonomy=body["taxonomy"],
            levels=body["levels"],
            random_state=body["params"]["random_state"],
        )
        guard.fitted_on_ = frozenset(body["fitted_on"])
        if body["heads"] is not None:
            from .heads import LocalHeads

            guard.heads_ = LocalHeads.from_dict(body["heads"])
        return guard

    @classmethod
    def load(cls, path: Any) -> Guard:
        """Read a saved guard.

        Raises `ArtifactError` where the file holds something else, or where a scorer is not the
        one that the guard was fitted with.
        """
        found = load(path)
        if not isinstance(found, cls):
            raise ArtifactError(
                "not a guard", where=str(path), expected="a saved guard", got=type(found).__name__
            )
        return found
