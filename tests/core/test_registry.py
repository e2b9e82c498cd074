"""Names lead to classes, and nothing is imported before it is asked for."""

import sys

import pytest

from riskwright.core import ArtifactError, Registry, artifact_kinds


def test_load_imports_only_what_is_asked_for(tmp_path, monkeypatch):
    (tmp_path / "lazy_target_module.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing")
    registry.register("thing", "lazy_target_module:Thing")
    assert registry.names() == ["thing"]
    assert "lazy_target_module" not in sys.modules
    assert registry.load("thing").__name__ == "Thing"


def test_an_unknown_name_lists_the_known_ones():
    registry = Registry("kind of thing")
    registry.register("b", "os:path")
    registry.register("a", "os:path")
    with pytest.raises(ArtifactError, match="unknown kind of thing; expected one of a, b; got 'c'"):
        registry.load("c")


def test_a_name_has_one_target():
    registry = Registry("thing")
    registry.register("a", "os:path")
    registry.register("a", "os:path")
    with pytest.raises(ValueError, match="registered as 'os:path'"):
        registry.register("a", "sys:path")


def test_saved_kinds_are_known_by_name():
    assert {"risk_score", "scoring_system"} <= set(artifact_kinds.names())
