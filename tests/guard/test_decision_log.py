"""A decision log can only grow: whatever else happens to it is found."""

import hashlib
import json
import math
import multiprocessing
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskwright.core import ArtifactError, ParameterError, UnreadableError, UsageError
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


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("log") / "log.jsonl", 2)
    return path, path.read_bytes()


@settings(max_examples=200)
@given(data=st.data())
def test_any_changed_byte_is_found(short, data):
    path, whole = short
    content = bytearray(whole)
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


@settings(max_examples=200)
@given(data=st.data())
def test_any_stretch_cut_out_or_put_in_is_found(short, data):
    path, content = short
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    other = data.draw(st.one_of(st.binary(max_size=3), st.just(content[start:end] * 2)))
    changed = content[:start] + other + content[end:]
    path.write_bytes(changed)
    assert sound(path) is (changed == content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"end":6', '"end":9'),
        ('"by":"ngrams"', '"by":"others"'),
        ('"sha256:1"', '"sha256:2"'),
        ('"hte":0.1', '"hte":0.0'),
        ('"policy":"p@1"', '"policy":"p@2"'),
    ],
)
def test_spans_versions_scores_and_policies_are_in_the_chain(tmp_path, old, new):
    path = written(tmp_path / "log.jsonl")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert not sound(path)


def _cut(path, keep):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:keep]))


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_log_that_lost_lines_is_not_continued_as_if_it_had_not(tmp_path, keep):
    path = written(tmp_path / "log.jsonl")
    _cut(path, keep)
    with pytest.raises(ArtifactError, match="lines where its head says 6"):
        DecisionLog(path)
    assert not sound(path)


def test_a_log_that_was_taken_away_is_not_begun_anew(tmp_path):
    path = written(tmp_path / "log.jsonl")
    path.unlink()
    with pytest.raises(ArtifactError, match="ends after 0 lines"):
        DecisionLog(path)


@pytest.mark.parametrize("head", [None, b"", b"[]", b'{"lines":6}', b"\xff"])
def test_a_head_that_is_gone_or_unreadable_is_found(tmp_path, head):
    path = written(tmp_path / "log.jsonl")
    beside = tmp_path / "log.jsonl.head"
    beside.unlink() if head is None else beside.write_bytes(head)
    assert not sound(path)
    with pytest.raises(ArtifactError, match="head"):
        DecisionLog(path)


def test_lines_cut_off_are_found_even_if_the_head_is_written_to_fit_them(tmp_path):
    path = written(tmp_path / "log.jsonl", key=b"secret")
    _cut(path, 4)
    last = json.loads(path.read_bytes().splitlines()[-1])
    beside = tmp_path / "log.jsonl.head"
    beside.write_text(json.dumps({"lines": 4, "hash": last["hash"], "seal": last["hash"]}))
    (finding,) = verify_log(path, key=b"secret")
    assert "its head file was written by somebody else" in finding.sentence


def test_a_line_that_the_head_names_is_looked_at_even_if_others_follow(tmp_path):
    """A chain written anew, longer than the old one, does not fit the old head."""
    path = written(tmp_path / "log.jsonl", 2)
    forged = written(tmp_path / "forged.jsonl", 5)
    path.write_bytes(forged.read_bytes())
    (finding,) = verify_log(path)
    assert "line 3 is not the one that its head names" in finding.sentence


def _killed(path):
    log = DecisionLog(path)
    for k in range(3):
        log.append(score(k), Decision(action="allow"))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_that_was_killed_between_lines_leaves_a_sound_log(tmp_path):
    path = tmp_path / "log.jsonl"
    for lines in (4, 7):
        other = multiprocessing.get_context("spawn").Process(target=_killed, args=(path,))
        other.start()
        other.join()
        assert sound(path)
        assert len(list(read_log(path))) == lines


def test_a_line_that_the_disk_has_no_room_for_is_taken_back(tmp_path):
    path = tmp_path / "log.jsonl"
    log = DecisionLog(path)
    log.append(score(0), Decision(action="allow"))
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, room[1]))
    try:
        with pytest.raises(UsageError, match="cannot be written"):
            log.append(score(1), Decision(action="allow"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    log.append(score(2), Decision(action="allow"))
    log.close()
    assert sound(path)
    assert [entry.score.id for entry in read_log(path) if entry.score] == ["e0", "e2"]


def test_threads_share_a_log(tmp_path):
    path = tmp_path / "log.jsonl"
    with DecisionLog(path) as log, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: log.append(score(k), Decision(action="allow")), range(400)))
    assert sound(path)
    assert {entry.score.id for entry in read_log(path) if entry.score} == {
        f"e{k}" for k in range(400)
    }


