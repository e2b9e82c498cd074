"""`riskwright guard`: score traffic, fit to labels, certify, replay, report, compare, verify."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from riskwright.core import DataError, UsageError, save
from riskwright.core.scores import Decision, Score
from riskwright.evidence.exchange_files import ExchangeFile, read_exchanges
from riskwright.evidence.labels import Label
from riskwright.guard import Guard
from riskwright.taxonomy.policies import Policy, load_policy, policy_template

from .running import Whole, check_outputs, say, show, show_json, verb, write
from .tables import wrapped

__all__ = ["certify", "compare", "fit", "policy", "replayed", "report", "score", "verify_log"]

Words = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Flag = Annotated[bool, Parameter(negative="")]
_PROBLEMS_SHOWN = 20
_STDIN = Path("-")


@verb
def score(
    traffic: Path = _STDIN,
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

    Lines that cannot be read are named by number, the others are scored all the same, and the exit
    code is 1. Without a policy nothing is decided. No text is written anywhere.

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
        Keys or columns to keep, such as language, for policies and reports.
    out
        File to write, .jsonl, .csv or .parquet; JSON lines on standard output if there is none.
    log
        Decision log to append to; needs a policy.
    to_label
        How many exchanges a person should label first.
    label_out
        File for the lines to label, with the chance that each had to be drawn.
    seed
        Of the choice of exchanges to label.
    json
        Print a summary as JSON, with --out.
    """
    from riskwright.guard.decision_log import DecisionLog
    from riskwright.guard.scored_files import scored_line, write_scored

    if log is not None and policy is None:
        raise UsageError("a log holds decisions", where="--log", hint="Name --policy")
    if (to_label is None) != (label_out is None):
        raise UsageError("--to-label and --label-out go together")
    if json and out is None:
        raise UsageError("JSON holds a summary, so the scores need a file", hint="Name --out")
    check_outputs(out, label_out, inputs=[_file(traffic), guard, scorers, policy, log])
    rules = None if policy is None else load_policy(policy)
    if rules is not None and audience is not None:
        _check_audience(rules, audience)
    model = _guard_of(guard, scorers)
    read = _read(traffic, attributes)
    started = time.perf_counter()
    scores = model.score_all(read.exchanges, progress=_progress)
    seconds = time.perf_counter() - started
    decisions = None if rules is None else [rules.decide(s, audience=audience) for s in scores]
    if out is not None:
        write_scored(out, scores, decisions)
    if log is not None and decisions is not None:
        with DecisionLog(log, guard=model.version) as book:
            for one, decision in zip(scores, decisions, strict=True):
                book.append(one, decision)
    if label_out is not None and to_label is not None:
        _write_to_label(label_out, read, scores, to_label, seed)
    if out is None:
        made: Sequence[Decision | None] = decisions or [None] * len(scores)
        for one, choice in zip(scores, made, strict=True):
            sys.stdout.buffer.write(scored_line(one, choice) + b"\n")
    _summary(read, scores, decisions, seconds, as_json=json)
    return _code(read)


def _file(path: Path) -> Path | None:
    return None if path == _STDIN else path


def _read(path: Path, attributes: Sequence[str] | None) -> ExchangeFile:
    read = read_exchanges(
        sys.stdin.buffer if path == _STDIN else path, attributes=tuple(attributes or ())
    )
    for problem in read.problems[:_PROBLEMS_SHOWN]:
        say(f"riskwright: {read.source}, {problem}; set aside.")
    more = len(read.problems) - _PROBLEMS_SHOWN
    if more > 0:
        say(f"riskwright: {more:,} further lines were set aside.")
    if read.ignored:
        say(
            f"riskwright: nothing reads {', '.join(read.ignored[:8])}; "
            "--attributes keeps them for policies and reports."
        )
    if not read.exchanges and not read.pairs:
        raise DataError(
            "no exchange that can be read", where=read.source, got=f"{len(read.problems):,} lines"
        )
    return read


def _code(*files: ExchangeFile) -> int:
    return int(any(file.problems for file in files))


