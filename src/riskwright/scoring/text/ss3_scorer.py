"""`SS3Scorer`: a fitted `SS3Classifier` as a scorer of exchanges and of growing replies."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from riskwright.core import ArtifactError, ParameterError, content_hash, load
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Score, Span
from riskwright.evidence.exchanges import Exchange
from riskwright.taxonomy import load_taxonomy

from .ss3 import SS3Classifier, shares
from .ss3_reading import Vector

__all__ = ["SS3Reading", "SS3Scorer"]


class SS3Scorer:
    """Scores exchanges, and replies while they grow, by the shares of the risky classes.

    Parameters
    ----------
    model : fitted
    hazards : class (as text) -> hazard code, or "" where it counts for the severity alone. Classes
        that are not named are harmless. Where None, the second of two classes is the risky one.
    taxonomy : id of the taxonomy of the hazards.
    name : short and stable.

    Raises
    ------
    ParameterError : a class or a hazard that does not exist; no `hazards` for other than two
        classes.

    Notes
    -----
    The severity is a rank, no probability. The scorer keeps the values that the model has now;
    make a new one after the model has learned more.

    Examples
    --------
    >>> texts = ["red red apple", "red apple pie", "blue blue sea", "deep blue sea"]
    >>> model = SS3Classifier(min_count=1).fit(texts, ["fruit", "fruit", "water", "water"])
    >>> reading = SS3Scorer(model, {"water": "spc"}).begin()
    >>> reading.feed("the deep bl")["any"] < reading.feed("ue sea")["any"]
    True
    """

    kind = "ss3"
    one_by_one = True

    def __init__(
        self,
        model: SS3Classifier,
        hazards: Mapping[str, str] | None = None,
        *,
        taxonomy: str = "ailuminate",
        name: str = "ss3",
    ) -> None:
        self.model = model
        self.taxonomy = taxonomy
        self.name = name
        self.cost = 0.0
        self._classes = [str(label) for label in model.classes_.tolist()]
        self._risky = self._places(hazards)
        self._weights = model.weights()
        self._body = model.to_artifact()[1]

    def _places(self, hazards: Mapping[str, str] | None) -> dict[int, str]:
        """Place and hazard of every risky class."""
        if hazards is None:
            if len(self._classes) != 2:
                raise ParameterError(
                    "which of several classes are risky is not said",
                    where="hazards",
                    expected="class -> hazard code",
                )
            return {1: ""}
        known = load_taxonomy(self.taxonomy)
        for label, code in hazards.items():
            if label not in self._classes:
                raise ParameterError(
                    f"no class {quoted(label)}",
                    where="hazards",
                    expected=", ".join(map(quoted, self._classes[:8])),
                )
            if code:
                known.category(code)
        return {self._classes.index(label): code for label, code in hazards.items()}

    @functools.cached_property
    def version(self) -> str:
        """Digest of the model, the hazards and the taxonomy."""
        told = [self._body, sorted(self._risky.items()), self.taxonomy]
        return f"sha256:{content_hash(told)}"

    def settings(self) -> dict[str, Any]:
        """What `from_settings` makes an equal scorer of, as plain values."""
        return {
            "model": self._body,
            "hazards": {self._classes[place]: code for place, code in self._risky.items()},
            "taxonomy": self.taxonomy,
            "name": self.name,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> SS3Scorer:
        """A scorer from plain values: `path` of a saved classifier, or what `settings` gave.

        Raises `ParameterError`, and `ArtifactError` for a file that holds something else.
        """
        known = ("path", "model", "hazards", "taxonomy", "name")
        for key in settings:
            if key not in known:
                raise ParameterError(
                    f"unknown key {quoted(key)}", where="ss3", hint=nearest(key, known)
                )
        given = dict(settings)
        path, body = given.pop("path", None), given.pop("model", None)
        if (path is None) == (body is None):
            raise ParameterError("no model", where="ss3", expected="path: FILE of a saved model")
        model = SS3Classifier.from_artifact(body) if path is None else load(path)
        if not isinstance(model, SS3Classifier):
            raise ArtifactError("not an SS3 classifier", where=str(path), got=type(model).__name__)
        return cls(model, **given)

    def measured(self, values: Vector) -> dict[str, float]:
        """Shares of the risky classes together ("any") and by hazard."""
        found = shares(np.array([values]))[0].tolist()
        made = {"any": min(1.0, sum(found[place] for place in self._risky))}
        for place, code in self._risky.items():
            if code:
                made[code] = min(1.0, made.get(code, 0.0) + found[place])
        return made

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order, with the terms that speak for risky classes."""
        return [self._score(exchange) for exchange in exchanges]

    def _score(self, exchange: Exchange) -> Score:
        part, text = exchange.judged
        reader = self.model.reader(self._weights)
        reader.read(text)
        measured = self.measured(reader.value())
        spans = [
            Span(
                part=part,
                start=start,
                end=end,
                by=f"{self.name}.{self._classes[place]}",
                hazard=code,
                weight=self._weights[term][place],
            )
            for term, start, end in self.model.terms(text)
            if term in self._weights
            for place, code in self._risky.items()
            if self._weights[term][place] > 0
        ]
        return Score(
            id=exchange.id,
            severity=measured["any"],
            taxonomy=self.taxonomy,
            hazards={code: value for code, value in measured.items() if code != "any"},
            evidence=tuple(sorted(spans, key=lambda one: (-one.weight, one.start))),
            scorers={self.name: self.version},
            values={self.name: measured},
            attributes=exchange.attributes,
            digest=exchange.digest,
        )

    def begin(self, exchange: Exchange | None = None) -> SS3Reading:
        """Follow a growing text; after each part the values are those of the text so far."""
        return SS3Reading(self)


class SS3Reading:
    """A text that is still being written; every word is read once."""

    def __init__(self, scorer: SS3Scorer) -> None:
        self._scorer = scorer
        self._reader = scorer.model.reader(scorer._weights)

    def feed(self, text: str) -> dict[str, float]:
        """Read on; "any" and hazards -> value of everything read so far."""
        self._reader.read(text)
        return self._scorer.measured(self._reader.value())
