"""A learned card put to work: one row, whole files, SQL, a spreadsheet, a Python function.

Every member takes a `core.ScoreCard` and gives the same totals and risks as every other.
"""

from .bulk import score_file, score_frame
from .python_function import to_python
from .row import Added, RowScore, RowScorer
from .spreadsheet import Formulas, to_spreadsheet
from .sql import DIALECTS, Dialect, to_sql

__all__ = [
    "DIALECTS",
    "Added",
    "Dialect",
    "Formulas",
    "RowScore",
    "RowScorer",
    "score_file",
    "score_frame",
    "to_python",
    "to_spreadsheet",
    "to_sql",
]
