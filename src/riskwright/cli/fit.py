"""`riskwright fit`: from a table to a certified card, and a folder of its files."""

from __future__ import annotations

import contextlib
import json as json_text
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Group, Parameter

import riskwright as rw
from riskwright.cards import Format, render
from riskwright.core import ParameterError, ScoreCard, UsageError, atomic_write
from riskwright.evidence.schema import read_document

from .running import Whole, say, show, show_json, verb

if TYPE_CHECKING:
    from riskwright.evidence import Table
    from riskwright.scoring import RiskScoreClassifier

__all__ = ["fit"]

_DATA = Group("The table", sort_key=1)
_SCORE = Group("The score", sort_key=2)
_SEARCH = Group("The search", sort_key=3)
_CARD = Group("The card", sort_key=4)
Names = Annotated[list[str] | None, Parameter(group=_DATA, consume_multiple=True, negative="")]


@verb
def fit(
    data: Annotated[Path, Parameter(group=_DATA)],
    /,
    *,
    target: Annotated[str | None, Parameter(group=_DATA)] = None,
    positive: Annotated[str | None, Parameter(group=_DATA)] = None,
    weight: Annotated[str | None, Parameter(group=_DATA)] = None,
    groups: Names = None,
    ignore: Names = None,
    schema: Annotated[Path | None, Parameter(group=_DATA)] = None,
    delimiter: Annotated[str | None, Parameter(group=_DATA)] = None,
    max_terms: Annotated[Whole, Parameter(group=_SCORE)] = 5,
    max_points: Annotated[Whole, Parameter(group=_SCORE)] = 5,
    max_features: Annotated[Whole | None, Parameter(group=_SCORE)] = None,
    scale: Annotated[Literal["free", "unit"], Parameter(group=_SCORE)] = "free",
    constraints: Annotated[Path | None, Parameter(group=_SCORE)] = None,
    certify: Annotated[bool, Parameter(group=_SEARCH)] = True,
    time_limit: Annotated[float, Parameter(group=_SEARCH)] = 60.0,
    cv: Annotated[Whole, Parameter(group=_SEARCH)] = 5,
    seed: Annotated[Whole, Parameter(group=_SEARCH)] = 0,
    threads: Annotated[Whole | None, Parameter(group=_SEARCH)] = None,
    title: Annotated[str | None, Parameter(group=_CARD)] = None,
    population: Annotated[str | None, Parameter(group=_CARD)] = None,
    outcome: Annotated[str | None, Parameter(group=_CARD)] = None,
    out: Annotated[Path | None, Parameter(group=_CARD)] = None,
    json: Annotated[bool, Parameter(group=_CARD, negative="")] = False,
) -> None:
    """Learn a certified score card from a table.

    Types of columns are inferred and shown; a schema overrides them. Ctrl-C ends the search and
    keeps the best card, with its honest gap.

    Parameters
    ----------
    data
        CSV, Parquet, Arrow or Feather file.
    target
        The outcome column, with two labels.
    positive
        Its label that means yes, where that is not obvious.
    weight
        Column of row weights.
    groups
        Columns to report by, which the score does not use.
    ignore
        Columns to leave out.
    schema
        YAML or JSON file with types, units, ranges and roles of columns.
    delimiter
        Of CSV columns; found by itself by default.
    max_terms
        Most statements on the card.
    max_points
        Points of a statement lie between minus and plus this.
    max_features
        Most columns that the card may use.
    scale
        free: points times one learned slope; unit: points are log-odds.
    constraints
        YAML or JSON file of rules: points, sign, monotone, include, exclude, at_most, linear ...
    certify
        Prove that no better card exists; without, the first good card is taken.
    time_limit
        Seconds for the search.
    cv
        Folds of the cross-validation of the card's figures; 0 for none.
    seed
        Of the folds.
    threads
        All processors by default; the card does not depend on it.
    title
        What the card is called.
    population
        Whom the card is for, as a phrase.
    outcome
        What the card predicts, as a phrase.
    out
        Folder for score.json, card.html, card.md, card.svg and certificate.json.
    json
        Print the card as JSON.
    """
    if out is not None:
        _check_folder(out)
    rules = None if constraints is None else _read_constraints(constraints)
    table = rw.read_table(
        data,
        target=target,
        positive=positive,
        weight=weight,
        groups=groups or (),
        ignore=ignore or (),
        schema=schema,
        delimiter=delimiter,
    )
    if table.y is None:
        names = ", ".join(table.X.columns[:8])
        raise UsageError("no outcome", where="--target", expected=f"a column such as {names}")
    say(table.describe() + "\n")
    model = rw.RiskScoreClassifier(
        max_terms,
        max_points,
        max_features=max_features,
        scale=scale,
        constraints=rules,
        certify=certify,
        time_limit=time_limit,
        cv=cv or None,
        random_state=seed,
        n_jobs=threads,
    )
    progress = _Progress()
    try:
        model.set_progress(progress).fit(table)
    finally:
        progress.clear()
    model.card_ = _described(model.card_, table, title, population, outcome)
    written = [] if out is None else _write(model, table, out)
    if json:
        show_json({"card": model.card_, "files": written})
    else:
        show(str(render(model.card_, "text")))
    for path in written:
        say(f"Written: {path}")


