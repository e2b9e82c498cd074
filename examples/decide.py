"""Turn the scores of a model into a decision under a risk budget, check it, and watch it drift.

The data are scikit-learn's breast cancer set (see `demo.py`). A quarter of the rows each trains
the model, calibrates its scores, certifies the decision and stands for later use.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

import riskwright as rw

BUDGET = "miss rate <= 12% with 95% confidence"


def main() -> None:
    data = load_breast_cancer()
    X, y = data.data[:, :10], data.target == 0
    order = np.random.default_rng(0).permutation(len(y))
    train, learn, certify, use = np.array_split(order, 4)

    model = GaussianNB().fit(X[train], y[train])
    score = model.predict_proba(X)[:, 1]
    print("1. What the model says, on rows that it has not seen:")
    for name in ("auroc", "brier", "calibration_slope"):
        print(f"   {name:<20}{rw.evaluate(y[learn], score[learn]).overall[name]}")

    calibrator = rw.Calibrator("beta").fit(score[learn], y[learn])
    risk = calibrator.predict(score)
    print("2. The same after calibration, on other rows again:")
    print(f"   {'calibration_slope':<20}{rw.metrics.calibration_slope(y[certify], risk[certify])}")

    rule = rw.Threshold(BUDGET).fit(risk[certify], y[certify])
    print(f"3. A threshold for '{BUDGET}':")
    print(f"   {rule.certificate_}")
    for finding in rule.certificate_.check(risk[certify], y[certify]):
        print(f"   checked from the data alone: {finding.sentence}")

    strict = rw.Threshold("miss rate <= 1% with 95% confidence").fit(risk[certify], y[certify])
    print("4. A budget that asks too much of these rows:")
    print(f"   {strict.certificate_}")

    print("5. In use, and then with a scanner whose measurements shrink by a third:")
    watch = rw.Watch(rule.certificate_)
    drifted = calibrator.predict(model.predict_proba(X[use] * 2 / 3)[:, 1])
    for name, scores in (("as before", risk[use]), ("drifted", drifted)):
        alarm = watch.update(scores, y[use])
        print(f"   {name}: {watch.seen_} outcomes, alarm: {'yes' if alarm else 'no'}")
    print(f"   {watch.certificate_}")


if __name__ == "__main__":
    main()
