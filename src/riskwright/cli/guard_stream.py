"""`riskwright guard stream` and `certify-stream`: text released only as far as it was judged."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from riskwright.core import DataError, UnreadableError, UsageError, load, save
from riskwright.core.names import nearest, quoted
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.decision_log import DecisionLog
from riskwright.guard.guard import Guard
from riskwright.guard.stream_joining import JoinedScorer
from riskwright.guard.streams import StreamMonitor, filtered

from .guard import Flag, Progress, Words, at_random, guard_of, read
from .running import Whole, check_outputs, say, show, show_json, verb, wrapped, write

if TYPE_CHECKING:
    from riskwright.evidence.labels import Label
    from riskwright.guard.stream_paths import StreamPath
    from riskwright.guard.stream_records import StreamVerdict
    from riskwright.guard.stream_state import Stream

__all__ = ["certify_stream", "stream"]

_CHUNK = 1 << 16
_EVERY, _HOLD_BACK = 40, 80
_REPORTED = 100


@verb
def stream(
    *,
    monitor: Path | None = None,
    policy: Path | None = None,
    guard: Path | None = None,
    scorers: Path | None = None,
    every: Whole | None = None,
    hold_back: Whole | None = None,
    hazard: Words = None,
    regime: str | None = None,
    prompt: Path | None = None,
    shadow: Flag = False,
    sse: Flag = False,
    verdict: Path | None = None,
    log: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Release text from standard input as far as it was judged, and nothing past a crossing.

    Text is read as it arrives and goes to standard output once `hold_back` later characters were
    judged too. The verdict goes to standard error. Exit code 1: the stream was stopped, or text
    was withheld.

    What a guard learnt from labels judges whole texts and has no part in a stream; its scorers
    that can follow a growing text do. So thresholds of a policy that were certified on whole texts
    are refused: `guard certify-stream` certifies a monitor.

    Parameters
    ----------
    monitor
        A monitor that `guard certify-stream` wrote.
    policy
        Policy with thresholds written by hand, or in shadow mode; nothing is promised.
    guard
        Guard whose scorers judge; without one those of the package.
    scorers
        YAML file with a list of scorers.
    every
        Characters between two looks at most (40); a monitor has its own.
    hold_back
        Characters that must be judged after one before it is released (80); a monitor has its own.
    hazard
        Values that the verdict reports the highest of; by default "any".
    regime
        Of a monitor with regimes.
    prompt
        File with the prompt that is answered, for scorers that read it.
    shadow
        Only watch: all that was judged is released.
    sse
        Write server-sent events, as of streamed chat completions.
    verdict
        File for the verdict as JSON, with all judged spans.
    log
        Decision log to append to.
    as_json
        Print the verdict on standard error as JSON.
    """
    check_outputs(verdict, log, inputs=[monitor, policy, guard, scorers, prompt])
    model = guard_of(guard, scorers)
    asked = None if prompt is None else Exchange(prompt=_text_of(prompt))
    if monitor is not None:
        own = (policy, every, hold_back, hazard)
        watching = _loaded(monitor, model, shadow, own)
    else:
        watching = _watching(model, policy, every, hold_back, hazard, shadow)
    with contextlib.nullcontext() if log is None else DecisionLog(log, guard=model.version) as book:
        reply = watching.begin(asked, regime=regime)
        try:
            _release(reply, sse=sse)
        finally:
            found = reply.verdict
            if book is not None:
                book.append(found.score, found.decision)
    if verdict is not None:
        import json as plain

        from riskwright.core import json_values

        write(verdict, plain.dumps(json_values(found), indent=1) + "\n")
    _tell(found, as_json=as_json)
    return int(found.finish_reason != "stop")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        problem, got = "cannot be read", error.strerror or type(error).__name__
    except UnicodeDecodeError as error:
        problem, got = "not UTF-8 text", f"byte {error.object[error.start]:#04x}"
    raise UnreadableError(problem, where=str(path), got=got)


def _loaded(
    path: Path, model: Guard, shadow: bool, own: tuple[Path | None, int | None, int | None, Words]
) -> StreamMonitor:
    """The saved monitor, with its scorers."""
    if any(option is not None for option in own):
        raise UsageError(
            "a monitor holds these itself", where="--policy, --every, --hold-back, --hazard"
        )
    found = load(path)
    if not isinstance(found, StreamMonitor):
        raise UsageError(
            "not a monitor of streams",
            where=str(path),
            expected="what riskwright guard certify-stream writes",
            got=f"a saved {type(found).__name__}",
        )
    found.attach(_followers(model))
    found.shadow = shadow
    return found


