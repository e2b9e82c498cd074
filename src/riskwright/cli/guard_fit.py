"""`riskwright guard fit` and `compare`: a guard adapted to local labels, or set against another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from riskwright.core import DataError, UsageError, generator, save
from riskwright.core.scores import Score
from riskwright.evidence.exchange_files import ExchangeFile
from riskwright.guard.guard import Guard

from .guard import Flag, Matches, Progress, Words, code_of, guard_of, read
from .running import Whole, check_outputs, say, show, show_json, verb, wrapped

__all__ = ["compare", "fit"]


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

    A line says of a prompt, or of a prompt and its reply: label (0 or 1), severity (a level),
    hazards (code to 0 or 1); or it holds two exchanges, worse and milder. A part of the labels is
    used; `guard certify` takes the others of the same file, because a threshold is only certified
    by labels that the score has not seen.

    Parameters
    ----------
    labels
        JSON lines, CSV or Parquet with label, severity or hazards, or pairs of worse and milder.
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
    model = guard_of(guard, scorers)
    model.random_state = seed
    found = read(labels, attributes, labels=True)
    exchanges, told = found.labelled
    chosen = _share_of(len(exchanges), use, seed)
    shown = Progress()
    started = time.perf_counter()
    model.fit(
        [exchanges[k] for k in chosen],
        [told[k] for k in chosen],
        pairs=found.pairs,
        progress=shown,
    )
    shown.clear()
    save(model, out)
    seconds = time.perf_counter() - started
    summary = model.heads_.summary
    if json:
        show_json({"figures": summary, "labels": len(chosen), "seconds": round(seconds, 3)})
    else:
        show("\n".join(_fit_lines(model, len(chosen), len(exchanges), found)))
        say(f"Fitted in {seconds:.2f} s: {out}")
    return code_of(found)


def _share_of(n: int, use: float, seed: int) -> list[int]:
    order = generator(seed, 7).permutation(n)
    return sorted(int(k) for k in order[: round(use * n)])


def _fit_lines(model: Guard, used: int, labelled: int, found: ExchangeFile) -> list[str]:
    lines = [f"{used:,} of {labelled:,} labels, {len(found.pairs):,} pairs used."]
    if used < labelled:
        lines.append(f"The other {labelled - used:,} labels can certify: riskwright guard certify.")
    for key, figures in model.heads_.summary.items():
        for name, estimate in figures.items():
            lines.append(f"  {key:<6} {name}: {estimate}")
    for key, why in model.heads_.left_out.items():
        lines.append(wrapped(f"  {key:<6} not fitted: {why}", "         "))
    return lines


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

    Exchanges that either guard was fitted on are left out.

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

    file = read(labels, labels=True)
    sources = [_source(path) for path in (first, second)]
    rows = _fresh(file, [one for one in sources if isinstance(one, Guard)])
    columns = [
        _scores_for(one, path, file, rows)
        for one, path in zip(sources, (first, second), strict=True)
    ]
    told = [label for k in rows if (label := file.labels[k]) is not None]
    found = compare_guards(columns[0], columns[1], told)
    if json:
        show_json(found)
    else:
        for name, estimate in found.items():
            show(f"{name}: {estimate}")
    return code_of(file)


def _source(path: Path) -> Guard | list[Score]:
    from riskwright.guard.replaying import stored_scores

    if path.suffix.lower() == ".json":
        return Guard.load(path)
    return [score for score, _ in stored_scores(path)]


def _fresh(file: ExchangeFile, guards: Sequence[Guard]) -> list[int]:
    """Places of the labelled exchanges that no guard was fitted on."""
    labelled = [k for k, label in enumerate(file.labels) if label is not None]
    seen = frozenset[str]().union(*(guard.fitted_on_ for guard in guards))
    rows = [k for k in labelled if file.exchanges[k].digest not in seen]
    if labelled and not rows:
        raise DataError(
            "every one of these labels was used to fit a guard",
            where=file.source,
            expected="labels that neither guard has seen",
        )
    if len(rows) < len(labelled):
        say(f"{len(labelled) - len(rows):,} labels that fitted a guard were left out.")
    return rows


def _scores_for(
    source: Guard | list[Score], path: Path, file: ExchangeFile, rows: Sequence[int]
) -> list[Score]:
    if isinstance(source, Guard):
        shown = Progress()
        scores = source.score_all([file.exchanges[k] for k in rows], progress=shown)
        shown.clear()
        return scores
    matches = Matches(source)
    found = [matches.score_of(file.exchanges[k], file.lines[k]) for k in rows]
    matches.tell()
    lacking = sum(one is None for one in found)
    if lacking:
        raise DataError(
            "labels without a score", where=str(path), got=f"{lacking:,} of {len(found):,}"
        )
    return [one for one in found if one is not None]
