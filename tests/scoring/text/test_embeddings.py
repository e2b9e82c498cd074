"""Sentence embeddings: equal to a plain computation, refused where the weights are others."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riskwright.core import ArtifactError, ContentHashError, MissingExtraError, ParameterError
from riskwright.evidence.exchanges import Exchange
from riskwright.scoring.text.embeddings import EmbeddingScorer, SentenceEncoder
from riskwright.scoring.text.heads import TextHead
from riskwright.scoring.text.ngrams import default_ngram_scorer

pytest.importorskip("tokenizers")
pytest.importorskip("safetensors")

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "tea",
    "with",
    "lemon",
    "##s",
    "rude",
    "goblin",
]
WIDTH, HEADS, LAYERS, PLACES = 12, 3, 2, 16


def tensors() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}

    def linear(name: str, out: int, given: int) -> None:
        found[f"{name}.weight"] = rng.normal(size=(out, given)).astype("f4") / math.sqrt(given)
        found[f"{name}.bias"] = rng.normal(size=out).astype("f4")

    def norm(name: str) -> None:
        found[f"{name}.weight"] = rng.uniform(0.5, 2, WIDTH).astype("f4")
        found[f"{name}.bias"] = rng.normal(size=WIDTH).astype("f4")

    for name, rows in (("word", len(WORDS)), ("position", PLACES), ("token_type", 2)):
        found[f"embeddings.{name}_embeddings.weight"] = rng.normal(size=(rows, WIDTH)).astype("f4")
    norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        at = f"encoder.layer.{i}"
        for name in ("query", "key", "value"):
            linear(f"{at}.attention.self.{name}", WIDTH, WIDTH)
        linear(f"{at}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{at}.attention.output.LayerNorm")
        linear(f"{at}.intermediate.dense", 20, WIDTH)
        linear(f"{at}.output.dense", WIDTH, 20)
        norm(f"{at}.output.LayerNorm")
    return found


def written(folder: Path, **changes: Any) -> str:
    """A small encoder in the layout of sentence-transformers; its digest."""
    from safetensors.numpy import save_file

    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": PLACES,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    save_file(tensors(), folder / "model.safetensors")
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def encoder(tmp_path: Path) -> SentenceEncoder:
    return SentenceEncoder(tmp_path, written(tmp_path))


def plain_embedding(ids: list[int]) -> np.ndarray:
    """One text at a time, one head and one row at a time, in 64-bit numbers."""
    t = {name: array.astype(float) for name, array in tensors().items()}

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return np.array([t[f"{name}.weight"] @ row + t[f"{name}.bias"] for row in x])

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        scaled = [(row - row.mean()) / math.sqrt(row.var() + 1e-12) for row in x]
        return np.array(scaled) * t[f"{name}.weight"] + t[f"{name}.bias"]

    first = [
        t["embeddings.word_embeddings.weight"][token]
        + t["embeddings.position_embeddings.weight"][place]
        + t["embeddings.token_type_embeddings.weight"][0]
        for place, token in enumerate(ids)
    ]
    x = norm(np.array(first), "embeddings.LayerNorm")
    size = WIDTH // HEADS
    for i in range(LAYERS):
        at = f"encoder.layer.{i}"
        q, k, v = (linear(x, f"{at}.attention.self.{n}") for n in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            for row in range(len(x)):
                e = np.exp([q[row, part] @ k[j, part] / math.sqrt(size) for j in range(len(x))])
                mixed[row, part] = (e / e.sum()) @ v[:, part]
        x = norm(
            x + linear(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm"
        )
        wide = linear(x, f"{at}.intermediate.dense")
        active = np.vectorize(lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2))))(wide)
        x = norm(x + linear(active, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


TEXTS = {
    "Tea with lemons": [2, 5, 6, 7, 8, 3],
    "": [2, 3],
    "rude zebra goblin rude": [2, 9, 1, 10, 9, 3],
    "tea": [2, 5, 3],
}


def test_embeddings_are_those_of_a_plain_computation(encoder: SentenceEncoder) -> None:
    found = encoder.encode(list(TEXTS))
    expected = [plain_embedding(ids) for ids in TEXTS.values()]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_other_texts_in_the_batch_change_nothing(encoder: SentenceEncoder) -> None:
    together = encoder.encode(list(TEXTS))
    alone = np.vstack([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    assert encoder.encode([]).shape == (0, WIDTH)


def test_long_texts_are_cut_and_counted(encoder: SentenceEncoder) -> None:
    cut, whole = encoder.encode(["tea " * 100, "tea " * (PLACES - 2)])
    np.testing.assert_allclose(cut, whole, atol=1e-6)
    assert encoder.cut == 1


def test_other_weights_than_those_named_are_refused(tmp_path: Path) -> None:
    digest = written(tmp_path)
    with pytest.raises(ContentHashError, match="not the weights that were named"):
        SentenceEncoder(tmp_path, "0" * 64)
    assert (
        SentenceEncoder(tmp_path, f"sha256:{digest.upper()}".replace("SHA", "sha")).width == WIDTH
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"num_attention_heads": 5},
        {"num_attention_heads": 0},
        {"hidden_size": "wide"},
        {"num_hidden_layers": 3},
    ],
)
def test_other_encoders_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    digest = written(tmp_path, **changes)
    with pytest.raises(ArtifactError):
        SentenceEncoder(tmp_path, digest)


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read"):
        SentenceEncoder(tmp_path, "0" * 64)
    digest = written(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ArtifactError, match="no tokenizer"):
        SentenceEncoder(tmp_path, digest)


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = written(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"riskwright\[embed\]"):
        SentenceEncoder(tmp_path, digest)


def test_a_fitted_head_scores_exchanges(encoder: SentenceEncoder) -> None:
    texts = ["tea with lemon", "lemon tea", "tea", "rude goblin", "goblin rude", "rude"] * 4
    scorer = EmbeddingScorer(encoder, ngrams=default_ngram_scorer())
    (unfitted,) = scorer.score([Exchange(prompt="tea")])
    assert (unfitted.severity, unfitted.values) == (None, {})
    y = ["rude" in text for text in texts]
    before = scorer.version
    scorer.head = TextHead().fit(scorer.inputs(texts), y)
    assert scorer.version != before
    long = Exchange(prompt="tea " * 300_000, id="long")
    found = scorer.score([Exchange(prompt="tea lemon"), long, Exchange(reply="rude rude")])
    assert [score.outcome for score in found] == ["scored", "failed", "scored"]
    assert found[0].severity < 0.5 < found[2].severity
    assert found[2].values == {"embeddings": {"any": found[2].severity}}
    assert found[2].scorers == {"embeddings": scorer.version}
    again = EmbeddingScorer.from_settings(json.loads(json.dumps(scorer.settings())))
    assert again.version == scorer.version
    assert again.score([Exchange(prompt="tea lemon")])[0].severity == found[0].severity


def test_what_was_cut_was_not_judged(encoder: SentenceEncoder) -> None:
    long, short = "tea lemon " * 200, "tea lemon"
    scores = EmbeddingScorer(encoder).score([Exchange(prompt=long), Exchange(reply=short)])
    (span,) = scores[0].judged
    assert long[: span.end].split() == ["tea", "lemon"] * (len(long[: span.end].split()) // 2)
    assert 0 < span.end < len(long)
    assert (scores[1].judged[0].part, scores[1].judged[0].end) == ("reply", len(short))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"path": "x"}, "no sha256"),
        ({"path": 3, "sha256": "0"}, "no path"),
        ({"path": "x", "sha256": "0", "max_tokens": "many"}, "max_tokens"),
        ({"path": "x", "sha": "0"}, "Did you mean 'sha256'"),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        EmbeddingScorer.from_settings(settings)
