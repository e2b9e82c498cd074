"""A person's yes: asked with a time limit, bound to one exact action, good for one use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from riskwright.core import Record
from riskwright.core.scores import Score
from riskwright.evidence.actions import AgentAction

__all__ = ["Approval", "ApprovalRequest", "Approve", "answered"]


class ApprovalRequest(Record, frozen=True, kw_only=True):
    """What a person is asked: the action, its digest, its score, and the reasons to ask."""

    action: AgentAction
    digest: str
    score: Score
    reasons: tuple[str, ...]


class Approval(Record, frozen=True, kw_only=True):
    """A yes to the action of that digest, until `expires` (seconds since 1970)."""

    digest: str
    expires: float
    by: str = ""


Approve = Callable[[ApprovalRequest], Any]
"""Asks a person. `True` is a yes, and so is an `Approval` of the same digest that has not expired;
everything else is a no."""


def answered(ask: Callable[[], Any], seconds: float | None) -> tuple[Any, str]:
    """(answer, "") or (None, why there is none): "timeout", or the name of the exception.

    With a limit the question is asked in a thread of its own; an answer that comes later is lost.
    """
    if seconds is None:
        try:
            return ask(), ""
        except Exception as error:
            return None, type(error).__name__
    box: queue.SimpleQueue[tuple[Any, str]] = queue.SimpleQueue()

    def run() -> None:
        try:
            box.put((ask(), ""))
        except BaseException as error:
            box.put((None, type(error).__name__))

    threading.Thread(target=run, daemon=True).start()
    try:
        return box.get(timeout=seconds)
    except queue.Empty:
        return None, "timeout"
