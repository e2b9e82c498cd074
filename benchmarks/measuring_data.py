"""The rows of every measuring task: drawn once from a seed, kept in a file, the same for all."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from .data import GENERATED, keep

__all__ = ["GROUPS", "HORIZONS", "QUERIES", "Rows", "horizons", "rows", "rows_file", "survival"]

SEED = 20261121
GROUPS, HORIZONS, QUERIES = 5, 100, 1000
SHAPE = 1.3  # of the Weibull times, true and predicted


@dataclass(frozen=True)
class Rows:
    """Columns (n,): two outcomes with what was predicted for them.

    `p` is the predicted probability of `y` in {0, 1}, a little too sure of itself; `group` counts
    from 0. `time` and `event` are follow-up, about 40 % censored; `risk` is higher for earlier
    events, and `scale` is that of the predicted Weibull time.
    """

    y: np.ndarray
    p: np.ndarray
    group: np.ndarray
    time: np.ndarray
    event: np.ndarray
    risk: np.ndarray
    scale: np.ndarray


def _draw(n: int) -> Rows:
    rng = np.random.default_rng(SEED)
    low, high = rng.beta(1.5, 6.0, n), rng.beta(5.0, 3.0, n)
    true = np.where(rng.random(n) < 0.25, high, low)
    logit = np.log(true) - np.log1p(-true)
    x = rng.normal(size=n)
    scale = 10.0 * np.exp(-0.8 * x)
    lifetime = scale * rng.weibull(SHAPE, n)
    end = rng.exponential(17.0, n)
    return Rows(
        y=(rng.random(n) < true).astype(np.int64),
        p=1.0 / (1.0 + np.exp(0.1 - 1.2 * logit)),
        group=rng.integers(0, GROUPS, n),
        time=np.minimum(lifetime, end),
        event=lifetime <= end,
        risk=x + 0.5 * rng.normal(size=n),
        scale=scale * np.exp(0.2 * rng.normal(size=n)),
    )


def _path(n: int) -> Path:
    return GENERATED / f"measuring_{SEED}_{n}.npz"


def rows_file(n: int) -> dict[str, Any]:
    """Make the file of n rows."""
    return keep(_path(n), lambda: vars(_draw(n)))


def rows(n: int) -> Rows:
    """The rows of the file, checked once for all that is asked of them."""
    with np.load(_path(n)) as file:
        found = Rows(**{f.name: file[f.name] for f in fields(Rows)})
    if any(len(column) != n or not np.isfinite(column).all() for column in vars(found).values()):
        raise ValueError(f"{_path(n)} does not hold {n} finite rows; remove it")
    if found.p.min() <= 0 or found.p.max() >= 1 or set(np.unique(found.y)) != {0, 1}:
        raise ValueError(f"{_path(n)} holds no probabilities with outcomes of 0 and 1; remove it")
    return found


def horizons(found: Rows) -> np.ndarray:
    """The times (HORIZONS,) at which survival is scored: spread over the inner follow-up."""
    return np.quantile(found.time, np.linspace(0.05, 0.90, HORIZONS))


def survival(found: Rows) -> np.ndarray:
    """Predicted survival (n, HORIZONS) at `horizons`."""
    return np.exp(-((horizons(found) / found.scale[:, None]) ** SHAPE))
