"""Files of exchanges: what is read, and that a bad line costs nothing but itself."""

import io
import json

import polars as pl
import pytest

from riskwright.core import ColumnError, UnreadableError, UsageError
from riskwright.evidence.exchange_files import MAX_TEXT, read_exchanges
from riskwright.evidence.exchanges import Exchange, Message
from riskwright.evidence.labels import Label


def jsonl(*lines):
    return io.BytesIO(
        b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
    )


def test_prompts_replies_labels_and_attributes_are_read():
    found = read_exchanges(
        jsonl(
            {"id": "a", "prompt": "p", "reply": "r", "label": 1, "hazards": {"hte": 1, "vcr": 0}},
            {"text": "p", "severity": 2, "language": "en", "extra": 3},
            {"prompt": "p", "attributes": {"audience": "minor", "age": 12}},
        ),
        attributes=["language"],
    )
    assert found.exchanges[0] == Exchange(id="a", prompt="p", reply="r")
    assert found.exchanges[1].attributes == {"language": "en"}
    assert found.exchanges[1].id == "2"
    assert found.exchanges[2].attributes == {"audience": "minor", "age": "12"}
    assert found.labels == (
        Label(harmful=1.0, hazards={"hte": 1.0, "vcr": 0.0}),
        Label(severity=2.0),
        None,
    )
    assert found.ignored == ("extra",)
    assert [label.any for label in found.labelled[1]] == [1.0, 1.0]


def test_the_last_turn_of_a_chat_is_judged():
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "first"}]},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "second"},
        {"role": "assistant", "content": "two"},
    ]
    whole = read_exchanges(jsonl({"messages": turns}, {"messages": turns[:-1]})).exchanges
    assert whole[0].prompt == "second"
    assert whole[0].judged == ("reply", "two")
    assert whole[0].context[-1] == Message(role="assistant", content="one")
    assert whole[1].judged == ("prompt", "second")
    assert len(whole[1].context) == 3


BAD = {
    b'{"prompt": "x"': "not JSON",
    b"\xff": "not UTF-8",
    b"[1]": "not a JSON object",
    b'{"reply": 3}': "not text",
    b'{"id": "x"}': "no prompt",
    b'{"prompt": "a", "text": "b"}': "both",
    b'{"prompt": "a", "label": 2}': "between 0 and 1",
    b'{"prompt": "a", "label": "yes"}': "not a number",
    b'{"prompt": "a", "severity": NaN}': "not JSON",
    b'{"prompt": "a", "weight": -1, "label": 1}': "negative",
    b'{"prompt": "a", "hazards": ["x"]}': "which others",
    b'{"messages": [{"role": "judge", "content": "a"}]}': "role",
    b'{"messages": []}': "end with",
    b'{"prompt": "a", "attributes": [1]}': "attributes",
    b'{"prompt": "\\ud800"}': "",
    b'{"worse": {"prompt": "a"}}': "two exchanges",
    json.dumps({"prompt": "a" * (MAX_TEXT + 1)}).encode(): "characters",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_named_by_number_and_the_rest_is_read(line):
    found = read_exchanges(jsonl({"prompt": "a"}, line, {"prompt": "b"}))
    assert [exchange.prompt for exchange in found.exchanges] == ["a", "b"]
    assert found.lines == (1, 3)
    (problem,) = found.problems
    assert problem.line == 2
    assert BAD[line] in problem.problem


def test_problems_never_quote_the_text():
    secret = "private words"
    lines = [line.replace(b"a", secret.encode()) for line in BAD if len(line) < 100]
    assert secret not in str(read_exchanges(jsonl(*lines)).problems)


def test_pairs_are_judgements_of_two():
    found = read_exchanges(
        jsonl({"worse": {"prompt": "a"}, "milder": {"prompt": "b"}, "weight": 2})
    )
    assert (found.pairs[0].worse.prompt, found.pairs[0].milder.prompt) == ("a", "b")
    assert found.pairs[0].weight == 2


def test_csv_and_parquet_hold_the_same(tmp_path):
    (tmp_path / "a.csv").write_text(
        'id,prompt,label,hazard:hte,team\n1,"two\nlines",1,0,x\n2,b,,,\n3,c\n4,"d",0,,y\n'
    )
    found = read_exchanges(tmp_path / "a.csv", attributes=["team"])
    assert [e.prompt for e in found.exchanges] == ["two\nlines", "b", "d"]
    assert found.lines == (2, 4, 6)
    assert found.problems[0].line == 5
    assert found.labels[0] == Label(harmful=1.0, hazards={"hte": 0.0})
    assert found.labels[1] is None
    frame = pl.DataFrame({"prompt": ["two\nlines", "b"], "label": [1, None], "team": ["x", None]})
    frame.write_parquet(tmp_path / "a.parquet")
    again = read_exchanges(tmp_path / "a.parquet", attributes=["team"])
    assert [e.prompt for e in again.exchanges] == ["two\nlines", "b"]
    assert again.exchanges[0].attributes == {"team": "x"}
    assert again.labels == (Label(harmful=1.0), None)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(UnreadableError):
        read_exchanges(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="expected .jsonl"):
        read_exchanges(tmp_path / "a.docx")
    (tmp_path / "a.csv").write_text("words,label\na,1\n")
    with pytest.raises(ColumnError, match="no column of texts"):
        read_exchanges(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"prompt\n\xff\n")
    with pytest.raises(UnreadableError, match="UTF-8"):
        read_exchanges(tmp_path / "b.csv")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableError, match="Parquet"):
        read_exchanges(tmp_path / "a.parquet")


def test_the_digest_separates_its_parts():
    digests = {
        Exchange(prompt="ab").digest,
        Exchange(prompt="a", reply="b").digest,
        Exchange(prompt="ab", reply="").digest,
        Exchange(prompt="", context=(Message(role="user", content="ab"),)).digest,
    }
    assert len(digests) == 4
