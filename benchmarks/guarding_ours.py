"""What riskwright is asked, in the form of `guarding_peers`: `<question>_riskwright`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .guarding_data import Texts, area, figures, import_seconds, learning, megabytes

Call = Callable[[], dict[str, Any]]

SPLITS = 10


def ranked_riskwright(found: Texts) -> Call:
    """The n-gram scorer with the weights of the package; these have seen the hard texts, so that
    `hard_false_alarms` are of weights learnt anew without them."""
    from riskwright.evidence.exchanges import Exchange
    from riskwright.scoring.text.ngram_model import WEIGHTS
    from riskwright.scoring.text.ngrams import NgramScorer, default_ngram_scorer

    statement = (
        "from riskwright.scoring.text.ngrams import default_ngram_scorer; default_ngram_scorer()"
    )
    size = megabytes(WEIGHTS.parent)
    seconds = import_seconds(statement)
    unseen = NgramScorer(_without_the_hard())

    def scorer(model: NgramScorer) -> Callable[[str], float]:
        return lambda text: float(model.score([Exchange(prompt=text)])[0].severity or 0.0)

    fair = figures(found, scorer(unseen))

    def call() -> dict[str, Any]:
        shipped = figures(found, scorer(default_ngram_scorer()), size_mb=size, import_s=seconds)
        hard = {"hard_false_alarms": fair["hard_false_alarms"], "auc_unseen": fair["auc"]}
        return shipped | hard

    return call


def _without_the_hard() -> Any:
    tool, learnt, _ = learning()
    return tool.train([text for text in learnt if text.source != tool.HARD], only_any=True)


def labelled_riskwright(found: Texts, labels: int) -> Call:
    """A head over features and n-grams, fitted to so many texts and tried on the other half."""
    from riskwright.scoring.text.heads import TextHead
    from riskwright.scoring.text.ngrams import default_ngram_scorer

    def call() -> dict[str, Any]:
        inputs, found_areas = default_ngram_scorer().inputs(found.texts), []
        for seed in range(SPLITS):
            order = np.random.default_rng(seed).permutation(len(found.y))
            some, rest = order[:labels], order[len(order) // 2 :]
            head = TextHead().fit({k: v[some] for k, v in inputs.items()}, found.y[some])
            odds = head.log_odds({k: v[rest] for k, v in inputs.items()})
            found_areas.append(area(found.y[rest], odds))
        return {"auc": float(np.mean(found_areas)), "sd": float(np.std(found_areas, ddof=1))}

    return call
