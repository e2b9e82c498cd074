"""Measuring, calibrating and deciding on the same rows beside the peers of each question."""

from dataclasses import dataclass
from typing import Any

from .tasks import Limit, Task, timed

__all__ = ["answer", "tasks"]

OURS = "riskwright"
FULL, QUICK = 6, 5  # powers of ten: rows of the full and of the quick run
HEAVY = {"netcal", "survivaleval", "torch-uncertainty"}  # 1.2 GB and more, with PyTorch


@dataclass(frozen=True)
class Question:
    """What is asked of whom, and how many times faster than the best of them ours must be.

    `function` is the first part of the functions' names in `measuring_ours` and
    `measuring_peers`; `n` fixes the rows where a peer cannot take 10^6 of them.
    """

    measure: str
    case: str
    function: str
    peers: tuple[str, ...] = ()
    faster: float | None = None
    limits: tuple[Limit, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    n: int | None = None


def _thresholds(
    case: str, function: str, peers: tuple[str, ...], faster: float
) -> tuple[Question, Question]:
    """With thresholds 0.01 apart, and 0.001 apart, where wlearn-uncertainty's table is too big.

    The requirement is for the finer answer.
    """
    common = {"measure": "deciding", "function": function}
    return (
        Question(
            **common,
            case=f"{case}, 100 candidates",
            peers=(*peers, "riskgate", "wlearn-uncertainty"),
            options=(("candidates", 100),),
        ),
        Question(
            **common,
            case=f"{case}, 1,000 candidates",
            peers=(*peers, "riskgate"),
            faster=faster,
            options=(("candidates", 1000),),
        ),
    )


QUESTIONS = (
    Question(
        *("measuring", "Brier score", "brier"),
        peers=("scikit-learn", "scoringrules", "properscoring", "wlearn-uncertainty"),
        faster=5,
    ),
    Question(
        *("measuring", "log score", "log_score"),
        peers=("scikit-learn", "scoringrules", "wlearn-uncertainty"),
        faster=5,
    ),
    Question(
        *("measuring", "calibration error, 15 bins", "binned_error"),
        peers=("relplot", "scikit-learn", "mapie", "wlearn-uncertainty", "netcal"),
        faster=1.5,
    ),
    Question(
        *("measuring", "smooth calibration error", "smooth_error"), peers=("relplot",), faster=30
    ),
    Question(*("measuring", "AUGRC", "augrc"), peers=("torch-uncertainty", "fd-shifts"), faster=4),
    Question(
        *("measuring", "Brier score of 5 groups with intervals", "group_brier"),
        peers=("fairlearn",),
        faster=1000,
    ),
    Question(*("measuring", "concordance", "concordance"), peers=("lifelines",), faster=10),
    Question(
        *("measuring", "concordance", "concordance"),
        peers=("lifelines", "scikit-survival"),
        n=30_000,
    ),
    Question(
        *("measuring", "censored Brier score at 100 times", "survival_brier"),
        peers=("scikit-survival", "survivaleval"),
        faster=5,
    ),
    Question(
        *("measuring", "bound of the worst tenth", "tail"),
        limits=(Limit("first_s", 0.5),),
    ),
    Question(
        *("measuring", "sketch of scores and outcomes", "sketch"),
        limits=(Limit("million_rows_per_s", 100, at_least=True),),
    ),
    Question(
        *("calibrating", "isotonic", "isotonic"),
        peers=("scikit-learn", "wlearn-uncertainty", "netcal"),
        faster=3,
    ),
    Question(
        *("calibrating", "Platt", "platt"),
        peers=("scikit-learn", "wlearn-uncertainty", "netcal"),
        faster=10,
    ),
    Question(
        *("calibrating", "temperature", "temperature"),
        peers=("scikit-learn", "wlearn-uncertainty", "netcal"),
        faster=10,
    ),
    Question(
        *("calibrating", "beta", "beta"),
        peers=("betacal", "wlearn-uncertainty", "netcal"),
        faster=10,
    ),
    Question(*("calibrating", "Venn-Abers", "venn_abers"), peers=("venn-abers",), faster=100),
    *_thresholds("conformal threshold", "conformal", (), faster=30),
    *_thresholds("learn-then-test threshold", "learn_then_test", ("mapie",), faster=100),
)


def answer(question: str, side: str, n: int, repeats: int, **options: Any) -> dict[str, Any]:
    """Put a question to riskwright or to a peer: its figures, and the seconds of the call."""
    from . import measuring_ours, measuring_peers
    from .measuring_data import rows

    module = measuring_ours if side == OURS else measuring_peers
    call = getattr(module, f"{question}_{side.replace('-', '_')}")(rows(n), **options)
    figures, seconds = timed(call, repeats)
    if "million_rows" in figures:  # per core: CPU seconds count all threads
        figures["million_rows_per_s"] = figures.pop("million_rows") / seconds["cpu_s"]
    return seconds | {"figures": figures}


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family: 10^6 rows in the full run, 10^5 and no heavy peer in the quick."""
    return [
        _task(question, side, power, repeats)
        for power in (FULL, QUICK)
        for question in QUESTIONS
        for side in (OURS, *question.peers)
        if power == FULL or (question.n is None and side not in HEAVY)
    ]


def _task(question: Question, side: str, power: int, repeats: int) -> Task:
    limits = question.limits
    if question.faster is not None:
        limits = (Limit("wall_s", question.faster, faster=True),)
    n = question.n or 10**power
    rows = f"{n:,} rows" if question.n else f"10^{power} rows"
    return Task(
        measure=question.measure,
        case=f"{question.case}, {rows}",
        competitor=side,
        environment=side,
        function="measuring:answer",
        arguments={"question": question.function, "side": side, "n": n, "repeats": repeats}
        | dict(question.options),
        prepare=("measuring_data:rows_file", n),
        limits=limits if side == OURS and power == FULL else (),
        quick=power == QUICK,
        full=power == FULL,
    )