def _guard_of(guard: Path | None, scorers: Path | None) -> Guard:
    if guard is not None:
        if scorers is not None:
            raise UsageError("a saved guard has its own scorers", where="--scorers")
        return Guard.load(guard)
    if scorers is not None:
        from riskwright.guard.scorers import read_scorers

        return Guard(read_scorers(scorers))
    return Guard()


def _check_audience(rules: Policy, audience: str) -> None:
    rules.decide(Score(outcome="not scored"), audience=audience)


def _progress(name: str, place: int, total: int) -> None:
    if sys.stderr.isatty():
        say(f"{name} ({place + 1} of {total})")


def _write_to_label(
    path: Path, read: ExchangeFile, scores: Sequence[Score], n: int, seed: int
) -> None:
    import msgspec

    from riskwright.guard.labelling import to_label

    lines = []
    for one in to_label(scores, n, random_state=seed):
        exchange = msgspec.to_builtins(read.exchanges[one.place])
        line = {**exchange, "label": None, "chance": one.probability, "because": one.reasons}
        lines.append(msgspec.json.encode(line))
    write(path, b"\n".join(lines) + b"\n")
    say(f"{len(lines):,} exchanges to label: {path}")


def _summary(
    read: ExchangeFile,
    scores: Sequence[Score],
    decisions: Sequence[Decision] | None,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    outcomes: dict[str, int] = {}
    for one in scores:
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
    actions: dict[str, int] = {}
    for decision in decisions or ():
        actions[decision.action] = actions.get(decision.action, 0) + 1
    calibrated = bool(scores) and all(
        "any" in s.calibrated for s in scores if s.severity is not None
    )
    if as_json:
        show_json(
            {
                "exchanges": len(scores),
                "set_aside": len(read.problems),
                "outcomes": outcomes,
                "actions": actions,
                "calibrated": calibrated,
                "seconds": round(seconds, 3),
            }
        )
        return
    words = ", ".join(f"{count:,} {name}" for name, count in outcomes.items())
    say(f"{len(scores):,} exchanges in {seconds:.2f} s: {words}; {len(read.problems):,} set aside.")
    if actions:
        say("Decisions: " + ", ".join(f"{count:,} {name}" for name, count in actions.items()) + ".")
    if not calibrated:
        say(
            "The scores are not calibrated on labels of yours: they order exchanges and mean "
            "nothing more (riskwright guard fit)."
        )


@verb
def fit(
    labels: Path,
    /,
    *,
    out: Path,
    guard: Path | None = None,
    scorers: Path | None = None,
    use: float = 0.5,
    attributes: Words = None,
    seed: Whole = 0,
    json: Flag = False,
) -> int:
    """Adapt and calibrate a guard on local labels, in seconds.

    A part of the labels is used; `guard certify` takes the others of the same file, because a
    threshold is only certified by labels that the score has not seen.

    Parameters
    ----------
    labels
        JSON lines, CSV or Parquet: prompt, reply and label (0 or 1), severity (levels), hazards
        (code to 0 or 1), or pairs of a worse and a milder exchange.
    out
        The guard to write.
    guard
        A saved guard to fit anew, with its scorers.
    scorers
        YAML file with a list of scorers, such as guard models behind an endpoint.
    use
        Share of the labels to fit on; 1 leaves none to certify.
    attributes
        Keys or columns to keep.
    seed
        Of the part and of the folds.
    json
        Print the figures as JSON.
    """
    if not 0 < use <= 1:
        raise UsageError(
            "not a share", where="--use", expected="above 0, at most 1", got=f"{use:g}"
        )
    check_outputs(out, inputs=[labels, guard, scorers])
    model = _guard_of(guard, scorers)
    model.random_state = seed
    read = _read(labels, attributes)
    exchanges, told = read.labelled
    chosen = _share_of(len(exchanges), use, seed)
    started = time.perf_counter()
    model.fit(
        [exchanges[k] for k in chosen],
        [told[k] for k in chosen],
        pairs=read.pairs,
        progress=_progress,
    )
    save(model, out)
    seconds = time.perf_counter() - started
    summary = model.heads_.summary
    if json:
        show_json({"figures": summary, "labels": len(chosen), "seconds": round(seconds, 3)})
    else:
        show("\n".join(_fit_lines(model, len(chosen), len(exchanges), read)))
        say(f"Fitted in {seconds:.2f} s: {out}")
    return _code(read)


def _share_of(n: int, use: float, seed: int) -> list[int]:
    from riskwright.core import generator

    order = generator(seed, 7).permutation(n)
    return sorted(int(k) for k in order[: round(use * n)])


def _fit_lines(model: Guard, used: int, labelled: int, read: ExchangeFile) -> list[str]:
    lines = [f"{used:,} of {labelled:,} labels, {len(read.pairs):,} pairs used."]
    for key, figures in model.heads_.summary.items():
        for name, estimate in figures.items():
            lines.append(f"  {key:<6} {name}: {estimate}")
    for key, why in model.heads_.left_out.items():
        lines.append(wrapped(f"  {key:<6} not fitted: {why}", "         "))
    return lines


@verb
def certify(
    labels: Path,
    /,
    *,
    guard: Path,
    policy: Path,
    out: Path | None = None,
    certificates: Path | None = None,
    attributes: Words = None,
    json: Flag = False,
) -> int:
    """Choose a policy's thresholds so that its budgets are certified to hold.

    Missed harm and over-refusal are bounded together, for every hazard and regime of the policy,
    on labels that the guard was not fitted on. What cannot be certified is an answer: the nearest
    level and the labels needed are printed, nothing passes or is blocked there, exit code 1.

    Parameters
    ----------
    labels
        JSON lines, CSV or Parquet with labels; those that fitted the guard are left out.
    guard
        The saved guard.
    policy
        Policy file with budgets.
    out
        The policy with its thresholds to write, .yaml or .json.
    certificates
        File for the full certificates, as JSON.
    attributes
        Keys or columns to keep, such as language for budgets "per language".
    json
        Print the certification as JSON.
    """
    from riskwright.core import json_values

    check_outputs(out, certificates, inputs=[labels, guard, policy])
    rules = load_policy(policy)
    model = Guard.load(guard)
    read = _read(labels, attributes)
    exchanges, told = read.labelled
    found = model.certify(rules, exchanges, told, progress=_progress)
    if out is not None:
        found.policy.save(out)
    if certificates is not None:
        import json as plain

        write(certificates, plain.dumps(json_values(_bands(found)), indent=1) + "\n")
    if json:
        show_json({"bands": _bands(found), "expected": found.expected, "notes": found.notes})
    else:
        show("\n".join(_certified_lines(found)))
        if out is not None:
            say(f"Policy with thresholds: {out}")
    return int(not found.certified or bool(read.problems))


def _bands(found: Any) -> list[dict[str, Any]]:
    return [
        {
            "hazard": band.hazard,
            "regime": band.regime,
            "low": band.band.low,
            "high": band.band.high,
            "certified": band.certified,
            "digest": band.digest,
            "certificates": [certificate.to_dict() for certificate in band.certificates],
        }
        for band in found.bands
    ]


def _certified_lines(found: Any) -> list[str]:
    lines = []
    for band in found.bands:
        mark = "certified" if band.certified else "NOT CERTIFIED"
        lines.append(f"{band.hazard}, {band.regime}: {mark}")
        lines += [wrapped(f"  {one.statement}", "  ") for one in band.certificates]
    for hazard, why in found.left_out.items():
        lines.append(wrapped(f"{hazard}: left out. {why}", "  "))
    for regime, figures in found.expected.items():
        lines.append(f"Expected in {regime}:")
        lines += [
            f"  {name}: {estimate}"
            for name, estimate in figures.items()
            if not name.startswith("share") or estimate.value > 0
        ]
    if not found.certified and found.labels_needed is not None:
        lines.append(
            f"About {found.labels_needed:,} labels of the kind that is scarce would be needed."
        )
    return [*lines, *(wrapped(note) for note in found.notes)]


@verb
def replayed(
    stored: Path,
    /,
    *,
    policy: Path,
    against: Path | None = None,
    audience: str | None = None,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Decide stored scores anew under another policy, with no model call.

    Parameters
    ----------
    stored
        Decision log, or scores that `guard score` wrote.
    policy
        The policy to try.
    against
        Compare with this policy instead of the stored decisions.
    audience
        Of all exchanges; by default what their attributes say.
    out
        Scores with the new decisions, .jsonl, .csv or .parquet.
    json
        Print what changes as JSON.
    """
    from riskwright.guard.replaying import replay, stored_scores
    from riskwright.guard.scored_files import write_scored

    check_outputs(out, inputs=[stored, policy, against])
    rules = load_policy(policy)
    other = None if against is None else load_policy(against)
    pairs = list(stored_scores(stored))
    decisions, found = replay(pairs, rules, against=other, audience=audience)
    if out is not None:
        write_scored(out, [score for score, _ in pairs], decisions)
    if json:
        show_json(found)
        return 0
    show(f"{found.n:,} scores decided anew under {found.policy}; {found.changed:,} change.")
    if found.undecided:
        show(f"{found.undecided:,} had no decision before.")
    for move, count in found.moves.items():
        show(f"  {move}: {count:,}")
    if found.changed:
        show(f"{found.severer:,} severer, {found.milder:,} milder.")
    if other is not None:
        for line in other.differences(rules):
            show(f"  policy: {line}")
    return 0


@verb
def report(
    stored: Path,
    /,
    *,
    labels: Path,
    policy: Path | None = None,
    groups: Words = None,
    out: Path | None = None,
    title: str = "Guard report",
    json: Flag = False,
) -> int:
    """Report misses, over-refusal, strictness, calibration, tail and cost on one page.

    Parameters
    ----------
    stored
        Decision log, or scores with decisions that `guard score` wrote.
    labels
        Labels of the same exchanges, found by their text or else by their id.
    policy
        For the strictness table; it decides where the stored scores have no decision.
    groups
        Attributes to count by, such as language.
    out
        The page to write, .html.
    title
        Of the page.
    json
        Print the figures as JSON.
    """
    from riskwright.guard.figures import guard_figures
    from riskwright.guard.replaying import stored_scores

    check_outputs(out, inputs=[stored, labels, policy])
    rules = None if policy is None else load_policy(policy)
    pairs = list(stored_scores(stored))
    decisions = [_decided(one, made, rules) for one, made in pairs]
    scores = [one for one, _ in pairs]
    read = _read(labels, groups)
    told = _labels_of(scores, read)
    figures = guard_figures(scores, decisions, told, policy=rules, groups=tuple(groups or ()))
    if out is not None:
        from riskwright.cards.guard_page import guard_page

        write(
            out,
            guard_page(
                figures,
                title=title,
                data_name=f"{stored.name} with {labels.name}",
                promises=_promises(rules),
                findings=_log_findings(stored),
                names=_hazard_names(rules),
            ),
        )
    if json:
        show_json(figures)
    else:
        show("\n".join(_figure_lines(figures)))
        if out is not None:
            say(f"Page: {out}")
    return _code(read)


def _decided(score: Score, made: Decision | None, rules: Policy | None) -> Decision:
    if made is not None:
        return made
    if rules is None:
        raise UsageError("these scores have no decisions", hint="Name --policy")
    return rules.decide(score)


def _labels_of(scores: Sequence[Score], read: ExchangeFile) -> list[Label | None]:
    by_text: dict[str, Label] = {}
    by_id: dict[str, Label] = {}
    for exchange, label in zip(*read.labelled, strict=True):
        by_text[exchange.digest] = label
        by_id[exchange.id] = label
    found = [by_text.get(one.digest) or by_id.get(one.id) for one in scores]
    if not any(found):
        raise DataError(
            "no label belongs to any of these scores",
            where=read.source,
            expected="the same texts, or the same ids",
        )
    return found


def _promises(rules: Policy | None) -> list[tuple[str, str]]:
    if rules is None:
        return []
    return [
        (f"{hazard}, {regime}", one.statement)
        for hazard, by_regime in rules.certificates.items()
        for regime, one in by_regime.items()
    ]


def _log_findings(stored: Path) -> Sequence[Any]:
    from riskwright.guard.decision_log import is_log, verify_log

    return verify_log(stored) if is_log(stored) else ()


def _hazard_names(rules: Policy | None) -> dict[str, str]:
    from riskwright.taxonomy import load_taxonomy, taxonomy_names

    name = "ailuminate" if rules is None else rules.taxonomy
    if name not in taxonomy_names():
        return {}
    return {one.code: one.name for one in load_taxonomy(name).categories}


def _figure_lines(figures: Any) -> list[str]:
    lines = [f"{figures.n:,} exchanges, {figures.labelled:,} with labels"]
    tables = {"all": figures.overall, **figures.by_hazard}
    for name, groups in figures.by_group.items():
        tables |= {f"{name} = {value}": rates for value, rates in groups.items()}
    tables |= {f"regime {name}": rates for name, rates in figures.regimes.items()}
    for name, rates in tables.items():
        if rates is None:
            continue
        lines.append(f"{name}: {rates.harmful:,} harmful of {rates.n:,}")
        lines += [
            f"  {what}: {estimate}"
            for what, estimate in (
                ("harm missed", rates.missed),
                ("harmless refused", rates.refused),
                ("escalated", rates.escalated),
                ("F1", rates.f1),
            )
        ]
    for table in (figures.quality, figures.passed_tail, figures.cost):
        lines += [f"{name}: {estimate}" for name, estimate in table.items()]
    return [*lines, *figures.notes]


@verb
def compare(
    first: Path,
    second: Path,
    /,
    *,
    labels: Path,
    json: Flag = False,
) -> int:
    """Compare two guards, or two files of scores, on the same labels.

    Parameters
    ----------
    first, second
        Saved guards, decision logs, or scores that `guard score` wrote.
    labels
        The labels; saved guards score their texts.
    json
        Print the figures as JSON.
    """
    from riskwright.guard.comparing import compare_guards

    read = _read(labels, None)
    exchanges, told = read.labelled
    columns = [_scores_for(path, exchanges) for path in (first, second)]
    found = compare_guards(columns[0], columns[1], told)
    if json:
        show_json(found)
    else:
        for name, estimate in found.items():
            show(f"{name}: {estimate}")
    return _code(read)


def _scores_for(path: Path, exchanges: Sequence[Any]) -> list[Score]:
    from riskwright.guard.replaying import stored_scores

    if path.suffix.lower() == ".json":
        return Guard.load(path).score_all(exchanges, progress=_progress)
    stored = [one for one, _ in stored_scores(path)]
    by_text = {one.digest: one for one in stored}
    by_id = {one.id: one for one in stored}
    found = [by_text.get(e.digest) or by_id.get(e.id) for e in exchanges]
    lacking = sum(one is None for one in found)
    if lacking:
        raise DataError(
            "labels without a score", where=str(path), got=f"{lacking:,} of {len(found):,}"
        )
    return [one for one in found if one is not None]


@verb
def verify_log(log: Path, /, *, expect: str | None = None, json: Flag = False) -> int:
    """Find out whether a decision log was altered.

    The key of a keyed log is read from the environment variable RISKWRIGHT_LOG_KEY.

    Parameters
    ----------
    log
        The log.
    expect
        A hash that was written down elsewhere; it must be in the chain.
    json
        Print the findings as JSON.
    """
    from riskwright.guard.decision_log import verify_log as verified

    findings = verified(log, expect=expect)
    if json:
        show_json(findings)
    else:
        for finding in findings:
            show(wrapped(finding.sentence))
    return int(not all(finding.passed for finding in findings))


@verb
def policy(*, taxonomy: str = "ailuminate", schema: Flag = False, out: Path | None = None) -> None:
    """Write a commented policy to start from, or the JSON Schema of policies.

    Parameters
    ----------
    taxonomy
        Of the hazards.
    schema
        The JSON Schema instead.
    out
        File to write; standard output if there is none.
    """
    from riskwright.taxonomy.policies import policy_schema

    if schema:
        import json as plain

        text = plain.dumps(policy_schema(), indent=1)
    else:
        text = policy_template(taxonomy)
    if out is None:
        show(text)
        return
    check_outputs(out, inputs=[])
    if out.exists():
        raise UsageError("there is a file already", where=str(out), hint="Name another file")
    write(out, text.rstrip("\n") + "\n")
    say(f"Policy to fill in: {out}")
