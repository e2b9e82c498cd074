"""What makes a card provably best: problems over folded patterns, constraints, exact search."""

from .constraints import AtMost, Constraints, IfThen, ItemRules, Linear, LinearRow
from .patterns import Patterns, fold
from .scip import scip_search
from .search import CardProblem, Found, SearchResult, available_threads, search

__all__ = [
    "AtMost",
    "CardProblem",
    "Constraints",
    "Found",
    "IfThen",
    "ItemRules",
    "Linear",
    "LinearRow",
    "Patterns",
    "SearchResult",
    "available_threads",
    "fold",
    "scip_search",
    "search",
]
