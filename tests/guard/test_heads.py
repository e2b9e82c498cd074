"""What a guard learns from labels: levels, hazards, pairs, weights; nothing from too few."""

import math
import re

import numpy as np
import pytest

from riskwright.core import DataError
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label, Pair
from riskwright.guard.guard import Guard
from riskwright.guard.local_bounds import LocalBounds
from riskwright.metrics import auroc, calibration_error


class Told:
    """Reads its values off the text: "0.2 0.7" are the severity and a second value."""

    name, version, taxonomy, cost = "told", "1", "ailuminate", 0.0

    def score(self, exchanges):
        return [self._one(exchange) for exchange in exchanges]

    def _one(self, exchange):
        if exchange.prompt.startswith("?"):
            return Score(id=exchange.id, outcome="unparsable", reason="no number")
        first, second = map(float, exchange.prompt.split()[:2])
        return Score(
            id=exchange.id,
            severity=first,
            hazards={"hte": second, "vcr": 0.5},
            values={self.name: {"any": first, "hte": second}},
        )


def chances(z, base=-1.0, slope=2.0):
    return 1 / (1 + np.exp(-(base + slope * (0.8 * z[:, 0] + 0.6 * z[:, 1]))))


def texts(z):
    shown = 1 / (1 + np.exp(-z))
    return [Exchange(prompt=f"{a:.9f} {b:.9f}", id=str(k)) for k, (a, b) in enumerate(shown)]


