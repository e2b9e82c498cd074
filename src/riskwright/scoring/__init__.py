"""Scorers: from evidence to numbers, never to decisions.

Cards are scikit-learn estimators; `deployment` applies a finished card without the learning.
Scorers of exchanges share `perception`: those that run offline are in `text`, guard models in
`guard_models`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .action_risk import ActionCard, ActionScorer, default_card
    from .action_text import ActionTextModel
    from .asking import Profiles, acquire, ask
    from .dempster_shafer import DempsterShafer
    from .experts import Experts
    from .guidelines import (
        Guideline,
        GuidelineLibrary,
        check_reply,
        guided_messages,
        load_guidelines,
    )
    from .harm_benefit import HarmBenefit, aggregate
    from .harm_fitting import fit_weights
    from .harm_tree import HarmTree, load_tree, read_tree
    from .harm_weights import HarmWeights, load_weights
    from .risk_scores import RiskScoreClassifier
    from .scoring_systems import ScoringSystemClassifier

_HOMES = {
    "ActionCard": "action_risk",
    "ActionScorer": "action_risk",
    "ActionTextModel": "action_text",
    "DempsterShafer": "dempster_shafer",
    "Experts": "experts",
    "Guideline": "guidelines",
    "GuidelineLibrary": "guidelines",
    "HarmBenefit": "harm_benefit",
    "HarmTree": "harm_tree",
    "HarmWeights": "harm_weights",
    "Profiles": "asking",
    "RiskScoreClassifier": "risk_scores",
    "ScoringSystemClassifier": "scoring_systems",
    "acquire": "asking",
    "aggregate": "harm_benefit",
    "ask": "asking",
    "check_reply": "guidelines",
    "default_card": "action_risk",
    "fit_weights": "harm_fitting",
    "guided_messages": "guidelines",
    "load_guidelines": "guidelines",
    "load_tree": "harm_tree",
    "load_weights": "harm_weights",
    "read_tree": "harm_tree",
}

__all__ = [
    "ActionCard",
    "ActionScorer",
    "ActionTextModel",
    "DempsterShafer",
    "Experts",
    "Guideline",
    "GuidelineLibrary",
    "HarmBenefit",
    "HarmTree",
    "HarmWeights",
    "Profiles",
    "RiskScoreClassifier",
    "ScoringSystemClassifier",
    "acquire",
    "aggregate",
    "ask",
    "check_reply",
    "default_card",
    "fit_weights",
    "guided_messages",
    "load_guidelines",
    "load_tree",
    "load_weights",
    "read_tree",
]

__getattr__ = lazy_names(__name__, _HOMES)
