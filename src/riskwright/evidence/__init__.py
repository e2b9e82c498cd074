"""Evidence: tables read, checked and turned into statements that a score can add up.

`read_table` gives a `Table` from any file or frame; a `Schema` states what cannot be inferred;
`Binarizer` finds cut points and turns raw rows into a matrix of items. Every member leaves missing
values as they are until an item says what they mean, and every error names column and rows.
"""

from .binarisation import Binarizer
from .schema import Schema, load_schema
from .table import Table, read_table

__all__ = ["Binarizer", "Schema", "Table", "load_schema", "read_table"]
