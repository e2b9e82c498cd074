"""`NgramModel`: the weights of n-grams as plain arrays, and the two files that they are kept in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ArtifactError, ContentHashError, ParameterError
from riskwright.core.artifacts import atomic_write, read_artifact, write_artifact
from riskwright.core.names import nearest, quoted

from .sparse_rows import SparseRows

__all__ = ["WEIGHTS", "NgramModel"]

Floats = NDArray[np.float64]

WEIGHTS = Path(__file__).parent / "weights" / "ngrams.json"
"""The weights that come with the package: a header, and beside it `ngrams.bin`."""

_KIND = "ngram_weights"
_DTYPES = {"hashes": "<u4", "rarity": "|u1", "weight": "|i1"}
_LIMIT = 2**28


@dataclass(frozen=True, eq=False, kw_only=True)
class NgramModel:
    """What is known of each n-gram, and how sums over them become log-odds.

    With c the count of an n-gram in a text, its value is rarity * (1 + ln c), and x the vector of
    these values divided by its Euclidean length, output k is bias_k + factor_k * (x . weight_k).

    Parameters
    ----------
    hazards : codes of the first outputs; the next is "any"; those that follow are a dense
        representation of the text.
    hashes : (n_grams,) of the n-grams, rising.
    rarity : (n_grams,) inverse document frequency in sixteenths.
    unknown_rarity : the same of n-grams that are not known; they only lengthen the vector.
    weight : (n_grams, n_outputs), in units of `factor`.
    bias, factor : (n_outputs,).
    window : words; see `NgramScorer`.
    familiar : share of known n-grams below which a text is out of distribution.
    taxonomy : that of the hazards.
    training : what it was learnt from, as plain JSON values.
    """

    hazards: tuple[str, ...]
    hashes: NDArray[np.uint32]
    rarity: NDArray[np.uint8]
    unknown_rarity: int
    weight: NDArray[np.int8]
    bias: Floats
    factor: Floats
    window: int
    familiar: float
    taxonomy: str
    training: dict[str, Any]

    @cached_property
    def kernel(self) -> Any:
        """The compiled form."""
        from ._kernels import Model

        return Model(
            self.hashes,
            self.rarity,
            self.weight,
            self.unknown_rarity,
            self.bias.tolist(),
            self.factor.tolist(),
            len(self.hazards) + 1,
            self.window,
        )

    @cached_property
    def version(self) -> str:
        """Digest of all that the scores depend on."""
        state = hashlib.sha256(repr(self._numbers()).encode())
        for array in self._arrays().values():
            state.update(array.tobytes())
        return f"sha256:{state.hexdigest()}"

    def values(self, whole: Floats, peak: Floats) -> Floats:
        """(n, outputs) log-odds of texts and of their highest windows -> (n, hazards + 1) values
        in [0, 1]: the standard logistic function of the mean of the two."""
        mean = (whole[:, : peak.shape[1]] + peak) / 2.0
        found: Floats = 1.0 / (1.0 + np.exp(-np.clip(mean, -500.0, 500.0)))
        return found

    def tf_idf(self, texts: list[bytes]) -> SparseRows:
        """(n, n_grams) values of UTF-8 texts over the Euclidean length of each."""
        (begins, columns, counts), squares = self.kernel.known(texts)
        damped = np.round(64.0 * (1.0 + np.log(np.minimum(counts, 4095))))
        value = self.rarity[columns] * damped
        length = np.sqrt(np.maximum(squares, 1).astype(float))
        value /= np.repeat(length, np.diff(begins))
        return SparseRows(begins, columns.astype(np.int64), value, len(self.hashes))

    def word_weights(self, text: bytes, hazard: str) -> list[tuple[int, int, float]]:
        """(start, end, what it adds to the log-odds) of every word; see `NgramScorer.explain`."""
        outputs = (*self.hazards, "any")
        if hazard not in outputs:
            raise ParameterError(
                f"no hazard {quoted(hazard)}", where="hazard", hint=nearest(hazard, outputs)
            )
        starts, ends, weights = self.kernel.words(text, outputs.index(hazard))
        return list(zip(starts.tolist(), ends.tolist(), weights.tolist(), strict=True))

    def save(self, path: Path) -> None:
        """Write the header to `path`, a JSON artifact, and the arrays beside it (".bin")."""
        from riskwright._version import __version__

        data = b"".join(array.tobytes() for array in self._arrays().values())
        body = {
            **self._numbers(),
            "arrays": {name: list(array.shape) for name, array in self._arrays().items()},
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "training": self.training,
        }
        with atomic_write(path.with_suffix(".bin")) as file:
            file.write(data)
        write_artifact(path, _KIND, body, version=__version__, seed=self.training.get("seed"))

    @classmethod
    def load(cls, path: Path) -> NgramModel:
        """Read what `save` wrote.

        Raises
        ------
        ArtifactError : a file is absent or is no such model.
        ContentHashError : a file was changed after it was written.
        """
        body = read_artifact(path, _KIND)["body"]
        try:
            arrays = _read_arrays(path.with_suffix(".bin"), body)
            return cls(
                hazards=tuple(body["hazards"]),
                **arrays,
                unknown_rarity=int(body["unknown_rarity"]),
                bias=np.array(body["bias"], dtype=float),
                factor=np.array(body["factor"], dtype=float),
                window=int(body["window"]),
                familiar=float(body["familiar"]),
                taxonomy=body["taxonomy"],
                training=body["training"],
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ArtifactError):
                raise
            raise ArtifactError("not the weights of n-grams", where=str(path)) from None

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            name: np.ascontiguousarray(getattr(self, name), dtype=dtype)
            for name, dtype in _DTYPES.items()
        }

    def _numbers(self) -> dict[str, Any]:
        return {
            "hazards": list(self.hazards),
            "taxonomy": self.taxonomy,
            "unknown_rarity": self.unknown_rarity,
            "bias": self.bias.tolist(),
            "factor": self.factor.tolist(),
            "window": self.window,
            "familiar": self.familiar,
        }


def _read_arrays(path: Path, body: dict[str, Any]) -> dict[str, Any]:
    where = str(path)
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _LIMIT else b""
    except OSError as error:
        raise ArtifactError("cannot read", where=where, got=error.strerror or str(error)) from None
    if len(data) != body["bytes"] or hashlib.sha256(data).hexdigest() != body["sha256"]:
        raise ContentHashError(
            "content does not match its hash: the file was changed after it was written",
            where=where,
            expected=f"{body['bytes']} bytes, sha256 {body['sha256'][:16]}...",
            got=f"{size} bytes",
            hint="Install the package anew, or train and save again",
        )
    found, at = {}, 0
    for name, dtype in _DTYPES.items():
        shape = tuple(body["arrays"][name])
        count = int(np.prod(shape))
        found[name] = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += count * np.dtype(dtype).itemsize
    return found
