"""`TextHead`: a probability of harm from few local labels, by ridge regression over blocks."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ArtifactError, ParameterError, TargetError
from riskwright.stats._threads import one_blas_thread
from riskwright.stats.logistic import logistic_coefficients, probability

from .sparse_rows import SparseRows

__all__ = ["Blocks", "HeadsTogether", "TextHead"]

Floats = NDArray[np.float64]
Blocks = Mapping[str, Any]
"""Name -> (n, d) numbers of one kind: a dense array, `SparseRows`, or a sparse matrix of scipy."""

_PENALTIES = 10.0 ** np.linspace(-2.5, 2.0, 10)
_SHARES = (0.0, 0.25, 1.0)
_MOST_COMPARED = 1000
_CONSTANT = 10.0
_LEAST_SLOPE = 1e-3
_PRECISE, _SHORT = "<f8", "<f4"


class TextHead:
    """Ridge regression of a binary label on several blocks of inputs, and a logistic link.

    Each block enters with a share of its own, so that a few strong columns (log-odds of a scorer)
    are not drowned by many weak ones (n-grams). Shares and penalty are those with the lowest
    squared error of leave-one-out predictions, which ridge regression has in closed form; the
    probability is a logistic regression on these predictions (Platt 1999), so that it is not the
    fit's own optimism.

    Attributes
    ----------
    shares_ : block -> its share of the kernel, in [0, 1]; 0 where it did not help.
    penalty_ : of the squared coefficients.
    compared_ : row numbers that shares and penalty were chosen on: all, or 1,000 of more.
    loo_ : leave-one-out log-odds of these rows.
    n_ : rows.

    Notes
    -----
    With n rows and m combinations of shares O(m n^3), of `_MOST_COMPARED` rows at most: about
    0.1 s for 200 rows and 3 s for 1,000 and more. Leave-one-out: Craven & Wahba (1979), Numerische
    Mathematik 31. Dense blocks are standardised by weighted mean and deviation; sparse ones are
    taken as they are, and their many coefficients are rounded to 32 bits, as they are saved.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 3))
    >>> y = x[:, 0] + rng.normal(size=200) > 0
    >>> head = TextHead().fit(x, y)
    >>> head.predict([[2.0, 0, 0], [-2.0, 0, 0]]).round()
    array([1., 0.])
    >>> TextHead.from_json(head.to_json()).predict(x[:1]) == head.predict(x[:1])
    array([ True])
    """

    shares_: dict[str, float]
    penalty_: float
    compared_: NDArray[np.intp]
    loo_: Floats
    n_: int

    @one_blas_thread()
    def fit(self, blocks: Any, y: Any, sample_weight: Any = None) -> TextHead:
        """Fit to n rows.

        Parameters
        ----------
        blocks : `Blocks`, or one (n, d) array.
        y : (n,) in [0, 1]: labels 0 and 1, or the share of raters who said 1.
        sample_weight : (n,) positive, by default 1; only ratios count.

        Raises
        ------
        TargetError : `y` has not both labels, or values outside [0, 1].
        ParameterError : shapes do not agree, or an input is not finite.
        """
        named = {name: _table(block) for name, block in _named(blocks).items()}
        target, weight = _labels(y, sample_weight, next(iter(named.values())).shape[0])
        self.n_ = len(target)
        self._scales = {name: _scale(block, weight) for name, block in named.items()}
        ready = {name: self._ready(name, block) for name, block in named.items()}
        root = np.sqrt(weight)
        some = self.compared_ = _compared(target)
        grams = {name: _gram(block[some]) for name, block in ready.items()}
        shares, self.penalty_ = _choose(grams, target[some], root[some])
        self.shares_ = dict(zip(ready, shares, strict=True))
        dual = self._solve(ready, target, root)
        self._coefficients = {
            name: _rounded(self.shares_[name] * np.asarray(block.T @ dual).ravel(), scale)
            for (name, block), scale in zip(ready.items(), self._scales.values(), strict=True)
        }
        self._constant = _CONSTANT * float(dual.sum())
        kernel = _mixed(list(grams.values()), shares)
        left_out = _loo(kernel, target[some], root[some], np.array([self.penalty_]))[0][0]
        self._link = _platt(left_out, target[some], weight[some])
        self.loo_ = self._link[0] * left_out + self._link[1]
        self._together = HeadsTogether([self])
        return self

    def log_odds(self, blocks: Any) -> Floats:
        """(n,) log-odds of harm."""
        return self._together.log_odds(blocks)[:, 0]

    def predict(self, blocks: Any) -> Floats:
        """(n,) probabilities of harm."""
        return probability(self.log_odds(blocks))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the arrays as base64 of their bytes."""
        blocks = {}
        for name, coefficients in self._coefficients.items():
            scale = self._scales[name]
            used = coefficients != 0
            blocks[name] = {
                "columns": len(coefficients),
                "used": _text(np.packbits(used, bitorder="little")),
                "coefficients": _text(coefficients[used].astype(_kind(scale))),
                "scale": None if scale is None else [_text(part) for part in scale],
            }
        return {
            "blocks": blocks,
            "constant": self._constant,
            "link": list(self._link),
            "shares": self.shares_,
            "penalty": self.penalty_,
            "n": self.n_,
        }

    @classmethod
    def from_json(cls, body: Any) -> TextHead:
        """What `to_json` gave; raises `ArtifactError` for anything else."""
        head = cls()
        try:
            head._coefficients, head._scales = {}, {}
            for name, block in body["blocks"].items():
                scale = block["scale"]
                head._scales[name] = scale and (_array(scale[0]), _array(scale[1]))
                head._coefficients[name] = _coefficients(block, _kind(scale))
            head._constant = float(body["constant"])
            head._link = (float(body["link"][0]), float(body["link"][1]))
            head.shares_ = dict(body["shares"])
            head.penalty_, head.n_ = float(body["penalty"]), int(body["n"])
            head._together = HeadsTogether([head])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise ArtifactError("not a head of texts", where="head") from None
        return head

    _scales: dict[str, tuple[Floats, Floats] | None]
    _coefficients: dict[str, Floats]
    _constant: float
    _link: tuple[float, float]
    _together: HeadsTogether

    def _ready(self, name: str, block: Any) -> Any:
        scale = self._scales[name]
        return block if scale is None else (block - scale[0]) / scale[1]

    def _solve(self, ready: dict[str, Any], target: Floats, root: Floats) -> Floats:
        """Dual coefficients: (K + penalty / weight) a = y, by conjugate gradients."""
        from scipy.sparse.linalg import LinearOperator, cg

        def product(v: Floats) -> Floats:
            u = root * v
            total = np.full(len(u), _CONSTANT * u.sum())
            for name, block in ready.items():
                if self.shares_[name]:
                    total += self.shares_[name] * np.asarray(block @ (block.T @ u)).ravel()
            answer: Floats = root * total + self.penalty_ * v
            return answer

        operator = LinearOperator((len(target),) * 2, matvec=product, dtype=float)
        found, _ = cg(operator, root * target, rtol=1e-10, maxiter=20 * len(target))
        dual: Floats = root * found
        return dual


