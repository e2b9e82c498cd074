"""A cold start: from the start of a process to a card of five terms on breastcancer."""

from dataclasses import replace
from typing import Any

from .data import path
from .tasks import Limit, Task

__all__ = ["first_card", "tasks"]


def first_card(learner: str) -> dict[str, Any]:
    """One fit in a new process; the process is what is measured."""
    from .data import load
    from .learners import LEARNERS

    X, y, _ = load("breastcancer")
    LEARNERS[learner](X, y, 5)
    return {"figures": {}}


def tasks(repeats: int) -> list[Task]:
    """Ours through the command line, with everything that `fit` does by default."""
    command = ("-m", "riskwright.cli", "fit", str(path("breastcancer")), "--target", "Benign")
    ours = _task("riskwright", "riskwright", command=(*command, "--out", "{scratch}"))
    peers = [_task(peer, peer) for peer in ("imodels", "fasterrisk", "optbinning")]
    compiled = _task("imodels, first fit ever", "imodels", fresh_cache="NUMBA_CACHE_DIR")
    return [
        replace(ours, repeats=repeats, limits=(Limit("wall_s", 3.0),)),
        *(replace(peer, repeats=repeats) for peer in peers),
        replace(compiled, quick=False),
    ]


def _task(competitor: str, environment: str, **options: Any) -> Task:
    return Task(
        measure="cold start",
        case="breastcancer, process start to card",
        competitor=competitor,
        environment=environment,
        function="cold:first_card",
        arguments={"learner": environment},
        tables=("breastcancer",),
        whole_process=True,
        **options,
    )
