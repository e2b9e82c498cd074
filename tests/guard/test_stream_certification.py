"""Thresholds of streams: certified on the highest look, which whole texts do not stand for."""

import json

import numpy as np
import pytest

from riskwright.core import DataError, ParameterError, UsageError, json_values, load, save
from riskwright.core.registry import artifact_kinds
from riskwright.decision import Strictness, ThreeWay, Threshold
from riskwright.guard.stream_certificates import StreamCertificate
from riskwright.guard.stream_paths import StreamPath
from riskwright.guard.streams import StreamMonitor

LOOKS = 16


class Tally:
    """The share of characters "!" among all that was read."""

    name, version, taxonomy, cost = "tally", "v1", "ailuminate", 0.0

    def begin(self, exchange=None):
        return TallyState()


class TallyState:
    def __init__(self):
        self.found = self.read = 0

    def feed(self, text):
        self.found += text.count("!")
        self.read += len(text)
        share = self.found / max(self.read, 1)
        return {"any": share, "hte": share**2, "vcr": 1 - share}


def replies(n, rng):
    """Texts of 40 characters: harmful ones have more "!" in their second half."""
    y = rng.random(n) < 0.4
    texts = []
    for harmful in y:
        chance = np.where(np.arange(40) < 20, 0.1, 0.1 + 0.5 * harmful)
        texts.append("".join(np.where(rng.random(40) < chance, "!", "a")))
    return texts, y.astype(int)


def courses(n, rng, harmful=0.3):
    """Scores that wander: the last look is far from the highest one."""
    y = rng.random(n) < harmful
    steps = rng.normal(0, 1, (n, LOOKS))
    level = 0.8 * np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, LOOKS + 1)) + 1.5 * y[:, None]
    return 1 / (1 + np.exp(-level)), y.astype(int)


def as_paths(values):
    positions = 40 * np.arange(1, LOOKS + 1)
    return [StreamPath(positions, ("any",), row[:, None]) for row in values]


@pytest.fixture(scope="module")
def labelled():
    return replies(600, np.random.default_rng(0))


def monitor(**how):
    return StreamMonitor(Tally(), every=8, hold_back=10, **how)


class TestWholePaths:
    def test_a_threshold_of_whole_texts_breaks_the_budget_on_streams(self):
        rng = np.random.default_rng(1)
        broken = {"whole": 0, "path": 0}
        for _ in range(25):
            values, y = courses(600, rng)
            new, truth = courses(3000, rng)
            safe = new.max(axis=1)[truth == 0]
            for name, score in (
                ("whole", values[:, -1]),
                ("path", [path.maximum() for path in as_paths(values)]),
            ):
                rule = Threshold("false alarm rate <= 5%").fit(score, y)
                broken[name] += bool(np.mean(safe >= rule.threshold_) > 0.05)
        assert broken["whole"] == 25
        assert (
            broken["path"] <= 4
        )  # 5 % of 25 is 1.25, and 4 is two and a half standard errors above

    def test_certify_is_the_threshold_on_the_highest_looks(self, labelled):
        texts, y = labelled
        found = monitor().certify(texts, y, "false alarm rate <= 10%")
        maxima = [found.path(text).maximum() for text in texts]
        rule = Threshold("false alarm rate <= 10%").fit(maxima, y)
        assert found.certificate_.rules["any"] == rule.certificate_.to_dict()
        stopped = [found.begin().feed(text).stopped for text in texts]
        assert stopped == [value >= rule.threshold_ for value in maxima]

    def test_decisions_name_the_certificate(self, labelled):
        found = monitor().certify(*labelled, "false alarm rate <= 10%")
        stream = found.begin()
        stream.feed("!" * 40)
        assert stream.verdict.decision.certificate == found.certificate_.digest
        assert stream.verdict.action == "stop"

    def test_the_certificate_says_what_it_holds_for(self, labelled):
        told = monitor().certify(*labelled, "false alarm rate <= 10%").certificate_
        assert (told.every, told.hold_back, told.scorer_version, told.n) == (8, 10, "v1", 600)
        for words in ("whole reply", "8 characters apart", "tally v1", "10 characters are held"):
            assert words in told.statement

    def test_the_certificate_is_verified_from_paths(self, labelled):
        texts, y = labelled
        found = monitor().certify(texts, y, "false alarm rate <= 10%")
        paths = [found.path(text) for text in texts]
        assert [one.passed for one in found.certificate_.check(paths, y)] == [True] * 3
        wrong = found.certificate_.check(paths, 1 - y)
        assert not all(one.passed for one in wrong)

    @pytest.mark.parametrize(
        "change", [{"every": 9}, {"hold_back": 11}, {"sentences": False}, {"on": ("hte",)}]
    )
    def test_a_changed_monitor_has_no_certificate(self, labelled, change):
        found = monitor().certify(*labelled, "false alarm rate <= 10%")
        for name, value in change.items():
            setattr(found, name, value)
        with pytest.raises(UsageError, match="another monitor"):
            found.begin()

    def test_another_head_has_no_certificate(self, labelled):
        texts, y = labelled
        found = monitor().certify(texts, y, "false alarm rate <= 10%")
        other = monitor().fit(texts[:300], y[:300])
        found.head = other.head
        with pytest.raises(UsageError, match="another monitor"):
            found.begin()
        found.fit(texts[:300], y[:300])
        with pytest.raises(UsageError, match="nothing decides"):
            found.begin()

    def test_another_version_of_the_scorer_has_no_certificate(self, labelled):
        found = monitor().certify(*labelled, "false alarm rate <= 10%")
        found.scorer.version = "v2"
        with pytest.raises(UsageError, match="another monitor"):
            found.begin()

    def test_too_few_labels_certify_nothing_and_say_how_many_would(self, labelled):
        texts, y = labelled
        found = monitor().certify(texts[:40], y[:40], "false alarm rate <= 1%")
        assert not found.certificate_.certified
        assert "labels" in found.certificate_.statement
        with pytest.raises(UsageError, match="no threshold is certified"):
            found.begin()


