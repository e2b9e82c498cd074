"""Catalogues of tools: read from files, refused with the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskwright.core import ParameterError
from riskwright.evidence.action_tools import ToolEntry, load_tools

GOOD = """
own_domains: [example.org]
known: [ana@partner.example, "@friends.example"]
tools:
  send_money:
    kind: pay
    reversibility: irreversible
    amount: sum
    currency: EUR
  peek: {kind: read, audience: self}
"""


def test_a_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "tools.yaml"
    path.write_text(GOOD)
    tools = load_tools(path)
    assert tools.tools["peek"] == ToolEntry(kind="read", audience="self")
    assert tools.owns("a.example.org")
    assert tools.knows("x@friends.example")
    assert not tools.knows("x@example.org.evil.example")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tools:\n  a:\n    kind: paying\n", "line 3, tools.a.kind: .*expected read, search"),
        ("tools:\n  a:\n    knid: pay\n", "line 3.*unknown key 'knid'.*Did you mean 'kind'"),
        ("tools:\n  a: 3\n", "line 2"),
        ("tool:\n  a: {}\n", "line 1.*unknown key 'tool'.*Did you mean 'tools'"),
        ("tools:\n  a: {}\n  a: {}\n", "given twice"),
        ("own_domains: example.org\n", "line 1, own_domains"),
        ("- a\n", "not a tool catalogue"),
        ("tools: [1]\n", "line 1.*not tools"),
        ("tools: {a: {sensitive: 'yes'}}\n", "line 1"),
        ("a: [\n", "cannot be parsed"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "tools.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=words):
        load_tools(path)
