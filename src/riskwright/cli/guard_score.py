"""`riskwright guard score`: traffic scored by hazard, decided, logged, and chosen for labelling."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from riskwright.core import DataError, ParameterError, UsageError
from riskwright.core.names import quoted
from riskwright.core.scores import ACTIONS, Decision, Score
from riskwright.evidence.exchange_files import ExchangeFile
from riskwright.evidence.exchanges import Exchange
from riskwright.guard.decision_log import DecisionLog
from riskwright.guard.guard import Guard
from riskwright.guard.regimes import certified_sentence
from riskwright.guard.scored_files import check_ending, scored_line, write_scored
from riskwright.taxonomy.policies import Policy, load_policy

from .guard import CHANCE, STDIN, Flag, Progress, Words, file_of, guard_of, kept_for, read
from .running import Whole, check_outputs, say, show_json, verb, write

__all__ = ["score"]

_BATCH = 2000
_REASONS_SHOWN = 5
_REASONS_KEPT = 100
_LOST = ("failed", "not scored")


@verb
def score(
    traffic: Path = STDIN,
    /,
    *,
    guard: Path | None = None,
    scorers: Path | None = None,
    policy: Path | None = None,
    audience: str | None = None,
    attributes: Words = None,
    out: Path | None = None,
    log: Path | None = None,
    to_label: Whole | None = None,
    label_out: Path | None = None,
    seed: Whole = 0,
    json: Flag = False,
) -> int:
    """Score prompts and replies by hazard; with a policy, decide too.

    Lines that cannot be read are named by number, the others are scored all the same. An exchange
    whose scorer failed is kept, with the outcome "failed" and the reason; the policy's fallback
    decides on it. Either makes the exit code 1. Without a policy nothing is decided. No text is
    written anywhere, except to --label-out. Calls of an endpoint are repeated by no later run where
    the file of --scorers names a journal; Ctrl-C then ends the calls and keeps what is there.

    Parameters
    ----------
    traffic
        JSON lines, CSV or Parquet with prompt and reply; "-" (the default) reads JSON lines.
    guard
        A guard that `guard fit` wrote; without one the scorers of the package, uncalibrated.
    scorers
        YAML file with a list of scorers, such as guard models behind an endpoint.
    policy
        Policy file; the output then holds its decisions.
    audience
        Of all exchanges; by default what their attributes say.
    attributes
        Keys or columns to keep, such as language, for reports; the policy's are kept anyway.
    out
        File to write, .jsonl, .csv or .parquet; JSON lines on standard output if there is none.
    log
        Decision log to append to; needs a policy.
    to_label
        How many exchanges a person should label first.
    label_out
        File for the lines to label, texts included, with the chance that each had to be drawn.
    seed
        Of the choice of exchanges to label.
    json
        Print a summary as JSON, with --out.
    """
    _check_options(out, log, policy, to_label, label_out, json)
    check_outputs(out, label_out, log, inputs=[file_of(traffic), guard, scorers, policy])
    rules = None if policy is None else load_policy(policy)
    model = guard_of(guard, scorers)
    found = read(traffic, kept_for(rules, attributes))
    if rules is not None:
        _check_policy(rules, model, found, audience)
    scores: list[Score] = []
    decisions: list[Decision] = []
    started = time.perf_counter()
    with _opened(log, model) as book:
        for part in _scored(model, found.exchanges):
            made = [] if rules is None else [rules.decide(s, audience=audience) for s in part]
            scores += part
            decisions += made
            if out is None:
                _logged(book, part, made)
                _printed(part, made)
        if out is not None:
            _logged(book, scores, decisions)
            write_scored(out, scores, None if rules is None else decisions)
    seconds = time.perf_counter() - started
    if label_out is not None and to_label is not None:
        _write_to_label(label_out, found, scores, to_label, seed)
    _summary(found, scores, decisions, seconds, as_json=json)
    lost = any(one.outcome in _LOST for one in scores)
    return int(lost or bool(found.problems))


def _check_options(
    out: Path | None,
    log: Path | None,
    policy: Path | None,
    to_label: int | None,
    label_out: Path | None,
    json: bool,
) -> None:
    if log is not None and policy is None:
        raise UsageError("a log holds decisions", where="--log", hint="Name --policy")
    if (to_label is None) != (label_out is None):
        raise UsageError("--to-label and --label-out go together")
    if to_label is not None and to_label < 1:
        raise UsageError("not a number of labels", where="--to-label", expected="at least 1")
    if json and out is None:
        raise UsageError("JSON holds a summary, so the scores need a file", hint="Name --out")
    if out is not None:
        check_ending(out)


def _check_policy(rules: Policy, model: Guard, found: ExchangeFile, audience: str | None) -> None:
    """Refuse before any scoring what could not be decided after it."""
    _check_certificates(rules, model)
    rules.decide(Score(outcome="not scored"), audience="" if audience is None else audience)
    rules.decide(Score(severity=0.0, hazards={"any": 0.0}, taxonomy=model.taxonomy), audience="")
    if audience is not None:
        return
    for line, exchange in zip(found.lines, found.exchanges, strict=True):
        try:
            rules.decide(Score(outcome="not scored", attributes=exchange.attributes))
        except ParameterError as error:
            raise DataError(
                error.problem,
                where=f"{found.source}, line {line}",
                expected=", ".join(rules.audiences) or "none, as the policy has no audiences",
                got=quoted(exchange.attributes.get("audience", "")),
            ) from None


def _check_certificates(rules: Policy, model: Guard) -> None:
    """Refuse thresholds that were certified for the scores of another guard."""
    named = {one.guard for by in rules.certificates.values() for one in by.values()} - {""}
    if named and named != {model.version}:
        raise UsageError(
            "the thresholds of this policy were certified for another guard",
            where="--policy",
            expected="scores of the guard that certified them",
            got="another guard" if hasattr(model, "heads_") else "a guard without calibration",
            hint="Name that guard, or certify anew: riskwright guard certify",
        )


def _opened(log: Path | None, model: Guard) -> Any:
    return contextlib.nullcontext() if log is None else DecisionLog(log, guard=model.version)


def _scored(model: Guard, exchanges: Sequence[Exchange]) -> Iterator[list[Score]]:
    """Scores in parts; all at once where an endpoint is asked, whose budget is that of one run."""
    shown = Progress()
    remote: list[Any] = [scorer for scorer in model.scorers if hasattr(scorer, "endpoint")]
    for scorer in remote:
        scorer.progress = shown.calls
    step = len(exchanges) if remote else _BATCH
    for start in range(0, len(exchanges), step):
        part = model.score_all(exchanges[start : start + step])
        shown.rows(start + len(part), len(exchanges))
        yield part
    shown.clear()


def _logged(
    book: DecisionLog | None, scores: Sequence[Score], decisions: Sequence[Decision]
) -> None:
    if book is not None:
        for one, decision in zip(scores, decisions, strict=True):
            book.append(one, decision)
        book.flush()


def _printed(scores: Sequence[Score], decisions: Sequence[Decision]) -> None:
    made: Sequence[Decision | None] = decisions or [None] * len(scores)
    for one, choice in zip(scores, made, strict=True):
        sys.stdout.buffer.write(scored_line(one, choice) + b"\n")
    sys.stdout.buffer.flush()


def _write_to_label(
    path: Path, found: ExchangeFile, scores: Sequence[Score], n: int, seed: int
) -> None:
    import msgspec

    from riskwright.guard.labelling import to_label

    lines = []
    for one in to_label(scores, n, random_state=seed):
        exchange = msgspec.to_builtins(found.exchanges[one.place])
        line = {**exchange, "label": None, CHANCE: one.probability, "because": one.reasons}
        lines.append(msgspec.json.encode(line))
    write(path, b"\n".join(lines) + b"\n")
    say(f"{len(lines):,} exchanges to label: {path}")


def _summary(
    found: ExchangeFile,
    scores: Sequence[Score],
    decisions: Sequence[Decision],
    seconds: float,
    *,
    as_json: bool,
) -> None:
    outcomes = Counter(one.outcome for one in scores)
    counted = Counter(decision.action for decision in decisions)
    actions = {action: counted[action] for action in ACTIONS if counted[action]}
    certified = sum(bool(decision.certificate) for decision in decisions)
    reasons = Counter(one.reason or one.outcome for one in scores if one.outcome != "scored")
    calibrated = bool(scores) and all(
        "any" in s.calibrated for s in scores if s.severity is not None
    )
    if as_json:
        show_json(
            {
                "exchanges": len(scores),
                "set_aside": len(found.problems),
                "outcomes": outcomes,
                "without_score": dict(reasons.most_common(_REASONS_KEPT)),
                "actions": actions,
                "certified": certified,
                "calibrated": calibrated,
                "seconds": round(seconds, 3),
            }
        )
        return
    words = ", ".join(f"{count:,} {name}" for name, count in outcomes.items())
    rate = f" ({len(scores) / max(seconds, 1e-9):,.0f} a second)" if len(scores) > _BATCH else ""
    aside = f"{len(found.problems):,} lines set aside"
    say(f"{len(scores):,} exchanges in {seconds:.2f} s{rate}: {words}; {aside}.")
    for reason, count in reasons.most_common(_REASONS_SHOWN):
        say(f"  {count:,} without a score: {reason}")
    if actions:
        say("Decisions: " + ", ".join(f"{count:,} {name}" for name, count in actions.items()) + ".")
        say(certified_sentence(certified, len(decisions)))
    else:
        say("No policy was named: nothing is decided, and nothing is certified.")
    if not calibrated:
        say(
            "The scores are not calibrated on labels of yours: they order exchanges and mean "
            "nothing more (riskwright guard fit)."
        )
