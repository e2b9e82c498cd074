"""Real audits on cards, pages and notices: what is fresh is clean, what changed is said, words fit
the case at hand."""

from __future__ import annotations

import math
from typing import Any, get_args

import msgspec
import numpy as np
import polars as pl
import pytest

import riskwright as rw
from riskwright.audit.report import Audit
from riskwright.cards.audit_drawing import _two_lines
from riskwright.cards.audit_fit import Fit
from riskwright.cards.audit_front import front_parts
from riskwright.cards.audit_page import audit_page
from riskwright.cards.audit_text import audit_markdown
from riskwright.cards.audit_words import brief, name_of
from riskwright.cards.checking import check
from riskwright.cards.documents import audit_reference
from riskwright.cards.exports import ExportFormat, export
from riskwright.cards.notice import notice
from riskwright.cards.score_card_sheet import ScoreCardSheet, performance_findings
from riskwright.core.score_digest import score_digest
from riskwright.explanation import Actions, responsiveness
from riskwright.scoring.deployment import score_frame

replace = msgspec.structs.replace
FIT = Fit(letters=11, tall=1, terms=30, totals=30, groups=30, texts=30)
OPTIONS: dict[str, Any] = {"groups": ["sex"], "threshold": 0.3, "seed": 1}
SIGNED = {"version": "1.0", "date": "2026-02-01", "owner": "Desk", "contact": "a@b.example"}


def people(seed: int, n: int = 900) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    late, job, age = rng.poisson(0.8, n), rng.choice(list("abc"), n), rng.integers(18, 80, n)
    z = -1.6 + 0.9 * (late >= 1) + 0.8 * (late >= 3) + 0.7 * (age < 30) + 0.7 * (job == "c")
    return pl.DataFrame(
        {
            "late": late,
            "age": age,
            "job": job,
            "sex": rng.choice(["f", "m"], n),
            "default": (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int),
        }
    )


@pytest.fixture(scope="module")
def model() -> Any:
    return rw.RiskScoreClassifier(max_terms=3).fit(rw.read_table(people(1), target="default"))


@pytest.fixture(scope="module")
def audit(model: Any) -> Audit:
    return rw.audit(model, people(2), target="default", **OPTIONS)


def sheet_of(model: Any, audit: Audit) -> ScoreCardSheet:
    card = replace(model.card_, population="People who asked for a loan")
    assert audit.evaluation is not None
    return ScoreCardSheet(
        title="Default",
        card=card,
        intended_use="Decide on small loans",
        not_for=("Mortgages",),
        horizon="one year",
        performance=performance_findings(
            audit.evaluation, score=model, data_digest=audit.subject.data_digest
        ),
        audits=(audit_reference(audit),),
        score_digest=score_digest(card),
        **SIGNED,
    )


def test_a_sheet_of_a_model_and_its_own_audit_has_no_gap(model: Any, audit: Audit, tmp_path):
    audit.save(tmp_path / "audit.json")
    again = rw.load(tmp_path / "audit.json")
    assert audit_reference(again) == audit_reference(audit)
    sheet = sheet_of(model, audit)
    for score in (model, model.card_, sheet.card):
        found = check(sheet, model=score, data=audit.subject.data_digest, audit=again)
        assert found == [], "\n".join(map(str, found))
    rw.save(sheet, tmp_path / "sheet.json")
    same = rw.load(tmp_path / "sheet.json")
    assert check(same, model=model) == []
    told = [export(same, form) for form in get_args(ExportFormat) if form != "croissant"]
    assert all("Default" in text for text in told)


def test_a_changed_model_makes_every_figure_stale(model: Any, audit: Audit):
    other = rw.RiskScoreClassifier(max_terms=2).fit(rw.read_table(people(1), target="default"))
    sheet = sheet_of(model, audit)
    stale = {gap.field for gap in check(sheet, model=other, audit=audit) if gap.kind == "stale"}
    findings = {f"performance[{i}]" for i in range(len(sheet.performance))}
    assert stale >= findings | {"score_digest", "audits[0]"}


