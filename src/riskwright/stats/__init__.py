"""Statistics that metrics, learning and certificates share: intervals and resampling."""

from .intervals import (
    effective_size,
    log_interval,
    logit_interval,
    normal_interval,
    normal_quantile,
    proportion_interval,
)
from .resampling import bootstrap_interval, bootstrap_weights

__all__ = [
    "bootstrap_interval",
    "bootstrap_weights",
    "effective_size",
    "log_interval",
    "logit_interval",
    "normal_interval",
    "normal_quantile",
    "proportion_interval",
]