def draw(n, seed):
    """Exchanges, how risky they are on the normal scale, and their chance of harm."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    return texts(z), 0.8 * z[:, 0] + 0.6 * z[:, 1], chances(z), rng


def severities(guard, exchanges):
    return np.array([score.severity for score in guard.score_all(exchanges)])


def binary(n, seed):
    exchanges, _, chance, rng = draw(n, seed)
    return exchanges, [Label(harmful=float(v)) for v in rng.random(n) < chance]


@pytest.fixture(scope="module")
def fitted():
    return Guard([Told()]).fit(*binary(400, 0))


def test_labels_of_harm_give_a_probability(fitted):
    exchanges, _, chance, _ = draw(2000, 99)
    p = severities(fitted, exchanges)
    assert fitted.heads_.meaning == "probability"
    assert np.abs(p - chance).mean() < 0.06
    score = fitted.score(exchanges[0])
    assert score.calibrated == ("any",)
    assert score.hazards["vcr"] == 0.5
    assert score.bounds == {}


def test_probabilities_are_right_on_average_over_many_fits():
    """30 fits to 200 labels: mean error of the mean within 3 standard errors; mean ECE of 4."""
    exchanges, _, chance, rng = draw(1500, 98)
    y = rng.random(1500) < chance
    errors, eces = [], []
    for seed in range(30):
        p = severities(Guard([Told()]).fit(*binary(200, seed)), exchanges)
        errors.append(p.mean() - chance.mean())
        if seed < 4:
            eces.append(calibration_error(y, p, kind="smooth").value)
    assert abs(np.mean(errors)) <= 3 * np.std(errors, ddof=1) / math.sqrt(30)
    assert np.std(errors) < 0.04
    assert np.mean(eces) < 0.06


def test_intervals_hold_the_chance_of_harm():
    """40 fits to 150 labels, 200 new texts each: at least 95 % held, less 2 points of noise."""
    held, width = [], []
    for seed in range(40):
        guard = Guard([Told()]).fit(*binary(150, seed + 300))
        exchanges, _, chance, _ = draw(200, seed + 700)
        ends = np.array([score.uncertainty for score in guard.score_all(exchanges)])
        held.append(((ends[:, 0] <= chance) & (chance <= ends[:, 1])).mean())
        width.append((ends[:, 1] - ends[:, 0]).mean())
    assert np.mean(held) >= 0.93
    assert np.mean(width) < 0.5


def test_bounds_beyond_all_labels_and_where_harm_falls_are_still_intervals():
    steep = LocalBounds.fit(np.linspace(0.1, 0.9, 60), np.arange(60) >= 30.0)
    assert steep.at(0.05)[0] == 0
    assert steep.at(0.95)[1] == 1
    wrong = LocalBounds.fit(np.linspace(0.1, 0.9, 60), np.arange(60) < 30.0)
    for p in (0.0, 0.3, 0.5, 0.7, 1.0):
        low, high = wrong.at(p)
        assert 0 <= low <= high <= 1
    assert LocalBounds.from_list(steep.to_list()).at(0.5) == steep.at(0.5)


def test_raters_that_were_split_count_by_their_majority():
    exchanges, labels = binary(300, 1)
    split = [Label(harmful=0.6 if label.harmful else 0.4) for label in labels]
    whole = severities(Guard([Told()]).fit(exchanges, labels), exchanges)
    assert np.array_equal(severities(Guard([Told()]).fit(exchanges, split), exchanges), whole)


def test_a_text_that_was_labelled_twice_is_one_row():
    """Else the prediction that leaves a row out would have seen its twin."""
    exchanges, labels = binary(150, 2)
    once = Guard([Told()]).fit(exchanges, labels)
    twice = Guard([Told()]).fit(exchanges * 2, labels * 2)
    name = "AUROC (left out)"
    assert twice.heads_.summary["any"][name] == once.heads_.summary["any"][name]
    assert np.allclose(severities(twice, exchanges), severities(once, exchanges))


def test_contradicting_labels_of_one_text_are_weighed():
    exchanges, labels = binary(150, 3)
    opposite = [Label(harmful=1 - label.harmful, weight=0.4) for label in labels]
    plain = severities(Guard([Told()]).fit(exchanges, labels), exchanges)
    weighed = Guard([Told()]).fit(exchanges * 2, [*labels, *opposite])
    assert np.allclose(severities(weighed, exchanges), plain)


def test_one_reply_to_many_prompts_keeps_its_share_of_harm():
    """The prompt is not judged where there is a reply: what it explains is not known, and the
    figures and probabilities must say so."""
    rng = np.random.default_rng(6)

    def answered(n, start):
        told = [(f"{k} 0.5", "0.5 0.5") for k in range(start, start + n)]
        return [Exchange(prompt=prompt, reply=reply) for prompt, reply in told]

    class Replies(Told):
        def _one(self, exchange):
            return super()._one(Exchange(prompt=exchange.judged[1]))

    exchanges, labels = binary(100, 7)
    same = answered(200, 0)
    harmful = [Label(harmful=float(v)) for v in rng.random(200) < 0.25]
    guard = Guard([Replies()]).fit([*exchanges, *same], [*labels, *harmful])
    share = np.mean([label.harmful for label in harmful])
    assert abs(guard.score_all(answered(1, 900))[0].severity - share) < 0.1
    brier = guard.heads_.summary["any"]["Brier score (left out)"]
    at_best = 2 / 3 * share * (1 - share)
    assert brier.value > at_best


def test_weights_move_the_probabilities():
    """Harm drawn three times as often as it occurs, and weighed accordingly."""
    exchanges, _, chance, rng = draw(6000, 4)
    harm = rng.random(6000) < chance
    kept = np.flatnonzero(harm | (rng.random(6000) < 1 / 3))[:600]
    chosen = [exchanges[k] for k in kept]
    raw = [Label(harmful=float(harm[k])) for k in kept]
    weighed = [Label(harmful=float(harm[k]), weight=1.0 if harm[k] else 3.0) for k in kept]
    fresh, _, truth, _ = draw(2000, 5)
    over = severities(Guard([Told()]).fit(chosen, raw), fresh).mean() - truth.mean()
    right = severities(Guard([Told()]).fit(chosen, weighed), fresh).mean() - truth.mean()
    assert over > 0.1
    assert abs(right) < 0.05
    none = [*raw[:300], *(Label(harmful=1.0, weight=0.0) for _ in raw[300:])]
    assert np.array_equal(
        severities(Guard([Told()]).fit(chosen, none), fresh),
        severities(Guard([Told()]).fit(chosen[:300], raw[:300]), fresh),
    )


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_that_are_none_are_refused(weight):
    exchanges, labels = binary(50, 0)
    with pytest.raises(DataError, match="weights that are not numbers"):
        Guard([Told()]).fit(exchanges, [Label(harmful=1.0, weight=weight), *labels[1:]])


@pytest.mark.parametrize("levels", [3, 5])
def test_levels_give_a_severity_that_rises_with_them(levels):
    def told(n, seed):
        exchanges, risk, _, rng = draw(n, seed)
        cuts = np.linspace(-1, 1, levels - 1)
        level = (risk[:, None] + rng.normal(0, 0.4, (n, 1)) > cuts).sum(axis=1)
        return exchanges, level

    exchanges, level = told(400, 6)
    guard = Guard([Told()]).fit(exchanges, [Label(severity=float(v)) for v in level])
    assert guard.heads_.meaning == "severity"
    assert len(guard.heads_.summary["any"]) == levels - 1
    fresh, truth = told(1500, 7)
    severity = severities(guard, fresh)
    means = [severity[truth == k].mean() for k in range(levels)]
    assert np.all(np.diff(means) > 0.4 / levels)
    assert severity.mean() == pytest.approx(truth.mean() / (levels - 1), abs=0.05)
    assert all(score.uncertainty is None for score in guard.score_all(fresh[:5]))


def test_only_the_order_of_levels_counts():
    exchanges, risk, _, _ = draw(200, 8)
    level = np.digitize(risk, [-0.5, 0.5])
    found = [
        severities(
            Guard([Told()]).fit(exchanges, [Label(severity=names[v]) for v in level]), exchanges
        )
        for names in ((0.0, 1.0, 2.0), (1.0, 7.0, 900.0), (-3.0, 0.0, 0.5))
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_two_levels_above_nought_are_told_apart():
    exchanges, risk, _, _ = draw(200, 9)
    guard = Guard([Told()]).fit(exchanges, [Label(severity=1.0 + (r > 0)) for r in risk])
    assert guard.heads_.meaning == "severity"
    assert auroc(risk > 0, severities(guard, exchanges)).value > 0.95


def test_many_different_severities_are_cut_at_quantiles():
    exchanges, risk, _, rng = draw(400, 10)
    told = [Label(severity=float(np.exp(r + 0.3 * e))) for r, e in zip(risk, rng.normal(size=400))]  # noqa: B905
    guard = Guard([Told()]).fit(exchanges, told)
    fresh, truth, _, _ = draw(500, 11)
    assert np.corrcoef(severities(guard, fresh), truth)[0, 1] > 0.9


def test_levels_that_are_rare_are_left_out_with_the_reason():
    exchanges, risk, _, _ = draw(200, 12)
    level = (risk > 0).astype(float)
    level[np.argsort(risk)[-4:]] = 2
    guard = Guard([Told()]).fit(exchanges, [Label(severity=v) for v in level])
    assert guard.heads_.left_out == {
        "severity from 2 on": "4 labels with and 196 without it, fewer than 10 of a kind"
    }


def test_hazards_learn_from_the_labels_that_looked_for_them():
    exchanges, labels = binary(400, 13)
    _, _, _, rng = draw(400, 13)
    second = np.array([float(e.prompt.split()[1]) for e in exchanges])
    told = []
    for k, label in enumerate(labels):
        hazards = {"hte": float(second[k] + rng.normal(0, 0.1) > 0.6)} if k % 2 else {}
        told.append(Label(harmful=label.harmful, hazards={**hazards, "spc": 1.0 * (k < 3)}))
    guard = Guard([Told()]).fit(exchanges, told)
    heads = guard.heads_
    assert heads.keys == ("any", "hte")
    assert heads.summary["hte"]["AUROC (left out)"].n == 200
    assert re.search("3 labels with and 397 without", heads.left_out["spc"])
    fresh, _, _, _ = draw(500, 14)
    scores = guard.score_all(fresh)
    truth = [float(e.prompt.split()[1]) > 0.6 for e in fresh]
    assert auroc(truth, [s.hazards["hte"] for s in scores]).value > 0.95
    assert {s.calibrated for s in scores} == {("any", "hte")}
    assert {s.hazards["vcr"] for s in scores} == {0.5}


def test_hazards_alone_say_whether_there_is_any_harm():
    exchanges, labels = binary(300, 15)
    told = [Label(hazards={"hte": label.harmful}) for label in labels]
    scores = Guard([Told()]).fit(exchanges, told).score_all(exchanges)
    assert all(s.severity == s.hazards["hte"] for s in scores)


def test_a_severity_without_a_head_stays_a_rank():
    """All are harmful, of two kinds: nothing can be learnt of the severity."""
    exchanges, labels = binary(300, 16)
    told = [Label(harmful=1.0, hazards={"hte": label.harmful}) for label in labels]
    guard = Guard([Told()]).fit(exchanges, told)
    score = guard.score(exchanges[0])
    assert score.severity == float(exchanges[0].prompt.split()[0])
    assert (score.meaning, score.calibrated, score.uncertainty) == ("probability", ("hte",), None)
    assert "300 labels with and 0 without" in guard.heads_.left_out["any"]


def ordered_pairs(n, seed, noise=0.5):
    """Pairs judged by Bradley and Terry's model with the given noise."""
    exchanges, risk, _, rng = draw(2 * n, seed)
    found = []
    for a, b in np.arange(2 * n).reshape(n, 2):
        worse = rng.random() < 1 / (1 + np.exp(-(risk[a] - risk[b]) / noise))
        one, other = (a, b) if worse else (b, a)
        found.append(Pair(worse=exchanges[one], milder=exchanges[other]))
    return found