def test_figures_on_other_people_need_not_meet_those_of_the_training_rows(model: Any):
    rare = people(5).filter((pl.col("default") == 0) | (pl.int_range(pl.len()) % 9 == 0))
    audit = rw.audit(model, rare, target="default", **OPTIONS)
    assert [gap.kind for gap in check(sheet_of(model, audit), model=model, audit=audit)] == []


def sheet_text(audit: Audit) -> str:
    return audit_markdown(audit).split("## Appendix")[0].replace("\\", "")


def test_a_censored_outcome_names_its_time_with_and_without_groups():
    frame, rng = people(3), np.random.default_rng(0)
    event = frame["default"].to_numpy()
    time = np.where(
        event == 1, rng.exponential(300, event.size), rng.uniform(100, 1500, event.size)
    )
    frame = frame.with_columns(days=pl.Series(time))
    risk = 0.1 + 0.5 * event * rng.random(event.size)
    stated = {"target": "default", "time": "days", "horizon_time": 365.0, "threshold": 0.3}
    for groups in ([], ["sex"]):
        found = rw.audit(risk, frame, groups=groups, skip=["distillation", "slices"], **stated)
        text = sheet_text(found)
        assert "365, in the unit of the follow-up times" in text
        assert "have the outcome by 365" in text
        assert "weighted for those not followed so long" in text
        assert "with the outcome at any time of the follow-up" in text


def test_partly_observed_outcomes_are_said_to_be_so(model: Any):
    frame = people(4).with_columns(tested=pl.Series(np.arange(900) % 3 > 0).cast(int))
    found = rw.audit(model, frame, target="default", observed="tested", **OPTIONS)
    assert "Of 1,000 people whose outcome is known" in sheet_text(found)


def test_without_an_outcome_a_threshold_is_not_called_missing(model: Any):
    text = sheet_text(rw.audit(model, people(4).drop("default"), **OPTIONS))
    assert "No threshold was stated" not in text
    assert text.count("Not measured: no outcome was named") >= 4


def test_an_interval_that_covers_the_ideal_proves_no_calibration(audit: Audit):
    assert audit.evaluation is not None
    shift = audit.evaluation.overall["calibration_in_the_large"]
    for low, high, words in (
        (-0.1, 0.1, "risks are not proven too high or too low"),
        (0.1, 0.3, "risks are too low"),
        (-0.3, -0.1, "risks are too high"),
        (math.nan, math.nan, "risks are not proven too high or too low"),
    ):
        told = replace(shift, value=(low + high) / 2, low=low, high=high)
        figures = audit.evaluation.overall | {"calibration_in_the_large": told}
        changed = replace(audit, evaluation=replace(audit.evaluation, overall=figures))
        assert f"On the whole {words}" in sheet_text(changed)


def test_a_slice_is_confirmed_only_where_the_findings_prove_it(audit: Audit):
    assert audit.slices is not None
    part = audit.slices.slices[0]
    gap = replace(part.gap, value=0.08, low=0.03, high=0.13)
    for p, word in ((0.2, "not confirmed"), (0.001, "confirmed"), (None, "confirmed")):
        shown = replace(part, confirmed=gap, confirmed_p_value=p)
        changed = replace(audit, slices=replace(audit.slices, slices=(shown,)))
        blocks = front_parts(changed, FIT)[4].blocks
        assert blocks[1].items[0][0] == word  # type: ignore[union-attr]


def test_a_black_box_shows_what_it_uses():
    frame = people(6)
    risk = 1 / (1 + np.exp(1.5 - frame["late"].to_numpy() - 0.02 * frame["age"].to_numpy()))
    found = rw.audit(risk, frame, target="default", skip=["slices"], **OPTIONS)
    assert found.distillation is not None
    text = sheet_text(found)
    assert "What it uses most, by a transparent copy" in text
    first = max(found.distillation.shapes, key=lambda shape: shape.importance)
    assert f"| {first.feature} | {first.importance:.3f} |" in text
    assert "leave unexplained correlates by" in text


