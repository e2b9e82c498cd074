"""What makes a card provably best: problems over folded patterns, constraints, exact search."""

from .constraints import AtMost, Constraints, IfThen, ItemRules
from .patterns import Patterns, fold
from .search import CardProblem, Found, SearchResult, available_threads, search

__all__ = [
    "AtMost",
    "CardProblem",
    "Constraints",
    "Found",
    "IfThen",
    "ItemRules",
    "Patterns",
    "SearchResult",
    "available_threads",
    "fold",
    "search",
]