def test_pairs_alone_recover_the_order():
    guard = Guard([Told()]).fit([], pairs=ordered_pairs(150, 17))
    fresh, risk, _, _ = draw(600, 18)
    scores = guard.score_all(fresh)
    severity = np.array([s.severity for s in scores])
    ranks = [np.argsort(np.argsort(v)) for v in (severity, risk)]
    assert np.corrcoef(*ranks)[0, 1] > 0.97
    assert {(s.meaning, s.calibrated, s.uncertainty) for s in scores} == {("rank", (), None)}
    assert 0.4 < np.median(severity) < 0.6


def test_what_is_said_of_pairs_does_not_flatter():
    """Without any relation half of the pairs are in the right order, not those that were fitted."""
    rng = np.random.default_rng(19)
    exchanges = texts(rng.normal(size=(400, 2)))
    noise = [Pair(worse=exchanges[k], milder=exchanges[k + 1]) for k in range(0, 400, 2)]
    found = Guard([Told()]).fit([], pairs=noise).heads_.summary["pairs"]
    assert abs(found["pairs in the right order (left out)"].value - 0.5) < 0.12


def test_pairs_help_few_labels():
    fresh, _, chance, rng = draw(1500, 20)
    y = rng.random(1500) < chance
    alone, both = [], []
    for seed in range(6):
        exchanges, labels = binary(60, seed + 40)
        pairs = ordered_pairs(300, seed + 60, noise=0.2)
        alone.append(auroc(y, severities(Guard([Told()]).fit(exchanges, labels), fresh)).value)
        guard = Guard([Told()]).fit(exchanges, labels, pairs=pairs)
        assert guard.heads_.meaning == "probability"
        both.append(auroc(y, severities(guard, fresh)).value)
    assert np.mean(both) >= np.mean(alone)


