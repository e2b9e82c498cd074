"""Measuring, calibrating and deciding on the same rows beside the peers of each question."""

from .questions import Question, question_tasks
from .tasks import Limit, Task

__all__ = ["tasks"]


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
        full=30_000,
        quick=None,
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


def tasks(repeats: int) -> list[Task]:
    """All tasks of this family: 10^6 rows in the full run, 10^5 and no heavy peer in the quick."""
    return question_tasks("measuring", QUESTIONS, repeats)
