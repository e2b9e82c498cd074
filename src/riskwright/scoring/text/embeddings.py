"""`SentenceEncoder`: sentence embeddings of BERT-type encoders in NumPy; `EmbeddingScorer`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ArtifactError, ContentHashError, MissingExtraError, ParameterError
from riskwright.core.artifacts import content_hash
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Score, Span
from riskwright.evidence.exchanges import MAX_TEXT, Exchange
from riskwright.stats._threads import one_blas_thread

from .heads import TextHead
from .ngrams import NgramScorer, default_ngram_scorer

__all__ = ["EmbeddingScorer", "SentenceEncoder"]

Floats = NDArray[np.float32]

_BATCH_TOKENS = 4096
_READ_BYTES = 2**20
_ARRAYS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}


class SentenceEncoder:
    """A BERT encoder with mean pooling and rows of length 1, such as all-MiniLM-L6-v2.

    Parameters
    ----------
    folder : with `config.json`, `model.safetensors`, and `tokenizer.json` or `vocab.txt`, as
        sentence-transformers keeps them. Nothing is downloaded.
    sha256 : of `model.safetensors`, 64 hexadecimal digits.
    max_tokens : longer texts are cut, as the encoder was trained; `cut` counts them.

    Attributes
    ----------
    version : digest of weights, tokenizer and configuration.
    width : columns of the embeddings.
    cut : texts that were cut so far.

    Raises
    ------
    MissingExtraError : `riskwright[embed]` is not installed.
    ContentHashError : the weights are other than those named.
    ArtifactError : a file is absent or is no such encoder.

    Notes
    -----
    In 32-bit numbers, one thread of linear algebra; texts of similar length share a batch. With 6
    layers of width 384 about 12 ms a short text on one core. Devlin et al. (2019), NAACL; Reimers
    & Gurevych (2019), EMNLP. Weights are read as numbers, never run.
    """

    def __init__(
        self, folder: str | os.PathLike[str], sha256: str, *, max_tokens: int = 256
    ) -> None:
        self._folder = Path(folder)
        weights = self._folder / "model.safetensors"
        _check_digest(weights, sha256)
        config, settings = _config(self._folder)
        self._heads = config["num_attention_heads"]
        self._epsilon = np.float32(config["layer_norm_eps"])
        self._padding = int(config.get("pad_token_id") or 0)
        self.max_tokens = min(max_tokens, config["max_position_embeddings"])
        self._tokenizer, words = _tokenizer(self._folder, self.max_tokens)
        self._arrays = _arrays(weights, config)
        self.width = int(config["hidden_size"])
        self.cut = 0
        self.sha256 = sha256.lower().removeprefix("sha256:")
        self.version = "sha256:" + content_hash([self.sha256, words, settings, self.max_tokens])

    @property
    def folder(self) -> Path:
        return self._folder

    @one_blas_thread()
    def encode(self, texts: Sequence[str]) -> Floats:
        """(n, width) embeddings. Raises `ParameterError` for what is no text or is too long."""
        tokens = self._tokens(texts)
        self.cut += sum(bool(row.overflowing) for row in tokens)
        ids = [row.ids for row in tokens]
        found = np.zeros((len(ids), self.width), dtype=np.float32)
        for rows in _batches([len(row) for row in ids]):
            found[rows] = self._pooled([ids[i] for i in rows])
        return found

    def reach(self, texts: Sequence[str]) -> list[int]:
        """How many characters of each text are read; the rest is cut. Errors as for `encode`."""
        return [
            max((end for _, end in row.offsets), default=0) if row.overflowing else len(text)
            for text, row in zip(texts, self._tokens(texts), strict=True)
        ]

    def _tokens(self, texts: Sequence[str]) -> list[Any]:
        for text in texts:
            if not isinstance(text, str) or len(text) > MAX_TEXT:
                raise ParameterError(
                    "cannot be embedded",
                    where="texts",
                    expected=f"a sequence of str of at most {MAX_TEXT} characters",
                    got=f"{len(text)} characters" if isinstance(text, str) else type(text).__name__,
                )
        written = [text.encode("utf-8", "replace").decode() for text in texts]
        found: list[Any] = self._tokenizer.encode_batch(written)
        return found

    def _pooled(self, ids: list[list[int]]) -> Floats:
        longest = max(len(row) for row in ids)
        tokens = np.full((len(ids), longest), self._padding)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = row
        present = np.arange(longest) < np.array([[len(row)] for row in ids])
        hidden = self._hidden(tokens, present)
        mask = present[:, :, None].astype(np.float32)
        mean = (hidden * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0)
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        pooled: Floats = mean / np.maximum(length, np.float32(1e-12))
        return pooled

    def _hidden(self, tokens: NDArray[np.int_], present: NDArray[np.bool_]) -> Floats:
        first = self._arrays["embeddings"]
        hidden = first["words"][tokens] + first["positions"][: tokens.shape[1]] + first["kinds"][0]
        hidden = self._normed(hidden, first["norm"])
        hiding = np.where(present, np.float32(0), np.float32(-1e30))[:, None, None, :]
        for layer in self._arrays["layers"]:
            attended = self._attention(hidden, layer, hiding)
            hidden = self._normed(hidden + attended, layer["attended_norm"])
            wide = _gelu(_linear(hidden, layer["wide"]))
            hidden = self._normed(hidden + _linear(wide, layer["narrow"]), layer["narrow_norm"])
        return hidden

    def _attention(self, hidden: Floats, layer: dict[str, Any], hiding: Floats) -> Floats:
        n, longest, width = hidden.shape

        def split(name: str) -> Floats:
            parted = _linear(hidden, layer[name]).reshape(n, longest, self._heads, -1)
            return np.ascontiguousarray(parted.transpose(0, 2, 1, 3))

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // self._heads))
        scores += hiding
        scores -= scores.max(axis=-1, keepdims=True)
        shares = np.exp(scores, out=scores)
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = (shares @ value).transpose(0, 2, 1, 3).reshape(n, longest, width)
        return _linear(mixed, layer["attended"])

    def _normed(self, x: Floats, norm: tuple[Floats, Floats]) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        found: Floats = centred / np.sqrt(variance + self._epsilon) * norm[0] + norm[1]
        return found


class EmbeddingScorer:
    """Sentence embeddings for a guard to learn from, or a head of their own that scores exchanges.

    Parameters
    ----------
    encoder : the `SentenceEncoder`.
    head : a `TextHead` fitted to `inputs` of labelled texts. Without one there is no severity:
        `Guard.fit` learns from the embeddings (`features`) beside what the other scorers say.
    ngrams : scorer whose `inputs` stand beside the embeddings, by default none.

    Notes
    -----
    The severity is the head's probability of the label that it was fitted to; its `meaning` stays
    "rank" until it is calibrated on rows that the head has not seen. Only the judged part is read,
    and of that what the encoder takes: `Score.judged` says how far.
    """

    kind = "embedding"
    name = "embeddings"
    cost = 0.0
    taxonomy = "ailuminate"

    def __init__(
        self,
        encoder: SentenceEncoder,
        head: TextHead | None = None,
        *,
        ngrams: NgramScorer | None = None,
    ) -> None:
        self.encoder, self.head, self.ngrams = encoder, head, ngrams

    @property
    def version(self) -> str:
        """Digest of encoder, head and n-grams."""
        head = None if self.head is None else self.head.to_json()
        beside = None if self.ngrams is None else self.ngrams.version
        return "sha256:" + content_hash([self.encoder.version, head, beside])

    def settings(self) -> dict[str, Any]:
        """What `from_settings` makes an equal scorer of, as plain values; the weights by digest."""
        told: dict[str, Any] = {
            "path": str(self.encoder.folder.absolute()),
            "sha256": self.encoder.sha256,
            "max_tokens": self.encoder.max_tokens,
        }
        if self.head is not None:
            told["head"] = self.head.to_json()
        return told if self.ngrams is None else {**told, "ngrams": True}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> EmbeddingScorer:
        """A scorer from plain values: `path` of the encoder's folder, `sha256`, `max_tokens`.

        Raises `ParameterError`, and the errors of `SentenceEncoder`.
        """
        known = ("path", "sha256", "max_tokens", "head", "ngrams")
        for key in settings:
            if key not in known:
                raise ParameterError(
                    f"unknown key {quoted(key)}", where="embedding", hint=nearest(key, known)
                )
        for key in ("path", "sha256"):
            if not isinstance(settings.get(key), str):
                raise ParameterError(f"no {key}", where="embedding", expected=f"{key}: TEXT")
        most, head = settings.get("max_tokens", 256), settings.get("head")
        if isinstance(most, bool) or not isinstance(most, int) or most < 3:
            raise ParameterError(
                "value out of range", where="embedding: max_tokens", expected="at least 3"
            )
        return cls(
            SentenceEncoder(settings["path"], settings["sha256"], max_tokens=most),
            None if head is None else TextHead.from_json(head),
            ngrams=default_ngram_scorer() if settings.get("ngrams") else None,
        )

    def features(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, width) embeddings, from which a guard learns."""
        return self.encoder.encode(texts).astype(np.float64)

    def inputs(self, texts: Sequence[str]) -> dict[str, Any]:
        """Blocks for `TextHead`."""
        beside = {} if self.ngrams is None else self.ngrams.inputs(texts)
        return {"embedding": self.features(texts), **beside}

    def score(self, exchanges: Sequence[Exchange]) -> list[Score]:
        """One score per exchange, in order; "failed" for texts beyond `MAX_TEXT`."""
        version = self.version
        kept = [i for i, e in enumerate(exchanges) if len(e.judged[1]) <= MAX_TEXT]
        texts = [exchanges[i].judged[1] for i in kept]
        found: list[float | None] = [None] * len(kept)
        if kept and self.head is not None:
            found = self.head.predict(self.inputs(texts)).tolist()
        read = dict(zip(kept, zip(found, self.encoder.reach(texts), strict=True), strict=True))
        return [self._scored(e, read.get(i), version) for i, e in enumerate(exchanges)]

    def _scored(
        self, exchange: Exchange, read: tuple[float | None, int] | None, version: str
    ) -> Score:
        common: dict[str, Any] = {
            "id": exchange.id,
            "taxonomy": self.taxonomy,
            "scorers": {self.name: version},
            "attributes": dict(exchange.attributes),
            "digest": exchange.digest,
        }
        if read is None:
            reason = f"the text is longer than {MAX_TEXT} characters"
            return Score(outcome="failed", reason=reason, **common)
        severity, end = read
        return Score(
            severity=severity,
            values={} if severity is None else {self.name: {"any": severity}},
            judged=(Span(part=exchange.judged[0], start=0, end=end, by=self.name),),
            **common,
        )


