"""`NgramScorer`: linear scores of word and character n-grams, for whole and growing texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError, ValueRangeError
from riskwright.core.scores import Part, Score, Span
from riskwright.evidence.exchanges import MAX_TEXT, Exchange

from .ngram_model import WEIGHTS, NgramModel
from .sparse_rows import SparseRows

__all__ = ["NgramScorer", "NgramState", "default_ngram_scorer"]

Floats = NDArray[np.float64]

_SPANS = 8
_LEXICAL = (
    *("log_characters", "log_words", "familiar", "upper", "digits", "punctuation"),
    *("beyond_ascii", "questions", "exclamations", "lines", "shouted"),
)


class NgramScorer:
    """Scores exchanges by the n-grams of the judged part alone; context is not read.

    The weights that come with the package were learnt from public prompts. Their values say how
    much a text looks like the harmful among those; they order texts (`meaning` is "rank") and are
    neither probabilities nor degrees of gravity before they are calibrated on labels of one's own.
    Log-odds are the mean of two: of the whole text, and of its most suspicious `model.window`
    words in a row, so that a long harmless beginning cannot drown late harm.

    Parameters
    ----------
    model : an `NgramModel`; `default_ngram_scorer` has the one that comes with the package.

    Attributes
    ----------
    name, version, taxonomy, cost : see `riskwright.scoring.perception.Scorer`.

    Notes
    -----
    Some 20 to 100 microseconds a prompt on one core; the interpreter lock is released. A text of
    more than `MAX_TEXT` gets the outcome "failed", one without a single word is scored as
    the average text and marked as out of distribution. A text is out of distribution where fewer
    of its n-grams are known than in 99 of 100 texts of the training sets.

    Examples
    --------
    >>> scorer = default_ngram_scorer()
    >>> calm, rude = scorer.score([Exchange(prompt=t) for t in ("a cake", "you stupid idiot")])
    >>> calm.severity < rude.severity, rude.meaning
    (True, 'rank')
    """

    kind = name = "ngrams"
    one_by_one = True
    cost = 0.0

    def __init__(self, model: NgramModel) -> None:
        self.model = model
        self.taxonomy = model.taxonomy
        self.version = model.version

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order."""
        judged = [exchange.judged for exchange in exchanges]
        texts = [_encoded(text) for _, text in judged]
        kept = [i for i, (_, text) in enumerate(judged) if len(text) <= MAX_TEXT]
        whole, peak, counts = self.model.kernel.scores([texts[i] for i in kept])
        values = self.model.values(whole, peak)
        strange = self._strange(counts)
        found = {
            i: self._scored(exchanges[i], values[row], bool(strange[row]), texts[i])
            for row, i in enumerate(kept)
        }
        return [found.get(i) or self._too_long(exchange) for i, exchange in enumerate(exchanges)]

    def begin(self, exchange: Exchange | None = None) -> NgramState:
        """Start to follow a reply; what was asked before does not change its scores."""
        return NgramState(self.model)

    def explain(self, exchange: Exchange, hazard: str = "any") -> tuple[Span, ...]:
        """All words of the judged part with what each adds to the log-odds of a hazard.

        The weights of the spans and the bias add up to the log-odds of the whole text, which are
        half of the value; those of the most suspicious window are not explained.
        Raises `ParameterError` for a hazard that the model has no output for.
        """
        part, text = exchange.judged
        return tuple(
            Span(part=part, start=start, end=end, by=self.name, hazard=_code(hazard), weight=weight)
            for start, end, weight in self.model.word_weights(_encoded(text), hazard)
        )

    def features(self, texts: Sequence[str]) -> Floats:
        """Dense inputs for heads fitted on local labels: (n, d), columns as `feature_names`.

        Log-odds of every hazard and "any" for the whole text and its highest window, lexical
        summaries (logarithms of lengths, shares), and a dense representation of the n-grams.
        Raises `ValueRangeError` for a text of more than `MAX_TEXT`.
        """
        encoded = _encoded_within(texts)
        whole, peak, counts = self.model.kernel.scores(encoded)
        return np.hstack(
            [whole[:, : peak.shape[1]], peak, _lexical(counts), whole[:, peak.shape[1] :]]
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of `features`."""
        outputs = (*self.model.hazards, "any")
        dense = range(len(self.model.bias) - len(outputs))
        return (
            *outputs,
            *(f"peak_{name}" for name in outputs),
            *_LEXICAL,
            *(f"dense_{k}" for k in dense),
        )

    def inputs(self, texts: Sequence[str]) -> dict[str, Any]:
        """Blocks to fit a `TextHead` to: `features`, and `grams` as a sparse matrix of scipy."""
        return {"features": self.features(texts), "grams": self.grams(texts).tocsr()}

    def grams(self, texts: Sequence[str]) -> SparseRows:
        """tf-idf of the known n-grams, rows of Euclidean length at most 1: (n, n_grams).

        Rarity (idf) comes from the training sets, so that few local texts suffice.
        """
        return self.model.tf_idf(_encoded_within(texts))

    def _strange(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return _familiar(counts) < self.model.familiar

    def _scored(self, exchange: Exchange, values: Floats, strange: bool, text: bytes) -> Score:
        named = dict(zip((*self.model.hazards, "any"), values.tolist(), strict=True))
        severity = named["any"]
        return Score(
            id=exchange.id,
            severity=severity,
            taxonomy=self.taxonomy,
            hazards={code: named[code] for code in self.model.hazards},
            out_of_distribution=strange,
            evidence=self._evidence(exchange.judged[0], text),
            scorers={self.name: self.version},
            values={self.name: named},
            attributes=dict(exchange.attributes),
            digest=exchange.digest,
        )

    def _evidence(self, part: Part, text: bytes) -> tuple[Span, ...]:
        """The words that add most to the overall value."""
        starts, ends, weights = self.model.kernel.words(text, len(self.model.hazards))
        heaviest = np.argsort(-weights, kind="stable")[:_SPANS]
        return tuple(
            Span(
                part=part,
                start=int(starts[i]),
                end=int(ends[i]),
                by=self.name,
                weight=float(weights[i]),
            )
            for i in heaviest
            if weights[i] > 0
        )

    def _too_long(self, exchange: Exchange) -> Score:
        return Score(
            id=exchange.id,
            outcome="failed",
            taxonomy=self.taxonomy,
            scorers={self.name: self.version},
            reason=f"the text is longer than {MAX_TEXT} characters",
            attributes=dict(exchange.attributes),
            digest=exchange.digest,
        )


class NgramState:
    """A text read so far by an `NgramScorer`; see `riskwright.scoring.perception.PrefixState`.

    However the text is cut into chunks, the values are those of the text as a whole, to the bit:
    all sums are of whole numbers. Work per chunk is linear in its length; memory in the number of
    different n-grams.

    Attributes
    ----------
    recent : hazard codes and "any" -> value of the last `model.window` words alone.
    """

    def __init__(self, model: NgramModel) -> None:
        from ._kernels import State

        self._model = model
        self._state = State(model.kernel)
        self._names = (*model.hazards, "any")
        self._length = 0

    def feed(self, text: str) -> dict[str, float]:
        """Read on; see `PrefixState`. Raises `ValueRangeError` beyond `MAX_TEXT`."""
        encoded = _encoded(text)
        if self._length + len(text) > MAX_TEXT:
            raise _too_long(self._length + len(text))
        self._length += len(text)
        self._state.feed(encoded)
        whole, _, peak, _ = self._state.scores()
        values = self._model.values(whole[None], peak[None])[0]
        return dict(zip(self._names, values.tolist(), strict=True))

    @property
    def recent(self) -> Mapping[str, float]:
        _, recent, _, _ = self._state.scores()
        head = recent[None, : len(self._names)]
        values = self._model.values(head, head)[0]
        return dict(zip(self._names, values.tolist(), strict=True))


@cache
def default_ngram_scorer() -> NgramScorer:
    """The scorer with the weights that come with the package; loaded once.

    Raises
    ------
    ContentHashError : the files of the weights were changed.
    """
    return NgramScorer(NgramModel.load(WEIGHTS))


def _encoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ParameterError("not a text", where="text", expected="str", got=type(text).__name__)
    return text.encode("utf-8", "surrogatepass")


def _encoded_within(texts: Sequence[str]) -> list[bytes]:
    if isinstance(texts, str):
        raise ParameterError(
            "a single text", where="texts", expected="a sequence of str", got="str"
        )
    for text in texts:
        if isinstance(text, str) and len(text) > MAX_TEXT:
            raise _too_long(len(text))
    return [_encoded(text) for text in texts]


def _too_long(length: int) -> ValueRangeError:
    return ValueRangeError(
        "the text is too long",
        where="text",
        expected=f"at most {MAX_TEXT} characters",
        got=str(length),
        hint="Cut it into parts and score each",
    )


def _code(hazard: str) -> str:
    return "" if hazard == "any" else hazard


def _familiar(counts: NDArray[np.int64]) -> Floats:
    """Share of the occurrences of n-grams that are known; 0 where there are none."""
    known, unknown = counts[:, -2], counts[:, -1]
    share: Floats = known / np.maximum(known + unknown, 1)
    return share


def _lexical(counts: NDArray[np.int64]) -> Floats:
    (
        characters,
        upper,
        digits,
        questions,
        exclamations,
        punctuation,
        lines,
        beyond,
        shouted,
        words,
    ) = counts[:, :10].T
    per_character = np.maximum(characters, 1)
    return np.column_stack(
        [
            np.log1p(characters),
            np.log1p(words),
            _familiar(counts),
            *(part / per_character for part in (upper, digits, punctuation, beyond)),
            np.log1p(questions),
            np.log1p(exclamations),
            np.log1p(lines),
            shouted / np.maximum(words, 1),
        ]
    )
