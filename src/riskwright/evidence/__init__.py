"""Evidence: tables, exchanges, labels and actions of agents, read and checked.

`read_table` gives a `Table` from any file or frame; a `Schema` states what cannot be inferred;
`Binarizer` finds cut points and turns raw rows into a matrix of items. Every member leaves missing
values as they are until an item says what they mean, and every error names column and rows.
`read_exchanges` gives prompts, replies and labels; `parse_action` what an agent is about to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskwright.core.rooms import lazy_names

if TYPE_CHECKING:
    from .action_files import ActionFile, read_actions
    from .action_formats import parse_action, parse_actions, parse_plan
    from .action_tools import load_tools
    from .actions import AgentAction, Money, Plan, Target, Trace
    from .binarisation import Binarizer
    from .exchange_files import ExchangeFile, LineProblem, read_exchanges
    from .exchanges import Exchange, Message
    from .labels import Label, Pair
    from .schema import Schema, load_schema
    from .table import Table, read_table

_HOMES = {
    "ActionFile": "action_files",
    "AgentAction": "actions",
    "Binarizer": "binarisation",
    "Exchange": "exchanges",
    "ExchangeFile": "exchange_files",
    "Label": "labels",
    "LineProblem": "exchange_files",
    "Message": "exchanges",
    "Money": "actions",
    "Pair": "labels",
    "Plan": "actions",
    "Schema": "schema",
    "Table": "table",
    "Target": "actions",
    "Trace": "actions",
    "load_schema": "schema",
    "load_tools": "action_tools",
    "parse_action": "action_formats",
    "parse_actions": "action_formats",
    "parse_plan": "action_formats",
    "read_actions": "action_files",
    "read_exchanges": "exchange_files",
    "read_table": "table",
}

__all__ = [
    "AgentAction",
    "Binarizer",
    "Exchange",
    "ExchangeFile",
    "Label",
    "LineProblem",
    "Message",
    "Money",
    "Pair",
    "Plan",
    "Schema",
    "Table",
    "Target",
    "Trace",
    "load_schema",
    "load_tools",
    "parse_action",
    "ActionFile",
    "parse_actions",
    "parse_plan",
    "read_actions",
    "read_exchanges",
    "read_table",
]

__getattr__ = lazy_names(__name__, _HOMES)
