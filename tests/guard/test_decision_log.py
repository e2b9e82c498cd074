"""A decision log can only grow: whatever else happens to it is found."""

import json
import multiprocessing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ArtifactError, UnreadableError, UsageError
from riskwright.core.scores import Decision, Score, Span
from riskwright.guard.decision_log import KEY_VARIABLE, DecisionLog, read_log, verify_log


def score(k: int) -> Score:
    return Score(
        id=f"e{k}",
        severity=k / 10,
        hazards={"hte": k / 10},
        judged=(Span(part="prompt", start=0, end=5 + k, by="ngrams"),),
        scorers={"ngrams": "sha256:1"},
    )


def written(path, n=5, **options):
    with DecisionLog(path, **options) as log:
        for k in range(n):
            log.append(score(k), Decision(action="allow", policy="p@1"))
    return path


def sound(path, **options):
    return all(finding.passed for finding in verify_log(path, **options))


def test_a_log_as_written_is_sound_and_reads_back(tmp_path):
    path = written(tmp_path / "log.jsonl")
    assert sound(path)
    entries = list(read_log(path))
    assert [entry.n for entry in entries] == list(range(6))
    assert entries[3].score == score(2)
    assert entries[3].judged == score(2).judged
    assert entries[3].versions == {"ngrams": "sha256:1"}
    assert entries[0].note.startswith("riskwright.decision-log/1")


def test_a_log_can_be_continued(tmp_path):
    path = written(written(tmp_path / "log.jsonl", 2), 3)
    assert sound(path)
    assert len(list(read_log(path))) == 6


@settings(max_examples=200)
@given(data=st.data())
def test_any_changed_byte_is_found(tmp_path_factory, data):
    path = written(tmp_path_factory.mktemp("log") / "log.jsonl", 2)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    assert not sound(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:2] + lines[3:],
        lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
        lambda lines: [*lines[:3], lines[2], *lines[3:]],
        lambda lines: lines[:-1],
        lambda lines: lines[:-2],
        lambda lines: [],
        lambda lines: lines[1:],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines, b"\n"],
        lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")],
        lambda lines: [lines[0].replace(b"{", b"{ ", 1), *lines[1:]],
    ],
)
def test_lines_that_were_moved_are_found(tmp_path, change):
    path = written(tmp_path / "log.jsonl")
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    assert not sound(path)


def test_every_break_is_named_by_its_line(tmp_path):
    path = written(tmp_path / "log.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace('"allow"', '"block"')
    path.write_text("".join(lines))
    (finding,) = verify_log(path)
    assert "line 3" in finding.sentence


def test_a_chain_written_anew_is_found_by_key_or_by_an_expected_hash(tmp_path, monkeypatch):
    path = written(tmp_path / "log.jsonl", key=b"secret")
    assert sound(path, key=b"secret")
    assert not sound(path, key=b"other")
    last = list(read_log(path))[-1].hash
    forged = written(tmp_path / "forged.jsonl")
    assert sound(forged)
    assert not sound(forged, key=b"secret")
    assert not sound(forged, expect=last)
    assert sound(path, key=b"secret", expect=last)
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert sound(path)
    with pytest.raises(ArtifactError, match="another key"):
        DecisionLog(forged)


def test_a_torn_line_is_moved_aside_and_said_so(tmp_path):
    path = written(tmp_path / "log.jsonl", 2)
    with path.open("ab") as file:
        file.write(b'{"n":3,"time":"')
    assert not sound(path)
    written(path, 1)
    assert sound(path)
    assert (tmp_path / "log.jsonl.torn").read_bytes() == b'{"n":3,"time":"\n'
    assert "unfinished" in list(read_log(path))[3].note


def _hold(path, ready, done):
    with DecisionLog(path):
        ready.set()
        done.wait(20)


def test_two_processes_cannot_write_one_log(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "log.jsonl", ready, done))
    other.start()
    try:
        assert ready.wait(20)
        with pytest.raises(UsageError, match="another process"):
            DecisionLog(tmp_path / "log.jsonl")
    finally:
        done.set()
        other.join()


def test_no_folder_no_file_and_no_log_are_clear_errors(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        DecisionLog(tmp_path / "none" / "log.jsonl")
    with pytest.raises(UnreadableError):
        verify_log(tmp_path / "none.jsonl")
    (tmp_path / "other.jsonl").write_text(json.dumps({"a": 1}) + "\n")
    with pytest.raises(ArtifactError):
        DecisionLog(tmp_path / "other.jsonl")
