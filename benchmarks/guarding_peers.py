"""What the peers are asked: `<question>_<peer>` returns the call that is timed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .guarding_data import Texts, area, figures, import_seconds, megabytes

Call = Callable[[], dict[str, Any]]


def ranked_alt_profanity_check(found: Texts) -> Call:
    import profanity_check

    size = megabytes(Path(profanity_check.__file__).parent)
    seconds = import_seconds("import profanity_check")

    def call() -> dict[str, Any]:
        score = lambda text: float(profanity_check.predict_prob([text])[0])  # noqa: E731
        return figures(found, score, size_mb=size, import_s=seconds)

    return call


def ranked_pyss3(found: Texts) -> Call:
    """Trained on the texts that our weights were learnt from, less the hard ones."""
    import pyss3

    model = pyss3.SS3()
    model.train(found.seen, ["harmful" if y else "harmless" for y in found.seen_y])
    seconds = import_seconds("from pyss3 import SS3")
    harmful = model.get_categories().index("harmful")

    def score(text: str) -> float:
        values = model.classify(text, sort=False)
        return float(values[harmful] - values[1 - harmful])

    def call() -> dict[str, Any]:
        return figures(found, score, import_s=seconds)

    return call


def labelled_scikit_learn(found: Texts, labels: int) -> Call:
    """Logistic regression on tf-idf of word and character n-grams of the local texts alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    def fitted(texts: list[str], y: np.ndarray) -> Any:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        model = make_pipeline(make_union(words, characters), LogisticRegression(C=10.0))
        return model.fit(texts, y)

    def call() -> dict[str, Any]:
        areas = []
        for seed in range(10):
            order = np.random.default_rng(seed).permutation(len(found.y))
            some, rest = order[:labels], order[len(order) // 2 :]
            model = fitted([found.texts[i] for i in some], found.y[some])
            odds = model.decision_function([found.texts[i] for i in rest])
            areas.append(area(found.y[rest], odds))
        return {"auc": float(np.mean(areas)), "sd": float(np.std(areas, ddof=1))}

    return call
