"""`Exchange`: a prompt, the reply to it where there is one, and what went before."""

from __future__ import annotations

import hashlib
from typing import Literal

from riskwright.core import Record
from riskwright.core.scores import Part

__all__ = ["MAX_TEXT", "Exchange", "Message"]

MAX_TEXT = 1_000_000
"""Characters of one text, at most; a longer one is refused or not scored, never cut."""

Role = Literal["system", "user", "assistant", "tool"]


class Message(Record, frozen=True, kw_only=True):
    """One turn that went before."""

    role: Role
    content: str


class Exchange(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is judged: the reply where there is one, else the prompt; the rest is context.

    Parameters
    ----------
    prompt : what the user wrote.
    reply : what the model answered; None where the prompt itself is judged.
    context : earlier turns, the oldest first.
    id : chosen by the caller; scores and decisions carry it.
    attributes : of the user and the deployment (audience, language, group, ...), as text.
    """

    prompt: str = ""
    reply: str | None = None
    context: tuple[Message, ...] = ()
    id: str = ""
    attributes: dict[str, str] = {}

    @property
    def judged(self) -> tuple[Part, str]:
        """The part that is judged, and its text."""
        return ("prompt", self.prompt) if self.reply is None else ("reply", self.reply)

    @property
    def digest(self) -> str:
        """SHA-256 over prompt, reply and context, each with its length."""
        state = hashlib.sha256()
        parts = [*(f"{m.role}:{m.content}" for m in self.context), self.prompt, self.reply]
        for part in parts:
            data = b"" if part is None else part.encode("utf-8", "surrogatepass")
            state.update(f"{-1 if part is None else len(data)}:".encode() + data)
        return f"sha256:{state.hexdigest()}"
