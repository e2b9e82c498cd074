"""Auditing: each part on generated or public rows beside its peers, and whole audits at once."""

from .questions import Question, question_tasks
from .tasks import Limit, Task

__all__ = ["tasks"]

SAME_SLICE = Limit("top", same=True)
ROOM = 20.0  # GB for a peer that would take the machine's memory


def _slices(depth: int, full: int, quick: int | None, *limits: Limit) -> Question:
    return Question(
        *("auditing", f"slices of 62 values in 10 columns, depth {depth}", "slices"),
        peers=("sliceline",),
        limits=(*limits, SAME_SLICE),
        options=(("depth", depth),),
        full=full,
        quick=quick,
        drawn="losses",
        peer_memory_gb=ROOM,
    )


QUESTIONS = (
    Question(
        *("auditing", "certified viable ranges, adult", "viable"),
        peers=("plain SLSQP", "multiplicity"),
        limits=(Limit("cpu_s", 90.0), Limit("gap", 1e-3)),
        full=32_561,
        quick=1000,
        unit="people",
        drawn="adult",
        tables=("adult",),
    ),
    Question(
        *("auditing", "responsiveness to a forest of 300 trees", "responsive"),
        peers=("plain loop", "reachml"),
        limits=(Limit("wall_s", 5.0),),
        full=10_000,
        quick=1000,
        unit="people",
        drawn="people",
    ),
    Question(
        *("auditing", "KNN-Shapley, 10 columns, rows / 100 to validate on", "neighbours"),
        peers=("pydvl",),
        limits=(Limit("wall_s", 5.0),),
        full=10**5,
        quick=10**4,
        drawn="neighbours",
    ),
    Question(
        *("auditing", "student of a score, 10 columns, main effects", "student"),
        peers=("interpret-core",),
        limits=(Limit("wall_s", 1.0),),
        options=(("pairs", 0),),
        full=10**5,
        quick=10**4,
        drawn="scored",
    ),
    Question(
        *("auditing", "student of a score, 10 columns, 10 pairs", "student"),
        peers=("interpret-core",),
        limits=(Limit("wall_s", 10.0),),
        options=(("pairs", 10),),
        full=10**5,
        quick=10**4,
        drawn="scored",
    ),
    Question(
        *("auditing", "distillation compared with the outcome, 10 columns", "distilled"),
        full=10**5,
        quick=10**4,
        drawn="scored",
    ),
    _slices(3, 10**6, None, Limit("wall_s", 5.0), Limit("peak_mb", 1000)),
    _slices(3, 10**5, 10**4),
    _slices(2, 10**6, 10**5),
    Question(
        *("auditing", "intervals of the rates in 18 cells", "groups"),
        peers=("fairlearn",),
        limits=(Limit("wall_s", 0.5),),
        full=332_900,
        quick=10**5,
        drawn="cells",
    ),
)


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family."""
    return [*question_tasks("auditing", QUESTIONS, repeats), *_pages()]


def _pages() -> list[Task]:
    """Whole audits of 30,000 rows by the command, from files to the page."""
    limits = (Limit("wall_s", 180.0), Limit("page_kb", 500.0))
    return [
        Task(
            measure="auditing",
            case=f"whole audit of {what}, 30,000 rows x 25 columns",
            competitor="riskwright",
            environment="riskwright",
            function="auditing_page:audited",
            arguments={"n": 30_000, "saved": saved},
            prepare=("auditing_page:files", {"n": 30_000}),
            limits=limits,
        )
        for what, saved in (("a saved card", True), ("the scores of a black box", False))
    ]
