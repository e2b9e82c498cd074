"""Journals: what was finished is found again, whatever happened to the file's end."""

import os
from collections import Counter

import pytest

from riskwright.core import ArtifactError, JournalLockedError, ParameterError, SchemaTooNewError
from riskwright.language_models import Completion
from riskwright.language_models.journal import Journal, call_key

KEYS = [call_key("u", b"%d" % i, Counter()) for i in range(3)]


@pytest.fixture
def path(tmp_path):
    with Journal(tmp_path / "calls.jsonl") as journal:
        for i, key in enumerate(KEYS):
            journal.write(key, Completion(text=f"reply {i}"))
    return tmp_path / "calls.jsonl"


def texts(path):
    with Journal(path) as journal:
        found = [journal.get(key) for key in KEYS]
    return [reply and reply.text for reply in found]


def test_replies_are_found_again_and_marked(path):
    assert texts(path) == ["reply 0", "reply 1", "reply 2"]
    with Journal(path) as journal:
        assert journal.get(KEYS[0]).cached
        assert len(journal) == 3
        assert journal.get("00" * 16) is None


def test_what_is_written_can_be_read_at_once(path):
    with Journal(path) as journal:
        key = call_key("u", b"new", Counter())
        journal.write(key, Completion(text="new"))
        assert journal.get(key).text == "new"
        assert journal.get(KEYS[1]).text == "reply 1"


def test_reading_and_writing_by_turns(path):
    """Each reply begins in the buffer of the one before, and another is written in between."""
    keys = [call_key("u", b"long %d" % i, Counter()) for i in range(40)]
    with Journal(path) as journal:
        for i, key in enumerate(keys[:20]):
            journal.write(key, Completion(text=f"{i} " * 1500))
        for i in range(20):
            assert journal.get(keys[i]).text == f"{i} " * 1500
            journal.write(keys[20 + i], Completion(text="new"))
            assert journal.get(keys[i]).cached


def test_every_torn_end_costs_the_last_reply_alone(path):
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        path.write_bytes(whole[:cut])
        assert texts(path) == ["reply 0", "reply 1", None]
        assert path.read_bytes() == whole[:last]


def test_a_torn_head_is_a_new_journal(path):
    head = path.read_bytes().splitlines()[0]
    for cut in range(len(head) + 1):
        path.write_bytes(head[:cut])
        assert texts(path) == [None] * 3
        assert path.read_bytes() == head + b"\n"


@pytest.mark.parametrize("content", [b"text", b"text\n", b"a,b\n1,2\n", b'{"a": 1}\n', b"\n"])
def test_other_files_are_refused_and_left_alone(tmp_path, content):
    other = tmp_path / "other"
    other.write_bytes(content)
    with pytest.raises(ArtifactError, match="not a journal"):
        Journal(other)
    assert other.read_bytes() == content


def test_newer_journals_are_refused(path):
    path.write_bytes(b'{"riskwright_journal":2}\n')
    with pytest.raises(SchemaTooNewError):
        Journal(path)


@pytest.mark.parametrize("line", [b"damaged\n", b'{"key":"xyz","reply":{}}\n', b"\n"])
def test_damage_within_is_told_by_its_line(path, line):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    with pytest.raises(ArtifactError, match="line 3"):
        Journal(path)


def test_damage_to_a_reply_is_told_when_it_is_read(path):
    path.write_bytes(path.read_bytes().replace(b'"reply 1"', b"17"))
    with Journal(path) as journal, pytest.raises(ArtifactError, match="damaged"):
        journal.get(KEYS[1])


def test_only_one_run_writes(path):
    with Journal(path), pytest.raises(JournalLockedError, match="another run"):
        Journal(path)
    assert texts(path)[0] == "reply 0"


def test_paths_that_cannot_be_written_are_told(tmp_path):
    with pytest.raises(ParameterError, match="cannot be opened"):
        Journal(tmp_path / "nowhere" / "calls.jsonl")
    with pytest.raises(ParameterError, match="cannot be opened"):
        Journal(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_only_the_owner_may_read(path):
    assert path.stat().st_mode & 0o777 == 0o600


def test_keys_tell_addresses_bodies_and_repetitions_apart():
    seen = Counter()
    keys = [call_key("a", b"x", seen) for _ in range(3)]
    keys += [call_key("a", b"y", seen), call_key("ax", b"", seen), call_key("b", b"x", seen)]
    assert len(set(keys)) == 6
    assert keys[0] == call_key("a", b"x", Counter())
