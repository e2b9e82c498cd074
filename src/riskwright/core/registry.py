"""Names of saved kinds and the classes that read them, loaded only when they are met."""

from __future__ import annotations

import importlib
from typing import Any

from .exceptions import ArtifactError

__all__ = ["Registry", "artifact_kinds", "page_writers"]


class Registry:
    """Maps a stable name to `"module:Class"`, so that listing names imports nothing."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._targets: dict[str, str] = {}

    def register(self, name: str, target: str) -> None:
        """Add `name`; the same name for another target is a programming error."""
        if self._targets.setdefault(name, target) != target:
            raise ValueError(f"{self.what} {name!r} is registered as {self._targets[name]!r}")

    def names(self) -> list[str]:
        return sorted(self._targets)

    def load(self, name: str) -> Any:
        """The class behind `name`; `ArtifactError` lists the known names where it is unknown."""
        if name not in self._targets:
            raise ArtifactError(
                f"unknown {self.what}", expected="one of " + ", ".join(self.names()), got=repr(name)
            )
        module, _, attribute = self._targets[name].partition(":")
        return getattr(importlib.import_module(module), attribute)


artifact_kinds = Registry("kind of artifact")
artifact_kinds.register("risk_score", "riskwright.scoring.risk_scores:RiskScoreClassifier")
artifact_kinds.register(
    "scoring_system", "riskwright.scoring.scoring_systems:ScoringSystemClassifier"
)
artifact_kinds.register("score_sketch", "riskwright.metrics.sketch:ScoreSketch")
artifact_kinds.register("calibrator", "riskwright.calibration.calibrator:Calibrator")
artifact_kinds.register("threshold", "riskwright.decision.score_rules:Threshold")
artifact_kinds.register("abstain", "riskwright.decision.score_rules:Abstain")
artifact_kinds.register("conformal", "riskwright.decision.conformal:Conformal")
artifact_kinds.register("risk_control", "riskwright.decision.risk_control:RiskControl")
artifact_kinds.register("strictness", "riskwright.decision.strictness:Strictness")
artifact_kinds.register("three_way", "riskwright.decision.strictness:ThreeWay")
artifact_kinds.register("cascade", "riskwright.decision.cascade:Cascade")
artifact_kinds.register("boundary", "riskwright.decision.boundary:Boundary")
artifact_kinds.register("watch", "riskwright.decision.watch:Watch")
artifact_kinds.register("guard", "riskwright.guard.guard:Guard")
artifact_kinds.register("guard_cascade", "riskwright.guard.cascades:GuardCascade")
artifact_kinds.register("experts", "riskwright.scoring.experts:Experts")
artifact_kinds.register("dempster_shafer", "riskwright.scoring.dempster_shafer:DempsterShafer")
artifact_kinds.register("scanners", "riskwright.guard.scanners:Scanners")
artifact_kinds.register("action_card", "riskwright.scoring.action_risk:ActionCard")
artifact_kinds.register("action_text", "riskwright.scoring.action_text:ActionTextModel")
artifact_kinds.register("action_guard", "riskwright.guard.actions:ActionGuard")
artifact_kinds.register("ss3", "riskwright.scoring.text.ss3:SS3Classifier")
artifact_kinds.register("stream_monitor", "riskwright.guard.streams:StreamMonitor")
artifact_kinds.register("pipeline", "riskwright.pipeline:RiskPipeline")
artifact_kinds.register("score_card_sheet", "riskwright.cards.score_card_sheet:ScoreCardSheet")
artifact_kinds.register("risk_card", "riskwright.cards.risk_card:RiskCard")
artifact_kinds.register("data_card", "riskwright.cards.data_card:DataCard")
artifact_kinds.register("deployment_card", "riskwright.cards.deployment_card:DeploymentCard")
artifact_kinds.register("notice", "riskwright.cards.notice:Notice")
artifact_kinds.register("audit", "riskwright.audit.report:Audit")

page_writers = Registry("ending of an audit's file")
page_writers.register(".html", "riskwright.cards.audit_page:audit_page")
page_writers.register(".md", "riskwright.cards.audit_text:audit_markdown")
