"""Certificates of stream monitors: the unit is a whole reply, its score the highest look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from riskwright.core import (
    DataError,
    Finding,
    ParameterError,
    Record,
    UsageError,
    artifact_kinds,
    content_hash,
)

from .stream_paths import StreamPath

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["StreamCertificate", "certified_rules", "read_rule"]


class StreamCertificate(Record, frozen=True, kw_only=True):
    """What the thresholds of a stream monitor promise, and for which monitor.

    Parameters
    ----------
    statement : in words.
    rules : key (or keys joined by "|") -> `RiskCertificate.to_dict` of its threshold.
    every, sentences : where it looks. `hold_back` : what it holds back, in characters.
    reach : characters from the start of what the scorer finds to where it shows; None where the
        scorer promises none.
    max_characters : longer replies are stopped, and were not among the rows.
    scorer, scorer_version, head : whose values; `head` is empty where there is none.
    monitor : digest of all that the values at the looks depend on.
    n : replies.
    """

    statement: str
    rules: dict[str, dict[str, Any]]
    every: int
    sentences: bool
    hold_back: int
    reach: int | None
    max_characters: int
    scorer: str
    scorer_version: str
    head: str
    monitor: str
    n: int

    def __str__(self) -> str:
        return self.statement

    @property
    def certified(self) -> bool:
        """Whether every threshold is."""
        return all(told["verdict"] == "certified" for told in self.rules.values())

    @property
    def digest(self) -> str:
        """That decisions name."""
        return f"sha256:{content_hash(self.to_dict())}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StreamCertificate:
        """From what `to_dict` gives."""
        return msgspec.convert(values, cls, strict=False)

    def check(
        self,
        paths: Sequence[StreamPath],
        labels: ArrayLike | Mapping[str, ArrayLike],
        groups: Any = None,
    ) -> tuple[Finding, ...]:
        """Verify every threshold anew from paths and labels; see `RiskCertificate.check`."""
        from riskwright.decision import RiskCertificate

        found: list[Finding] = []
        for name, told in self.rules.items():
            maxima = _maxima(paths, tuple(name.split("|")))
            y = labels[name] if isinstance(labels, Mapping) else labels
            found += RiskCertificate.from_dict(told).check(maxima, y, groups=groups)
        return tuple(found)

    def refuse_other(self, monitor: str, hold_back: int) -> None:
        """`UsageError` unless it certifies this monitor, as it is."""
        if not self.certified:
            raise UsageError(
                "no threshold is certified",
                where="StreamMonitor",
                got=self.statement,
                hint="Certify with more labelled replies or another budget",
            )
        if (self.monitor, self.hold_back) != (monitor, hold_back):
            raise UsageError(
                "the certificate is that of another monitor",
                where="StreamMonitor",
                expected=f"{self.scorer} {self.scorer_version}, every={self.every}, "
                f"hold_back={self.hold_back}, and the head and values it was certified with",
                hint="Certify again after a change",
            )


def certified_rules(
    paths: Sequence[StreamPath],
    labels: ArrayLike | Mapping[str, ArrayLike],
    rule: Any,
    groups: Any,
    *,
    on: tuple[str, ...],
    setting: dict[str, Any],
) -> tuple[dict[str, Any], StreamCertificate]:
    """Rules fitted to the highest values of paths, per set of keys, and their certificate."""
    if not paths:
        raise DataError("no replies", where="certify")
    rules = _unfitted(rule, on)
    for name, one in rules.items():
        if isinstance(labels, Mapping) and name not in labels:
            raise ParameterError("a key without labels", where="labels", expected=repr(name))
        y = labels[name] if isinstance(labels, Mapping) else labels
        one.fit(_maxima(paths, tuple(name.split("|"))), y, groups=groups)
    told = {name: one.certificate_.to_dict() for name, one in rules.items()}
    certificate = StreamCertificate(
        statement=_statement(rules, setting), rules=told, n=len(paths), **setting
    )
    return rules, certificate


def read_rule(kind: str, body: dict[str, Any]) -> Any:
    """A rule from what its `to_artifact` gave."""
    return artifact_kinds.load(kind).from_artifact(body)


def _maxima(paths: Sequence[StreamPath], keys: tuple[str, ...]) -> np.ndarray[Any, Any]:
    return np.array([path.maximum(keys) for path in paths], dtype=np.float64)


def _unfitted(rule: Any, on: tuple[str, ...]) -> dict[str, Any]:
    """Key or keys -> a rule to be fitted."""
    from sklearn.base import clone

    from riskwright.decision import Strictness, ThreeWay, Threshold
    from riskwright.decision.budgets import checked_budgets

    if isinstance(rule, Mapping):
        if not rule:
            raise ParameterError("no budgets", where="rule", expected="hazard -> budget")
        found = {}
        for key, one in rule.items():
            budgets = checked_budgets(one)
            shared = [replace(b, delta=(b.delta or 0.0) / len(rule)) for b in budgets]
            found[str(key)] = Threshold(shared)
        return found
    name = "|".join(on)
    if isinstance(rule, Threshold | ThreeWay | Strictness):
        return {name: clone(rule)}
    return {name: Threshold(rule)}


def _statement(rules: dict[str, Any], setting: dict[str, Any]) -> str:
    where = f"at most {setting['every']} characters apart"
    if setting["sentences"]:
        where += " and at ends of sentences"
    head = f" with the head {setting['head']}" if setting["head"] else ""
    start = (
        f"Each row is a whole reply of at most {setting['max_characters']:,} characters, and its "
        f"score the highest value over all looks, {where}, of the scorer {setting['scorer']} "
        f"{setting['scorer_version']}{head}; {setting['hold_back']} characters are held back."
    )
    reach = setting["reach"]
    if reach is not None and (leak := reach - 1 - setting["hold_back"]) > 0:
        start += (
            f" What the scorer finds shows after at most {reach} characters, so that up to {leak} "
            f"characters of it can go out."
        )
    parts = [
        f"{name.replace('|', ', ')}: {one.certificate_.statement}" for name, one in rules.items()
    ]
    return " ".join([start, *parts])
