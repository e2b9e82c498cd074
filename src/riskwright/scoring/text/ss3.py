"""`SS3Classifier`: values words by class, sums them up to sentences, paragraphs and texts."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from riskwright.core import (
    DataError,
    EmptyDataError,
    ParameterError,
    Record,
    TargetError,
    UsageError,
)

from .ss3_reading import Operator, Reader, Sum, Vector, terms
from .ss3_values import global_values

__all__ = ["MAX_TERMS", "Explained", "SS3Classifier", "shares"]

Floats = NDArray[np.float64]

MAX_TERMS = 2_000_000
"""The most terms that a model may hold over all classes."""


class Explained(Record, frozen=True, kw_only=True):
    """What one stretch of a text says for each class, and the parts that this is made of.

    `kind` is "text", "paragraph", "sentence" or "term"; `start` and `end` are characters; `values`
    maps each class (as text) to its value.
    """

    kind: Literal["text", "paragraph", "sentence", "term"]
    start: int
    end: int
    values: dict[str, float]
    parts: tuple[Explained, ...] = ()


class SS3Classifier(ClassifierMixin, BaseEstimator):
    """Text classifier that learns and reads step by step and explains every word.

    Parameters
    ----------
    smoothness : sigma in (0, 1]; the smaller, the less frequent words count more.
    significance : lambda > 0; the larger, the more must a word differ between classes.
    sanction : rho >= 0; the larger, the less counts a word that several classes share.
    n_grams : terms of up to so many words within a sentence, 1 to 5.
    min_count : rarer terms of a class have no value for it.
    summary : operators that sum up terms to a sentence, sentences to a paragraph, paragraphs to a
        text, each "sum", "mean" or "max".

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    vocabulary_ : dict of term -> row, in the order of the terms.
    counts_ : array of shape (n_terms, n_classes) of int
    global_values_ : array of shape (n_terms, n_classes) of float, see `global_values`.
    n_texts_ : array of shape (n_classes,), texts learned from.

    Notes
    -----
    Learning only counts, so `partial_fit` in any order and any parts gives exactly what `fit`
    gives. Reading costs O(n_grams * n_classes) a word; a growing text is read once. A text without
    any valued term goes to the class with the most texts. Values are no probabilities:
    `predict_proba` gives shares, (value + 1 / n_classes) / (sum of values + 1), which order texts
    and must be calibrated before they are read as risks.

    Sentences end at . ! ? and their full-width forms, paragraphs at line ends; a word is a run of
    letters and digits (of at most 64), an ideograph or kana stands by itself.

    Examples
    --------
    >>> texts = ["red red apple", "red apple pie", "blue blue sea", "deep blue sea"]
    >>> model = SS3Classifier(min_count=1).fit(texts, ["fruit", "fruit", "water", "water"])
    >>> model.predict(["the sea is blue", "a red pie"]).tolist()
    ['water', 'fruit']
    >>> model.partial_fit(["green pear"], ["fruit"]).predict(["pear"]).tolist()
    ['fruit']
    """

    def __init__(
        self,
        *,
        smoothness: float = 0.45,
        significance: float = 0.5,
        sanction: float = 1.0,
        n_grams: int = 1,
        min_count: int = 2,
        summary: tuple[Operator, Operator, Operator] = ("sum", "sum", "sum"),
    ) -> None:
        self.smoothness = smoothness
        self.significance = significance
        self.sanction = sanction
        self.n_grams = n_grams
        self.min_count = min_count
        self.summary = summary

    def fit(self, X: Sequence[str], y: ArrayLike) -> SS3Classifier:
        """Learn from texts and their classes, forgetting what was learned before.

        Raises
        ------
        ParameterError : a parameter out of range.
        DataError : X is no list of texts, or holds more than `MAX_TERMS` terms.
        TargetError : y has another length or is not of whole numbers, booleans or text.
        """
        for name in ("classes_", "_counted", "_texts"):
            self.__dict__.pop(name, None)
        return self.partial_fit(X, y)

    def partial_fit(
        self, X: Sequence[str], y: ArrayLike, classes: ArrayLike | None = None
    ) -> SS3Classifier:
        """Learn from further texts; `classes` may name classes of which no text has come yet."""
        self._checked()
        texts = _texts(X)
        labels = _labels(y, len(texts))
        counted: dict[Any, Counter[str]] = dict(getattr(self, "_counted", {}))
        learned: Counter[Any] = Counter(getattr(self, "_texts", {}))
        for label in () if classes is None else _labels(classes, None):
            counted.setdefault(label, Counter())
        for label in set(labels):
            chosen = [text for text, one in zip(texts, labels, strict=True) if one == label]
            counted[label] = Counter(counted.get(label, ()))
            for text in chosen:
                counted[label].update([term for term, _, _ in self.terms(text)])
            learned[label] += len(chosen)
        if sum(map(len, counted.values())) > MAX_TERMS:
            raise DataError(
                "too many terms", where="X", expected=f"at most {MAX_TERMS:,} over all classes"
            )
        self._set(counted, learned)
        return self

    def set_params(self, **params: Any) -> SS3Classifier:
        """Set parameters; all but `n_grams` act on what is learned already, without a new `fit`."""
        super().set_params(**params)
        self._forget()
        return self

    def _forget(self) -> None:
        for name in ("_learned", "_weights", "vocabulary_"):
            self.__dict__.pop(name, None)

    def _set(self, counted: dict[Any, Counter[str]], learned: Counter[Any]) -> None:
        try:
            order = sorted(counted)
        except TypeError:
            raise TargetError("classes of different types", where="y") from None
        self._counted = {label: counted[label] for label in order}
        self._texts = learned
        self.classes_ = np.asarray(order)
        self.n_texts_ = np.array([learned[label] for label in order])
        self._forget()

    def _checked(self) -> None:
        wrong = [
            (name, expected)
            for name, good, expected in (
                ("smoothness", 0 < self.smoothness <= 1, "in (0, 1]"),
                ("significance", self.significance > 0, "> 0"),
                ("sanction", self.sanction >= 0, ">= 0"),
                ("n_grams", self.n_grams in range(1, 6), "1 to 5"),
                ("min_count", self.min_count >= 1, "at least 1"),
            )
            if not good
        ]
        for name, expected in wrong:
            raise ParameterError(
                "out of range", where=name, expected=expected, got=repr(getattr(self, name))
            )
        if len(self.summary) != 3 or not {"sum", "mean", "max"} >= set(self.summary):
            raise ParameterError(
                "unknown operator", where="summary", expected="three of sum, mean, max"
            )

    def _fitted(self) -> None:
        if not hasattr(self, "classes_"):
            raise UsageError(
                "the classifier has learned nothing", where="SS3Classifier", hint="Call fit first"
            )

    @functools.cached_property
    def _learned(self) -> tuple[list[str], NDArray[np.int64], Floats]:
        """Terms in order, their counts and their global values."""
        self._fitted()
        found = sorted(set().union(*self._counted.values()))
        counts = np.array(
            [[one[term] for term in found] for one in self._counted.values()], dtype=np.int64
        ).T.reshape(len(found), len(self._counted))
        length = np.array([term.count(" ") for term in found], dtype=np.int64)
        most = np.zeros(counts.shape)
        for n in range(self.n_grams):
            most[length == n] = counts[length == n].max(axis=0, initial=0)
        values = global_values(
            counts,
            smoothness=self.smoothness,
            significance=self.significance,
            sanction=self.sanction,
            most=most,
            min_count=self.min_count,
        )
        return found, counts, values

    @functools.cached_property
    def vocabulary_(self) -> dict[str, int]:
        return {term: row for row, term in enumerate(self._learned[0])}

    @property
    def counts_(self) -> NDArray[np.int64]:
        return self._learned[1]

    @property
    def global_values_(self) -> Floats:
        return self._learned[2]

    @functools.cached_property
    def _weights(self) -> dict[str, Vector]:
        """The terms that have a value for any class."""
        found, _, values = self._learned
        rows = np.flatnonzero(values.any(axis=1)).tolist()
        return {found[row]: tuple(values[row].tolist()) for row in rows}

    def class_values(self, X: Sequence[str]) -> Floats:
        """The value of each text for each class, of shape (n_texts, n_classes)."""
        self._fitted()
        made = np.array([self._value(text) for text in _texts(X)], dtype=np.float64)
        return made.reshape(-1, len(self.classes_))

    def _value(self, text: str) -> Vector:
        reader = self.reader()
        reader.read(text)
        return reader.value()

    def reader(self, weights: Mapping[str, Vector] | None = None) -> Reader:
        """What reads one text part by part; see `class_values`."""
        told = self._weights if weights is None else weights
        return Reader(told, len(self.classes_), self.n_grams, self.summary)

    def weights(self) -> dict[str, Vector]:
        """Term -> its global values, for the terms that have one for any class."""
        return self._weights

    def terms(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Terms of a text and their places, in the order of reading."""
        for kind, term, start, end in terms(text, self.n_grams):
            if kind == "word":
                yield term, start, end

    def decision_function(self, X: Sequence[str]) -> Floats:
        """The values; for two classes that of the second less that of the first."""
        values = self.class_values(X)
        return values[:, 1] - values[:, 0] if values.shape[1] == 2 else values

    def predict_proba(self, X: Sequence[str]) -> Floats:
        """Shares of the classes, of shape (n_texts, n_classes); uniform where nothing is known."""
        return shares(self.class_values(X))

    def predict(self, X: Sequence[str]) -> NDArray[Any]:
        """The class with the greatest value; the most frequent where no term has any."""
        values = self.class_values(X)
        values[~values.any(axis=1), int(np.argmax(self.n_texts_))] = 1.0
        labels: NDArray[Any] = self.classes_[np.argmax(values, axis=1)]
        return labels

    def explain(self, text: str) -> Explained:
        """The value of the text, its paragraphs, sentences and valued terms, nested.

        Terms without any value are left out. No text is held, only places.

        Examples
        --------
        >>> model = SS3Classifier(min_count=1).fit(["red apple", "blue sea"], [0, 1])
        >>> whole = model.explain("A red car. The sea!")
        >>> [(s.start, s.end, s.values) for s in whole.parts[0].parts]
        [(0, 9, {'0': 1.0, '1': 0.0}), (11, 18, {'0': 0.0, '1': 1.0})]
        """
        self._fitted()
        [text] = _texts([text])
        paragraphs: list[Explained] = []
        sentences: list[Explained] = []
        words: list[tuple[str, int, int]] = []
        for kind, term, start, end in (*terms(text, self.n_grams), ("line", "", 0, 0)):
            if kind == "word":
                words.append((term, start, end))
                continue
            if words:
                sentences.append(self._sentence(words))
                words = []
            if kind == "line" and sentences:
                paragraphs.append(self._over("paragraph", 1, sentences))
                sentences = []
        return self._over("text", 2, paragraphs, (0, len(text)))

    def _sentence(self, words: list[tuple[str, int, int]]) -> Explained:
        level = Sum(self.summary[0], len(self.classes_))
        parts = []
        for term, start, end in words:
            values = self._weights.get(term)
            level.add(values)
            if values:
                told = self._told(values)
                parts.append(Explained(kind="term", start=start, end=end, values=told))
        return Explained(
            kind="sentence",
            start=words[0][1],
            end=words[-1][2],
            values=self._told(level.value()),
            parts=tuple(parts),
        )

    def _over(
        self,
        kind: Literal["paragraph", "text"],
        level: int,
        parts: list[Explained],
        place: tuple[int, int] | None = None,
    ) -> Explained:
        made = Sum(self.summary[level], len(self.classes_))
        for part in parts:
            made.add(tuple(part.values.values()))
        start, end = place or (parts[0].start, parts[-1].end)
        told = self._told(made.value())
        return Explained(kind=kind, start=start, end=end, values=told, parts=tuple(parts))

    def _told(self, values: Vector) -> dict[str, float]:
        return dict(zip(map(str, self.classes_.tolist()), values, strict=True))

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`: settings and counts."""
        self._fitted()
        found, counts, _ = self._learned
        params = self.get_params()
        params["summary"] = list(self.summary)
        return "ss3", {
            "params": params,
            "classes": self.classes_.tolist(),
            "n_texts": self.n_texts_.tolist(),
            "terms": found,
            "counts": counts.T.tolist(),
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> SS3Classifier:
        """The classifier that `to_artifact` described; it can go on learning."""
        params = dict(body["params"])
        params["summary"] = tuple(params["summary"])
        model = cls(**params)
        model._checked()
        rows = zip(body["classes"], body["counts"], strict=True)
        counted = {
            label: Counter(
                {term: int(n) for term, n in zip(body["terms"], row, strict=True) if int(n) > 0}
            )
            for label, row in rows
        }
        learned = zip(body["classes"], map(int, body["n_texts"]), strict=True)
        model._set(counted, Counter(dict(learned)))
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags


def shares(values: Floats) -> Floats:
    """(value + 1 / n_classes) / (sum of values + 1), by row."""
    uniform = 1.0 / values.shape[1]
    made: Floats = (values + uniform) / (values.sum(axis=1, keepdims=True) + 1.0)
    return made


def _texts(X: Any) -> list[str]:
    if isinstance(X, str) or not hasattr(X, "__len__"):
        raise DataError("not a list of texts", where="X", got=type(X).__name__)
    texts = list(X)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                "not a text", where=f"X, row {place}", expected="str", got=type(text).__name__
            )
    if not texts:
        raise EmptyDataError("no texts", where="X")
    return [str(text) for text in texts]


def _labels(y: Any, n: int | None) -> list[Any]:
    labels = np.asarray(y)
    if labels.ndim != 1 or (n is not None and len(labels) != n):
        raise TargetError(
            "wrong shape", where="y", expected=f"({n},)", got=str(tuple(labels.shape))
        )
    found: list[Any] = labels.tolist()
    for place, label in enumerate(found):
        if not isinstance(label, str | int | bool):
            raise TargetError(
                "not a class",
                where=f"y, row {place}",
                expected="text, whole numbers or booleans",
                got=type(label).__name__,
            )
    return found