def _watching(
    model: Guard,
    policy: Path | None,
    every: int | None,
    hold_back: int | None,
    hazard: Sequence[str] | None,
    shadow: bool,
) -> StreamMonitor:
    rules = None
    if policy is None and not shadow:
        raise UsageError(
            "nothing decides on this stream",
            expected="--monitor or --policy",
            hint="--shadow only watches",
        )
    if policy is not None:
        from riskwright.taxonomy.policies import load_policy

        rules = load_policy(policy)
        if rules.certificates:
            raise UsageError(
                "the thresholds of this policy were certified on whole texts, not on streams",
                where=str(policy),
                hint="Certify a monitor: riskwright guard certify-stream",
            )
        if rules.thresholds:
            say("riskwright: thresholds written by hand; nothing is promised for this stream.")
    followers = _followers(model)
    return StreamMonitor(
        followers,
        every=_EVERY if every is None else every,
        hold_back=_HOLD_BACK if hold_back is None else hold_back,
        on=_known(hazard, followers),
        policy=rules,
        shadow=shadow,
    )


def _followers(model: Guard) -> Any:
    """The guard's scorers that can follow a growing text, as one."""
    able: list[Any] = [one for one in model.scorers if callable(getattr(one, "begin", None))]
    left = [one.name for one in model.scorers if one not in able]
    if not able:
        raise UsageError(
            "none of these scorers can follow a growing text",
            expected="one such as rules or ngrams",
            got=", ".join(left),
        )
    found = able[0] if len(able) == 1 else JoinedScorer(able)
    if left:
        say(f"riskwright: {', '.join(left)} cannot follow a growing text; {found.name} judges.")
    return found


def _known(hazard: Sequence[str] | None, scorer: Any) -> tuple[str, ...]:
    """The values to watch, all of which the scorer gives."""
    wanted = tuple(hazard or ("any",))
    given = scorer.begin().feed("")
    for name in wanted:
        if name not in given:
            raise UsageError(
                f"no value {quoted(name)} while a text grows",
                where="--hazard",
                hint=nearest(name, [key for key in given if ":" not in key]),
            )
    return wanted


def _chunks() -> Iterator[bytes]:
    """Standard input as it arrives."""
    source: Any = sys.stdin.buffer
    while chunk := source.read1(_CHUNK):
        yield chunk


def _release(reply: Stream, *, sse: bool) -> None:
    """Write what is released at once."""
    if not sse:
        for item in filtered(reply, _chunks()):
            if isinstance(item, str):
                _send(item)
        return
    import secrets

    from riskwright.guard.stream_events import ChunkHead, stream_events

    name = f"chatcmpl-{secrets.token_hex(12)}"
    head = ChunkHead(id=name, model="riskwright", created=int(time.time()))
    for event in stream_events(filtered(reply, _chunks()), head):
        _send(event)