def _linear(x: Floats, arrays: tuple[Floats, Floats]) -> Floats:
    found: Floats = x @ arrays[0] + arrays[1]
    return found


def _gelu(x: Floats) -> Floats:
    from scipy.special import erf

    found: Floats = np.float32(0.5) * x * (np.float32(1) + erf(x * np.float32(np.sqrt(0.5))))
    return found


def _batches(lengths: list[int]) -> list[list[int]]:
    """Rows of similar length, at most `_BATCH_TOKENS` tokens together."""
    found: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[found[-1][0]] if found else 0
        if found and longest * (len(found[-1]) + 1) <= _BATCH_TOKENS:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _check_digest(path: Path, sha256: str) -> None:
    state = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(_READ_BYTES):
                state.update(part)
    except OSError as error:
        raise ArtifactError("cannot read", where=str(path), got=error.strerror) from None
    if state.hexdigest() != str(sha256).lower().removeprefix("sha256:"):
        raise ContentHashError(
            "not the weights that were named",
            where=str(path),
            expected=f"sha256 {sha256}",
            got=state.hexdigest(),
            hint="Use the original file, or name the digest of the one that you trust",
        )


def _config(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / "config.json"
    try:
        text = path.read_text(encoding="utf-8")
        config = json.loads(text)
        sizes = (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "max_position_embeddings",
        )
        for name in sizes:
            config[name] = int(config[name])
        config["layer_norm_eps"] = float(config["layer_norm_eps"])
        fits = config["hidden_size"] % config["num_attention_heads"] == 0
    except OSError as error:
        raise ArtifactError("cannot read", where=str(path), got=error.strerror) from None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise ArtifactError("not the configuration of a BERT encoder", where=str(path)) from None
    kind = (config.get("model_type"), config.get("hidden_act"))
    if kind != ("bert", "gelu") or not fits:
        raise ArtifactError(
            "another kind of encoder",
            where=str(path),
            expected='model_type "bert", hidden_act "gelu", width a multiple of the heads',
            got=f"{kind[0]}, {kind[1]}",
        )
    return config, hashlib.sha256(text.encode()).hexdigest()


def _tokenizer(folder: Path, max_tokens: int) -> tuple[Any, str]:
    try:
        from tokenizers import BertWordPieceTokenizer, Tokenizer
    except ImportError:
        raise _missing() from None
    path = next((p for n in ("tokenizer.json", "vocab.txt") if (p := folder / n).is_file()), None)
    if path is None:
        raise ArtifactError(
            "no tokenizer", where=str(folder), expected="tokenizer.json or vocab.txt"
        )
    try:
        whole = path.suffix == ".json"
        made = Tokenizer.from_file(str(path)) if whole else BertWordPieceTokenizer(str(path))
    except Exception:
        raise ArtifactError("not a tokenizer", where=str(path)) from None
    made.no_padding()
    made.enable_truncation(max_tokens)
    return made, hashlib.sha256(path.read_bytes()).hexdigest()


def _arrays(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    try:
        from safetensors.numpy import load_file
    except ImportError:
        raise _missing() from None
    try:
        named = {name.removeprefix("bert."): a for name, a in load_file(path).items()}

        def pair(name: str) -> tuple[Floats, Floats]:
            weight, bias = (
                named[f"{name}.{part}"].astype(np.float32) for part in ("weight", "bias")
            )
            return (np.ascontiguousarray(weight.T) if weight.ndim == 2 else weight), bias

        layers = [
            {ours: pair(f"encoder.layer.{i}.{theirs}") for ours, theirs in _ARRAYS.items()}
            for i in range(config["num_hidden_layers"])
        ]
        tables = {
            ours: named[f"embeddings.{theirs}_embeddings.weight"].astype(np.float32)
            for ours, theirs in (
                ("words", "word"),
                ("positions", "position"),
                ("kinds", "token_type"),
            )
        }
    except Exception:
        raise ArtifactError("not the weights of a BERT encoder", where=str(path)) from None
    return {"embeddings": {**tables, "norm": pair("embeddings.LayerNorm")}, "layers": layers}


def _missing() -> MissingExtraError:
    return MissingExtraError(
        "sentence embeddings need tokenizers and safetensors",
        hint='Run: pip install "riskwright[embed]"',
    )
