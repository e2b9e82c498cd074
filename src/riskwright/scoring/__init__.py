"""Scorers: from evidence to points and risk. Each is a scikit-learn estimator with a card."""

from .risk_scores import RiskScoreClassifier

__all__ = ["RiskScoreClassifier"]
