"""Where to cut a number into bins: by the outcome, by quantiles, and at readable numbers.

All sums of weights are exact (see `exact_weights`), so that a weight of two gives the cut points of
the row repeated, whatever the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np

__all__ = [
    "ROUND_TOLERANCE",
    "bin_losses",
    "exact_weights",
    "number_text",
    "optimal_partition",
    "outcome_cuts",
    "quantile_cuts",
    "roundest",
]

ROUND_TOLERANCE = 0.02
"""Share of a column's loss reduction that rounding all of its cut points may give back."""
CHANCE_NATS = 0.5
"""Loss that rounding a cut may give back in any case, for it lies within the play of chance."""
MOST_GIVEN_BACK = 0.25
"""Share of the loss reduction that rounding never exceeds."""
STEPS_PER_SPREAD = 100
"""Cut points lie on steps no finer than this many to the inner 90 % of a column, if they can."""
QUANTILE_TOLERANCE = 0.1
"""Share of a quantile bin's rows that rounding one of its cut points may move."""
EXPECTED_EVENTS = 10.0
"""Events and others that every bin is to hold where the column says nothing."""
LARGEST_LEAST = 0.25
"""Share of the weight that a bin need not exceed for that."""
MAX_PREBINS = 100

Monotone = Literal["up", "down"] | None
FloatArray = np.ndarray


class Grid(NamedTuple):
    """Adjacent bins of a column.

    `starts` holds the smallest value of each and `previous` the value just below it; `weight` and
    `events` (weight of positive rows) the totals below it, with one entry more for all rows;
    `bin_of` the bin of every row.
    """

    starts: FloatArray
    previous: FloatArray
    weight: FloatArray
    events: FloatArray
    bin_of: np.ndarray


def exact_weights(weight: FloatArray) -> FloatArray:
    """`weight` rounded to multiples of one power of two, so that every sum of them is exact.

    Integers stay as they are up to a total of 2^53; others change by at most one part in 2^52 of
    the total.
    """
    total = math.fsum(weight.tolist())
    step = math.ldexp(1.0, math.frexp(total)[1] - 52) if total > 0 else 1.0
    rounded: FloatArray = np.rint(weight / step) * step
    return rounded


