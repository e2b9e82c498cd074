"""Guarding: rankings of texts that no weight has seen, what local labels add, and the seconds."""

from .questions import Question, question_tasks
from .tasks import Limit, Task

__all__ = ["tasks"]

PEERS = ("alt-profanity-check", "pyss3", "llm-guard", "presidio-analyzer")
TEXTS = ("text:openai_moderation", "text:purplellama_frr", "text:self_instruct")


def _ranking(case: str, drawn: str, least: float, full: int, quick: int) -> Question:
    limits = (Limit("auc", least, at_least=True), Limit("us_per_row", 1000.0))
    return Question(
        *("guarding", case, "ranked"),
        peers=PEERS,
        limits=(*limits, Limit("import_s", 0.3), Limit("size_mb", 2.0)),
        full=full,
        quick=quick,
        unit="texts",
        drawn=drawn,
        tables=TEXTS,
    )


def _labels(n: int, quick: int | None = None) -> Question:
    return Question(
        *("guarding", f"moderation samples after {n} local labels", "labelled"),
        peers=("scikit-learn",),
        limits=(Limit("auc", 0.78, at_least=True),) if n == 200 else (),
        options=(("labels", n),),
        full=1680,
        quick=quick,
        unit="texts",
        drawn="moderation",
        tables=TEXTS,
    )


QUESTIONS = (
    _ranking("moderation samples, flagged or not", "moderation", 0.64, 1680, 400),
    _ranking("harmful prompts or everyday instructions", "prompts", 0.92, 352, 352),
    *(_labels(n, 1680 if n == 200 else None) for n in (50, 100, 200, 400, 800)),
)


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family."""
    return question_tasks("guarding", QUESTIONS, repeats)
