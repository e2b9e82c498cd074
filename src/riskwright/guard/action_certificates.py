"""Thresholds on the scores of actions, certified per tool by the decision engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from riskwright.core import DataError, ParameterError, artifact_kinds
from riskwright.core.scores import Score
from riskwright.decision import Budget, RiskCertificate, ThreeWay, Threshold
from riskwright.decision.budgets import checked_budgets
from riskwright.decision.search import smallest_size

__all__ = ["ActionRule"]

Says = Literal["pass", "escalate", "block", "abstain"]
_GROUPING = "tool"


class ActionRule:
    """A certified threshold (or two) on the severity of actions, tool by tool.

    Parameters
    ----------
    budgets : "miss rate <= 5% with 95% confidence" bounds the share of risky actions that are
        allowed without asking; a second budget, on the false alarm rate, bounds the share of
        harmless ones that are blocked. Both hold for every tool on its own.

    Attributes
    ----------
    rule_ : the fitted `Threshold` or `ThreeWay`.
    certificate_ : its certificate.
    covered_ : tools that the certificate speaks of.
    labels_needed_ : tool that is left out -> labels of the kind it lacks.
    version_ : of the scorer whose scores were certified; scores of another one abstain.
    """

    def __init__(self, budgets: Budget | str | Sequence[Budget | str]) -> None:
        given = checked_budgets(budgets, frozenset({"miss rate", "false alarm rate"}))
        self.budgets = tuple(
            replace(budget, per=_GROUPING) if budget.per is None else budget for budget in given
        )
        names = [budget.name for budget in self.budgets]
        grouped = all(budget.per == _GROUPING for budget in self.budgets)
        if names not in (["miss rate"], ["miss rate", "false alarm rate"]) or not grouped:
            raise ParameterError(
                "not budgets for actions",
                where="budgets",
                expected="one on the miss rate, then perhaps one on the false alarm rate, per tool",
            )

    def fit(
        self, scores: Sequence[Score], risky: Sequence[bool | int], tools: Sequence[str]
    ) -> ActionRule:
        """Certify from scored, labelled actions.

        Raises `DataError` for lengths that differ, actions without a severity, several scorers.
        """
        y = np.asarray(risky)
        if not len(scores) == y.size == len(tools) or not len(scores):
            raise DataError("lengths differ, or no actions", where="certify(actions, labels)")
        if not np.isin(y, (0, 1)).all():
            raise DataError("labels other than 0 and 1", where="certify(labels)")
        failed = sum(score.severity is None for score in scores)
        if failed:
            raise DataError(
                "actions without a severity",
                where="certify(actions)",
                got=f"{failed} of {len(scores)}",
                hint="Leave them out: such actions always go to a person",
            )
        versions = {tuple(sorted(score.scorers.items())) for score in scores}
        if len(versions) > 1:
            raise DataError("scores of several versions of a scorer", where="certify(actions)")
        self.version_ = versions.pop()
        severity = np.array([score.severity for score in scores], dtype=np.float64)
        self._fit(severity, y.astype(int), np.array(tools, dtype=object))
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain values, of a rule that was fitted."""
        return {
            "budgets": [str(budget) for budget in self.budgets],
            "rule": list(self.rule_.to_artifact()),
            "covered": list(self.covered_),
            "labels_needed": self.labels_needed_,
            "version": [list(one) for one in self.version_],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> ActionRule:
        """The rule that `to_dict` told of."""
        rule = cls(list(told["budgets"]))
        kind, body = told["rule"]
        rule.rule_ = artifact_kinds.load(kind).from_artifact(body)
        rule.certificate_ = rule.rule_.certificate_
        rule.covered_ = tuple(told["covered"])
        rule.labels_needed_ = dict(told["labels_needed"])
        rule.version_ = tuple((str(name), str(version)) for name, version in told["version"])
        return rule

    def _fit(self, severity: Any, y: Any, tools: Any) -> None:
        if len(self.budgets) == 1:
            rule = Threshold(self.budgets[0], small_groups="abstain")
            self.rule_: Threshold | ThreeWay = rule.fit(severity, y, groups={_GROUPING: tools})
            self.labels_needed_ = dict(rule.left_out_.get(_GROUPING, {}))
        else:
            self.labels_needed_ = self._too_few(y, tools)
            kept = ~np.isin(tools, list(self.labels_needed_))
            if not kept.any():
                kept[:] = True
            self.rule_ = ThreeWay(*self.budgets).fit(
                severity[kept], y[kept], groups={_GROUPING: tools[kept]}
            )
        self.covered_ = tuple(sorted(set(tools.tolist()) - set(self.labels_needed_)))
        self.certificate_: RiskCertificate = self.rule_.certificate_

    def _too_few(self, y: Any, tools: Any) -> dict[str, int]:
        """Tools with too few risky or harmless actions for a budget; only labels are looked at."""
        found: dict[str, int] = {}
        for budget, label in zip(self.budgets, (1, 0), strict=True):
            assert budget.delta is not None
            needed = smallest_size(budget.limit, budget.delta)
            held = Counter(tools[y == label].tolist())
            for tool in sorted(set(tools.tolist())):
                missing = (needed or 0) - held[tool]
                if needed is None or missing > 0:
                    found[tool] = max(found.get(tool, 0), missing)
        return found

    def says(self, score: Score, tool: str) -> Says:
        """What the rule says of one scored action; "abstain" where nothing is certified of it."""
        version = tuple(sorted(score.scorers.items()))
        known = tool in self.covered_ and version == self.version_
        if not known or score.severity is None or not self.certificate_.certified:
            return "abstain"
        if isinstance(self.rule_, ThreeWay):
            said = str(self.rule_.decide([score.severity])[0])
        else:
            labels: Mapping[str, Any] = {_GROUPING: [tool]}
            said = str(self.rule_.decide([score.severity], labels)[0])
        told: dict[str, Says] = {"pass": "pass", "flag": "escalate"}
        return told.get(said, said)  # type: ignore[arg-type]
