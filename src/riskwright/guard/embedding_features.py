"""`EmbeddingFeatures`: sentence embeddings as inputs of what a guard learns from labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.text.embeddings import MAX_CHARACTERS, SentenceEncoder
from riskwright.taxonomy.crosswalks import PIVOT

__all__ = ["EmbeddingFeatures"]

_KEYS = ("path", "sha256", "max_tokens")


class EmbeddingFeatures:
    """A scorer without a word of its own: its embeddings enter the heads that `Guard.fit` learns.

    Parameters
    ----------
    path, sha256, max_tokens : of the `SentenceEncoder`; errors as there.

    Notes
    -----
    It gives no severity, so that a guard needs another scorer beside it before it is fitted.
    """

    name = "embeddings"
    kind = "embedding"
    cost = 0.0
    taxonomy = PIVOT

    def __init__(self, path: str, sha256: str, *, max_tokens: int = 256) -> None:
        self._settings = {"path": str(path), "sha256": sha256, "max_tokens": max_tokens}
        self._encoder = SentenceEncoder(path, sha256, max_tokens=max_tokens)
        self.version = self._encoder.version

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> EmbeddingFeatures:
        """From plain values, such as those of a file. Raises `ParameterError`."""
        for key in settings:
            if key not in _KEYS:
                raise ParameterError(
                    f"unknown setting {quoted(key)}", where="embedding", hint=nearest(key, _KEYS)
                )
        lacking = [key for key in _KEYS[:2] if not isinstance(settings.get(key), str)]
        if lacking:
            raise ParameterError(
                f"no {lacking[0]}",
                where="embedding",
                expected="path (a folder) and sha256 (of model.safetensors in it)",
            )
        return cls(**settings)

    def settings(self) -> dict[str, Any]:
        """What `from_settings` makes it of."""
        return dict(self._settings)

    def features(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, width) embeddings."""
        return self._encoder.encode(texts).astype(np.float64)

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """Scores without a severity; "failed" for texts that cannot be embedded."""
        return [self._score(exchange) for exchange in exchanges]

    def _score(self, exchange: Exchange) -> Score:
        long = len(exchange.judged[1]) > MAX_CHARACTERS
        return Score(
            id=exchange.id,
            outcome="failed" if long else "scored",
            reason=f"the text is longer than {MAX_CHARACTERS} characters" if long else "",
            taxonomy=self.taxonomy,
            scorers={self.name: self.version},
            attributes=exchange.attributes,
            digest=exchange.digest,
        )