def test_columns_set_aside_are_listed_once(model: Any):
    frame = people(7).with_columns(empty=pl.lit(None, dtype=pl.Float64))
    found = rw.audit(model, frame, target="default", **OPTIONS)
    names = [column.name for column in found.columns]
    assert sorted(names) == ["age", "empty", "job", "late", "sex"]
    assert "| empty | 900 | 100.0% | set aside:" in audit_markdown(found)
    assert "in 1 of 5 columns, most in empty: 900 (100.0%)" in sheet_text(found)


def test_long_names_of_groups_stay_apart():
    long = "a column with an unusually long name that goes on"
    for labels in (
        [f"Geschlecht = {s} & Bundesland = {b}" for s in ("männlich", "weiblich") for b in "AB"],
        [f"{long} = {end}" for end in ("north", "south", "northern coast of the south")],
        [f"{long} = yes & other = {end}" for end in ("yes", "no")],
        [f"{long} {which} = yes" for which in ("first", "second")],
    ):
        for width in (90.0, 140.0):
            shown = _two_lines(labels, width)
            assert max(map(len, shown)) <= 2
            assert len({tuple(lines) for lines in shown}) == len(labels)


def test_names_that_run_from_right_to_left_do_not_reorder_the_numbers_beside_them(audit: Audit):
    assert brief("العمر", 9) == "\u2068العمر\u2069"
    assert name_of("age", 9) == "age"
    subject = replace(audit.subject, owner="قسم الائتمان")
    assert "\u2068قسم الائتمان\u2069" in audit_page(replace(audit, subject=subject))


def points_of(card: Any, frame: pl.DataFrame) -> np.ndarray:
    """Points that each column adds, from the card's own terms."""
    found = np.zeros((frame.height, frame.width))
    for j, name in enumerate(frame.columns):
        terms = tuple(term for term in card.terms if term.item.feature == name)
        if terms:
            found[:, j] = score_frame(replace(card, terms=terms), frame)["points"].to_numpy()
    return found


def test_a_notice_marks_reasons_as_trying_every_value_does(model: Any):
    frame = people(8, 150).drop("default")
    levels = {name: frame[name].unique().sort().to_list() for name in ("late", "job")}

    def spared(table: pl.DataFrame) -> np.ndarray:
        return model.predict_proba(table)[:, 1] < 0.3

    actions = Actions(frame).only("late", "job").only_decrease("late")
    found = responsiveness(spared, frame, actions, target=True)
    points = points_of(model.card_, frame)
    points -= points.min(axis=0)
    reasons = found.reasons(frame.width, points)
    assert len(reasons) > 20
    for row, told in zip(found.asked.tolist(), reasons, strict=True):
        letter = notice(
            decision="Refused.",
            score=float(points[row].sum()),
            possible_range=(0.0, float(points.max(axis=0).sum())),
            reasons=[(r.feature, r.feature, points[row][frame.columns.index(r.feature)], r.works)
                     for r in told],
            date="2026-01-31", decided_by="the desk", source="your form",
            contest="Write.", contact="a@b.example",
        )  # fmt: skip
        lost = [reason.points.value for reason in letter.reasons]
        assert lost == sorted(lost, reverse=True)
        assert len(lost) <= 4
        for reason in letter.reasons:
            assert reason.can_change == can_change(spared, frame, row, reason.feature, levels)


def can_change(spared: Any, frame: pl.DataFrame, row: int, name: str, levels: Any) -> bool:
    own = frame[row, name]
    if name not in levels:
        return False
    values = [v for v in levels[name] if v != own and (name != "late" or v < own)]
    # whole steps down to the least seen, whether or not somebody has that very value
    values = list(range(min(levels["late"]), own)) if name == "late" else values
    if not values:
        return False
    tried = pl.concat([frame[row]] * len(values)).with_columns(
        pl.Series(name, values, dtype=frame[name].dtype)
    )
    return bool(spared(tried).any())
