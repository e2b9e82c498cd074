"""Questions put to riskwright and to its peers about the same rows: what their families share.

A family NAME has its rows in `NAME_data`, what riskwright is asked in `NAME_ours` and what the
peers are asked in `NAME_peers`, as functions `<question>_<side>` that return the call to be timed.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .environments import OURS
from .tasks import Limit, Task, timed

__all__ = ["Question", "answer", "question_tasks"]

# 1.2 GB and more, with PyTorch
HEAVY = {"multiplicity", "netcal", "survivaleval", "torch-uncertainty"}
HOMES = {"plain SLSQP": "scipy", "plain loop": "scikit-learn"}  # written here, on these libraries


@dataclass(frozen=True)
class Question:
    """What is asked of whom, and how many times faster than the best of them ours must be.

    `function` is the first part of the functions' names. `full` and `quick` are the sizes of the
    two runs (None: not asked there), in `unit`. `drawn` says which rows of the family it is about,
    where it has several kinds, and `tables` which data sets these need.
    """

    measure: str
    case: str
    function: str
    peers: tuple[str, ...] = ()
    faster: float | None = None
    limits: tuple[Limit, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    full: int | None = 10**6
    quick: int | None = 10**5
    unit: str = "rows"
    drawn: str | None = None
    tables: tuple[str, ...] = ()
    peer_memory_gb: float | None = None


def answer(
    family: str, question: str, side: str, rows: dict[str, Any], repeats: int, **options: Any
) -> dict[str, Any]:
    """Put a question to riskwright or to a peer: its figures, and the seconds of the call.

    A call that did `done` of `whole` parts of the work has its seconds extrapolated.
    """
    found = import_module(f"{__package__}.{family}_data").rows(**rows)
    module = import_module(f"{__package__}.{family}_{'ours' if side == OURS else 'peers'}")
    name = f"{question}_{side.lower().replace('-', '_').replace(' ', '_')}"
    figures, seconds = timed(getattr(module, name)(found, **options), repeats)
    if "million_rows" in figures:  # per core: CPU seconds count all threads
        figures["million_rows_per_s"] = figures.pop("million_rows") / seconds["cpu_s"]
    if "whole" in figures:
        done, whole, parts = (figures.pop(name) for name in ("done", "whole", "parts"))
        figures["extrapolated_from"] = f"{done:,} of {whole:,} {parts}"
        seconds = {name: value * whole / done for name, value in seconds.items()}
    return seconds | {"figures": figures}


def question_tasks(family: str, questions: tuple[Question, ...], repeats: int) -> list[Task]:
    """The full sizes with all peers and requirements, and the quick ones without heavy peers."""
    return [
        _task(family, question, side, n, repeats, full)
        for full in (True, False)
        for question in questions
        if (n := question.full if full else question.quick) is not None
        for side in (OURS, *question.peers)
        if full or side not in HEAVY
    ]


def _task(family: str, question: Question, side: str, n: int, repeats: int, full: bool) -> Task:
    limits = question.limits
    if question.faster is not None:
        limits = (*limits, Limit("wall_s", question.faster, faster=True))
    rows = {"n": n} | ({"drawn": question.drawn} if question.drawn else {})
    arguments = {"family": family, "question": question.function, "side": side, "rows": rows}
    return Task(
        measure=question.measure,
        case=f"{question.case}, {_size(n)} {question.unit}",
        competitor=side,
        environment=HOMES.get(side, side),
        function="questions:answer",
        arguments={**arguments, "repeats": repeats, **dict(question.options)},
        prepare=(f"{family}_data:rows_file", rows),
        tables=question.tables,
        limits=tuple(limit for limit in limits if full or limit.same) if side == OURS else (),
        quick=not full,
        full=full,
        memory_gb=None if side == OURS else question.peer_memory_gb,
    )


def _size(n: int) -> str:
    power = len(str(n)) - 1
    return f"10^{power}" if n == 10**power else f"{n:,}"
