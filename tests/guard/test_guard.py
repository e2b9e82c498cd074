"""A guard joins scorers into one score, is fitted, saved, and never takes silence for safety."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from riskwright.core import ArtifactError, DataError, ParameterError, load, save
from riskwright.core.scores import Score
from riskwright.evidence.exchanges import Exchange
from riskwright.evidence.labels import Label, Pair
from riskwright.guard import guard as guards
from riskwright.guard import timing
from riskwright.guard.cascades import GuardCascade, GuardStage
from riskwright.guard.guard import Guard
from riskwright.metrics import auroc, calibration_error
from riskwright.scoring.text.rules import RuleScorer
from riskwright.taxonomy.crosswalks import load_crosswalk
from riskwright.taxonomy.policies import load_policy

SHARED = Path(os.environ.get("RISKWRIGHT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
MODERATION = SHARED / "data" / "text" / "openai_moderation" / "samples-1680.jsonl.gz"

CALM = ("tea", "bread", "garden", "river", "window", "paper", "music", "lamp", "chair", "bicycle")
ROUGH = ("grumble", "scowl", "sneer", "bicker", "taunt", "mock", "jeer", "scoff", "pester", "nag")


class Fixed:
    """Gives every exchange the same answer."""

    version = "1"

    def __init__(self, name, *, severity=None, cost=0.0, taxonomy="ailuminate", **told):
        self.name, self.cost, self.taxonomy = name, cost, taxonomy
        self.told = {"severity": severity, "taxonomy": taxonomy, **told}

    def score(self, exchanges):
        told = {"scorers": {self.name: self.version}, "cost": self.cost, **self.told}
        return [Score(id=exchange.id, **told) for exchange in exchanges]


def talk(n, seed):
    """Harmless sentences, some with ill-mannered words; those are the harmful ones, mostly."""
    rng = np.random.default_rng(seed)
    exchanges, labels = [], []
    for k in range(n):
        share = rng.random()
        words = [str(rng.choice(ROUGH if rng.random() < share else CALM)) for _ in range(8)]
        exchanges.append(Exchange(prompt=" ".join(words), id=str(k)))
        labels.append(Label(harmful=float(rng.random() < 1 / (1 + np.exp(8 * (0.6 - share))))))
    return exchanges, labels


def severities(scores):
    return np.array([score.severity for score in scores])


@pytest.fixture(scope="module")
def fitted():
    return Guard().fit(*talk(200, 0))


class TestPerception:
    def test_the_largest_value_counts_and_all_are_kept(self):
        guard = Guard(
            [
                Fixed("a", severity=0.3, hazards={"hte": 0.2}, cost=1.0, latency_ms=5.0),
                Fixed(
                    "b", severity=0.6, hazards={"hte": 0.1, "vcr": 0.4}, cost=2.0, latency_ms=7.0
                ),
            ]
        )
        score = guard.score(Exchange(prompt="x", id="7", attributes={"language": "en"}))
        assert (score.severity, score.hazards) == (0.6, {"hte": 0.2, "vcr": 0.4})
        assert score.values == {
            "a": {"hte": 0.2, "any": 0.3},
            "b": {"hte": 0.1, "vcr": 0.4, "any": 0.6},
        }
        assert (score.cost, score.latency_ms) == (3.0, 12.0)
        assert score.scorers == {"a": "1", "b": "1"}
        assert (score.id, score.attributes) == ("7", {"language": "en"})
        assert score.digest == Exchange(prompt="x").digest
        assert score.meaning == "rank"
        assert score.calibrated == ()

    def test_latency_is_measured_where_a_scorer_does_not_say(self, monkeypatch):
        ticks = iter([1.0, 1.5, 2.0, 2.25, 3.0, 3.75])
        monkeypatch.setattr(
            timing, "time", type("Clock", (), {"perf_counter": lambda: next(ticks)})
        )
        alone = Fixed("b", severity=0.1)
        alone.one_by_one = True
        guard = Guard([Fixed("a", severity=0.1), alone])
        told = guard.perceive([Exchange(prompt="x"), Exchange(prompt="y")])
        assert [score.latency_ms for score in told] == [500.0, 1000.0]

    def test_every_exchange_has_a_latency_of_its_own(self, fitted):
        """Heads included; scores do not depend on what is scored beside them."""
        exchanges = [Exchange(prompt="a long word " * n) for n in (1, 2000, 3)]
        told = fitted.score_all(exchanges)
        assert len({score.latency_ms for score in told}) == 3
        perceived = fitted.perceive(exchanges)
        added = [
            b.latency_ms - a.latency_ms
            for a, b in zip(perceived, fitted.calibrated(exchanges, perceived), strict=True)
        ]
        assert min(added) > 0
        assert [fitted.score(one).severity for one in exchanges] == [s.severity for s in told]

    def test_a_scorer_that_drops_exchanges_is_told_of(self):
        class Short(Fixed):
            def score(self, exchanges):
                return super().score(exchanges)[1:]

        with pytest.raises(DataError, match="another number of scores"):
            Guard([Short("a", severity=0.1)]).score(Exchange(prompt="x"))

    @pytest.mark.parametrize("outcome", ["failed", "refused", "unparsable", "not scored"])
    def test_one_scorer_without_an_answer_leaves_no_severity(self, outcome):
        silent = Fixed("b", outcome=outcome, reason="why")
        score = Guard([Fixed("a", severity=0.1, hazards={"hte": 0.1}), silent]).score(
            Exchange(prompt="x")
        )
        assert (score.outcome, score.severity, score.hazards) == (outcome, None, {})
        assert score.level == ""
        assert score.reason == "b: why"
        assert score.values["a"] == {"hte": 0.1, "any": 0.1}

    def test_the_gravest_outcome_is_told(self):
        silent = [Fixed("a", outcome="refused"), Fixed("b", outcome="failed", reason="late")]
        score = Guard(silent).score(Exchange(prompt="x"))
        assert score.outcome == "failed"
        assert score.reason == "a: refused; b: late"

    def test_what_detectors_find_does_not_drive_the_severity(self):
        address = Exchange(prompt="Write to ann@example.org")
        rules = RuleScorer()
        both = Guard([rules, Fixed("model", severity=0.05)]).score(address)
        assert both.severity == 0.05
        assert both.hazards["prv"] == 0.95
        assert both.values["rules"]["personal"] == 0.95
        assert Guard([rules]).score(address).severity == 0.95

    def test_hazards_of_another_taxonomy_are_translated(self):
        told = Fixed(
            "api",
            severity=0.7,
            taxonomy="openai_moderation",
            hazards={"hate": 0.7, "violence": 0.2},
        )
        score = Guard([told, Fixed("own", severity=0.1, hazards={"hte": 0.3})]).score(
            Exchange(prompt="x")
        )
        walk = load_crosswalk("openai_moderation", "ailuminate")
        alone = walk.translate(told.score([Exchange(prompt="x")])[0]).score
        assert score.taxonomy == "ailuminate"
        assert score.hazards == {**alone.hazards, "hte": max(0.3, alone.hazards["hte"])}
        assert score.values["api"] == {"hate": 0.7, "violence": 0.2, "any": 0.7}

    def test_levels_are_equal_ranges_of_severity(self):
        def level(severity, **how):
            score = Score(severity=severity, calibrated=("any",))
            return Guard([Fixed("a")], **how).calibrated([Exchange(prompt="x")], [score])[0].level

        told = [level(v) for v in (0.0, 0.2499, 0.25, 0.5, 0.75, 1.0)]
        assert told == ["SAFE", "SAFE", "LOW", "MEDIUM", "HIGH", "HIGH"]
        assert level(0.4, levels=["fine", "bad"]) == "fine"
        with pytest.raises(ParameterError, match="no levels"):
            Guard(levels=[])

    def test_a_severity_that_only_ranks_has_no_level(self):
        assert Guard([Fixed("a", severity=0.9)]).score(Exchange(prompt="x")).level == ""

    def test_progress_is_told_per_scorer(self):
        seen = []
        guard = Guard([Fixed("a", severity=0.1), Fixed("b", severity=0.1)])
        guard.score_all([Exchange(prompt="x")], progress=lambda *told: seen.append(told))
        assert seen == [("a", 0, 2), ("b", 1, 2)]

    def test_no_exchanges_have_no_scores(self, fitted):
        assert Guard().score_all([]) == []
        assert fitted.score_all([]) == []

    def test_scorers_need_names_of_their_own(self):
        for wrong in ([], [Fixed("a"), Fixed("a")]):
            with pytest.raises(ParameterError, match="names of their own"):
                Guard(wrong)


class TestFitting:
    def test_the_package_s_own_scorers_learn_what_is_harmful_here(self, fitted):
        exchanges, labels = talk(500, 1)
        y = [label.harmful for label in labels]
        before = auroc(y, severities(Guard().score_all(exchanges))).value
        scores = fitted.score_all(exchanges)
        assert auroc(y, severities(scores)).value > max(0.8, before + 0.02)
        assert abs(severities(scores).mean() - np.mean(y)) < 0.1
        assert {score.meaning for score in scores} == {"probability"}
        for score in scores[:20]:
            assert score.uncertainty[0] <= score.uncertainty[1]
            assert score.level == guards.LEVELS[min(int(4 * score.severity), 3)]

    def test_one_score_is_the_same_alone_and_among_others(self, fitted):
        exchanges, _ = talk(20, 2)
        together = fitted.score_all(exchanges)
        for exchange, score in zip(exchanges, together, strict=True):
            assert fitted.score(exchange).severity == pytest.approx(score.severity, abs=1e-12)

    def test_the_same_seed_gives_the_same_guard(self, fitted):
        again = Guard().fit(*talk(200, 0))
        assert again.version == fitted.version

    def test_awkward_texts_have_scores_or_say_why_not(self, fitted):
        texts = ["", " \n", "\x00", "\ud800", "é" * 5000, "a" * 1_000_001, "1 2 3", "😀"]
        scores = fitted.score_all([Exchange(prompt=text) for text in texts])
        for text, score in zip(texts, scores, strict=True):
            assert (score.outcome == "failed") == (len(text) > 1_000_000)
            assert (score.severity is None) == (score.outcome != "scored")

    def test_the_judged_part_is_the_reply_where_there_is_one(self, fitted):
        rough, calm = " ".join(ROUGH), " ".join(CALM)
        asked = fitted.score(Exchange(prompt=rough, reply=calm)).severity
        assert asked == fitted.score(Exchange(prompt=calm, reply=calm)).severity
        assert asked < fitted.score(Exchange(prompt=calm, reply=rough)).severity

    def test_own_scorers_without_features_are_enough(self):
        class Rough(Fixed):
            def score(self, exchanges):
                counts = [sum(w in ROUGH for w in e.prompt.split()) / 8 for e in exchanges]
                return [
                    Score(id=e.id, severity=c, values={self.name: {"any": c}})
                    for e, c in zip(exchanges, counts, strict=True)
                ]

        guard = Guard([Rough("rough"), Fixed("deaf", severity=0.5)]).fit(*talk(200, 3))
        exchanges, labels = talk(400, 4)
        assert (
            auroc([y.harmful for y in labels], severities(guard.score_all(exchanges))).value > 0.8
        )

    def test_labels_and_exchanges_have_one_length(self, fitted):
        exchanges, labels = talk(30, 5)
        with pytest.raises(DataError, match="differ in number"):
            Guard().fit(exchanges, labels[1:])
        with pytest.raises(DataError, match="differ in number"):
            fitted.certify(POLICY, exchanges, labels[1:])

    def test_a_failed_fit_leaves_the_guard_as_it_was(self):
        guard = Guard().fit(*talk(100, 6))
        before = guard.version
        with pytest.raises(DataError):
            guard.fit(*talk(5, 7))
        assert guard.version == before


POLICY = load_policy(
    {
        "id": "test",
        "version": "1",
        "taxonomy": "ailuminate",
        "mode": "enforce",
        "regimes": ["standard"],
        "regime": "standard",
        "hazards": {"any": {}},
        "budgets": {"standard": ["miss rate <= 25%", "false alarm rate <= 25%"]},
        "fallback": {},
    }
)


class TestCertification:
    def test_what_was_fitted_certifies_nothing(self, fitted):
        seen, fresh = talk(200, 0), talk(300, 8)
        with pytest.raises(DataError, match="used to fit"):
            fitted.certify(POLICY, *seen)
        both = fitted.certify(POLICY, [*seen[0], *fresh[0]], [*seen[1], *fresh[1]])
        assert both.n == 300
        assert both.notes[0].startswith("200 exchanges")
        assert both.bands == fitted.certify(POLICY, *fresh).bands

    def test_exchanges_of_pairs_certify_nothing_either(self):
        exchanges, _ = talk(60, 9)
        pairs = [
            Pair(worse=a, milder=b) for a, b in zip(exchanges[::2], exchanges[1::2], strict=True)
        ]
        guard = Guard().fit([], pairs=pairs)
        assert {one.digest for one in exchanges} == guard.fitted_on_

    def test_the_same_text_under_another_id_is_known(self, fitted):
        exchanges, labels = talk(200, 0)
        renamed = [Exchange(prompt=one.prompt, id=f"again {one.id}") for one in exchanges]
        with pytest.raises(DataError, match="used to fit"):
            fitted.certify(POLICY, renamed, labels)

    def test_a_fallback_that_lets_silence_pass_is_named(self, fitted):
        exchanges, labels = talk(200, 10)
        long = [Exchange(prompt="a" * 1_000_001 + str(k)) for k in range(3)]
        guard = fitted.certify(POLICY, [*exchanges, *long], [*labels, *labels[:3]])
        assert guard.notes == ("3 of 203 exchanges have no score; the fallback acts on such ones.",)
        open_policy = load_policy({**POLICY.to_dict(), "fallback": {"failed": "allow"}})
        found = fitted.certify(open_policy, [*exchanges, *long], [*labels, *labels[:3]])
        assert "lets 3 of them pass (failed)" in found.notes[0]

    def test_levels_that_count_as_harm_differ_by_regime(self):
        """Severities 0 to 3; the strict regime minds all of them, the loose one the gravest."""
        exchanges, _ = talk(700, 11)
        rng = np.random.default_rng(11)
        rough = np.array([sum(w in ROUGH for w in e.prompt.split()) for e in exchanges])
        level = np.digitize(rough + rng.normal(0, 0.5, 700), [2.5, 4.5, 6.5])
        graded = [Label(severity=float(v)) for v in level]
        guard = Guard().fit(exchanges[:250], graded[:250])
        policy = load_policy(
            {
                **POLICY.to_dict(),
                "regimes": ["strict", "loose"],
                "regime": "strict",
                "harmful_from": {"strict": 1, "loose": 3},
                "budgets": {
                    name: ["miss rate <= 20%", "false alarm rate <= 20%"]
                    for name in ("strict", "loose")
                },
            }
        )
        found = guard.certify(policy, exchanges[250:], graded[250:])
        strict, loose = (band.band for band in found.bands)
        assert found.certified
        assert strict.low < loose.low
        assert strict.high < loose.high

    def test_levels_that_are_all_harm_ask_from_where(self, fitted):
        exchanges, labels = talk(60, 12)
        with pytest.raises(DataError, match="harmful_from"):
            fitted.certify(POLICY, exchanges, [Label(severity=1 + y.harmful) for y in labels])

    def test_hazards_together_are_counted(self, fitted):
        exchanges, labels = talk(300, 13)
        told = [Label(harmful=y.harmful, hazards={"hte": y.harmful}) for y in labels]
        policy = load_policy({**POLICY.to_dict(), "hazards": {"any": {}, "hte": {}}})
        found = fitted.certify(policy, exchanges, told)
        assert "each of 2 hazards" in found.notes[-1]
        scores = fitted.score_all(exchanges)
        actions = [found.policy.decide(score).action for score in scores]
        harm = np.array([y.harmful for y in labels]) == 1
        expected = found.expected["standard"]
        refused = np.mean(
            [a in ("block", "stop") for a, h in zip(actions, harm, strict=True) if not h]
        )
        passed = np.mean([a == "allow" for a, h in zip(actions, harm, strict=True) if h])
        assert expected["harmless refused"].value == pytest.approx(refused)
        assert expected["harmful passed"].value == pytest.approx(passed)

    def test_too_few_labels_certify_nothing_and_say_how_many_would(self, fitted):
        exchanges, labels = talk(40, 14)
        found = fitted.certify(POLICY, exchanges, labels)
        harmful = sum(y.harmful for y in labels)
        strict = load_policy(
            {
                **POLICY.to_dict(),
                "budgets": {"standard": ["miss rate <= 1%", "false alarm rate <= 1%"]},
            }
        )
        hard = fitted.certify(strict, exchanges, labels)
        assert not hard.certified
        # with no error at all n >= log(0.05) / log(0.99) = 299 members are needed
        assert hard.labels_needed >= 299 - max(harmful, 40 - harmful)
        assert (hard.bands[0].band.low, hard.bands[0].band.high) == (0, 2)
        for certificate in hard.bands[0].certificates:
            assert "not" in certificate.verdict
            assert min(bound.upper for bound in certificate.bounds) > 0.01
        assert found.n == hard.n == 40
        assert hard.policy.decide(fitted.score(exchanges[0])).action == "escalate"

    def test_a_language_with_few_labels_is_named_with_what_it_lacks(self, fitted):
        exchanges, labels = talk(400, 20)
        spoken = [
            Exchange(prompt=one.prompt, attributes={"language": "fr" if k < 12 else "en"})
            for k, one in enumerate(exchanges)
        ]
        budgets = {"standard": ["miss rate <= 25% per language", "false alarm rate <= 25%"]}
        found = fitted.certify(
            load_policy({**POLICY.to_dict(), "budgets": budgets}), spoken, labels
        )
        (band,) = found.bands
        misses, alarms = band.certificates
        assert (misses.verdict, alarms.verdict) == ("not attainable", "certified")
        assert "in group fr: the best level is" in misses.statement
        # with no miss at all log(0.05) / log(0.75) = 10.4 harmful ones are needed
        assert 1 <= found.labels_needed <= 20
        assert band.band.low == 0
        assert band.band.high <= 1
        enough = [Exchange(prompt=e.prompt, attributes={"language": "en"}) for e in spoken]
        everyone = fitted.certify(
            load_policy({**POLICY.to_dict(), "budgets": budgets}), enough, labels
        )
        assert everyone.bands[0].band.low > 0


class TestCascadeOfGuards:
    def test_a_guard_is_a_stage_and_what_it_was_fitted_on_is_left_out(self, fitted):
        stages = [Guard().scorers[1], GuardStage(fitted, cost=0.1)]
        budgets = ["miss rate <= 25%", "false alarm rate <= 25%"]
        seen, fresh = talk(200, 0), talk(600, 15)
        cascade = GuardCascade(stages, budgets=budgets, person=5.0)
        cascade.fit([*seen[0], *fresh[0]], [*seen[1], *fresh[1]])
        assert cascade.left_out_ == 200
        assert cascade.certificate_.labels_used == 600
        assert cascade.decide(fresh[0][0]).action in ("pass", "flag", "person")
        with pytest.raises(DataError, match="no exchanges"):
            cascade.fit(*seen)
        with pytest.raises(DataError, match="differ in number"):
            cascade.fit(fresh[0], fresh[1][1:])

    def test_costs_are_those_of_all_scorers(self):
        guard = Guard([Fixed("a", severity=0.1, cost=1.0), Fixed("b", severity=0.1, cost=2.0)])
        assert GuardStage(guard).cost == 3.0
        assert GuardStage(guard).version == guard.version


class TestKeeping:
    def test_a_saved_guard_gives_the_same_scores(self, fitted, tmp_path):
        save(fitted, tmp_path / "guard.json")
        back = Guard.load(tmp_path / "guard.json")
        exchanges, _ = talk(50, 16)
        for one, other in zip(fitted.score_all(exchanges), back.score_all(exchanges), strict=True):
            assert one.severity == other.severity
            assert (one.uncertainty, one.hazards, one.level) == (
                other.uncertainty,
                other.hazards,
                other.level,
            )
        assert back.version == fitted.version
        assert back.fitted_on_ == fitted.fitted_on_
        assert back.heads_.summary == fitted.heads_.summary

    def test_levels_and_pairs_come_back_too(self, tmp_path):
        exchanges, labels = talk(150, 17)
        others, _ = talk(60, 18)
        pairs = [Pair(worse=a, milder=b) for a, b in zip(others[::2], others[1::2], strict=True)]
        graded = [Label(severity=y.harmful + (k % 3 == 0)) for k, y in enumerate(labels)]
        guard = Guard(levels=["a", "b"]).fit(exchanges, graded, pairs=pairs)
        save(guard, tmp_path / "guard.json")
        back = load(tmp_path / "guard.json")
        assert np.array_equal(
            severities(back.score_all(others)), severities(guard.score_all(others))
        )
        assert back.levels == ("a", "b")

    def test_no_text_is_kept(self, fitted, tmp_path):
        save(fitted, tmp_path / "guard.json")
        kept = (tmp_path / "guard.json").read_text()
        assert not any(word in kept for word in (*CALM[:4], *ROUGH))

    def test_another_version_of_a_scorer_is_refused(self, fitted, tmp_path, monkeypatch):
        save(fitted, tmp_path / "guard.json")
        monkeypatch.setattr(RuleScorer, "version", "another")
        with pytest.raises(ArtifactError, match="'rules' is another version"):
            Guard.load(tmp_path / "guard.json")

    def test_a_guard_of_unknown_scorers_cannot_be_loaded(self, tmp_path):
        save(Guard([Fixed("mine", severity=0.1)]), tmp_path / "guard.json")
        with pytest.raises(ArtifactError, match="no kind of scorer 'mine'"):
            Guard.load(tmp_path / "guard.json")

    def test_something_else_is_no_guard(self, fitted, tmp_path):
        exchanges, labels = talk(200, 19)
        cascade = GuardCascade([GuardStage(fitted)], budgets="miss rate <= 50%", person=1.0)
        save(cascade.fit(exchanges, labels), tmp_path / "cascade.json")
        with pytest.raises(ArtifactError, match="not a guard"):
            Guard.load(tmp_path / "cascade.json")


@pytest.mark.skipif(not MODERATION.is_file(), reason="no shared data")
def test_probabilities_are_right_on_public_moderation_labels():
    """3 splits, 200 labels to fit and 640 to look at, whose own noise is 1.8 points."""
    exchanges, y = [], []
    with gzip.open(MODERATION, "rt") as file:
        for line in file:
            row = json.loads(line)
            exchanges.append(Exchange(prompt=row.pop("prompt")))
            y.append(float(max(row.values())))
    y, exchanges = np.array(y[::2]), exchanges[::2]
    guard = Guard()
    perceived = guard.perceive(exchanges)
    errors, eces, areas = [], [], []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(y.size)
        seen, rest = order[:200], order[200:]
        guard.fit([exchanges[k] for k in seen], [Label(harmful=y[k]) for k in seen])
        scores = guard.calibrated([exchanges[k] for k in rest], [perceived[k] for k in rest])
        p = severities(scores)
        errors.append(p.mean() - y[rest].mean())
        areas.append(auroc(y[rest], p).value)
        if not seed:
            eces.append(calibration_error(y[rest], p, kind="smooth").value)
    # a mean of 200 labels has an error of 3.3 points
    assert max(map(abs, errors)) < 0.1
    assert abs(np.mean(errors)) < 0.06
    assert np.mean(areas) > 0.8
    assert np.mean(eces) < 0.08


def test_a_first_score_loads_no_heavy_package():
    code = (
        "import sys; from riskwright.guard import Guard; from riskwright.evidence import Exchange\n"
        "Guard().score(Exchange(prompt='a cake'))\n"
        "print([m for m in ('scipy', 'sklearn', 'polars', 'aiohttp') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
