"""`lazy_names`: the public names of a room, each loaded when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(room: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for the room: name -> module of the room that holds it.

    A module of the room that bears the name of something public does not hide it.
    """
    module = sys.modules[room]

    class Room(ModuleType):
        def __setattr__(self, name: str, value: Any) -> None:
            if not (name in homes and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f".{homes[name]}", room), name)
        setattr(module, name, value)
        return value

    module.__class__ = Room
    return load
