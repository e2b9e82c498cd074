"""Rules that act on scores under a stated risk budget, each with its certificate."""

from .bayes import BayesDecision, answer_or_refuse
from .boundary import Boundary
from .budgets import Budget, read_budgets, read_regimes
from .cascade import Cascade, Stage
from .certificates import BudgetBound, RiskCertificate, bounds_table
from .conformal import Conformal
from .label_plans import LabelPlan, label_plan
from .outreach import OutreachPlan, plan_outreach
from .risk_control import RiskControl
from .score_rules import Abstain, Threshold
from .strictness import Strictness, ThreeWay
from .watch import Watch

__all__ = [
    "Abstain",
    "BayesDecision",
    "Boundary",
    "Budget",
    "BudgetBound",
    "Cascade",
    "Conformal",
    "LabelPlan",
    "OutreachPlan",
    "RiskCertificate",
    "RiskControl",
    "Stage",
    "Strictness",
    "ThreeWay",
    "Threshold",
    "Watch",
    "answer_or_refuse",
    "bounds_table",
    "label_plan",
    "plan_outreach",
    "read_budgets",
    "read_regimes",
]
