"""The head of a monitor: features, learning from replies and from parts, saving."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from riskwright.core import DataError, EmptyDataError, ParameterError, TargetError
from riskwright.guard import stream_training
from riskwright.guard.stream_heads import PrefixHead, feature_names, features_of
from riskwright.guard.stream_paths import StreamPath
from riskwright.guard.stream_training import fit_head, penalised_likelihood


def sample(n=120, seed=0, looks=10):
    """Paths whose value rises by 1 from a look of its own in harmful replies; and that look."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.5
    onset = rng.integers(0, looks, n)
    paths = []
    for harmful, k in zip(y, onset, strict=True):
        value = rng.normal(0, 0.6, (looks, 2))
        value[:, 0] += 2.0 * harmful * (np.arange(looks) >= k)
        paths.append(StreamPath(20 * np.arange(1, looks + 1), ("any", "hte"), value))
    return paths, y.astype(int), onset


def spans_of(y, onset, looks=10):
    return [
        [(20 * k, 20 * looks)] if harmful else None for harmful, k in zip(y, onset, strict=True)
    ]


class TestFeatures:
    def test_by_hand(self):
        found = features_of(np.array([3, 5, 9]), np.array([[1.0], [0.0], [4.0]]), ("any",), 2)
        assert len(feature_names(("any",))) == 5
        assert found[:, 0].tolist() == [1.0, 0.0, 4.0]
        assert found[:, 1].tolist() == [1.0, 1.0, 4.0]
        assert found[:, 2].tolist() == [1.0, 0.5, 2.0]
        assert found[:, 3].tolist() == [0.0, -1.0, 3.0]
        assert found[:, 4] == pytest.approx(np.log([4, 6, 10]))

    @given(st.integers(0, 1000), st.integers(1, 5), st.booleans())
    def test_a_head_that_follows_gives_what_all_features_at_once_give(self, seed, window, monotone):
        rng = np.random.default_rng(seed)
        values, positions = rng.normal(size=(7, 2)), np.arange(1, 8) * 13
        head = PrefixHead(
            keys=("a", "b"),
            window=window,
            mean=tuple(rng.normal(size=9)),
            scale=tuple(rng.uniform(0.5, 2, 9)),
            weights=tuple(rng.normal(size=9)),
            intercept=0.3,
            monotone=monotone,
            penalty=1.0,
            replies=1,
            events=1,
        )
        x = (features_of(positions, values, head.keys, window) - head.mean) / head.scale
        wanted = 1 / (1 + np.exp(-(x @ head.weights + 0.3)))
        follow = head.begin()
        found = [
            follow.step({"b": b, "a": a}, int(at))
            for (a, b), at in zip(values, positions, strict=True)
        ]
        assert found == pytest.approx(np.maximum.accumulate(wanted) if monotone else wanted)

    def test_a_missing_value_is_refused(self):
        paths, y, _ = sample(20)
        with pytest.raises(DataError, match="lacks a value"):
            fit_head(paths, y).begin().step({"any": 0.1}, 5)