class TestRules:
    def test_three_way_withholds_between_its_thresholds(self, labelled):
        rule = ThreeWay("miss rate <= 20%", "false alarm rate <= 5%")
        found = monitor().certify(*labelled, rule)
        fitted = found._rules["any"]
        assert fitted.low_ < fitted.high_
        for text, y in zip(*labelled, strict=True):
            stream = found.begin()
            if not stream.feed(text).stopped:
                stream.close()
            peak = stream.verdict.peak
            wanted = (
                "stop" if peak >= fitted.high_ else "escalate" if peak >= fitted.low_ else "allow"
            )
            assert stream.verdict.action == wanted
            assert (stream.verdict.withheld > 0) == (wanted != "allow"), y

    def test_a_stricter_regime_never_releases_more(self, labelled):
        rule = Strictness({"strict": "miss rate <= 5%", "loose": "miss rate <= 30%"})
        found = monitor().certify(*labelled, rule)
        for text in labelled[0][:100]:
            out = {}
            for regime in ("strict", "loose"):
                stream = found.begin(regime=regime)
                out[regime] = stream.feed(text).text
            assert out["loose"].startswith(out["strict"])
        with pytest.raises(ParameterError, match="no such regime"):
            found.begin()

    def test_several_hazards_share_delta(self, labelled):
        texts, y = labelled
        budgets = {"any": "false alarm rate <= 10%", "hte": "false alarm rate <= 20%"}
        found = monitor().certify(texts, {"any": y, "hte": y}, budgets)
        deltas = [told["delta"] for told in found.certificate_.rules.values()]
        assert deltas == pytest.approx([0.025, 0.025])
        assert found.begin().feed("!" * 40).stopped
        with pytest.raises(ParameterError, match="without labels"):
            monitor().certify(texts, {"any": y}, budgets)

    def test_groups_go_to_the_rule(self, labelled):
        texts, y = labelled
        group = np.where(np.arange(600) % 2, "a", "b")
        found = monitor().certify(texts, y, "false alarm rate <= 20% per part", groups=group)
        assert {bound["group"] for bound in found.certificate_.rules["any"]["bounds"]} == {"a", "b"}

    def test_misses_have_budgets_too(self, labelled):
        texts, y = labelled
        found = monitor().certify(texts, y, "miss rate <= 20%")
        missed = [not found.begin().feed(text).stopped for text in np.array(texts)[y == 1]]
        bound = found.certificate_.rules["any"]["bounds"][0]
        assert np.mean(missed) == bound["empirical"] <= bound["upper"] <= 0.2

    def test_nothing_to_certify_with(self):
        with pytest.raises(DataError):
            monitor().certify([], [], "miss rate <= 20%")
        with pytest.raises(ParameterError):
            monitor().certify(["a"], [1], {})


class TestSaved:
    @pytest.mark.parametrize(
        "rule",
        [
            "false alarm rate <= 10%",
            ThreeWay("miss rate <= 20%", "false alarm rate <= 5%"),
            {"any": "false alarm rate <= 10%", "hte": "false alarm rate <= 20%"},
        ],
    )
    def test_a_certified_monitor_comes_back(self, labelled, rule):
        texts, y = labelled
        found = (
            monitor().fit(texts[:300], y[:300], keys=["any"]).certify(texts[300:], y[300:], rule)
        )
        _, body = found.to_artifact()
        back = StreamMonitor.from_artifact(json.loads(json.dumps(json_values(body))))
        back.attach(Tally())
        assert back.certificate_.digest == found.certificate_.digest
        assert isinstance(back.certificate_, StreamCertificate)
        for text in texts[:20]:
            first, second = found.begin(), back.begin()
            assert first.feed(text).text == second.feed(text).text
            assert first.verdict == second.verdict

    def test_through_a_file(self, labelled, tmp_path):
        artifact_kinds.register("stream_monitor", "riskwright.guard.streams:StreamMonitor")
        found = monitor().certify(*labelled, "false alarm rate <= 10%")
        save(found, tmp_path / "monitor.json")
        assert load(tmp_path / "monitor.json").attach(Tally()).version == found.version
