"""Scorers of text that run offline: rules, n-grams, incremental classifiers, embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .embeddings import EmbeddingScorer, SentenceEncoder
    from .heads import TextHead
    from .ngram_model import NgramModel
    from .ngram_training import train_ngrams
    from .ngrams import NgramScorer, default_ngram_scorer
    from .rules import RuleScorer, TermList, redact

_HOMES = {
    "EmbeddingScorer": "embeddings",
    "NgramModel": "ngram_model",
    "NgramScorer": "ngrams",
    "RuleScorer": "rules",
    "SentenceEncoder": "embeddings",
    "TermList": "rules",
    "TextHead": "heads",
    "default_ngram_scorer": "ngrams",
    "redact": "rules",
    "train_ngrams": "ngram_training",
}

__all__ = [
    "EmbeddingScorer",
    "NgramModel",
    "NgramScorer",
    "RuleScorer",
    "SentenceEncoder",
    "TermList",
    "TextHead",
    "default_ngram_scorer",
    "redact",
    "train_ngrams",
]

__getattr__ = lazy_names(__name__, _HOMES)
