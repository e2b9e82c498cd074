"""`Stream`: one reply while it is written, released no faster than it is judged."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Mapping

from msgspec import structs

from riskwright.core import UsageError
from riskwright.core.scores import Decision, Outcome

from .stream_deciders import ALLOWED, Decide, goes_on, rank, stops
from .stream_records import JudgedSpan, Released, StreamVerdict
from .stream_scores import StreamScores
from .stream_text import Characters, Looks

__all__ = ["Read", "Stream"]

Read = Callable[[str, int], tuple[Mapping[str, float], float]]
"""Characters read at a look and their end -> values of everything read, and the watched one."""


class Stream:
    """One reply while it is written; `StreamMonitor.begin` makes it.

    Text is judged at looks only, in the same pieces however it is chunked, and the characters
    before `judged - hold_back` are released at each look that lets the stream go on; the rest at
    `close`. So if the monitored value first crosses when v characters are read and has not fallen
    back at the next look, at most v - 1 - hold_back characters are ever released: the client sees
    none of the text past the crossing, nor the last `hold_back` characters before it. Any error
    ends the stream without releasing more.
    """

    def __init__(
        self,
        read: Read,
        decide: Decide,
        scores: StreamScores,
        *,
        by: str,
        every: int,
        sentences: bool,
        hold_back: int | None,
        shadow: bool,
        limit: int,
        characters: Characters,
    ) -> None:
        self._read, self._decide, self._scores, self._by = read, decide, scores, by
        self._hold_back, self._shadow, self._limit = hold_back, shadow, limit
        self._characters, self._looks = characters, Looks(every, sentences=sentences)
        self._unjudged: list[str] = []
        self._unreleased: deque[str] = deque()
        self._received = self._judged = self._released = 0
        self._spans: list[JudgedSpan] = []
        self._highest: dict[str, float] = {}
        self._digest = hashlib.sha256()
        self._decision = ALLOWED
        self._decided_at: int | None = None
        self._ended = self._closed = self._failed = False

    def __repr__(self) -> str:
        return (
            f"Stream({self._decision.action}, received {self._received}, judged {self._judged}, "
            f"released {self._released})"
        )

    @property
    def stopped(self) -> bool:
        """Whether nothing more can be fed: stopped, failed or closed."""
        return self._ended or self._closed or self._failed

    @property
    def spans(self) -> tuple[JudgedSpan, ...]:
        """What was judged so far; the spans follow each other without a gap."""
        return tuple(self._spans)

    @property
    def withheld(self) -> str:
        """The text that was received and not released, for a person who decides on it."""
        return "".join(self._unreleased) + "".join(self._unjudged)

    @property
    def verdict(self) -> StreamVerdict:
        """How the stream stands, or how it ended; see `StreamVerdict`."""
        decision = self._decision
        if self._failed:
            decision = Decision(action="stop", reasons=("an error ended the stream",))
        return StreamVerdict(
            action=decision.action,
            finish_reason="stop" if goes_on(decision.action) else "content_filter",
            decision=decision,
            received=self._received,
            judged=self._judged,
            released=self._released,
            withheld=self._received - self._released,
            decided_at=self._decided_at,
            peak=max((span.value for span in self._spans), default=None),
            spans=self.spans,
            score=self._scores.whole(
                self._highest, self._judged, self._digest.hexdigest(), self._lack
            ),
            shadow=self._shadow,
        )

    @property
    def _lack(self) -> tuple[Outcome, str]:
        """Whether what was judged speaks for the reply, and if not, why."""
        if self._failed:
            return "failed", "an error ended the stream"
        if self._received > self._limit:
            return "not scored", f"the reply is longer than {self._limit} characters"
        if not self._spans:
            return "not scored", "nothing was judged yet"
        return "scored", ""

    def feed(self, chunk: str | bytes | bytearray) -> Released:
        """Read on, and release what may be sent on.

        Parameters
        ----------
        chunk : text, or bytes of UTF-8, cut anywhere; always of one kind in one stream.

        Raises
        ------
        UsageError : after the stream has stopped, failed or was closed, or for a chunk that is
            neither text nor bytes.
        UnreadableError : for bytes or surrogates that are no text, unless errors="replace".
        DataError : for a scorer whose values are not finite. What a scorer or policy raises comes
            through. After any error the stream has failed and releases nothing more.
        """
        self._refuse_ended("feed")
        return self._guarded(lambda: self._take(self._characters.feed(chunk)))

    def close(self) -> Released:
        """The reply has ended: judge what is left, and release it where no look objected.

        Allowed once, also after a stop. Raises as `feed` does.
        """
        if self._closed or self._failed:
            self._refuse_ended("close")
        released = self._guarded(self._finish)
        self._closed = True
        return structs.replace(released, stopped=True)

    def _refuse_ended(self, what: str) -> None:
        if self.stopped:
            state = "failed" if self._failed else "is closed" if self._closed else "has stopped"
            raise UsageError(
                f"the stream {state}", where=f"Stream.{what}", hint="Begin a stream for every reply"
            )

    def _guarded(self, work: Callable[[], None]) -> Released:
        """Do the work; if it raises, the stream has failed for good."""
        looks, start, self._failed = len(self._spans), self._released, True
        self._outgoing: list[str] = []
        work()
        self._failed = False
        return Released(
            text="".join(self._outgoing),
            start=start,
            end=self._released,
            decision=self._decision,
            looks=tuple(self._spans[looks:]),
            stopped=self._ended,
        )

    def _take(self, text: str) -> None:
        room = self._limit - self._received
        taken = 0
        self._received += len(text)
        for piece, look in self._looks.split(text[:room]):
            self._unjudged.append(piece)
            taken += len(piece)
            if look:
                self._look()
            if self._ended:
                break
        if taken < len(text):
            self._unjudged.append(text[taken:])
            if not self._ended:
                self._decided(Decision(action="stop", reasons=(self._lack[1],)))
                self._ended = True

    def _look(self) -> None:
        piece = "".join(self._unjudged)
        end = self._judged + len(piece)
        values, value = self._read(piece, end)
        self._digest.update(piece.encode())
        self._highest.update(
            {key: one for key, one in values.items() if one > self._highest.get(key, -math.inf)}
        )
        self._spans.append(JudgedSpan(start=self._judged, end=end, by=self._by, value=value))
        self._unjudged.clear()
        self._unreleased.append(piece)
        self._judged = end
        self._decided(self._decide(values, end))
        if self._hold_back is not None:
            self._release(end - self._hold_back)

    def _decided(self, decision: Decision) -> None:
        """Keep the severest decision; a milder one at a later look changes nothing."""
        if self._shadow:
            would = decision.meant
            decision = structs.replace(decision, action="allow", would=would)
        if _severity(decision) <= _severity(self._decision):
            return
        self._decision = decision
        self._decided_at = self._judged
        self._ended = stops(decision.action)

    def _release(self, upto: int) -> None:
        if not goes_on(self._decision.action):
            return
        while self._released < upto:
            piece = self._unreleased.popleft()
            take = upto - self._released
            if take < len(piece):
                self._unreleased.appendleft(piece[take:])
                piece = piece[:take]
            self._outgoing.append(piece)
            self._released += len(piece)

    def _finish(self) -> None:
        if self._ended:
            return
        self._take(self._characters.close())
        if not self._ended and (self._unjudged or not self._spans):
            self._look()
        self._release(self._judged)


def _severity(decision: Decision) -> tuple[int, int]:
    """What is done decides; where that is the same, what a policy in shadow would do."""
    return rank(decision.action), rank(decision.meant)
