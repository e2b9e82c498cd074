"""Stored scores are decided anew, and every change is counted."""

import pytest

from riskwright.core import ArtifactError, ParameterError, UnreadableError, UsageError
from riskwright.core.scores import Band, Score
from riskwright.guard.decision_log import DecisionLog
from riskwright.guard.replaying import replay, stored_scores
from riskwright.guard.scored_files import scored_frame, write_scored


@pytest.fixture
def strict(policy):
    return policy(hazards={"any": {}}).with_thresholds({"any": {"strict": Band(low=0.2, high=0.5)}})


@pytest.fixture
def loose(policy):
    return policy(hazards={"any": {}}, version="2").with_thresholds(
        {"any": {"strict": Band(low=0.4, high=0.8)}}
    )


SCORES = [
    *(Score(id=str(k), severity=k / 10, hazards={"hte": k / 20}) for k in range(11)),
    Score(id="u", outcome="unparsable", reason="no verdict"),
]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_scores_and_decisions_come_back_as_they_were_written(tmp_path, strict, ending):
    decisions = [strict.decide(score) for score in SCORES]
    path = tmp_path / f"scored.{ending}"
    write_scored(path, SCORES, decisions)
    assert list(stored_scores(path)) == list(zip(SCORES, decisions, strict=True))


def test_a_log_is_replayed(tmp_path, strict, loose):
    path = tmp_path / "log.jsonl"
    with DecisionLog(path) as log:
        for score in SCORES:
            log.append(score, strict.decide(score))
    decisions, found = replay(stored_scores(path), loose)
    assert [d.action for d in decisions] == [loose.decide(s).action for s in SCORES]
    assert found.n == 12
    assert found.policy == "test 2"
    assert (found.severer, found.milder) == (0, found.changed)
    assert found.moves == {"block -> escalate": 3, "escalate -> allow": 2}
    assert found.actions["before"]["block"] == 6
    assert {change.id for change in found.changes} == {"2", "3", "5", "6", "7"}


def test_the_same_policy_changes_nothing(strict):
    stored = [(score, strict.decide(score)) for score in SCORES]
    assert replay(stored, strict)[1].changed == 0


def test_scores_without_decisions_can_be_compared_under_two_policies(strict, loose):
    stored = [(score, None) for score in SCORES]
    assert replay(stored, loose)[1].undecided == 12
    assert replay(stored, loose, against=strict)[1].changed == 5


def test_a_policy_in_shadow_is_compared_by_what_it_would_have_done(strict, policy):
    shadow = policy(hazards={"any": {}}, mode="shadow").with_thresholds(
        {"any": {"strict": Band(low=0.2, high=0.5)}}
    )
    stored = [(score, strict.decide(score)) for score in SCORES]
    assert replay(stored, shadow)[1].changed == 0


def test_tables_have_one_column_per_hazard(strict):
    frame = scored_frame(SCORES, [strict.decide(score) for score in SCORES])
    assert frame["hazard:hte"].to_list() == [score.hazards.get("hte") for score in SCORES]
    assert frame["severity"].to_list() == [score.severity for score in SCORES]
    assert frame["action"][11] == "escalate"


def test_bad_files_are_refused_with_the_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"score": {"severity": 0.1}}\n{"score": 3}\n')
    with pytest.raises(ArtifactError, match="line 2"):
        list(stored_scores(tmp_path / "a.jsonl"))
    (tmp_path / "b.jsonl").write_text("{}\n")
    with pytest.raises(ArtifactError, match="line 1"):
        list(stored_scores(tmp_path / "b.jsonl"))
    (tmp_path / "c.csv").write_text("a\n1\n")
    with pytest.raises(ArtifactError, match="record"):
        list(stored_scores(tmp_path / "c.csv"))
    with pytest.raises(UnreadableError):
        list(stored_scores(tmp_path / "none.jsonl"))
    with pytest.raises(UsageError, match="kind of file"):
        write_scored(tmp_path / "a.txt", SCORES)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_values_that_json_would_lose_are_not_written(tmp_path, ending):
    path = tmp_path / f"scored.{ending}"
    for bad in (Score(severity=float("nan")), Score(severity=0.1, hazards={"hte": float("inf")})):
        with pytest.raises(ParameterError, match="not numbers"):
            write_scored(path, [SCORES[0], bad])
    assert not path.exists()
    write_scored(path, [Score(severity=0.1, reason="null")])
    assert [score.reason for score, _ in stored_scores(path)] == ["null"]
