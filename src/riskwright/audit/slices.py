"""The worst slices of a table: exact, corrected for the search, in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from riskwright.core import Estimate, Finding, ParameterError, Record
from riskwright.core.randomness import Seed, generator
from riskwright.stats import normal_quantile
from riskwright.stats._columns import is_number, numbers, positive_weights, refuse, same_length

from ._estimates import bonferroni_level, difference, mean_estimate
from .discretised import ColumnBins, as_frame, column_bins
from .permutation_bounds import PermutationTail
from .slice_search import FoundSlice, ranked_slices

__all__ = ["Slice", "Slices", "find_slices", "row_losses"]

Floats = NDArray[np.float64]
LossKind = Literal["log_loss", "brier", "error"]

FEWEST_ROWS = 32
HARM = 0.5
SPLIT = 5107  # no stream that data made with the same seed would share
_CLIP = 2.0**-52


class Slice(Record, frozen=True, kw_only=True):
    """Rows that meet all `conditions` (column, value in words), and how much worse they fare.

    `loss` is the mean loss inside, `gap` inside minus outside, `p_value` corrected for every slice
    examined; `confirmed` is the gap on rows that took no part in the search, and
    `confirmed_p_value` its own p-value, corrected for the slices returned.
    """

    conditions: tuple[tuple[str, str], ...]
    words: str
    n: int
    share: float
    score: float
    loss: Estimate
    gap: Estimate
    p_value: float
    confirmed: Estimate | None = None
    confirmed_p_value: float | None = None


class Slices(Record, frozen=True, kw_only=True):
    """The worst slices, worst first, none of them implied by another.

    `n` rows were searched and `n_held_out` kept back. `bins` says how each column was cut and
    `set_aside` which columns were not, and why; `harm` is the limit of grave findings, as a part of
    the mean loss, and `alpha` the weight of the loss against the size (1 for texts).
    """

    slices: tuple[Slice, ...]
    loss_name: str
    baseline: Estimate
    n: int
    columns: tuple[str, ...]
    depth: int
    examined: int
    min_rows: int
    level: float
    method: str
    findings: tuple[Finding, ...] = ()
    n_held_out: int = 0
    bins: tuple[ColumnBins, ...] = ()
    set_aside: dict[str, str] = {}
    harm: float = HARM
    alpha: float = 1.0

    def on(self, loss: ArrayLike, table: Any, *, sample_weight: ArrayLike | None = None) -> Slices:
        """The same slices with `confirmed` and findings from other rows.

        Parameters, Raises: as for `find_slices`. The rows must not have been searched: then all k
        gaps hold together at `level`, whatever the search did.
        """
        values, weight, kept = checked_loss(loss, sample_weight)
        size = values.size if kept is None else kept.size
        frame = as_frame(table, size)
        frame = frame if kept is None else frame.filter(pl.Series(kept))
        return self._confirmed(values, weight, frame)

    def _confirmed(self, values: Floats, weight: Floats | None, frame: pl.DataFrame) -> Slices:
        if self.slices and not self.bins:
            raise ParameterError(
                "slices of texts", where="on", expected="slices of a table", hint="Search anew"
            )
        level = bonferroni_level(self.level, len(self.slices))
        cut = {bins.column: bins for bins in self.bins}
        codes = {c: cut[c].codes(frame) for s in self.slices for c, _ in s.conditions}
        confirmed = []
        deviation = deviations(values, weight)
        tail = PermutationTail(deviation)
        for part in self.slices:
            inside = np.ones(values.size, bool)
            for column, words in part.conditions:
                inside &= codes[column] == cut[column].words.index(words)
            _, gap = gap_of(values, weight, inside, level)
            size, total = int(inside.sum()), float(deviation[inside].sum())
            p = corrected_p_value(tail, size, total, len(self.slices))
            confirmed.append(msgspec.structs.replace(part, confirmed=gap, confirmed_p_value=p))
        found = msgspec.structs.replace(self, slices=tuple(confirmed), n_held_out=values.size)
        return with_findings(found, values)


def find_slices(
    loss: ArrayLike,
    table: Any,
    /,
    *,
    depth: int = 3,
    min_share: float = 0.01,
    bins: int = 10,
    k: int = 5,
    alpha: float = 0.95,
    holdout: float = 0.3,
    level: float = 0.95,
    harm: float = HARM,
    loss_name: str = "loss",
    sample_weight: ArrayLike | None = None,
    random_state: Seed = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Slices:
    """The k conjunctions of conditions on columns whose rows fare worst, confirmed on other rows.

    Parameters
    ----------
    loss : array of shape (n,), at least 0
        What went wrong with each row: log loss, squared error, 0 and 1 for errors (`row_losses`).
    table : polars or pandas DataFrame, mapping of columns, or array of shape (n, d)
        Columns to form conditions of; they need not be those that the score uses.
    depth : number of conditions joined, 1 to 6.
    min_share : least share of the rows, in (0, 1); a slice has 32 rows or more in any case.
    bins : number of values that a numeric column is cut into, 2 to 255
        One of at most this many distinct numbers is taken as it is. Levels with too few rows for a
        slice are pooled, missing values are a value of their own.
    k : most slices returned, at least 1.
    alpha : weight of the loss against the size, in (0, 1]
        The score is alpha (loss inside / mean loss - 1) - (1 - alpha) (n / rows inside - 1). Only
        slices with a score above 0 are returned: at 0.95, of 1% of the rows with 6.2 times the mean
        loss, of 5% with twice, of 10% with 1.5 times. Raise alpha to find smaller ones.
    holdout : share of the rows that takes no part in the search, 0 <= holdout < 1
        With 0 there is no confirmation and findings rest on the p-values of the search.
    level : confidence level of all gaps, and of all confirmed gaps, together.
    harm : a finding is grave where the gap surely exceeds this part of the mean loss.
    sample_weight : array of shape (n,), at least 0
    random_state : seed of the split.
    progress : called with (steps done, all steps) of the search, five times a second at most.

    Returns
    -------
    Slices
        Exactly the k best scores above 0 among all conjunctions with enough rows, in that order,
        but for those that imply or are implied by a better one, and those that better ones explain:
        without the rows of these they are too small or have no score above 0. Columns with one
        value are set aside, and the record says so.

        The intervals of `loss` and `gap` hold for all `examined` conjunctions at once (Bonferroni),
        hence for the worst of them; those of `confirmed` for the slices returned. `p_value` tests
        that losses have nothing to do with being inside: a Chernoff bound of the permutation
        distribution, valid for every loss and size, times `examined`. Where no column has to do
        with the loss, a finding other than `slice.none` and the low `slice.unconfirmed` is made
        with probability at most 1 - level: it needs a p-value, of the held-out rows where there are
        any, that is valid for any losses, and an interval above 0.

    Raises
    ------
    DataError : missing, infinite or negative losses, lengths that differ, nothing to search.
    ColumnError : columns of numbers mixed with text, or of other types; more than 2,000,000
        combinations of columns, or of the values of some of them.
    ParameterError : a parameter out of range.

    Notes
    -----
    One pass over the rows per combination of columns, C(d, depth) in all, on two threads, and
    memory for the product of their numbers of values; combinations whose bound is below the score
    needed are left out. The bound and the score are SliceLine's: Sagadeeva & Boehm (2021), SIGMOD,
    section 3; here joint counts replace its sparse matrices. `examined` counts conjunctions whose
    every pair of conditions has enough rows, whether or not the bound left them out: it does not
    depend on the losses.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = {"age": rng.integers(20, 80, 4000), "site": rng.choice(["a", "b", "c"], 4000)}
    >>> bad = (table["age"] < 30) & (table["site"] == "b")
    >>> found = find_slices((rng.random(4000) < 0.1 + 0.4 * bad).astype(float), table)
    >>> found.slices[0].words, found.slices[0].confirmed.low > 0
    ('age below 26 and site = b', True)
    """
    normal_quantile(level)
    _check(depth, bins, k, alpha, min_share, holdout, harm)
    values, weight, kept = checked_loss(loss, sample_weight)
    frame = as_frame(table, values.size if kept is None else kept.size)
    frame = frame if kept is None else frame.filter(pl.Series(kept))
    held = generator(random_state, SPLIT).random(values.size) < holdout
    searched = ~held
    if not searched.any():
        searched, held = np.ones(values.size, bool), np.zeros(values.size, bool)
    rows = _Rows.of(values, weight, searched)
    min_rows = max(FEWEST_ROWS, math.ceil(min_share * rows.values.size))
    cut = [column_bins(series, bins, min_rows) for series in frame]
    used = [c for c in cut if len(c.words) > 1]
    aside = {c.column: "one value only" for c in cut if len(c.words) <= 1}
    codes = {c.column: c.codes(frame) for c in used}
    parts, examined = ranked_slices(
        [codes[c.column][searched] for c in used],
        [len(c.words) for c in used],
        rows.values,
        rows.weight,
        depth=depth,
        alpha=alpha,
        min_rows=min_rows,
        k=k,
        progress=progress,
    )
    found = Slices(
        slices=tuple(_slices(parts, used, rows, examined, level)),
        loss_name=loss_name,
        baseline=mean_estimate(loss_name, rows.values, rows.weight, level),
        n=rows.values.size,
        columns=tuple(c.column for c in used),
        depth=depth,
        examined=examined,
        min_rows=min_rows,
        level=level,
        method=_method(alpha, examined, held),
        bins=tuple(used),
        set_aside=aside,
        harm=harm,
        alpha=alpha,
    )
    if not held.any():
        return with_findings(found, rows.values)
    others = _Rows.of(values, weight, held)
    return found._confirmed(others.values, others.weight, frame.filter(pl.Series(held)))


def row_losses(
    y: ArrayLike, score: ArrayLike, kind: LossKind = "log_loss", *, at: float = 0.5
) -> Floats:
    """Loss of every row: log loss, squared error ("brier"), or 1 where decided wrongly ("error").

    `y` holds outcomes 0 and 1, `score` probabilities; for "error" any scores, with score >= `at`
    decided as an event. Log loss moves predictions of 0 or 1 by 2^-52.

    Raises
    ------
    DataError : lengths, missing values, outcomes other than 0 and 1, probabilities out of range.

    Examples
    --------
    >>> row_losses([1, 0, 1], [0.9, 0.8, 0.4], "error").tolist()
    [0.0, 1.0, 1.0]
    """
    if kind not in ("log_loss", "brier", "error"):
        expected = "log_loss, brier or error"
        raise ParameterError("unknown loss", where="kind", expected=expected, got=repr(kind))
    outcome, p = numbers(y, "y"), numbers(score, "score")
    same_length(p, "score", outcome.size)
    refuse((outcome != 0) & (outcome != 1), "y", "outcomes other than 0 and 1", "0 or 1")
    if kind == "error":
        return np.asarray((p >= at) != (outcome == 1), dtype=np.float64)
    refuse((p < 0) | (p > 1), "score", "probabilities out of range", "values in [0, 1]")
    if kind == "brier":
        return (outcome - p) ** 2
    inside = np.clip(p, _CLIP, 1 - _CLIP)
    return np.asarray(-np.where(outcome == 1, np.log(inside), np.log1p(-inside)))


class _Rows(msgspec.Struct, frozen=True):
    """Losses and weights of some of the rows."""

    values: Floats
    weight: Floats | None

    @staticmethod
    def of(values: Floats, weight: Floats | None, chosen: NDArray[np.bool_]) -> _Rows:
        return _Rows(values[chosen], None if weight is None else weight[chosen])


def _check(
    depth: int, bins: int, k: int, alpha: float, min_share: float, holdout: float, harm: float
) -> None:
    whole = {"depth": (depth, 1, 6), "bins": (bins, 2, 255), "k": (k, 1, 1000)}
    for where, (value, low, high) in whole.items():
        if not (isinstance(value, int | np.integer) and low <= value <= high):
            expected = f"a whole number from {low} to {high}"
            raise ParameterError("out of range", where=where, expected=expected, got=repr(value))
    shares: dict[str, tuple[float, str, Callable[[float], bool]]] = {
        "alpha": (alpha, "0 < alpha <= 1", lambda x: 0 < x <= 1),
        "min_share": (min_share, "0 < min_share < 1", lambda x: 0 < x < 1),
        "holdout": (holdout, "0 <= holdout < 1", lambda x: 0 <= x < 1),
        "harm": (harm, "at least 0", lambda x: 0 <= x < math.inf),
    }
    for where, (number, expected, allowed) in shares.items():
        if not (is_number(number) and allowed(number)):
            raise ParameterError("out of range", where=where, expected=expected, got=repr(number))


def checked_loss(
    loss: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats | None, NDArray[np.bool_] | None]:
    values = np.ascontiguousarray(numbers(loss, "loss"))
    refuse(values < 0, "loss", "negative losses", "values of at least 0")
    weight, kept = positive_weights(sample_weight, values.size, "loss")
    return (values if kept is None else values[kept]), weight, kept


def deviations(values: Floats, weight: Floats | None) -> Floats:
    """Weighted losses less their mean."""
    if weight is None:
        return np.asarray(values - values.mean())
    return np.asarray(weight * (values - float(weight @ values) / float(weight.sum())))


def gap_of(
    values: Floats, weight: Floats | None, inside: NDArray[np.bool_], level: float
) -> tuple[Estimate, Estimate]:
    """Mean loss inside, and inside minus outside."""
    both = []
    for part in (inside, ~inside):
        w = None if weight is None else weight[part]
        both.append(mean_estimate("loss", values[part], w, level))
    return both[0], difference(both[0], both[1], level)


def corrected_p_value(tail: PermutationTail, m: int, s: float, tests: int) -> float:
    """The bound times the number of tests, at most 1."""
    return math.exp(min(tail.log_p(m, s) + math.log(max(tests, 1)), 0.0))


def _slices(
    parts: list[FoundSlice], used: list[ColumnBins], rows: _Rows, examined: int, level: float
) -> list[Slice]:
    if not parts:
        return []
    total = float(rows.values.size) if rows.weight is None else float(rows.weight.sum())
    deviation = deviations(rows.values, rows.weight)
    tail = PermutationTail(deviation)
    each = bonferroni_level(level, examined)
    found = []
    for part in parts:
        inside = part.inside
        loss, gap = gap_of(rows.values, rows.weight, inside, each)
        pairs = [(used[c], used[c].words[v]) for c, v in part.conditions]
        mass = inside.sum() if rows.weight is None else rows.weight[inside].sum()
        found.append(
            Slice(
                conditions=tuple((bins.column, words) for bins, words in pairs),
                words=" and ".join(bins.phrase(words) for bins, words in pairs),
                n=int(inside.sum()),
                share=float(mass) / total,
                score=part.score,
                loss=loss,
                gap=gap,
                p_value=corrected_p_value(
                    tail, int(inside.sum()), float(deviation[inside].sum()), examined
                ),
            )
        )
    return found


def _method(alpha: float, examined: int, held: NDArray[np.bool_]) -> str:
    kept = f"; {int(held.sum()):,} rows held out" if held.any() else "; no rows held out"
    return (
        f"SliceLine score, alpha {alpha:g}, exact over {examined:,} conjunctions; p-values: "
        f"permutation Chernoff bound times {examined:,}{kept}"
    )


def with_findings(found: Slices, values: Floats) -> Slices:
    """The findings of the slices; `values` are the losses that they rest on."""
    findings: list[Finding] = []
    for part in found.slices:
        finding = _finding(found, part, first=not any(f.code == "slice.worst" for f in findings))
        if finding is not None:
            findings.append(finding)
    if not any(f.severity in ("medium", "high") for f in findings):
        findings.append(_nothing(found, values))
    return msgspec.structs.replace(found, findings=tuple(findings))


def _finding(found: Slices, part: Slice, *, first: bool) -> Finding | None:
    held, gap = found.n_held_out > 0, part.confirmed or part.gap
    p = part.confirmed_p_value if held else part.p_value
    proven = p is not None and p <= 1 - found.level and not gap.low <= 0
    if not proven:
        if not held or part.p_value > 1 - found.level:
            return None
        return Finding(
            code="slice.unconfirmed",
            severity="low",
            sentence=f"Among rows with {part.words} ({part.n:,} of {found.n:,} searched) the mean "
            f"{found.loss_name} was {part.gap.value:+.3g} against all others, but the "
            f"{found.n_held_out:,} rows held out do not confirm it ({_span(gap)}).",
            estimate=gap,
            method=found.method,
        )
    grave = gap.low > found.harm * found.baseline.value
    others = f"on {found.n_held_out:,} rows held out of the search" if held else "on these rows"
    return Finding(
        code="slice.worst" if first else "slice.other",
        severity="high" if grave else "medium",
        sentence=f"Among rows with {part.words} ({100 * part.share:.1f}% of {found.n:,}) the mean "
        f"{found.loss_name} is {gap.value:.3g} higher than for all others "
        f"({_span(gap)}, {others}); it is {found.baseline.value:.3g} over all rows.",
        estimate=gap,
        method=f"{found.method}; gap: {gap.method}",
    )


def _span(gap: Estimate) -> str:
    if math.isnan(gap.low):
        return f"no interval: {gap.method.removeprefix('none: ')}"
    return f"{gap.low:.3g} to {gap.high:.3g}"


def _nothing(found: Slices, values: Floats) -> Finding:
    sizes = dict.fromkeys((max(found.min_rows, found.n // 10), found.min_rows))
    needed = {m: _least_gap(found, values, m) for m in sizes if 2 * m <= found.n}
    needed = {m: gap for m, gap in needed.items() if 0 < gap <= float(values.max())}
    if found.examined and needed:
        shown = " and ".join(f"{gap:.2g} in one of {m:,} rows" for m, gap in needed.items())
        seen = f"a gap in {found.loss_name} above about {shown} would show"
    else:
        seen = "losses that differ little, or on few rows, can prove none"
    return Finding(
        code="slice.none",
        severity="info",
        sentence=f"No slice is proven worse than the rest, of {found.examined:,} examined on "
        f"{found.n:,} rows; {seen}.",
        method=found.method,
    )


def _least_gap(found: Slices, values: Floats, m: int) -> float:
    """Gap at which a slice of m rows has a score above 0 and is proven in half of all samples."""
    part = m / found.n
    tests = len(found.slices) if found.n_held_out else found.examined
    reach = math.sqrt(2 * math.log(max(tests, 1) / (1 - found.level))) * float(values.std())
    noise = reach / math.sqrt(max(part * values.size, 1.0) * (1 - part))
    small = (1 - found.alpha) / found.alpha * (1 / part - 1) * found.baseline.value
    return max(noise, small / (1 - part))
