"""Names in messages: quoted and cut short, with the known ones that come closest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest", "quoted"]


def quoted(text: object, width: int = 40) -> str:
    """`text` in quotes, cut short, for messages."""
    plain = str(text)
    return repr(plain if len(plain) <= width else plain[: width - 1] + "…")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the known names closest to `name`."""
    names = list(known)
    folded = {candidate.strip().casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.strip().casefold(), list(folded), n=3, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(quoted(folded[c]) for c in close) + "?"
    shown = ", ".join(quoted(n) for n in names[:8]) + (", …" if len(names) > 8 else "")
    return f"Known names: {shown}" if names else None