class HeadsTogether:
    """Heads that were fitted to the same blocks, read in one pass over them.

    Parameters
    ----------
    heads : at least one.

    Notes
    -----
    For h heads O(h d) a row of dense blocks, O(h) for each number of sparse ones that is not 0.
    """

    def __init__(self, heads: Sequence[TextHead]) -> None:
        self._slopes: dict[str, Floats] = {}
        self._start = np.array([h._link[0] * h._constant + h._link[1] for h in heads])
        for name in heads[0]._coefficients:
            columns = [h._link[0] * h._coefficients[name] for h in heads]
            for k, head in enumerate(heads):
                scale = head._scales[name]
                if scale is not None:
                    columns[k] = columns[k] / scale[1]
                    self._start[k] -= scale[0] @ columns[k]
            self._slopes[name] = np.column_stack(columns)

    def log_odds(self, blocks: Any) -> Floats:
        """(n, heads) log-odds; raises `ParameterError` for other blocks than were fitted."""
        named = _named(blocks)
        if named.keys() != self._slopes.keys():
            raise ParameterError(
                "other blocks than were fitted",
                where="blocks",
                expected=", ".join(sorted(self._slopes)),
                got=", ".join(sorted(named)),
            )
        found = self._start
        for name, block in named.items():
            slopes = self._slopes[name]
            if block.shape[1] != len(slopes):
                raise ParameterError(
                    "wrong number of columns",
                    where=f"block {name}",
                    expected=str(len(slopes)),
                    got=str(block.shape[1]),
                )
            found = found + _product(block, slopes)
        return found


def _product(block: Any, slopes: Floats) -> Floats:
    """Row by row, so that what a row gets does not depend on the rows beside it."""
    if not isinstance(block, np.ndarray):
        found: Floats = block @ slopes
        return found
    rows = [row @ slopes for row in block]
    return np.array(rows, dtype=np.float64).reshape(len(block), slopes.shape[1])


def _kind(scale: Any) -> str:
    """How coefficients are kept: the few of dense blocks as 64 bits, those of sparse ones as 32."""
    return _SHORT if scale is None else _PRECISE


def _rounded(coefficients: Floats, scale: Any) -> Floats:
    return coefficients.astype(_kind(scale)).astype(np.float64)


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _array(text: str, kind: str = _PRECISE) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), kind)


