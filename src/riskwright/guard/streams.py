"""`StreamMonitor`: guards replies while they are written, by thresholds that hold on streams."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import structs

from riskwright.core import ArtifactError, ParameterError, UsageError, content_hash
from riskwright.core.scores import Decider
from riskwright.evidence.exchanges import MAX_TEXT, Exchange

from .stream_certificates import StreamCertificate, certified_rules, read_rule
from .stream_deciders import (
    Decide,
    by_band,
    by_policy,
    by_thresholds,
    checked_values,
    peak_of,
    refuse_undecided,
)
from .stream_heads import PrefixHead
from .stream_paths import StreamPath, path_of
from .stream_records import StreamVerdict
from .stream_scores import StreamScores
from .stream_state import Read, Stream
from .stream_text import Characters, Looks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from riskwright.scoring.perception import PrefixScorer

    from .stream_figures import StreamFigures

__all__ = ["StreamMonitor", "filtered"]


Replies = Sequence[str | Exchange | StreamPath]
Chunk = str | bytes | bytearray


class StreamMonitor:
    """Guards replies while they are written: text goes out only after it was judged.

    Parameters
    ----------
    scorer : follows a growing text; every character is given to it once. None only for a monitor
        that was loaded and waits for `attach`.
    every : characters between two looks at most, at least 1. A look comes at every end of a
        sentence too, unless `sentences` is False.
    hold_back : characters that must have been judged after a character before it is released.
    on : the value that thresholds are on: "any", a hazard, or several of which the highest counts.
    head : of one's own labels (see `fit`); its probability then takes the place of "any".
    thresholds : stop where a value reaches its threshold: one for `on`, or a mapping from hazards.
        Nothing is promised for thresholds from elsewhere; `certify` finds some with a promise.
    policy : anything whose `decide(score)` gives a `Decision`; "allow" and "guide" let the text
        go on, "block" and "stop" end the stream, and any other action withholds all that was not
        yet released while the rest is still judged.
    shadow : only watch; everything that was judged is released, decisions say what they `would`.
    max_characters : a longer reply is stopped.
    errors : what bytes that are not UTF-8 and lone surrogates are: an error ("strict"), or U+FFFD
        ("replace").

    Attributes
    ----------
    certificate_ : StreamCertificate, after `certify`.

    Raises
    ------
    ParameterError : for values out of range.

    Notes
    -----
    Leak bound. Let the prefix score first cross when v characters are read, and not fall back
    before the next look (it never does where scores only grow, or with every=1). Then at most
    v - 1 - hold_back characters are ever released: none past the crossing, whatever `every`, and
    not the `hold_back` characters before it either. `every` costs delay instead: of what was
    received, at most hold_back + every - 1 characters are not yet released.

    Harm begins before the crossing. Where the score needs d of its characters to cross, at most
    max(0, d - 1 - hold_back) of these are seen: `leak_bound(d)`. A rule for keys fires when the
    whole key (and sometimes what follows) was read, so that d is the length of the key and more;
    scorers that find things promise as `reach` the largest d of all, from which
    hold_back = reach - 1 lets nothing of any find out. `leak_bound()` is what the monitor's
    `hold_back` lets out at worst. Scores of meaning, such as n-grams, promise no d: measure it.

    Work is linear in the reply: each character is scored once, each look costs O(keys).

    Examples
    --------
    >>> class Word:
    ...     name, version, taxonomy, cost = "word", "1", "ailuminate", 0.0
    ...     def begin(self, exchange=None):
    ...         self.read = ""
    ...         return self
    ...     def feed(self, text):
    ...         self.read = (self.read + text)[-64:]
    ...         return {"any": float("forbidden" in self.read)}
    >>> monitor = StreamMonitor(Word(), every=5, hold_back=8, thresholds=0.5)
    >>> stream = monitor.begin()
    >>> stream.feed("a quiet start, and then a forbidden word and more").text
    'a quiet start, and the'
    >>> stream.verdict.action, stream.verdict.decided_at, stream.verdict.withheld
    ('stop', 35, 27)
    """

    def __init__(
        self,
        scorer: PrefixScorer | None,
        *,
        every: int = 40,
        hold_back: int = 80,
        on: str | Sequence[str] = "any",
        sentences: bool = True,
        head: PrefixHead | None = None,
        thresholds: float | Mapping[str, float] | None = None,
        policy: Decider | None = None,
        shadow: bool = False,
        max_characters: int = MAX_TEXT,
        errors: Literal["strict", "replace"] = "strict",
    ) -> None:
        self.scorer = scorer
        self.every = _whole(every, "every", 1)
        self.hold_back = _whole(hold_back, "hold_back", 0)
        self.on: tuple[str, ...] = (on,) if isinstance(on, str) else tuple(on)
        self.sentences = sentences
        self.head = head
        self.thresholds = thresholds
        self.policy = policy
        self.shadow = shadow
        self.max_characters = _whole(max_characters, "max_characters", 1)
        self.errors = errors
        self.certificate_: StreamCertificate | None = None
        self._rules: dict[str, Any] = {}
        self._expected: tuple[str, str] | None = None
        Characters(errors)
        if not self.on:
            raise ParameterError("nothing to watch", where="on", expected='"any" or hazards')
        _check_deciders(thresholds, policy)

    def __repr__(self) -> str:
        name = self.scorer.name if self.scorer is not None else "no scorer"
        return f"StreamMonitor({name}, every={self.every}, hold_back={self.hold_back})"

    @property
    def version(self) -> str:
        """Digest of all that the values at the looks depend on."""
        scorer = self._needs_scorer()
        head = self.head.version if self.head is not None else None
        told = [scorer.name, scorer.version, head, self.every, self.sentences, list(self.on)]
        return f"sha256:{content_hash([*told, self.max_characters, self.errors])}"

    def leak_bound(self, delay: int | None = None) -> int:
        """Characters of harm that a client can see, counted from where the harm begins.

        max(0, delay - 1 - hold_back), where the score crosses after `delay` characters of the harm;
        see the notes of the class for what it assumes. Without `delay` it is the scorer's `reach`,
        for what it finds (such as keys, of which nothing shows before they are whole); `UsageError`
        where the scorer promises none.
        """
        if delay is None:
            delay = getattr(self._needs_scorer(), "reach", None)
        if delay is None:
            raise UsageError(
                "the scorer does not promise how soon it sees harm",
                where="leak_bound",
                hint="Give the delay in characters, or measure the leak: evaluate(onsets=)",
            )
        return max(0, _whole(delay, "delay", 1) - 1 - self.hold_back)

    def begin(
        self,
        exchange: Exchange | None = None,
        *,
        regime: str | None = None,
        hold_all: bool = False,
    ) -> Stream:
        """Start to guard one reply.

        Parameters
        ----------
        exchange : what is answered, for scorers and policies that read it; its own reply is not.
        regime : for a monitor certified by `Strictness`.
        hold_all : release nothing before `close`, as the arguments of a tool call need, which do
            harm as soon as they are whole; one stream for the arguments of each call.

        Raises
        ------
        UsageError : without a scorer; where nothing decides; or where the certificate is not that
            of this monitor, or no longer (another scorer, head, `every`, ...).
        """
        scores = StreamScores(self._needs_scorer(), exchange)
        return Stream(
            self._reader(exchange, self.head),
            self._decider(scores, regime),
            scores,
            by=self._by,
            every=self.every,
            sentences=self.sentences,
            hold_back=None if hold_all else self.hold_back,
            shadow=self.shadow,
            limit=self.max_characters,
            characters=Characters(self.errors),
        )

    def filter(
        self, chunks: Iterable[Chunk], exchange: Exchange | None = None, **how: Any
    ) -> Iterator[str | StreamVerdict]:
        """Released texts, none empty, and at the end the verdict; `how` as for `begin`.

        The source is read no further after a stop, and closed where it can be.
        """
        stream = self.begin(exchange, **how)
        return filtered(stream, chunks)

    def guard(
        self, chunks: AsyncIterable[Chunk], exchange: Exchange | None = None, **how: Any
    ) -> AsyncIterator[str | StreamVerdict]:
        """As `filter`, for chunks that arrive asynchronously."""
        return _guarded(self.begin(exchange, **how), chunks)

    def path(self, reply: str | Exchange, exchange: Exchange | None = None) -> StreamPath:
        """The values at all looks at a whole reply, as a stream of it would have had them.

        An `Exchange` brings its own reply and context. Raises `ParameterError` for a reply longer
        than `max_characters`, and as `Stream.feed` does.
        """
        return self._path(reply, exchange, self.head)

    def fit(
        self,
        replies: Sequence[str | Exchange],
        labels: ArrayLike,
        *,
        spans: Sequence[Sequence[tuple[int, int]] | None] | None = None,
        keys: Sequence[str] | None = None,
        window: int = 4,
        penalty: float = 1.0,
        monotone: bool = True,
    ) -> StreamMonitor:
        """Learn a head from labelled replies; certify it on others.

        Parameters
        ----------
        replies : the scorer follows each of them.
        labels : array of shape (n,), 1 for harmful replies.
        spans : per reply (start, end) of what is harmful, in characters; None where only the
            label is known.
        keys, window, penalty, monotone : see `fit_head`.
        """
        from .stream_training import fit_head

        paths = [self._path(reply, None, None) for reply in _several(replies)]
        self.head = fit_head(
            paths, labels, spans, keys=keys, window=window, penalty=penalty, monotone=monotone
        )
        self.certificate_, self._rules = None, {}
        return self

    def certify(
        self,
        replies: Replies,
        labels: ArrayLike | Mapping[str, ArrayLike],
        rule: Any,
        *,
        groups: ArrayLike | Mapping[str, ArrayLike] | None = None,
    ) -> StreamMonitor:
        """Find thresholds that keep budgets on streams, with a certificate.

        The unit is a whole reply and its score the maximum over all looks: a stream is stopped as
        soon as one look crosses, so that each look is another chance of a false stop.

        Parameters
        ----------
        replies : texts, exchanges or paths of this monitor, none of which taught the head.
        labels : array of shape (n,), 1 for replies that should be stopped; or one array per key of
            a mapping `rule`.
        rule : a budget, sentence or list of them for a `Threshold` ("false alarm rate <= 5%"
            bounds the false stops, "miss rate <= 10%" the harmful replies that are let through);
            a `Threshold`, `ThreeWay` or `Strictness` of one's own; or a mapping from hazards to
            budgets, which share their delta equally.
        groups : as for `Threshold.fit`.

        Returns
        -------
        StreamMonitor
            Itself; the thresholds found take the place of given ones. Where none keeps the
            budgets, `certificate_` says what is missing, and `begin` refuses.
        """
        if self.policy is not None:
            raise UsageError(
                "a policy decides on these streams, not the thresholds of a certificate",
                where="certify",
                hint="Use a monitor without the policy",
            )
        paths = self._paths(replies)
        self._rules, self.certificate_ = certified_rules(
            paths,
            labels,
            rule,
            groups,
            on=self.on,
            setting={
                "every": self.every,
                "sentences": self.sentences,
                "hold_back": self.hold_back,
                "reach": getattr(self._needs_scorer(), "reach", None),
                "max_characters": self.max_characters,
                "scorer": self._needs_scorer().name,
                "scorer_version": self._needs_scorer().version,
                "head": self.head.version if self.head is not None else "",
                "monitor": self.version,
            },
        )
        return self

    def evaluate(
        self,
        replies: Replies,
        labels: ArrayLike,
        *,
        onsets: ArrayLike | None = None,
        threshold: float | None = None,
        **how: Any,
    ) -> StreamFigures:
        """How well and how early replies are stopped; see `stream_figures`.

        `threshold` is that of the monitor unless it is given.
        """
        from .stream_figures import stream_figures

        paths = self._paths(replies)
        at = self._one_threshold() if threshold is None else threshold
        return stream_figures(
            paths, labels, at, onsets=onsets, on=self.on, hold_back=self.hold_back, **how
        )

    def attach(self, scorer: PrefixScorer, *, policy: Decider | None = None) -> StreamMonitor:
        """Give a loaded monitor its scorer (and policy, which is saved on its own).

        Raises `ArtifactError` where name or version is not that of the scorer it was saved with.
        """
        found = (scorer.name, scorer.version)
        if self._expected is not None and self._expected != found:
            raise ArtifactError(
                "another scorer than the one this monitor was saved with",
                where="attach",
                expected=" ".join(self._expected),
                got=" ".join(found),
                hint="Certify a new monitor for the other scorer",
            )
        self.scorer = scorer
        self.policy = policy if policy is not None else self.policy
        return self

    def to_artifact(self) -> tuple[str, dict[str, Any]]:
        """Kind and plain values for `riskwright.save`; neither scorer nor policy are kept."""
        scorer = self._needs_scorer()
        return "stream_monitor", {
            "params": {
                "every": self.every,
                "hold_back": self.hold_back,
                "on": list(self.on),
                "sentences": self.sentences,
                "thresholds": self.thresholds
                if not isinstance(self.thresholds, Mapping)
                else dict(self.thresholds),
                "shadow": self.shadow,
                "max_characters": self.max_characters,
                "errors": self.errors,
            },
            "scorer": [scorer.name, scorer.version],
            "head": self.head.to_dict() if self.head is not None else None,
            "rules": {name: list(rule.to_artifact()) for name, rule in self._rules.items()},
            "certificate": self.certificate_.to_dict() if self.certificate_ else None,
        }

    @classmethod
    def from_artifact(cls, body: dict[str, Any]) -> StreamMonitor:
        """The monitor that `to_artifact` described, without scorer and policy: see `attach`."""
        head = PrefixHead.from_dict(body["head"]) if body["head"] else None
        monitor = cls(None, head=head, **body["params"])
        monitor._expected = (str(body["scorer"][0]), str(body["scorer"][1]))
        monitor._rules = {name: read_rule(*told) for name, told in body["rules"].items()}
        if body["certificate"]:
            monitor.certificate_ = StreamCertificate.from_dict(body["certificate"])
        return monitor

    def _needs_scorer(self) -> PrefixScorer:
        if self.scorer is None:
            raise UsageError(
                "the monitor has no scorer", where="StreamMonitor", hint="Call attach(scorer)"
            )
        return self.scorer

    @property
    def _by(self) -> str:
        scorer = self._needs_scorer()
        head = f" and head {self.head.version}" if self.head is not None else ""
        return f"{scorer.name} {scorer.version}{head}"

    def _reader(self, exchange: Exchange | None, head: PrefixHead | None) -> Read:
        if exchange is not None and exchange.reply is not None:
            exchange = structs.replace(exchange, reply=None)
        state, keys = self._needs_scorer().begin(exchange), self.on
        follow = head.begin() if head is not None else None

        def read(piece: str, end: int) -> tuple[Mapping[str, float], float]:
            values = checked_values(state.feed(piece))
            if follow is not None:
                values["any"] = follow.step(values, end)
            return values, peak_of(values, keys)[0]

        return read

    def _paths(self, replies: Replies) -> list[StreamPath]:
        return [one if isinstance(one, StreamPath) else self.path(one) for one in _several(replies)]

    def _path(
        self, reply: str | Exchange, exchange: Exchange | None, head: PrefixHead | None
    ) -> StreamPath:
        if isinstance(reply, Exchange):
            if reply.reply is None:
                raise UsageError("an exchange without a reply", where="path", got="reply=None")
            text, exchange = reply.reply, reply
        else:
            text = reply
        characters = Characters(self.errors)
        whole = characters.feed(text) + characters.close()
        if len(whole) > self.max_characters:
            raise ParameterError(
                "a reply that is too long",
                where="path",
                expected=f"at most {self.max_characters} characters",
                got=str(len(whole)),
            )
        looks = Looks(self.every, sentences=self.sentences)
        return path_of(whole, looks, self._reader(exchange, head))

    def _decider(self, scores: StreamScores, regime: str | None) -> Decide:
        if self.policy is not None:
            return by_policy(self.policy, scores)
        if self._rules:
            return self._certified(regime)
        if self.thresholds is None:
            if not self.shadow:
                refuse_undecided()
            return by_thresholds({}, "")
        given = self.thresholds
        if isinstance(given, Mapping):
            return by_thresholds({(key,): float(at) for key, at in given.items()}, "")
        return by_thresholds({self.on: float(given)}, "")

    def _certified(self, regime: str | None) -> Decide:
        certificate = self.certificate_
        assert certificate is not None
        certificate.refuse_other(self.version, self.hold_back)
        rules = {tuple(name.split("|")): rule for name, rule in self._rules.items()}
        first = next(iter(rules.values()))
        digest = certificate.digest
        if hasattr(first, "low_"):
            return by_band(next(iter(rules)), first.low_, first.high_, digest)
        if hasattr(first, "thresholds_"):
            if regime not in first.thresholds_:
                raise ParameterError(
                    "no such regime",
                    where="begin(regime=)",
                    expected=", ".join(first.thresholds_),
                    got=repr(regime),
                )
            return by_thresholds({self.on: first.thresholds_[regime]}, digest)
        return by_thresholds({keys: rule.threshold_ for keys, rule in rules.items()}, digest)

    def _one_threshold(self) -> float:
        if self._rules:
            rule = next(iter(self._rules.values()))
            if len(self._rules) == 1 and hasattr(rule, "threshold_"):
                return float(rule.threshold_)
        elif isinstance(self.thresholds, float | int):
            return float(self.thresholds)
        raise UsageError(
            "there is not just one threshold to evaluate at",
            where="evaluate",
            hint="Give threshold=",
        )


def _several(replies: Any) -> Any:
    """A text alone would be taken for replies of one character each."""
    if isinstance(replies, str | Exchange | StreamPath):
        raise UsageError(
            "one reply where several are needed", where="replies", expected="a list of replies"
        )
    return replies


def _check_deciders(thresholds: Any, policy: Any) -> None:
    if thresholds is not None and policy is not None:
        raise ParameterError(
            "either thresholds or a policy decide", where="thresholds, policy", expected="one"
        )
    if policy is not None and not callable(getattr(policy, "decide", None)):
        raise ParameterError(
            "not a policy", where="policy", expected="decide(score)", got=type(policy).__name__
        )
    given = thresholds.values() if isinstance(thresholds, Mapping) else [thresholds]
    if thresholds is None:
        return
    bad = [at for at in given if isinstance(at, bool | str) or not _is_finite(at)]
    if bad or not given:
        raise ParameterError(
            "not thresholds",
            where="thresholds",
            expected="a finite number, or hazards with one each",
            got=", ".join(map(repr, bad)) or "none at all",
        )


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:
        return False


def _whole(value: int, where: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(
            "not a number of characters",
            where=where,
            expected=f"a whole number from {least} on",
            got=repr(value),
        )
    return value


def filtered(stream: Stream, chunks: Iterable[Chunk]) -> Iterator[str | StreamVerdict]:
    """What a stream releases of the chunks, then its verdict; nothing is read after a stop."""
    try:
        for chunk in chunks:
            released = stream.feed(chunk)
            if released.text:
                yield released.text
            if released.stopped:
                break
        last = stream.close().text
        if last:
            yield last
        yield stream.verdict
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


async def _guarded(
    stream: Stream, chunks: AsyncIterable[Chunk]
) -> AsyncIterator[str | StreamVerdict]:
    try:
        async for chunk in chunks:
            released = stream.feed(chunk)
            if released.text:
                yield released.text
            if released.stopped:
                break
        last = stream.close().text
        if last:
            yield last
        yield stream.verdict
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
