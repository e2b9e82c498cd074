"""The losses that a budget can name: what counts as an error, among whom, and which way it grows.

Every rule here acts on the rows whose score is at least a threshold. A loss is a share: of the
rows that belong (`members`), those that are errors. Both are told from what is counted on either
side of the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from riskwright.core import ParameterError

__all__ = ["LOSSES", "Counts", "NamedLoss", "named_loss"]

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Shape = Literal["rises", "falls", "either"]


@dataclass(frozen=True)
class Counts:
    """Rows with outcome 1 and 0 at or above each threshold, and in all."""

    events_above: Any
    others_above: Any
    events: int
    others: int

    @property
    def events_below(self) -> Any:
        return self.events - self.events_above

    @property
    def others_below(self) -> Any:
        return self.others - self.others_above


@dataclass(frozen=True)
class NamedLoss:
    """A share of errors among members.

    `shape` says what happens to it as the threshold rises: it never falls ("rises"), never rises
    ("falls"), or "either". `more` is True where relief comes from acting on more rows. `errors`
    and `members` map `Counts` to whole numbers, `of_rows` maps (acted, y) to per-row marks.
    """

    name: str
    words: str
    shape: Shape
    errors: Callable[[Counts], Any]
    members: Callable[[Counts], Any]
    of_rows: Callable[[Bools, Bools], tuple[Bools, Bools]]


def _everyone(acted: Bools) -> Bools:
    return np.ones(acted.shape, bool)


LOSSES = {
    loss.name: loss
    for loss in (
        NamedLoss(
            "miss rate",
            "the share of events on which the rule does not act",
            "rises",
            lambda c: c.events_below,
            lambda c: c.events + 0 * c.events_above,
            lambda acted, y: (~acted & y, y),
        ),
        NamedLoss(
            "false alarm rate",
            "the share of non-events on which the rule acts",
            "falls",
            lambda c: c.others_above,
            lambda c: c.others + 0 * c.others_above,
            lambda acted, y: (acted & ~y, ~y),
        ),
        NamedLoss(
            "false discovery rate",
            "the share of non-events among those on whom the rule acts (1 - precision)",
            "either",
            lambda c: c.others_above,
            lambda c: c.events_above + c.others_above,
            lambda acted, y: (acted & ~y, acted),
        ),
        NamedLoss(
            "false omission rate",
            "the share of events among those on whom the rule does not act",
            "either",
            lambda c: c.events_below,
            lambda c: c.events_below + c.others_below,
            lambda acted, y: (~acted & y, ~acted),
        ),
        NamedLoss(
            "error rate",
            "the share of rows on which the rule acts wrongly or wrongly does not act",
            "either",
            lambda c: c.events_below + c.others_above,
            lambda c: c.events + c.others + 0 * c.events_above,
            lambda acted, y: (acted != y, _everyone(acted)),
        ),
        NamedLoss(
            "action rate",
            "the share of rows on which the rule acts",
            "falls",
            lambda c: c.events_above + c.others_above,
            lambda c: c.events + c.others + 0 * c.events_above,
            lambda acted, y: (acted, _everyone(acted)),
        ),
        NamedLoss(
            "error among accepted",
            "the share of errors among the rows that are answered",
            "either",
            lambda c: c.events_above,
            lambda c: c.events_above + c.others_above,
            lambda acted, y: (acted & y, acted),
        ),
        NamedLoss(
            "accepted errors",
            "the share of rows that are answered and wrong",
            "falls",
            lambda c: c.events_above,
            lambda c: c.events + c.others + 0 * c.events_above,
            lambda acted, y: (acted & y, _everyone(acted)),
        ),
        NamedLoss(
            "abstention rate",
            "the share of rows that are not answered",
            "rises",
            lambda c: c.events_below + c.others_below,
            lambda c: c.events + c.others + 0 * c.events_above,
            lambda acted, y: (~acted, _everyone(acted)),
        ),
    )
}

_SYNONYMS = {
    "fnr": "miss rate",
    "false negative rate": "miss rate",
    "fpr": "false alarm rate",
    "false positive rate": "false alarm rate",
    "fdr": "false discovery rate",
    "for": "false omission rate",
    "error": "error rate",
    "misclassification rate": "error rate",
    "alert rate": "action rate",
    "flag rate": "action rate",
    "selective risk": "error among accepted",
    "selective error": "error among accepted",
    "generalised risk": "accepted errors",
    "generalized risk": "accepted errors",
}
COMPLEMENTS = {
    "recall": "miss rate",
    "sensitivity": "miss rate",
    "tpr": "miss rate",
    "specificity": "false alarm rate",
    "tnr": "false alarm rate",
    "precision": "false discovery rate",
    "ppv": "false discovery rate",
    "npv": "false omission rate",
    "accuracy": "error rate",
    "coverage": "abstention rate",
    "accuracy among accepted": "error among accepted",
}


def named_loss(name: str) -> str:
    """The one name of a loss that has several; `ParameterError` lists them where it is unknown."""
    plain = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    plain = _SYNONYMS.get(plain, plain)
    if plain not in LOSSES and plain not in ("cost", "loss"):
        known = [*LOSSES, "cost", "loss"]
        raise ParameterError(
            "unknown loss",
            where="Budget(loss)",
            expected="one of " + ", ".join(known) + ", or a function of (acted, y)",
            got=repr(name),
            hint="Bound recall, precision or accuracy as what is missing from them: "
            "'precision >= 90%' is 'false discovery rate <= 10%'",
        )
    return plain