def _coefficients(block: Mapping[str, Any], kind: str) -> Floats:
    columns, bits = int(block["columns"]), _array(block["used"], "u1")
    if len(bits) != -(-columns // 8):
        raise ValueError
    found = np.zeros(columns)
    used = np.unpackbits(bits, count=columns, bitorder="little").astype(bool)
    found[used] = _array(block["coefficients"], kind)
    return found


def _named(blocks: Any) -> dict[str, Any]:
    given = dict(blocks) if isinstance(blocks, Mapping) else {"features": blocks}
    found = {}
    for name, block in given.items():
        values = block if hasattr(block, "tocsr") else np.asarray(block, dtype=float)
        if len(values.shape) != 2 or not np.isfinite(_cells(values)).all():
            raise ParameterError("no table of finite numbers", where=f"block {name}")
        found[name] = values
    if len({block.shape[0] for block in found.values()}) != 1:
        raise ParameterError("blocks of different lengths, or none", where="blocks")
    return found


def _cells(block: Any) -> Floats:
    """The numbers that a block holds, without the zeros of a sparse one."""
    if isinstance(block, np.ndarray):
        return block
    held: Floats = block.values if isinstance(block, SparseRows) else block.data
    return held


def _table(block: Any) -> Any:
    return block.tocsr() if hasattr(block, "tocsr") else block


def _labels(y: Any, sample_weight: Any, n: int) -> tuple[Floats, Floats]:
    target = np.asarray(y, dtype=float)
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    for name, values in (("y", target), ("sample_weight", weight)):
        if values.shape != (n,):
            raise ParameterError(
                "wrong shape", where=name, expected=f"({n},)", got=str(values.shape)
            )
    if not (np.all((target >= 0) & (target <= 1)) and target.min() < 0.5 <= target.max()):
        raise TargetError("needs both labels, 0 and 1", where="y")
    if not (np.all(np.isfinite(weight)) and np.all(weight > 0)):
        raise ParameterError("not all are positive and finite", where="sample_weight")
    return 2.0 * target - 1.0, weight / weight.mean()


def _scale(block: Any, weight: Floats) -> tuple[Floats, Floats] | None:
    """Weighted mean and deviation times the root of the number of columns; None if sparse."""
    if hasattr(block, "tocsr"):
        return None
    mean = np.average(block, axis=0, weights=weight)
    deviation = np.sqrt(np.average((block - mean) ** 2, axis=0, weights=weight))
    deviation[deviation < 1e-12 * (1.0 + np.abs(mean))] = 1.0
    return mean, deviation * np.sqrt(block.shape[1])


def _compared(target: Floats) -> NDArray[np.intp]:
    """Rows, evenly spread over both labels, that shares and penalty are chosen on."""
    if len(target) <= _MOST_COMPARED:
        return np.arange(len(target))
    order = np.random.default_rng(0).permutation(len(target))
    order = order[np.argsort(target[order], kind="stable")]
    spread = np.linspace(0, len(target) - 1, _MOST_COMPARED).round().astype(int)
    return np.sort(order[spread])


def _gram(block: Any) -> Floats:
    product = block @ block.T
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product, dtype=float)


def _mixed(grams: list[Floats], shares: tuple[float, ...]) -> Floats:
    total = np.full(grams[0].shape, _CONSTANT)
    for share, gram in zip(shares, grams, strict=True):
        total += share * gram
    return total


def _choose(
    grams: dict[str, Floats], target: Floats, root: Floats
) -> tuple[tuple[float, ...], float]:
    """Shares (the highest is 1) and penalty with the lowest leave-one-out error."""
    best = (np.inf, (1.0,) * len(grams), 1.0)
    for shares in itertools.product(_SHARES, repeat=len(grams)):
        if max(shares) < 1.0:
            continue
        kernel = _mixed(list(grams.values()), shares)
        _, errors = _loo(kernel, target, root, _PENALTIES)
        at = int(np.argmin(errors))
        if errors[at] < best[0]:
            best = (float(errors[at]), shares, float(_PENALTIES[at]))
    return best[1], best[2]


def _loo(kernel: Floats, target: Floats, root: Floats, penalties: Floats) -> tuple[Floats, Floats]:
    """(penalties, n) leave-one-out predictions and (penalties,) weighted mean squared errors."""
    values, vectors = np.linalg.eigh(root[:, None] * kernel * root)
    shrink = np.maximum(values, 0.0) / (np.maximum(values, 0.0) + penalties[:, None])
    fitted = (shrink * (vectors.T @ (root * target))) @ vectors.T
    leverage = shrink @ (vectors**2).T
    residual = (root * target - fitted) / np.maximum(1.0 - leverage, 1e-9)
    return target - residual / root, np.mean(residual**2, axis=1)


def _platt(raw: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Slope and constant of the log-odds, with Platt's smoothed targets; a row with a share of
    labels counts as both, by its share.

    Where the predictions tell nothing, leave-one-out ones fall with the label, as each misses its
    own label in the mean; the slope is then `_LEAST_SLOPE`, and the constant that of the base rate.
    """
    share = (target + 1.0) / 2.0
    positive, total = float(weight @ share), weight.sum()
    high = (positive + 1.0) / (positive + 2.0)
    low = 1.0 / (total - positive + 2.0)
    goal = low + (high - low) * share
    rows = np.column_stack([raw, np.ones_like(raw)])
    slope, constant = logistic_coefficients(rows, goal, weight)
    if slope < _LEAST_SLOPE:
        slope = _LEAST_SLOPE
        constant = logistic_coefficients(rows[:, 1:], goal, weight, offset=slope * raw)[0]
    return float(slope), float(constant)