def _send(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _tell(found: StreamVerdict, *, as_json: bool) -> None:
    if as_json:
        import json as plain

        from riskwright.core import json_values

        say(plain.dumps(json_values(found)))
        return
    if sys.stdout.isatty():
        say("")
    decision = found.decision
    action = f"{found.action} (would {decision.would})" if decision.would else found.action
    say(
        f"riskwright: {action}; {found.received:,} characters received, {found.judged:,} judged in "
        f"{len(found.spans):,} looks, {found.released:,} released, {found.withheld:,} withheld."
    )
    for reason in decision.reasons:
        say(f"  {decision.hazard or 'stream'}: {reason}")
    if decision.certificate:
        say(f"  certificate {decision.certificate}")
    if found.peak is not None:
        peak = max(found.spans, key=lambda span: span.value)
        say(f"  highest value {found.peak:.4g}, after {peak.end:,} characters")


@verb
def certify_stream(
    replies: Path,
    /,
    *,
    budget: Annotated[list[str], Parameter(negative="")],
    out: Path,
    guard: Path | None = None,
    scorers: Path | None = None,
    every: Whole = _EVERY,
    hold_back: Whole = _HOLD_BACK,
    hazard: Words = None,
    use: float = 0.0,
    attributes: Words = None,
    seed: Whole = 0,
    json: Flag = False,
) -> int:
    """Certify thresholds for streams of replies, on the highest value over all looks at each.

    What a guard learnt from labels judges whole texts and has no part here: the values are those
    of its scorers that can follow a growing text. Labels that fitted the guard may therefore be
    used again. With a budget on the miss rate and one on the false alarm rate, what lies between
    two thresholds is withheld for a person. A budget that cannot be certified is an answer: exit
    code 1, and the monitor refuses to begin.

    Parameters
    ----------
    replies
        JSON lines, CSV or Parquet with replies and labels.
    budget
        Such as "false alarm rate <= 5%", which bounds the false stops; repeatable.
    out
        The monitor to write.
    guard
        Guard whose scorers judge; without one those of the package.
    scorers
        YAML file with a list of scorers.
    every
        Characters between two looks at most.
    hold_back
        Characters that must be judged after one before it is released.
    hazard
        Hazards to watch, the highest of which counts; by default "any".
    use
        Share of the replies on which a head on the scorers' values is learnt; the others certify.
    attributes
        Keys or columns to keep, such as language for budgets "per language".
    seed
        Of the part, and of the labels left out where --to-label chose them.
    json
        Print the certificate as JSON.
    """
    import numpy as np

    from riskwright.guard.truths import groups_of, harm_of

    if not 0 <= use < 1:
        raise UsageError("not a share", where="--use", expected="from 0, below 1", got=f"{use:g}")
    check_outputs(out, inputs=[replies, guard, scorers])
    rule, per = _rule(budget, seed)
    model = guard_of(guard, scorers)
    file = read(replies, attributes, labels=True)
    exchanges, told = _with_replies(*at_random(*file.labelled, seed), file.source)
    followers = _followers(model)
    keys = _known(hazard, followers)
    watching = StreamMonitor(followers, every=every, hold_back=hold_back, on=keys)
    harm = np.any([harm_of(told, key) for key in keys], axis=0)
    learning = set(_part(len(exchanges), use, seed))
    if learning:
        if keys != ("any",):
            raise UsageError("a head is learnt for any harm alone", where="--use, --hazard")
        watching.fit([exchanges[k] for k in learning], [int(harm[k]) for k in learning])
    rows = [k for k in range(len(exchanges)) if k not in learning]
    kept = [exchanges[k] for k in rows]
    watching.certify(
        _paths(watching, kept),
        [int(harm[k]) for k in rows],
        rule,
        groups=groups_of(per, kept) or None,
    )
    save(watching, out)
    certificate = watching.certificate_
    assert certificate is not None
    if json:
        show_json(certificate)
    else:
        show("\n".join(_certified_lines(watching, len(learning))))
        say(f"Monitor: {out}")
    return int(not certificate.certified or bool(file.problems))


def _rule(texts: Sequence[str], seed: int) -> tuple[Any, set[str]]:
    """A rule of these budgets, and the groupings that they name."""
    from riskwright.decision import Budget, ThreeWay, Threshold

    budgets = [Budget.parse(text) for text in texts]
    if any(budget.delta is None for budget in budgets):
        raise UsageError(
            "control in expectation is not for streams", where="--budget", hint="State a confidence"
        )
    per = {budget.per for budget in budgets if budget.per is not None}
    named = {budget.name: budget for budget in budgets}
    if len(budgets) == 2 and set(named) == {"miss rate", "false alarm rate"}:
        return ThreeWay(named["miss rate"], named["false alarm rate"]), per
    return Threshold(budgets, random_state=seed), per


def _with_replies(
    exchanges: Sequence[Exchange], labels: Sequence[Label], source: str
) -> tuple[list[Exchange], list[Label]]:
    kept = [k for k, one in enumerate(exchanges) if one.reply is not None]
    if not kept:
        raise DataError(
            "no labelled reply", where=source, expected="lines with reply and label", got="none"
        )
    if len(kept) < len(exchanges):
        say(f"{len(exchanges) - len(kept):,} labelled lines without a reply were left out.")
    return [exchanges[k] for k in kept], [labels[k] for k in kept]


def _part(n: int, use: float, seed: int) -> list[int]:
    from riskwright.core import generator

    order = generator(seed, 13).permutation(n)
    return sorted(int(k) for k in order[: round(use * n)])


def _paths(watching: StreamMonitor, exchanges: Sequence[Exchange]) -> list[StreamPath]:
    shown = Progress()
    found = []
    for k, exchange in enumerate(exchanges, start=1):
        found.append(watching.path(exchange))
        if k % _REPORTED == 0:
            shown.rows(k, len(exchanges))
    shown.clear()
    return found


def _certified_lines(watching: StreamMonitor, learnt: int) -> Iterator[str]:
    certificate = watching.certificate_
    assert certificate is not None
    yield "certified" if certificate.certified else "NOT CERTIFIED"
    if learnt:
        yield f"A head was learnt on {learnt:,} replies, the others certify."
    yield wrapped(certificate.statement)
    if certificate.certified:
        yield wrapped(
            "No text past the character at which the value crosses is released, nor the "
            f"{watching.hold_back:,} characters before it, as long as the value has not fallen "
            "back by the next look."
        )
        return
    needed = [told.get("labels_needed") for told in certificate.rules.values()]
    known = [count for count in needed if count is not None]
    if known:
        yield f"About {max(known):,} labels of the kind that is scarce would be needed."
