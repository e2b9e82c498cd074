"""Rules that run offline: secrets, personal data, invisible characters, injection, lists of terms.

Each family is a module with `find(text)`, whose finds depend on their neighbourhood alone;
`RuleScorer` joins them.
"""

from .redaction import Redacted, redact
from .scorer import FAMILIES, RuleReading, RuleScorer
from .term_lists import TermList
from .terms import Term, read_terms

__all__ = [
    "FAMILIES",
    "Redacted",
    "RuleReading",
    "RuleScorer",
    "Term",
    "TermList",
    "read_terms",
    "redact",
]