def test_a_log_that_is_closed_removed_or_written_by_others_takes_no_lines(tmp_path):
    path = written(tmp_path / "log.jsonl", 1)
    log = DecisionLog(path)
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(UsageError, match="somebody else wrote"):
        log.append(score(0), Decision(action="allow"))
    path.unlink()
    with pytest.raises(UsageError, match="was removed"):
        log.append(score(0), Decision(action="allow"))
    with pytest.raises(UsageError):
        log.close()
    log.close()
    with pytest.raises(UsageError, match="closed"):
        log.append(score(0), Decision(action="allow"))


@pytest.mark.parametrize(
    "bad",
    [
        Score(severity=math.nan),
        Score(severity=0.1, hazards={"hte": math.nan}),
        Score(severity=0.1, bounds={"hte": (0.0, math.inf)}),
        Score(severity=0.1, id="\ud800"),
    ],
)
def test_what_json_cannot_hold_is_refused_and_the_log_goes_on(tmp_path, bad):
    path = tmp_path / "log.jsonl"
    with DecisionLog(path) as log:
        with pytest.raises(ParameterError):
            log.append(bad, Decision(action="block"))
        log.append(Score(severity=0.1, reason="null"), Decision(action="allow"))
    assert sound(path)
    assert len(list(read_log(path))) == 2


def test_a_score_beyond_the_limit_of_a_line_is_refused(tmp_path):
    huge = Score(reason="x" * (1 << 20))
    with DecisionLog(tmp_path / "log.jsonl") as log, pytest.raises(UsageError, match="too large"):
        log.append(huge, Decision(action="allow"))
    assert sound(tmp_path / "log.jsonl")


def test_a_line_without_end_is_one_break_and_is_not_held_in_memory(tmp_path):
    path = written(tmp_path / "log.jsonl", 2)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"x" * (5 << 20) + b"\n", *lines[2:]]))
    told = [finding.sentence for finding in verify_log(path)]
    assert "line 3: it is" in told[0]
    assert "line 4: it is numbered 2, not 3" in told[1]


def test_a_thousand_breaks_are_counted_not_listed(tmp_path):
    path = written(tmp_path / "log.jsonl", 1000)
    path.write_bytes(path.read_bytes().replace(b'"allow"', b'"block"'))
    findings = verify_log(path)
    assert len(findings) == 21
    assert "980 further lines" in findings[-1].sentence


def test_a_keyed_log_needs_its_key_and_an_empty_key_is_none(tmp_path, monkeypatch):
    path = written(tmp_path / "log.jsonl", key=b"\xff secret")
    with pytest.raises(UsageError, match=KEY_VARIABLE):
        verify_log(path)
    with pytest.raises(ParameterError, match="empty key"):
        verify_log(path, key=b"")
    monkeypatch.setenv(KEY_VARIABLE, "")
    with pytest.raises(ParameterError, match="empty key"):
        DecisionLog(tmp_path / "other.jsonl")
    monkeypatch.setitem(os.environb, KEY_VARIABLE.encode(), b"\xff secret")
    assert sound(path)


def test_lines_are_plain_json_with_the_hash_last(tmp_path):
    for line in written(tmp_path / "log.jsonl").read_bytes().splitlines():
        told = json.loads(line)
        assert list(told)[-1] == "hash"
        assert msgspec.json.decode(line, type=dict)["n"] == told["n"]


def test_a_changed_line_with_a_hash_made_anew_does_not_fit_the_next(tmp_path):
    path = written(tmp_path / "log.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    bare = lines[2].replace(b'"allow"', b'"block"').rpartition(b',"hash":')[0] + b"}"
    seal = hashlib.sha256(bare).hexdigest().encode()
    lines[2] = bare[:-1] + b',"hash":"sha256:' + seal + b'"}\n'
    path.write_bytes(b"".join(lines))
    (finding,) = verify_log(path)
    assert "line 4: it does not follow the line before" in finding.sentence


def test_a_process_that_was_split_off_does_not_write(tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    with DecisionLog(path) as log:
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: -1)
            with pytest.raises(UsageError, match="another process"):
                log.append(score(0), Decision(action="allow"))
            log.close()
        log.append(score(0), Decision(action="allow"))
    assert sound(path)
