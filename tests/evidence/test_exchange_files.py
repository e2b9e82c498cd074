"""Files of exchanges: what is read, and that a bad line costs nothing but itself."""

import io
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import ColumnError, UnreadableError, UsageError
from riskwright.evidence.exchange_files import MAX_LINE, MAX_NAME, read_exchanges
from riskwright.evidence.exchanges import MAX_TEXT, Exchange, Message
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
    b'{"prompt": "\\ud800"}': "not JSON",
    b'{"prompt": "x", "prompt": "a"}': "given twice",
    b'{"prompt": "a", "label": 1, "label" : 0}': "given twice",
    b'{"prompt": "a", "attributes": {"k": 1, "k": 2}}': "given twice",
    b'{"prompt": "a", "p\\u0072ompt": "b"}': "given twice",
    b'{"prompt": "a", "hazards": "{\\"x\\": 1, \\"x\\": 0}"}': "a key twice",
    b'{"prompt": "a", "label": 1' + b"0" * 400 + b"}": "not a number",
    b'{"prompt": "a", "severity": "1_0"}': "not a number",
    b'{"prompt": "a", "hazards": {" ": 1}}': "without a name",
    b'{"prompt": null}': "no prompt",
    b'{"prompt": "a", "id": "' + b"x" * (MAX_NAME + 1) + b'"}': "more than 1,000",
    b'{"prompt": "a", "attributes": {"k": "' + b"x" * (MAX_NAME + 1) + b'"}}': "more than 1,000",
    json.dumps({"prompt": "a", "attributes": dict.fromkeys("abcdefghijk" * 10, 1)}).encode()[:-2]
    + b"".join(b', "k%d": 1' % k for k in range(100))
    + b"}}": "more than 100 attributes",
    b'{"prompt": "a", "context": ' + b"[" * 3000 + b"]" * 3000 + b"}": "not JSON",
    b'{"messages": [{"role": "user", "content": "a"}], "context": []}': "both messages",
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null,'
    b' "tool_calls": [{}]}]}': "holds no text",
    b'{"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}': "holds no text",
    b'{"worse": {"prompt": "a"}, "milder": {"prompt": "b"}, "weight": -1}': "negative",
    b'{"prompt": "' + b"a" * MAX_LINE + b'"}': "bytes",
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


def test_what_is_null_is_not_given():
    found = read_exchanges(
        jsonl(
            {
                "prompt": "a",
                "reply": None,
                "id": None,
                "label": None,
                "messages": None,
                "context": None,
                "hazards": None,
                "attributes": {"team": None, "site": "x"},
            },
            {"worse": {"prompt": "a", "reply": None}, "milder": {"prompt": "b"}, "weight": None},
        )
    )
    assert found.problems == ()
    assert found.exchanges == (Exchange(prompt="a", id="1", attributes={"site": "x"}),)
    assert found.pairs[0].worse.judged == ("prompt", "a")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet='ab":\\{}[], \n\u00e9'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='ab":\\ '), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_only_keys_given_twice_are_taken_for_such(value, spaced):
    separators = (", ", " : ") if spaced else (",", ":")
    line = json.dumps({"prompt": "a", "x": value}, separators=separators).encode()
    assert read_exchanges(jsonl(line)).problems == ()
    twice = line[:-1] + b',"x":1}'
    (problem,) = read_exchanges(jsonl(twice)).problems
    assert problem.problem == "a key is given twice"


def test_keys_that_nothing_reads_are_told_cut_short_and_in_order():
    lines = [{"prompt": "a", f"k{k}": 1} for k in range(300)]
    found = read_exchanges(jsonl({"prompt": "a", "z" * 500: 1, "b": 1, "a": 1}, *lines))
    assert found.ignored[:3] == ("z" * 60, "b", "a")
    assert len(found.ignored) == 100


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfprompt,label\r\n"a\r\nb",1\r\nc,0\r\n')
    found = read_exchanges(tmp_path / "a.csv")
    assert [e.prompt for e in found.exchanges] == ["a\r\nb", "c"]
    assert found.lines == (2, 4)
    lines = b'\xef\xbb\xbf{"prompt":"a"}\r\n\r\n{"prompt":"b"}\r\n'
    assert read_exchanges(io.BytesIO(lines)).lines == (1, 3)


def test_a_quote_that_is_never_closed_says_how_far_it_reached(tmp_path):
    (tmp_path / "a.csv").write_text('prompt,label\na,1\n"b,1\nc,0\n')
    found = read_exchanges(tmp_path / "a.csv")
    assert [e.prompt for e in found.exchanges] == ["a"]
    assert "read up to line 4" in found.problems[0].problem


def test_a_json_array_and_other_separators_are_told_apart(tmp_path):
    (tmp_path / "a.json").write_text('[\n{"prompt": "a"},\n{"prompt": "b"}\n]\n')
    with pytest.raises(UnreadableError, match="JSON lines"):
        read_exchanges(tmp_path / "a.json")
    (tmp_path / "a.csv").write_text("prompt;label\na;1\n")
    with pytest.raises(ColumnError, match="by commas"):
        read_exchanges(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("label", "any_harm"),
    [
        (Label(harmful=0.2, hazards={"hte": 1.0}), 0.2),
        (Label(hazards={"hte": 0.4, "vcr": 0.1}), 0.4),
        (Label(hazards={"hte": 0.4}, severity=2.0), 1.0),
        (Label(severity=0.0), 0.0),
        (Label(hazards={"rules:secrets": 1.0}), None),
        (Label(hazards={"rules:secrets": 1.0, "hte": 0.0}), 0.0),
        (Label(), None),
    ],
)
def test_any_harm_is_the_largest_share_of_the_hazards_told(label, any_harm):
    assert label.any == any_harm