def _check_folder(folder: Path) -> None:
    """Refuse, before the search, a folder that cannot be made or written."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(
            "cannot make this folder or write in it",
            where=str(folder),
            got=f"{nearest} is {'read-only' if nearest.is_dir() else 'a file'}",
        )


def _read_constraints(path: Path) -> dict[str, Any]:
    content = read_document(path, "constraints")
    if not isinstance(content, dict):
        raise ParameterError(
            "not constraints", where=str(path), expected="keys such as sign, include, exclude"
        )
    return content


def _described(
    card: ScoreCard, table: Table, title: str | None, population: str | None, outcome: str | None
) -> ScoreCard:
    stated = {
        "title": title,
        "population": population or table.schema.population,
        "outcome": outcome or table.schema.outcome or f"{table.outcome} = {table.positive_label}",
    }
    return msgspec.structs.replace(card, **{k: v for k, v in stated.items() if v})


def _write(model: RiskScoreClassifier, table: Table, folder: Path) -> list[str]:
    """All files of the card, or none: they get their names once every one is complete."""
    with tempfile.TemporaryDirectory() as place:
        saved = Path(place) / "score.json"
        rw.save(model, saved)
        contents = {"score.json": saved.read_bytes()}
    forms: dict[str, Format] = {"card.html": "html", "card.md": "markdown", "card.svg": "svg"}
    for name, form in forms.items():
        contents[name] = str(render(model.card_, form)).encode()
    if model.certify:
        contents["certificate.json"] = json_text.dumps(model.proof(table)).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "cannot make this folder", where=str(folder), got=error.strerror or str(error)
        ) from None
    with contextlib.ExitStack() as stack:
        for name, content in contents.items():
            stack.enter_context(atomic_write(folder / name)).write(content)
        if "certificate.json" not in contents:  # that of an earlier card would speak for this one
            (folder / "certificate.json").unlink(missing_ok=True)
    return [str(folder / name) for name in contents]


class _Progress:
    """One line of a terminal: seconds, phase, best objective, lower bound, gap."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, state: dict[str, Any]) -> None:
        if not sys.stderr.isatty():
            return
        figures = (
            ("objective", f"{state['objective']:.6f}"),
            ("bound", f"{state['lower_bound']:.6f}"),
            ("gap", f"{state['gap']:.2%}"),
        )
        known = [f"{name} {text}" for name, text in figures if "inf" not in text]
        line = f"{state['elapsed']:6.1f} s  {state['phase']}  {', '.join(known)}"
        print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
        self._width = len(line)

    def clear(self) -> None:
        if self._width:
            print("\r" + " " * self._width + "\r", end="", file=sys.stderr, flush=True)
