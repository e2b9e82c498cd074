"""Figures of stream monitors, by hand on four replies, and their intervals."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from riskwright.core import DataError, ParameterError, RiskwrightError
from riskwright.guard.stream_figures import stream_figures
from riskwright.guard.stream_paths import StreamPath
from riskwright.guard.streams import StreamMonitor
from riskwright.metrics.early import erde


def path(*values, every=10):
    at = every * np.arange(1, len(values) + 1)
    return StreamPath(at, ("any",), np.array(values, dtype=float)[:, None])


FOUR = [path(0.1, 0.9, 0.2, 0.2), path(0.1, 0.2, 0.1, 0.3), path(0.6, 0, 0, 0), path(0, 0, 0, 0.1)]
LABELS = [1, 1, 0, 0]


@pytest.fixture(scope="module")
def four():
    return stream_figures(FOUR, LABELS, 0.5, onsets=[5, 15, None, None], hold_back=2)


class TestByHand:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("macro F1", 0.5),
            ("false stop rate", 0.5),
            ("miss rate", 0.5),
            ("share read before the stop", 0.5),
            ("characters at the alarm", 20),
            ("leak in characters", ((10 - 2 - 5) + (40 - 15)) / 2),
            ("share that leaks nothing", 0.0),
            ("accuracy", (1 + (10 - 1) / 40) / 2),
        ],
    )
    def test_figures(self, four, name, value):
        assert four.figures[name].value == pytest.approx(value)

    def test_erde_counts_looks(self, four):
        for o in (5, 50):
            wanted = erde(LABELS, [2, None, 1, None], o=o).value
            assert four.figures[f"erde_{o}"].value == pytest.approx(wanted)

    def test_the_guard_of_whole_replies_looks_at_the_end_only(self, four):
        assert four.full_reply["false alarm rate"].value == 0.0
        assert four.full_reply["miss rate"].value == 1.0
        assert four.full_reply["macro F1"].value == pytest.approx(1 / 3)
        assert four.full_reply["macro F1 of streams less this"].value == pytest.approx(1 / 6)

    def test_a_larger_hold_back_leaks_less(self):
        leaks = [
            stream_figures(FOUR, LABELS, 0.5, onsets=[5, 15, 0, 0], hold_back=h, replicates=10)
            .figures["leak in characters"]
            .value
            for h in (0, 3, 5, 100)
        ]
        assert leaks == [15.0, 13.5, 12.5, 12.5]

    def test_without_onsets_there_is_no_leak(self):
        found = stream_figures(FOUR, LABELS, 0.5, replicates=10)
        assert found.onsets_known == 0
        assert "leak in characters" not in found.figures

    def test_nothing_stopped(self):
        found = stream_figures(FOUR, LABELS, 5.0, replicates=10)
        assert np.isnan(found.figures["share read before the stop"].value)
        assert np.isnan(found.figures["characters at the alarm"].value)
        assert found.figures["care"].value == 0.0
        assert "no interval: no harmful reply was stopped" in str(found)


class TestAtLarge:
    def test_macro_f1_is_that_of_scikit_learn(self):
        rng = np.random.default_rng(0)
        paths = [path(*rng.random(5)) for _ in range(80)]
        y = rng.integers(0, 2, 80)
        found = stream_figures(paths, y, 0.8, replicates=50)
        stopped = [p.maximum() >= 0.8 for p in paths]
        ended = [p.signal()[-1] >= 0.8 for p in paths]
        assert found.figures["macro F1"].value == pytest.approx(
            f1_score(y, stopped, average="macro")
        )
        assert found.full_reply["macro F1"].value == pytest.approx(
            f1_score(y, ended, average="macro")
        )

    def test_the_interval_of_the_median_covers(self):
        rng = np.random.default_rng(1)
        held = 0
        for _ in range(30):
            at = rng.integers(0, 30, 60)
            paths = [path(*(np.arange(30) >= k), every=1) for k in at]
            found = stream_figures([*paths, path(0)], [1] * 60 + [0], 0.5, replicates=2)
            median = found.figures["characters at the alarm"]
            held += median.low <= 15.5 <= median.high
        assert held / 30 >= 0.86  # at least 0.95, less two standard errors

    def test_a_monitor_evaluates_at_its_own_threshold(self):
        class Share:
            name, version, taxonomy, cost = "share", "1", "ailuminate", 0.0

            def begin(self, exchange=None):
                self.read = ""
                return self

            def feed(self, text):
                self.read += text
                return {"any": self.read.count("!") / len(self.read)}

        monitor = StreamMonitor(Share(), every=2, hold_back=0, thresholds=0.5)
        found = monitor.evaluate(["aa!!!!aa", "aaaaaaaa"], [1, 0], replicates=10, onsets=[2, 0])
        assert found.threshold == 0.5
        assert found.figures["characters at the alarm"].value == 4
        assert found.figures["leak in characters"].value == 0
        assert (
            monitor.evaluate(["aa!!!!aa", "a"], [1, 0], threshold=0.9, replicates=10)
            .figures["miss rate"]
            .value
            == 1.0
        )

    def test_replies_of_no_character(self):
        empty = StreamPath(np.array([0]), ("any",), np.array([[0.9]]))
        found = stream_figures([empty, path(0.1)], [1, 0], 0.5, replicates=10)
        assert found.figures["miss rate"].value == 0.0


@pytest.mark.parametrize(
    "change",
    [
        {"paths": []},
        {"labels": [1, 0]},
        {"labels": [1, 1, 1, 1]},
        {"labels": [1, 0, 2, 0]},
        {"threshold": float("nan")},
        {"onsets": [1, 2]},
        {"onsets": [40, 0, 0, 0]},
        {"onsets": [-1, 0, 0, 0]},
        {"on": ("hte",)},
        {"level": 0.0},
    ],
)
def test_refused(change):
    given = {"paths": FOUR, "labels": LABELS, "threshold": 0.5, "replicates": 10} | change
    with pytest.raises((DataError, ParameterError, RiskwrightError)):
        stream_figures(**given)