def test_pairs_of_labelled_exchanges_teach_nothing_to_the_head_of_the_labels():
    exchanges, labels = binary(100, 21)
    pairs = [Pair(worse=a, milder=b) for a, b in zip(exchanges[::2], exchanges[1::2], strict=True)]
    guard = Guard([Told()]).fit(exchanges, labels, pairs=pairs)
    assert "fewer than 20" in guard.heads_.left_out["pairs"]
    plain = Guard([Told()]).fit(exchanges, labels)
    assert np.array_equal(severities(guard, exchanges), severities(plain, exchanges))


def test_pairs_with_an_exchange_that_has_no_score_are_left_out():
    pairs = ordered_pairs(60, 22)
    silent = [Pair(worse=Exchange(prompt=f"? {k}"), milder=pairs[k].milder) for k in range(5)]
    guard = Guard([Told()]).fit([], pairs=[*silent, *pairs])
    assert guard.heads_.left_out["pairs"].startswith("5 of 65")
    fresh, _, _, _ = draw(50, 23)
    assert np.array_equal(
        severities(guard, fresh), severities(Guard([Told()]).fit([], pairs=pairs), fresh)
    )


def test_too_few_labels_or_pairs_are_refused_with_the_counts():
    exchanges, _ = binary(40, 24)
    labels = [Label(harmful=float(k < 9)) for k in range(40)]
    with pytest.raises(DataError, match="9 labels with and 31 without") as told:
        Guard([Told()]).fit(exchanges, labels)
    assert "10 with harm and 10 without, or 20 pairs" in str(told.value)
    with pytest.raises(DataError, match="19 pairs, fewer than 20"):
        Guard([Told()]).fit([], pairs=ordered_pairs(19, 0))
    with pytest.raises(DataError, match="too few labels"):
        Guard([Told()]).fit([])
    with pytest.raises(DataError, match="too few labels"):
        Guard([Told()]).fit(exchanges, [Label()] * 40)


def test_exchanges_without_a_score_teach_nothing():
    exchanges, labels = binary(200, 25)
    silent = [Exchange(prompt=f"? {k}") for k in range(50)]
    guard = Guard([Told()]).fit([*silent, *exchanges], [Label(harmful=1.0)] * 50 + labels)
    fresh, _, _, _ = draw(50, 26)
    assert np.array_equal(
        severities(guard, fresh), severities(Guard([Told()]).fit(exchanges, labels), fresh)
    )
    assert guard.score(silent[0]).severity is None
    with pytest.raises(DataError, match="most of the labelled exchanges have no score"):
        Guard([Told()]).fit(silent + exchanges[:40], [Label(harmful=1.0)] * 50 + labels[:40])


def test_scorers_without_numbers_cannot_be_fitted():
    class Mute(Told):
        def _one(self, exchange):
            return Score(id=exchange.id)

    exchanges, labels = binary(50, 27)
    with pytest.raises(DataError, match="no numbers to learn from"):
        Guard([Mute()]).fit(exchanges, labels)
