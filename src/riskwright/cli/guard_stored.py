"""`riskwright guard replay`, `report` and `verify-log`: what can be had from stored scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import DataError, UsageError
from riskwright.core.scores import Decision, Score
from riskwright.evidence.exchange_files import ExchangeFile
from riskwright.evidence.labels import Label
from riskwright.guard.guard import Guard
from riskwright.guard.replaying import Stored
from riskwright.taxonomy.policies import Policy, load_policy

from .guard import CHANCE, Flag, Matches, Words, code_of, read
from .running import check_outputs, say, show, show_json, verb, wrapped, write

__all__ = ["replayed", "report", "verify_log"]


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
    guard: Path | None = None,
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
    guard
        The guard that scored; exchanges that it was fitted on are left out.
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

    check_outputs(out, inputs=[stored, labels, guard, policy])
    rules = None if policy is None else load_policy(policy)
    pairs, notes = _fresh(list(stored_scores(stored)), guard, stored)
    decisions = [_decided(one, made, rules) for one, made in pairs]
    scores = [one for one, _ in pairs]
    file = read(labels, groups, labels=True)
    told = _labels_of(scores, file)
    figures = guard_figures(scores, decisions, told, policy=rules, groups=tuple(groups or ()))
    figures = msgspec.structs.replace(figures, notes=(*notes, *figures.notes))
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
    return code_of(file)


def _fresh(pairs: list[Stored], path: Path | None, stored: Path) -> tuple[list[Stored], list[str]]:
    """Scores of exchanges that the guard was not fitted on, and what to say of the others."""
    if path is None:
        if any(score.calibrated for score, _ in pairs):
            say("Exchanges that the guard was fitted on are counted, too; --guard leaves them out.")
        return pairs, []
    seen = Guard.load(path).fitted_on_
    kept = [pair for pair in pairs if pair[0].digest not in seen]
    if not kept:
        raise DataError(
            "every one of these exchanges was used to fit the guard",
            where=str(stored),
            expected="exchanges that it has not seen",
        )
    left = len(pairs) - len(kept)
    if not left:
        return kept, [f"None of {len(pairs):,} exchanges had fitted the guard."]
    return kept, [
        f"{left:,} of {len(pairs):,} exchanges were left out: the guard was fitted on them."
    ]


def _decided(score: Score, made: Decision | None, rules: Policy | None) -> Decision:
    if made is not None:
        return made
    if rules is None:
        raise UsageError("these scores have no decisions", hint="Name --policy")
    return rules.decide(score)


def _labels_of(scores: Sequence[Score], file: ExchangeFile) -> list[Label | None]:
    """The label of every score, None where there is none."""
    matches = Matches(scores)
    by_score: dict[int, Label] = {}
    changed = 0
    for line, exchange, label in zip(file.lines, file.exchanges, file.labels, strict=True):
        score = None if label is None else matches.score_of(exchange, line)
        if score is not None and label is not None:
            changed += by_score.setdefault(id(score), label) != label
            by_score[id(score)] = label
    if not by_score:
        raise DataError(
            "no label belongs to any of these scores",
            where=file.source,
            expected="the same texts, or the same ids",
        )
    matches.tell()
    if changed:
        say(f"{changed:,} labels differ from an earlier one of the same exchange; the last counts.")
    if any(CHANCE in exchange.attributes for exchange in file.exchanges):
        say("--to-label chose some of these labels; rates among them are not those of all traffic.")
    by_text = {s.digest: by_score[id(s)] for s in scores if s.digest and id(s) in by_score}
    return [by_score.get(id(s)) or by_text.get(s.digest) for s in scores]


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
    return [*lines, figures.promise, *figures.notes]


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
