"""Saved files: whole or not at all, and refused with a reason when they cannot be trusted."""

import errno
import json
import math
import os
import stat

import pytest

from riskwright.core import (
    ArtifactError,
    ContentHashError,
    SchemaTooNewError,
    UsageError,
    artifacts,
    atomic_write,
    content_hash,
    read_artifact,
    save,
    write_artifact,
)

BODY = {"title": "Prüfung", "points": [1, -2, 3], "slope": 0.1 + 0.2, "none": None}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "score.json"
    write_artifact(path, "risk_score", BODY, version="0.1.0", seed=7, data_digest="sha256:abc")
    return path


def edit(path, **changes):
    document = json.loads(path.read_text())
    document.update(changes)
    path.write_text(json.dumps(document))


def test_round_trip_keeps_body_seed_and_digest(saved):
    document = read_artifact(saved, kind="risk_score")
    assert document["body"] == BODY
    assert document["seed"] == 7
    assert document["data_digest"] == "sha256:abc"
    assert document["written_by"] == "riskwright 0.1.0"
    assert "Prüfung" in saved.read_text(encoding="utf-8")


def test_same_content_gives_the_same_bytes(saved, tmp_path):
    other = tmp_path / "other.json"
    write_artifact(other, "risk_score", BODY, version="0.1.0", seed=7, data_digest="sha256:abc")
    assert other.read_bytes() == saved.read_bytes()


def test_not_a_number_is_written_as_valid_json_and_still_matches_its_hash(tmp_path):
    path = tmp_path / "nan.json"
    write_artifact(path, "risk_score", {"a": math.nan, "b": [-math.inf]}, version="0")

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads(path.read_text(), parse_constant=refuse)
    assert read_artifact(path)["body"] == {"a": "NaN", "b": ["-Infinity"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"body": BODY | {"slope": 0.31}},
        {"seed": 8},
        {"data_digest": None},
        {"kind": "scoring_system"},
        {"content_hash": "0" * 64},
        {"content_hash": None},
    ],
)
def test_any_change_after_writing_is_refused(saved, changes):
    edit(saved, **changes)
    with pytest.raises(ContentHashError, match="changed after it was written"):
        read_artifact(saved)


def test_a_newer_schema_is_refused_with_the_remedy(saved):
    edit(saved, schema_version=artifacts.SCHEMA_VERSION + 1)
    with pytest.raises(SchemaTooNewError, match="Upgrade riskwright"):
        read_artifact(saved)


def test_another_kind_is_refused(saved):
    with pytest.raises(ArtifactError, match="expected scoring_system; got risk_score"):
        read_artifact(saved, kind="scoring_system")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a riskwright file"),
        (b"\xff\xfe\x00", "not a riskwright file"),
        (b"a,b\n1,2\n", "not a riskwright file"),
        (b'["format", "riskwright"]', "not a riskwright file"),
        (b'{"format": "other"}', "not a riskwright file"),
        (b"[" * 100_000, "not a riskwright file"),
        (b'{"format": "riskwright"}', "no schema version"),
        (b'{"format": "riskwright", "schema_version": "1"}', "no schema version"),
    ],
)
def test_what_riskwright_did_not_write_is_refused(tmp_path, content, message):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        read_artifact(path)


@pytest.mark.parametrize("depth", [100, 300, 450, 600, 900, 980, 2000])
def test_deep_nesting_is_refused_and_never_a_recursion_error(tmp_path, depth):
    path = tmp_path / "deep.json"
    nested = "[" * depth + "]" * depth
    path.write_text(f'{{"format": "riskwright", "schema_version": 1, "body": {nested}}}')
    with pytest.raises(ArtifactError):
        read_artifact(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="No such file"):
        read_artifact(tmp_path / "absent.json")
    with pytest.raises(ArtifactError, match="cannot read"):
        read_artifact(tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(artifacts.MAX_BYTES + 1)
    with pytest.raises(ArtifactError, match="file too large"):
        read_artifact(path)


def test_a_failing_writer_leaves_the_earlier_file_and_no_litter(tmp_path):
    path = tmp_path / "score.json"
    path.write_text("earlier")

    def fail():
        with atomic_write(path) as file:
            file.write(b"half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fail()
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["score.json"]


def test_an_unwritable_body_leaves_the_earlier_file(saved):
    earlier = saved.read_bytes()
    with pytest.raises(TypeError):
        write_artifact(saved, "risk_score", {"a": object()}, version="0")
    assert saved.read_bytes() == earlier


def test_readers_see_the_earlier_file_until_the_block_ends(tmp_path):
    path = tmp_path / "score.json"
    path.write_text("earlier")
    with atomic_write(path) as file:
        file.write(b"later")
        file.flush()
        assert path.read_text() == "earlier"
    assert path.read_text() == "later"


def test_the_file_has_the_permissions_that_any_new_file_has(tmp_path):
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_text("")
    with atomic_write(atomic) as file:
        file.write(b"")
    assert stat.S_IMODE(atomic.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_writing_through_a_link_keeps_the_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("earlier")
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"later")
    assert link.is_symlink()
    assert target.read_text() == "later"


def test_a_folder_that_is_absent_or_a_target_that_is_a_folder_is_a_usage_error(tmp_path):
    for path in (tmp_path / "absent" / "score.json", tmp_path):
        with pytest.raises(UsageError, match="cannot write here"), atomic_write(path):
            pass
    assert os.listdir(tmp_path) == []


def test_content_hash_ignores_the_order_of_keys_only():
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash([1, 2]) != content_hash([2, 1])
    assert content_hash({"a": 1}) != content_hash({"a": "1"})


def test_a_disk_that_is_full_is_an_error_that_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "card.json"
    path.write_text("earlier")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with (
        pytest.raises(UsageError, match="cannot write here; got No space left"),
        atomic_write(path) as file,
    ):
        file.write(b"new")
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be saved"):
        save(object(), tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