class TestLearning:
    def test_with_spans_it_is_a_weighted_logistic_regression(self):
        paths, y, onset = sample()
        head = fit_head(paths, y, spans_of(y, onset), penalty=2.0)
        rows = [features_of(p.positions, p.values, ("any", "hte"), 4) for p in paths]
        x = (np.concatenate(rows) - head.mean) / head.scale
        target = np.concatenate([(np.arange(10) >= k) * h for h, k in zip(y, onset, strict=True)])
        other = LogisticRegression(C=1 / 2.0, tol=1e-10, max_iter=2000).fit(
            x, target, sample_weight=np.full(x.shape[0], 0.1)
        )
        assert head.weights == pytest.approx(other.coef_[0], abs=1e-4)
        assert head.intercept == pytest.approx(other.intercept_[0], abs=1e-4)

    def test_no_round_lowers_the_penalised_likelihood(self, monkeypatch):
        paths, y, _ = sample()
        reached = []
        for rounds in range(1, 12):
            monkeypatch.setattr(stream_training, "MAX_ROUNDS", rounds)
            reached.append(penalised_likelihood(fit_head(paths, y, tolerance=0), paths, y))
        assert np.all(np.diff(reached) >= -1e-7)
        assert reached[-1] > reached[0]

    def test_the_likelihood_of_an_unknown_beginning_by_brute_force(self):
        paths, y, _ = sample(6, looks=4)
        head = fit_head(paths, y)
        wanted = -0.5 * head.penalty * np.square(head.weights).sum()
        for path, harmful in zip(paths, y, strict=True):
            x = features_of(path.positions, path.values, head.keys, head.window)
            p = 1 / (1 + np.exp(-((x - head.mean) / head.scale @ head.weights + head.intercept)))
            ways = [np.prod(np.where(np.arange(4) < k, 1 - p, p)) for k in range(4)]
            wanted += np.log(np.mean(ways) if harmful else np.prod(1 - p)) / 4
        assert penalised_likelihood(head, paths, y) == pytest.approx(wanted)

    def test_labels_of_replies_alone_find_where_the_harm_begins(self):
        paths, y, onset = sample(400)
        new, truth, begins = sample(300, seed=9)
        by_reply, by_part = fit_head(paths, y), fit_head(paths, y, spans_of(y, onset))
        errors = {}
        for name, head in (("reply", by_reply), ("part", by_part)):
            wrong = []
            for path, harmful, k in zip(new, truth, begins, strict=True):
                follow = head.begin()
                rows = zip(path.values, path.positions, strict=True)
                p = [follow.step(dict(zip(path.keys, v, strict=True)), int(a)) for v, a in rows]
                wrong.append((np.array(p) >= 0.5) != (np.arange(10) >= k) * harmful)
            errors[name] = np.mean(wrong)
        assert errors["part"] < 0.15
        assert errors["reply"] < 0.2  # every look of a harmful reply being harmful gives about 0.25

    def test_it_uses_both_kinds_of_labels_at_once(self):
        paths, y, onset = sample()
        spans = [s if k % 2 else None for k, s in enumerate(spans_of(y, onset))]
        mixed = fit_head(paths, y, spans)
        assert mixed not in (fit_head(paths, y), fit_head(paths, y, spans_of(y, onset)))

    def test_the_same_data_give_the_same_head(self):
        paths, y, _ = sample(40)
        assert fit_head(paths, y).version == fit_head(paths, y).version
        assert PrefixHead.from_dict(fit_head(paths, y).to_dict()) == fit_head(paths, y)

    def test_separable_and_constant_values_are_no_trouble(self):
        value = np.ones((3, 1))
        paths = [StreamPath(np.array([1, 2, 3]), ("any",), value * k) for k in (0, 0, 1, 1)]
        head = fit_head(paths, [0, 0, 1, 1], penalty=1e-6)
        assert np.isfinite(head.weights).all()
        flat = fit_head([paths[0]] * 4, [0, 1, 0, 1])
        assert flat.weights == pytest.approx([0] * 5, abs=1e-6) or np.isfinite(flat.weights).all()


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"labels": [0, 1]}, DataError),
            ({"labels": [0, 1, 2]}, TargetError),
            ({"labels": [1, 1, 1]}, TargetError),
            ({"labels": [0.0, 1.0, np.nan]}, TargetError),
            ({"spans": [None]}, DataError),
            ({"spans": [[(0, 5)], None, None]}, DataError),
            ({"spans": [None, [(0, 5000)], None]}, DataError),
            ({"spans": [None, [(5, 5)], None]}, DataError),
            ({"keys": []}, ParameterError),
            ({"keys": ["any", "any"]}, ParameterError),
            ({"keys": ["other"]}, DataError),
            ({"window": 0}, ParameterError),
            ({"penalty": 0.0}, ParameterError),
            ({"penalty": float("nan")}, ParameterError),
        ],
    )
    def test_input(self, change, error):
        paths, _, _ = sample(3)
        with pytest.raises(error):
            fit_head(paths, **({"labels": [0, 1, 0]} | change))

    def test_no_replies(self):
        with pytest.raises(EmptyDataError):
            fit_head([], [])
