"""The run of all audits: what applies runs, what does not says why, findings bind to digests."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import riskwright as rw
import riskwright.audit.running as running
from riskwright.audit import PARTS, Audit, multiplicity_sample
from riskwright.core import ColumnError, DataError, ParameterError, SearchError, UsageError
from riskwright.core.score_digest import score_digest
from riskwright.metrics import evaluate

ACTIONS = {"only": ["late", "job"], "only_decrease": ["late"]}
OPTIONS = {"target": "default", "groups": ["sex", "region"], "threshold": 0.3}


def people(seed: int, n: int = 1500) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    late, job = rng.poisson(0.7, n), rng.choice(list("abc"), n)
    sex, region = rng.choice(["f", "m"], n), rng.choice(["north", "south"], n)
    age = rng.integers(18, 80, n)
    z = -1.8 + 0.9 * (late >= 1) + 0.8 * (late >= 3) + 0.6 * (age < 30)
    z += 1.3 * ((region == "south") & (job == "c"))
    return pl.DataFrame(
        {
            "late": late,
            "age": age,
            "job": job,
            "sex": sex,
            "region": region,
            "default": (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int),
        }
    )


@pytest.fixture(scope="module")
def model() -> rw.RiskScoreClassifier:
    return rw.RiskScoreClassifier(max_terms=3).fit(rw.read_table(people(1), target="default"))


@pytest.fixture(scope="module")
def test_rows() -> pl.DataFrame:
    return people(2)


@pytest.fixture(scope="module")
def full(model: rw.RiskScoreClassifier, test_rows: pl.DataFrame) -> Audit:
    return rw.audit(model, test_rows, actions=ACTIONS, reference=people(1), **OPTIONS)


def test_a_fit_that_does_not_converge_is_told_and_ends_no_audit(monkeypatch: pytest.MonkeyPatch):
    def endless(*rows: object, **options: object) -> None:
        raise SearchError("the fit did not converge", where="selective_labels")

    monkeypatch.setattr(running, "selective_labels", endless)
    rows = people(4).with_columns(seen=pl.Series(np.arange(1500) % 2 == 0))
    rows = rows.with_columns(default=pl.when("seen").then("default"))
    skip = ["slices", "familiarity", "responsiveness", "distillation", "multiplicity"]
    found = rw.audit(
        np.full(1500, 0.3), rows, observed="seen", skip=skip, **{**OPTIONS, "groups": ["sex"]}
    )
    assert "did not converge" in found.not_run["selective_labels"]
    assert found.gaps is not None


def test_all_parts_that_apply_run(full: Audit):
    assert set(full.not_run) == {"distillation", "selective_labels"}
    assert full.gaps is not None
    assert full.slices is not None
    assert full.multiplicity is not None
    assert full.responsiveness is not None
    assert {name.split(".")[0] for name in (f.code for f in full.findings)} >= {
        *("calibration", "data", "discrimination", "familiarity", "group"),
        *("multiplicity", "responsiveness", "slice", "tail"),
    }


def test_figures_are_those_of_the_library(full: Audit, model, test_rows: pl.DataFrame):
    risk = model.predict_proba(test_rows.drop("default"))[:, 1]
    y = test_rows["default"].to_numpy()
    assert full.evaluation == evaluate(y, risk)
    point = full.operating_point
    assert point is not None
    assert point.flagged.value == pytest.approx((risk >= 0.3).mean())
    assert point.missed.value == pytest.approx(((risk < 0.3) & (y == 1)).mean())
    assert point.events.value == pytest.approx(y.mean())
    assert (full.n, full.events) == (1500, y.sum())


def test_findings_carry_digests_of_score_and_data_gravest_first(full: Audit, model, test_rows):
    table = rw.read_table(test_rows, target="default")
    for finding in full.findings:
        assert finding.digests["score"] == score_digest(model)
        assert finding.digests["data"] == table.data_digest
    order = ["info", "low", "medium", "high"]
    severities = [order.index(finding.severity) for finding in full.findings]
    assert severities == sorted(severities, reverse=True)
    assert len({(f.code, f.sentence) for f in full.findings}) == len(full.findings)


def test_no_person_is_in_the_record(full: Audit, test_rows: pl.DataFrame):
    """Long lists would be rows of people; aggregates are short."""

    def lists(value):
        if isinstance(value, dict):
            yield from (found for item in value.values() for found in lists(item))
        elif isinstance(value, list | tuple):
            yield value
            yield from (found for item in value for found in lists(item))

    assert max(len(found) for found in lists(full.to_artifact()[1])) < 200


def test_it_is_saved_and_read_back_and_gated_without_computing(full: Audit, tmp_path: Path):
    full.save(tmp_path / "audit.json")
    again = rw.load(tmp_path / "audit.json")
    assert again == full
    policy = {"limits": [{"finding": "discrimination.auroc", "at_least": 0.99}]}
    gate = again.gate(policy)
    assert not gate.passed
    assert "discrimination.auroc" in gate.reasons[0]
    assert gate.audit.worst(1)[0].code == "discrimination.auroc"
    assert full.gate({"require": ["groups", "slices"]}).passed


@pytest.mark.parametrize("name", ["audit.html", "audit.md"])
def test_pages_are_written_whole_or_not_at_all(full: Audit, tmp_path: Path, name: str):
    full.save(tmp_path / name)
    assert "Risk score" in (tmp_path / name).read_text()
    with pytest.raises(UsageError, match="unknown kind"):
        full.save(tmp_path / "audit.docx")
    with pytest.raises(UsageError):
        full.save(tmp_path / "nowhere" / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_same_seed_gives_the_same_audit(full: Audit, model, test_rows):
    again = rw.audit(model, test_rows, actions=ACTIONS, reference=people(1), **OPTIONS)
    assert again.findings == full.findings


def test_scores_alone_are_audited_as_a_black_box(test_rows: pl.DataFrame):
    late = test_rows["late"].to_numpy()
    found = rw.audit(1 / (1 + np.exp(1.5 - late)), test_rows, **OPTIONS)
    assert found.distillation is not None
    assert found.card is None
    assert "multiplicity" in found.not_run
    assert "responsiveness" in found.not_run
    column = test_rows.with_columns(p=pl.Series(1 / (1 + np.exp(1.5 - late))))
    named = rw.audit(None, column, score="p", **OPTIONS)
    assert [f.sentence for f in named.findings] == [f.sentence for f in found.findings]


def test_a_linear_model_and_a_function_are_models_too(test_rows: pl.DataFrame):
    columns = ["late", "age"]
    frame = test_rows.select(*columns, "default")
    linear = LogisticRegression().fit(frame.select(columns).to_numpy(), frame["default"])

    def risk(rows: pl.DataFrame) -> np.ndarray:
        return linear.predict_proba(rows.select(columns).to_numpy())[:, 1]

    function = rw.audit(risk, frame, target="default")
    assert function.distillation is not None
    assert function.multiplicity is None
    linear.feature_names_in_ = np.array(columns)
    as_model = rw.audit(linear, frame, target="default")
    assert as_model.multiplicity is not None
    assert as_model.evaluation == function.evaluation


def test_scores_on_any_scale_need_a_threshold(test_rows: pl.DataFrame):
    late = test_rows["late"].to_numpy()
    plain = rw.audit(late, test_rows, target="default", groups=["sex"])
    assert plain.evaluation is None
    assert "calibrate" in plain.not_run["evaluation"]
    assert "threshold" in plain.not_run["slices"]
    flagged = rw.audit(late, test_rows, target="default", groups=["sex"], threshold=2)
    assert flagged.slices is not None
    assert flagged.slices.loss_name == "share of wrong decisions"


def test_without_an_outcome_only_what_needs_none_runs(test_rows: pl.DataFrame):
    late = test_rows["late"].to_numpy() / 20
    found = rw.audit(late, test_rows.drop("default"), groups=["sex"])
    assert found.events == 0
    assert found.distillation is not None
    for name in ("evaluation", "groups", "slices"):
        assert found.not_run[name] == "no outcome was named"


def test_censored_outcomes_count_at_the_horizon():
    rng = np.random.default_rng(5)
    n = 3000
    x, sex = rng.normal(size=n), rng.choice(["f", "m"], n)
    event_time = rng.exponential(np.exp(-0.8 * x) * 8)
    end = rng.uniform(1, 12, n)
    frame = pl.DataFrame(
        {
            "x": x,
            "sex": sex,
            "days": np.minimum(event_time, end),
            "died": (event_time <= end).astype(int),
        }
    )
    risk = 1 - np.exp(-4 / (np.exp(-0.8 * x) * 8))
    options = {"target": "died", "time": "days", "horizon_time": 4.0, "groups": ["sex"]}
    found = rw.audit(risk, frame, threshold=0.5, **options)
    assert found.evaluation is not None
    assert abs(found.evaluation.prevalence.value - (event_time <= 4).mean()) < 0.03
    assert found.gaps is not None
    assert found.gaps.horizon == 4.0
    assert not [f for f in found.findings if f.severity == "high"]
    assert "multiplicity" in found.not_run
    beyond = rw.audit(risk, frame, **{**options, "horizon_time": 40.0})
    assert beyond.evaluation is None
    assert "horizon" in beyond.not_run["evaluation"]


def test_outcomes_seen_only_of_some_are_audited_on_those():
    rng = np.random.default_rng(7)
    n = 2500
    x, hidden = rng.normal(size=(2, n))
    sex = rng.choice(["f", "m"], n)
    outcome = rng.random(n) < 1 / (1 + np.exp(1 - x - hidden))
    seen = rng.random(n) < 1 / (1 + np.exp(0.5 - x - hidden))
    label = pl.Series(["yes" if o else "no" for o in outcome]).set(pl.Series(~seen), None)
    frame = pl.DataFrame({"x": x, "sex": sex, "ill": label, "tested": seen})
    risk = 1 / (1 + np.exp(1 - x))
    options = {"target": "ill", "positive": "yes", "observed": "tested", "groups": ["sex"]}
    found = rw.audit(risk, frame, prevalence=float(outcome.mean()), **options)
    assert found.selective_labels is not None
    assert found.evaluation is not None
    assert found.evaluation.n == seen.sum()
    assert found.events == outcome[seen].sum()
    low, high = (
        found.selective_labels.risk_unobserved.low,
        found.selective_labels.risk_unobserved.high,
    )
    assert low - 0.05 < outcome[~seen].mean() < high + 0.05


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"groups": ["race"]}, ColumnError, "race"),
        ({"threshold": "high"}, ParameterError, "threshold"),
        ({"treshold": 0.3}, ParameterError, "Did you mean 'threshold'"),
        ({"actions": {"only": ["height"]}}, DataError, "height"),
        ({"actions": {"bounds": {"late": [3, 1]}}}, Exception, "late"),
        ({"target": "outcome"}, ColumnError, "outcome"),
        ({"observed": "seen"}, ColumnError, "seen"),
    ],
)
def test_mistakes_of_the_user_are_named_before_any_work(test_rows, options, kind, words):
    scores = np.full(len(test_rows), 0.5)
    with pytest.raises(kind, match=words):
        rw.audit(scores, test_rows, **{"target": "default", **options})


@pytest.mark.parametrize(
    ("scores", "kind", "words"),
    [
        ([0.1, 0.2], ColumnError, "do not match"),
        ([math.nan] * 1500, ColumnError, "missing or infinite"),
        (["a"] * 1500, ColumnError, "not numbers"),
        (None, UsageError, "which scores"),
        ("score.json", UsageError, "load"),
        (lambda frame: frame["height"], UsageError, "cannot score"),
        (lambda frame: [0.5], ColumnError, "do not match"),
    ],
)
def test_scores_that_cannot_be_used_are_refused(test_rows, scores, kind, words):
    with pytest.raises(kind, match=words):
        rw.audit(scores, test_rows, target="default")


def test_groups_of_one_member_are_listed_not_judged(test_rows: pl.DataFrame, model):
    lone = test_rows.with_columns(
        sex=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("x")).otherwise("sex")
    )
    found = rw.audit(model, lone, **{**OPTIONS, "groups": ["sex"]}, skip=[*PARTS[2:]])
    assert found.gaps is not None
    for table in found.gaps.tables:
        assert "sex = x" in [row.group for row in table.small]
        assert "sex = x" not in [row.group for row in table.rows]


def test_a_part_that_the_data_do_not_allow_says_so_and_the_rest_runs():
    frame = people(3, 60)
    found = rw.audit(np.linspace(0.01, 0.9, 60), frame, target="default", groups=["sex"])
    assert found.evaluation is not None
    assert all(reason for reason in found.not_run.values())


def test_parts_can_be_left_out(model, test_rows):
    found = rw.audit(model, test_rows, skip=["slices", "groups"], **OPTIONS)
    assert found.not_run["slices"] == "left out by the plan"
    assert found.slices is None


def test_progress_names_every_part_in_order(model, test_rows):
    told: list[tuple[str, float]] = []
    rw.audit(model, test_rows, progress=lambda part, share: told.append((part, share)), **OPTIONS)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert list(dict.fromkeys(part for part, _ in told)) == [*PARTS, "done"]
    assert told[-1] == ("done", 1.0)


def test_models_are_asked_for_what_they_read(test_rows: pl.DataFrame):
    """pandas rows, columns that are constant or ignored here, and models that name none."""
    names = ["late", "age", "job"]
    pandas = test_rows.to_pandas()
    known = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    linear = make_pipeline(known, LogisticRegression(max_iter=2000))
    linear.fit(pandas[names], pandas["default"])
    options = {"target": "default", "skip": ["slices", "multiplicity", "distillation"]}
    expected = evaluate(pandas["default"], linear.predict_proba(pandas[names])[:, 1])
    for frame in (pandas, test_rows):
        for ignored in ([], ["age"]):
            found = rw.audit(linear, frame, ignore=ignored, **options)
            assert found.evaluation == expected
    flat = pandas.assign(late=2)
    found = rw.audit(linear, flat, **options, threshold=0.3, actions={"only": ["job"]})
    assert found.evaluation == evaluate(flat["default"], linear.predict_proba(flat[names])[:, 1])
    assert found.responsiveness is not None
    with pytest.raises(ColumnError, match="lacks a column"):
        rw.audit(linear, pandas.drop(columns="age"), **options)


def test_a_model_without_names_takes_columns_by_their_place(test_rows: pl.DataFrame):
    rows = test_rows.select("late", "age", "default")
    blind = LogisticRegression().fit(rows.select("late", "age").to_numpy(), rows["default"])
    flat = rows.with_columns(late=pl.lit(2))
    found = rw.audit(blind, flat, target="default", skip=["multiplicity"])
    risk = blind.predict_proba(flat.select("late", "age").to_numpy())[:, 1]
    assert found.evaluation == evaluate(flat["default"], risk)
    with pytest.raises(UsageError, match="by place alone"):
        rw.audit(blind, test_rows, target="default")


def test_functions_get_numbers_that_do_not_overflow(test_rows: pl.DataFrame):
    found = rw.audit(
        lambda frame: (frame["late"] * 200).to_numpy() / 2000, test_rows, target="default"
    )
    assert found.evaluation == evaluate(test_rows["default"], test_rows["late"].to_numpy() / 10)


def test_the_model_says_which_label_is_the_outcome(test_rows: pl.DataFrame):
    words = np.where(test_rows["default"] == 1, "bad", "good")
    frame = test_rows.select("late", "age", default=pl.Series(words)).to_pandas()
    linear = LogisticRegression().fit(frame[["late", "age"]], frame["default"])
    found = rw.audit(linear, frame, target="default", skip=["multiplicity"])
    assert found.subject.outcome == "default = good"
    other = rw.audit(linear, frame, target="default", positive="bad", skip=["multiplicity"])
    risk = linear.predict_proba(frame[["late", "age"]])[:, 0]
    assert other.evaluation == evaluate(test_rows["default"], risk)


def test_yes_or_no_cards_are_audited_by_their_decisions(test_rows: pl.DataFrame):
    card = rw.ScoringSystemClassifier(max_terms=3).fit(rw.read_table(people(1), target="default"))
    found = rw.audit(card, test_rows, target="default", groups=["sex"], actions=ACTIONS)
    assert found.operating_point is not None
    assert found.operating_point.flagged.value == card.predict(test_rows.drop("default")).mean()
    assert found.responsiveness is not None
    assert "yes or no" in found.not_run["evaluation"]
    assert "yes or no" in found.not_run["multiplicity"]


def test_multiplicity_of_many_distinct_people_is_that_of_a_sample(
    test_rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(multiplicity_sample, "WORK", 1e4)
    frame = test_rows.select("late", "age", "default")
    linear = LogisticRegression().fit(frame.select("late", "age").to_pandas(), frame["default"])
    found = rw.audit(linear, frame, target="default").multiplicity
    assert found is not None
    assert found.n == multiplicity_sample.LEAST
    sentences = [finding.sentence for finding in found.findings]
    assert all("200 people drawn at random from 1,500" in text for text in sentences)
    assert "seed 0" in found.method


def test_weights_and_censoring_are_not_compared_unweighted(test_rows: pl.DataFrame):
    frame = test_rows.with_columns(w=pl.lit(2.0))
    risk = 1 / (1 + np.exp(1.5 - test_rows["late"].to_numpy()))
    found = rw.audit(risk, frame, target="default", weight="w")
    assert found.distillation is not None
    assert found.distillation.accuracy is None
    assert "distillation.not_compared" in [finding.code for finding in found.findings]


def test_a_threshold_beyond_all_risks_flags_nobody(model, test_rows: pl.DataFrame):
    options = {**OPTIONS, "actions": ACTIONS, "skip": ["multiplicity", "slices"]}
    nobody = rw.audit(model, test_rows, **{**options, "threshold": 0.999})
    assert nobody.not_run["responsiveness"] == "at this threshold nobody is flagged"
    everybody = rw.audit(model, test_rows, **{**options, "threshold": 0.0})
    assert everybody.responsiveness is not None
    assert everybody.responsiveness.fixed.value == 1


def test_too_many_levels_are_said_to_be_left_out(
    test_rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("riskwright.audit.running._MOST_CELLS", 60)
    found = rw.audit(np.linspace(0.1, 0.9, 1500), test_rows, target="default", skip=["slices"])
    assert "name columns to leave out" in found.not_run["distillation"]
    assert found.distillation is None


def test_a_reference_tells_of_the_columns_that_it_has(test_rows: pl.DataFrame):
    risk = 1 / (1 + np.exp(1.5 - test_rows["late"].to_numpy()))
    skip = [part for part in PARTS if part != "familiarity"]
    options = {"target": "default", "skip": skip}
    found = rw.audit(risk, test_rows, reference=people(1).drop("age", "region"), **options)
    assert found.findings[0].code == "familiarity.unfamiliar"
    assert "without age, region" in found.findings[0].method
    with pytest.raises(ColumnError, match="none of the features"):
        rw.audit(risk, test_rows, reference=pl.DataFrame({"height": [1, 2]}), **options)
