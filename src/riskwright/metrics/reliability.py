"""The reliability curve: observed shares of events against predicted risks, with a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from riskwright.core import Record
from riskwright.stats import normal_quantile, proportion_interval

from ._inputs import Sample, checked_rows, of_sketch
from ._samples import Sketched
from .binned_calibration import Binning, bins_of, check_bins

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ReliabilityCurve", "reliability", "reliability_kernel"]


class ReliabilityCurve(Record, frozen=True, kw_only=True):
    """What `reliability` found, one entry per bin that holds rows, by rising prediction.

    `predicted` is the mean prediction and `observed` the share of events, `low` and `high` the
    band around the latter, `count` the rows and `weight` their summed weight. Where `simultaneous`
    the whole band holds at once with confidence `level`.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    count: tuple[int, ...]
    weight: tuple[float, ...]
    n: int
    level: float
    method: str
    simultaneous: bool

    def to_frame(self) -> pl.DataFrame:
        """One row per bin."""
        import polars as pl

        names = ("predicted", "observed", "low", "high", "count", "weight")
        return pl.DataFrame({name: list(getattr(self, name)) for name in names})

    def __str__(self) -> str:
        lines = [f"{self.n:,} rows, {100 * self.level:g}% band: {self.method}"]
        lines.append(f"{'predicted':>10}{'observed':>10}{'band':>18}{'rows':>12}")
        for k, (p, share) in enumerate(zip(self.predicted, self.observed, strict=True)):
            band = f"{self.low[k]:.3f} to {self.high[k]:.3f}"
            lines.append(f"{p:>10.3f}{share:>10.3f}{band:>18}{self.count[k]:>12,}")
        return "\n".join(lines)


def reliability(
    y: ArrayLike | Sketched,
    p: ArrayLike | None = None,
    /,
    *,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    bins: int = 10,
    binning: Binning = "equal_count",
    simultaneous: bool = True,
) -> ReliabilityCurve:
    """Observed share of events and mean prediction, bin by bin, with a confidence band.

    Parameters
    ----------
    y : array of shape (n,), outcomes 0 and 1; or a sketch
    p : array of shape (n,), predicted probabilities in [0, 1]
    sample_weight : array of shape (n,), at least 0
    level : confidence level of the band.
    bins, binning : as for `calibration_error`; a sketch's cells are not parted.
    simultaneous : whether the band holds in all bins at once (else in each bin alone).

    Returns
    -------
    ReliabilityCurve
        Each bin's interval is Clopper and Pearson's at level^(1/k), k the bins with rows, which
        are independent of each other: the mean true risks of all bins lie within the band with
        probability of at least `level` for equal weights, whatever their number and size. With
        unequal weights the effective number of rows takes the place of the number, and `level`
        is met in large samples.

    Raises
    ------
    DataError : as for `brier`.
    ParameterError : bins out of range, unknown binning.

    Notes
    -----
    Time O(n log n), memory O(n). Clopper & Pearson (1934), Biometrika 26:404; Hoeffding (1956),
    Annals of Mathematical Statistics 27:713, for rows of unequal risk; Sidak (1967), JASA 62:626.

    Examples
    --------
    >>> curve = reliability([0, 0, 1, 0, 1, 1], [0.1, 0.1, 0.2, 0.6, 0.7, 0.8], bins=2)
    >>> print(curve)
    6 rows, 95% band: Clopper-Pearson in 2 equal-count bins at 97.47% each
     predicted  observed              band        rows
         0.133     0.333    0.004 to 0.934           3
         0.700     0.667    0.066 to 0.996           3
    """
    normal_quantile(level)
    check_bins(bins, binning)
    if isinstance(y, Sketched):
        sample = of_sketch(y, p, sample_weight).middle()
        return reliability_kernel(sample, level, bins, binning, simultaneous)
    rows = checked_rows(y, p, sample_weight, probabilities=True)
    sample = rows.folded()
    if rows.weights is None:
        return reliability_kernel(sample, level, bins, binning, simultaneous)
    edges = sample.value[np.flatnonzero(np.diff(bins_of(sample, bins, binning))) + 1]
    held = np.bincount(np.searchsorted(edges, rows.p, side="right"), minlength=edges.size + 1)
    return reliability_kernel(sample, level, bins, binning, simultaneous, held.tolist())


def reliability_kernel(
    sample: Sample,
    level: float,
    bins: int = 10,
    binning: Binning = "equal_count",
    simultaneous: bool = True,
    rows: list[int] | None = None,
) -> ReliabilityCurve:
    """`rows` in every bin that holds any; without them the weights are those of single rows."""
    p, weight = sample.value, sample.w1 + sample.w0
    bin_of = np.unique(bins_of(sample, bins, binning), return_inverse=True)[1]
    inside, events, predicted = (
        np.bincount(bin_of, column) for column in (weight, sample.w1, weight * p)
    )
    observed = events / inside
    centre = observed[bin_of]
    spread = np.bincount(bin_of, sample.q1 * (1 - centre) ** 2 + sample.q0 * centre**2)
    kish = inside**2 / np.bincount(bin_of, sample.q1 + sample.q0)
    n = np.divide(observed * (1 - observed) * inside**2, spread, out=kish, where=spread > 0)
    each = level ** (1 / inside.size) if simultaneous else level
    low, high = proportion_interval(observed * n, n, each, "clopper_pearson")
    method = f"Clopper-Pearson in {inside.size} {binning.replace('_', '-')} bins"
    if simultaneous:
        method += f" at {100 * each:.4g}% each"
    if sample.effective_n < sample.n * (1 - 1e-9):
        method += f"; weighted rows, effective n = {sample.effective_n:.1f}"
    return ReliabilityCurve(
        predicted=tuple((predicted / inside).tolist()),
        observed=tuple(observed.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        count=tuple(np.round(inside).astype(int).tolist() if rows is None else rows),
        weight=tuple(inside.tolist()),
        n=sample.n,
        level=level,
        method=method,
        simultaneous=simultaneous,
    )
