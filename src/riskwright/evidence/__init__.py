"""Evidence: tables read, checked and turned into statements that a score can add up.

`read_table` gives a `Table` from any file or frame; a `Schema` states what cannot be inferred;
`Binarizer` finds cut points and turns raw rows into a matrix of items. Every member leaves missing
values as they are until an item says what they mean, and every error names column and rows.
`read_exchanges` gives prompts and replies with what people said of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .binarisation import Binarizer
    from .exchange_files import read_exchanges
    from .exchanges import Exchange
    from .schema import Schema, load_schema
    from .table import Table, read_table

_HOMES = {
    "Binarizer": "binarisation",
    "Exchange": "exchanges",
    "Schema": "schema",
    "Table": "table",
    "load_schema": "schema",
    "read_exchanges": "exchange_files",
    "read_table": "table",
}

__all__ = [
    "Binarizer",
    "Exchange",
    "Schema",
    "Table",
    "load_schema",
    "read_exchanges",
    "read_table",
]


def __getattr__(name: str) -> Any:
    """Tables load polars, which exchanges do not need."""
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
