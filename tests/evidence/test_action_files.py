"""Files of labelled actions: what is read, what is set aside, and that nothing is quoted."""

import io
import json

import pytest

from riskwright.core import UnreadableError
from riskwright.evidence.action_files import read_actions
from riskwright.evidence.action_tools import ToolCatalogue, ToolEntry
from riskwright.scoring.action_risk import ActionScorer

CANARY = "CANARY phrase"
CALL = {"tool": "delete_file", "args": {"path": "a"}}


def read(*lines, **how):
    told = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return read_actions(io.BytesIO(b"\n".join(told)), **how)


def test_all_formats_levels_and_names():
    file = read(
        {"action": CALL, "level": "HIGH", "origin": "web page", "agent": "a", "id": "x"},
        {"action": "rm x", "format": "shell", "level": 2},
        b"",
        {"action": {"tool": "t", "kind": "read"}, "format": "riskwright", "level": 0},
        {"action": "click [12]"},
    )
    assert not file.problems
    assert file.lines == (1, 2, 4, 5)
    assert file.levels == ("HIGH", "HIGH", "SAFE", None)
    assert [action.kind for action in file.actions] == ["delete", "delete", "read", "click"]
    first = file.actions[0]
    assert (first.origin, first.agent, first.id) == ("web page", "a", "x")
    assert file.labelled == (list(file.actions[:3]), ["HIGH", "HIGH", "SAFE"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ({"action": CALL, "level": CANARY}, "no such level"),
        ({"action": CALL, "level": True}, "no such level"),
        ({"action": CALL, "level": ["HIGH"]}, "no such level"),
        ({"action": CALL, "format": CANARY}, "no such format"),
        ({"action": CALL, "format": ["shell"]}, "no such format"),
        ({"action": CALL, "origin": CANARY}, "no such format or origin"),
        ({"action": CALL, "origin": {}}, "no such format or origin"),
        ({"action": CALL, "id": 7}, "agent and id"),
        ({"action": [CALL, CALL]}, "2 actions"),
        ({"action": CANARY}, "no known shape"),
        ({"action": {"x": CANARY}}, "no known shape"),
        ({"level": 1}, "no action"),
        ({"action": CALL, "lvel": 1}, "unknown key"),
    ],
)
def test_what_cannot_be_read_is_listed_and_the_rest_is_read(line, problem):
    file = read(line, {"action": CALL})
    assert [(one.line, problem in str(one)) for one in file.problems] == [(1, True)]
    assert CANARY not in str(file.problems)
    assert len(file.actions) == 1


def test_files_catalogues_and_a_scorer_learned_from_them(tmp_path):
    path = tmp_path / "actions.jsonl"
    rows = [("peek", "SAFE"), ("edit_file", "LOW"), ("send_payment", "HIGH")] * 20
    path.write_text(
        "".join(
            json.dumps({"action": {"tool": tool, "args": {}}, "level": level}) + "\n"
            for tool, level in rows
        )
    )
    tools = ToolCatalogue(tools={"peek": ToolEntry(kind="read")})
    file = read_actions(path, tools=tools)
    scorer = ActionScorer.fit(*file.labelled, tools=tools)
    assert [score.level for score in scorer.score(file.actions[:3])] == ["SAFE", "LOW", "HIGH"]
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_actions(tmp_path / "none.jsonl")