def distinct_weights(
    values: FloatArray, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """The distinct values in order and the weight of each. O(n log n)."""
    if weight is None:
        ordered = np.sort(values)
        first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        mass = np.diff(np.append(first, len(ordered))).astype(np.float64)
        return ordered[first], mass
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[first], np.add.reduceat(weight[order], first)


def build_grid(
    values: FloatArray, y: FloatArray, weight: FloatArray | None, limit: int = MAX_PREBINS
) -> Grid:
    """At most `2 * limit` bins: every distinct value, or bins of about equal weight.

    A value that holds more than its share stands alone, so that a column of mostly zeros is cut
    finely where it is not zero.
    """
    distinct, mass = distinct_weights(values, weight)
    if len(distinct) <= limit:
        chosen = np.arange(len(distinct))
    else:
        share = mass.sum() / limit
        capped = np.minimum(mass, share)
        before = np.concatenate(([0.0], np.cumsum(capped)[:-1]))
        slot = np.floor(before * (limit / (before[-1] + capped[-1])))
        opens = np.concatenate(([True], slot[1:] > slot[:-1])) | (mass >= share)
        chosen = np.flatnonzero(opens)
    starts = distinct[chosen]
    index = (np.searchsorted(starts, values, side="right") - 1).astype(np.uint16)
    ones = y if weight is None else weight * y
    events = np.bincount(index, weights=ones, minlength=len(starts))
    sums = np.add.reduceat(mass, chosen)
    return Grid(
        starts,
        np.concatenate(([-np.inf], distinct[chosen[1:] - 1])),
        np.concatenate(([0.0], np.cumsum(sums))),
        np.concatenate(([0.0], np.cumsum(events))),
        index,
    )


def bin_losses(weight: FloatArray, events: FloatArray) -> FloatArray:
    """Weighted log loss of bins that predict their own event rate, summed over rows (nats)."""
    others = weight - events
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = -(events * np.log(events / weight)) - others * np.log(others / weight)
        single = (events <= 0) | (others <= 0)
    return np.where(single, 0.0, loss)


def optimal_partition(
    weight: FloatArray,
    events: FloatArray,
    *,
    max_cuts: int,
    penalty: float,
    min_weight: float,
    monotone: Monotone = None,
) -> list[int]:
    """Exact dynamic programme: which of the bins to start anew, least log loss + penalty per cut.

    Parameters
    ----------
    weight, events : weights and events below each bin, from 0 to the total, length m + 1.
    max_cuts : most cuts allowed.
    penalty : loss (nats, summed over rows) that a cut must save. At least one cut is made where
        the constraints allow one, since the learner chooses among the cuts anyway.
    min_weight : least weight of every bin.
    monotone : the event rate may only rise ("up") or only fall ("down") from bin to bin.

    Returns
    -------
    Indices of bins, increasing, before which to cut. Cost O(max_cuts m^2), with a factor log m
    where monotone. Of equal partitions the one with fewer cuts is returned.
    """
    m = len(weight) - 1
    if monotone == "down":
        events, monotone = weight - events, "up"
    span = weight[None, :] - weight[:, None]
    count = events[None, :] - events[:, None]
    allowed = np.triu(np.ones((m + 1, m + 1), dtype=bool), 1) & (span >= min_weight) & (span > 0)
    safe = np.where(allowed, span, 1.0)
    loss = np.where(allowed, bin_losses(safe, np.where(allowed, count, 0.0)), np.inf)
    if monotone is None:
        paths = _free_paths(loss, max_cuts)
    else:
        paths = _rising_paths(loss, np.where(allowed, count / safe, np.inf), max_cuts)
    best: list[int] = []
    least = np.inf
    for value, cuts in paths:
        if cuts and value + penalty * len(cuts) < least:
            least, best = value + penalty * len(cuts), cuts
    return best


def _free_paths(loss: FloatArray, max_cuts: int) -> list[tuple[float, list[int]]]:
    """For each number of cuts, the least loss and its cuts."""
    m = len(loss) - 1
    least = loss[0]
    came: list[np.ndarray] = []
    found = []
    for _ in range(max_cuts):
        total = least[:, None] + loss
        came.append(np.argmin(total, axis=0))
        least = total[came[-1], np.arange(m + 1)]
        if not np.isfinite(least[m]):
            continue
        cuts, end = [], m
        for back in reversed(came):
            end = int(back[end])
            cuts.append(end)
        found.append((float(least[m]), cuts[::-1]))
    return found


def _rising_paths(
    loss: FloatArray, rate: FloatArray, max_cuts: int
) -> list[tuple[float, list[int]]]:
    """As `_free_paths`, with the state (start, end) of the last bin so that rates never fall."""
    m = len(loss) - 1
    state = np.full((m + 1, m + 1), np.inf)
    state[0] = loss[0]
    came: list[np.ndarray] = []
    found = []
    order = [np.argsort(rate[:i, i], kind="stable") for i in range(m + 1)]
    for _ in range(max_cuts):
        following = np.full_like(state, np.inf)
        back = np.zeros((m + 1, m + 1), dtype=np.int64)
        for i in range(1, m):
            ranked = state[order[i], i]
            lowest = np.minimum.accumulate(ranked)
            if not np.isfinite(lowest[-1]):
                continue
            where = np.maximum.accumulate(np.where(ranked == lowest, np.arange(i), 0))
            reach = np.searchsorted(rate[order[i], i], rate[i, i + 1 :], side="right") - 1
            usable = reach >= 0
            ends = np.arange(i + 1, m + 1)[usable]
            following[i, ends] = lowest[reach[usable]] + loss[i, ends]
            back[i, ends] = order[i][where[reach[usable]]]
        state = following
        came.append(back)
        start = int(np.argmin(state[:, m]))
        if not np.isfinite(state[start, m]):
            continue
        cuts, end, begin = [], m, start
        for step in reversed(came):
            cuts.append(begin)
            begin, end = int(step[begin, end]), begin
        found.append((float(state[start, m]), cuts[::-1]))
    return found


def outcome_cuts(
    values: FloatArray,
    y: FloatArray,
    weight: FloatArray | None,
    *,
    rows: int,
    total: float,
    max_cuts: int,
    min_share: float,
    monotone: Monotone,
    round_cuts: bool,
) -> list[float]:
    """Cut points that lower the log loss of `y` most, at readable numbers if `round_cuts`.

    A cut must save log(N) nats, half for where it lies and half for the new rate (N is the sum of
    weights, or the number of rows where that is larger). No bin is so small that chance alone makes
    its rate: it holds `min_share` of the weight and has room for `EXPECTED_EVENTS`, as far as
    `LARGEST_LEAST` allows. Rounding moves a cut only as far as it
    gives back at most `ROUND_TOLERANCE` of what a cut saves on average, or `CHANCE_NATS` if more,
    and never over `MOST_GIVEN_BACK`. A cut that is still a finer number than people use for such a
    column (see `_finest_step`) moves on to the next that is not, within `MOST_GIVEN_BACK`.
    """
    grid = build_grid(values, y, weight)
    if len(grid.starts) < 2:
        return []
    scale = max(1.0, rows / total)
    events = float(grid.events[-1])
    rarer = max(min(events, total - events), 1e-300)
    roomy = max(min_share, min(EXPECTED_EVENTS / (scale * rarer), LARGEST_LEAST)) * total
    for least in (roomy, min_share * total):  # a small bin rather than none
        chosen = optimal_partition(
            grid.weight,
            grid.events,
            max_cuts=max_cuts,
            penalty=math.log(max(rows, total)) / scale,
            min_weight=least,
            monotone=monotone,
        )
        if chosen:
            break
    if not round_cuts:
        return [float(grid.starts[i]) for i in chosen]
    return _round_outcome_cuts(grid, chosen, values, y, weight, least, monotone, 1 / scale)


class _Layout(NamedTuple):
    """Weight and events below each cut, with 0 and the totals at the ends."""

    weight: list[float]
    events: list[float]

    def moved(self, t: int, weight: float, events: float) -> _Layout:
        return _Layout(
            [*self.weight[:t], weight, *self.weight[t + 1 :]],
            [*self.events[:t], events, *self.events[t + 1 :]],
        )

    def loss(self, min_weight: float, monotone: Monotone) -> float:
        w, e = np.diff(self.weight), np.diff(self.events)
        if (w <= 0).any() or (w < min_weight).any():
            return math.inf
        if monotone is not None:
            steps = np.diff(e / w) if monotone == "up" else np.diff((w - e) / w)
            if (steps < 0).any():
                return math.inf
        return float(bin_losses(w, e).sum())


def _round_outcome_cuts(
    grid: Grid,
    chosen: list[int],
    values: FloatArray,
    y: FloatArray,
    weight: FloatArray | None,
    min_weight: float,
    monotone: Monotone,
    nat: float,
) -> list[float]:
    ends = [0, *chosen, len(grid.starts)]
    layout = _Layout([float(grid.weight[i]) for i in ends], [float(grid.events[i]) for i in ends])
    whole = float(bin_losses(grid.weight[-1:], grid.events[-1:])[0])
    loss = layout.loss(min_weight, monotone)
    saved = (whole - loss) / max(1, len(chosen))
    allowance = max(ROUND_TOLERANCE * saved, min(CHANCE_NATS * nat, MOST_GIVEN_BACK * saved))
    below = _Below(grid, values, y, weight)
    inner = _inner_spread(grid)
    cuts: list[float] = []
    for t, start in enumerate(chosen, start=1):
        limit = loss + allowance

        def at(i: int, t: int = t, layout: _Layout = layout) -> float:
            moved = layout.moved(t, float(grid.weight[i]), float(grid.events[i]))
            return moved.loss(min_weight, monotone)

        first = last = start
        while first > 1 and at(first - 1) <= limit:
            first -= 1
        while last < len(grid.starts) - 1 and at(last + 1) <= limit:
            last += 1
        first, last = max(1, first - 1), min(len(grid.starts) - 1, last + 1)
        reach = (float(grid.previous[first]), float(grid.starts[last]))
        for cut in _ever_finer(*reach, float(grid.starts[start])):
            tried = layout.moved(t, *below(cut))
            if tried.loss(min_weight, monotone) <= limit:
                break
        found = tried.loss(min_weight, monotone)
        for coarse in _beside(cut, inner):
            moved = layout.moved(t, *below(coarse))
            if moved.loss(min_weight, monotone) <= max(found, loss + MOST_GIVEN_BACK * saved):
                cut, tried = coarse, moved
                break
        layout, loss = tried, tried.loss(min_weight, monotone)
        cuts.append(cut)
    return cuts


def _inner_spread(grid: Grid) -> float:
    """Width of the inner 90 % of the weight, or of everything where that has no width."""
    share = grid.weight[1:] / grid.weight[-1]
    low, high = grid.starts[np.searchsorted(share, (0.05, 0.95))].tolist()
    width = high - low or float(grid.starts[-1]) - float(grid.starts[0])
    return min(max(width, 1e-300), 1e300)


def _finest_step(cut: float, spread: float) -> Decimal:
    """The finest step, 1, 2 or 5 times a power of ten, that people use near `cut`.

    At most `spread / STEPS_PER_SPREAD`, and no coarser than the second digit of `cut`: a skewed
    column is finer where it is small.

    >>> _finest_step(9899.0, 12000.0), _finest_step(7.347, 0.3)
    (Decimal('1E+2'), Decimal('0.002'))
    """
    widest = Decimal(spread) / STEPS_PER_SPREAD
    unit = Decimal(1).scaleb(widest.adjusted())
    step = max(digit * unit for digit in (1, 2, 5) if digit * unit <= widest)
    first = Decimal(cut or spread).adjusted()
    return max(min(step, Decimal(1).scaleb(first - 1)), Decimal(1).scaleb(first - 17))


def _beside(cut: float, spread: float) -> list[float]:
    """The two readable numbers around `cut`, the nearer first; none if it is one itself."""
    exact, step = Decimal(repr(cut)), _finest_step(cut, spread)
    coarser = step * 5 / 2  # 0.5 is no multiple of 0.2, but as readable
    if exact % step == 0 or (step.as_tuple().digits == (2,) and exact % coarser == 0):
        return []
    below = (exact / step).to_integral_value("ROUND_FLOOR") * step
    return sorted((float(below), float(below + step)), key=lambda number: abs(number - cut))


class _Below:
    """Weight and events below any number, looking only at the rows of the bin that it cuts."""

    def __init__(
        self, grid: Grid, values: FloatArray, y: FloatArray, weight: FloatArray | None
    ) -> None:
        self._grid, self._values, self._y, self._weight = grid, values, y, weight
        self._inside: dict[int, tuple[FloatArray, FloatArray, FloatArray]] = {}

    def __call__(self, cut: float) -> tuple[float, float]:
        grid = self._grid
        q = int(np.searchsorted(grid.starts, cut, side="right")) - 1
        if q not in self._inside:
            rows = np.flatnonzero(grid.bin_of == q)
            held = np.ones(len(rows)) if self._weight is None else self._weight[rows]
            self._inside[q] = self._values[rows], held, held * self._y[rows]
        values, held, events = self._inside[q]
        under = values < cut
        return (
            float(grid.weight[q] + held[under].sum()),
            float(grid.events[q] + events[under].sum()),
        )


def quantile_cuts(
    values: FloatArray, weight: FloatArray | None, *, max_cuts: int, round_cuts: bool
) -> list[float]:
    """Cut points that split the weight into `max_cuts + 1` about equal parts; repeats are dropped.

    Rounding moves at most `QUANTILE_TOLERANCE` of a part across a cut.
    """
    distinct, mass = distinct_weights(values, weight)
    if len(distinct) < 2:
        return []
    below = np.cumsum(mass)[:-1]
    total = below[-1] + mass[-1]
    slack = QUANTILE_TOLERANCE * total / (max_cuts + 1)
    cuts: list[float] = []
    for j in range(1, max_cuts + 1):
        wanted = total * j / (max_cuts + 1)
        i = int(np.argmin(np.abs(below - wanted)))
        first = last = i
        if round_cuts:
            first = min(i, int(np.searchsorted(below, below[i] - slack, side="left")))
            last = max(i, int(np.searchsorted(below, below[i] + slack, side="right")) - 1)
            cut = roundest(
                float(distinct[first]), float(distinct[last + 1]), float(distinct[i + 1])
            )
        else:
            cut = float(distinct[i + 1])
        if not cuts or cut > cuts[-1]:
            cuts.append(cut)
    return cuts


def roundest(low: float, high: float, target: float) -> float:
    """The number in (low, high] that is a multiple of the largest 1, 2 or 5 times a power of ten.

    Of several multiples the one nearest to `target`. Zero is the roundest number of all.

    >>> roundest(62.3, 66.0, 64.0)
    65.0
    >>> roundest(0.0, 0.0431, 0.0431)
    0.04
    """
    return next(_ever_finer(low, high, target))


def _ever_finer(low: float, high: float, target: float) -> Iterator[float]:
    """Numbers in (low, high], the roundest first, each nearest to `target`; at last `target`."""
    exact = [Decimal(repr(float(number))) for number in (low, high, target)]
    if low < 0 <= high:
        yield 0.0
    top = math.floor(math.log10(max(abs(high), abs(low)))) if low or high else 0
    for exponent in range(top, top - 18, -1):
        for digit in (5, 2, 1):
            step = Decimal(digit).scaleb(exponent)
            least = int((exact[0] / step).to_integral_value("ROUND_FLOOR")) + 1
            most = int((exact[1] / step).to_integral_value("ROUND_FLOOR"))
            if least <= most:
                wanted = int((exact[2] / step).to_integral_value())
                value = float(min(max(wanted, least), most) * step)
                if low < value <= high:
                    yield value
    yield target


def number_text(value: float) -> str:
    """A number as people write it: no exponent where it can be helped, no needless zeros.

    >>> number_text(65.0), number_text(0.05), number_text(1500000.0)
    ('65', '0.05', '1500000')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = format(Decimal(repr(float(value))), "f")
    return text if len(text) <= 20 else repr(float(value))
