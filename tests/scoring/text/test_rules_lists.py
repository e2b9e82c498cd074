"""Lists of terms: what matches whatever the spelling, files with their errors, safe patterns."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import ParameterError
from riskwright.scoring.text.rules import Term, TermList, read_terms
from riskwright.scoring.text.rules.safe_patterns import safe_pattern


def texts(terms, text, **options):
    return [text[one.start : one.end] for one in TermList(terms, **options).find(text)]


def test_case_accents_width_and_what_stands_between_words_make_no_difference():
    text = "Purple Elephant, PURPLE—éléphant; ｐurple\nelephant purpleelephant purple x elephant"
    expected = ["Purple Elephant", "PURPLE—éléphant", "ｐurple\nelephant"]
    assert texts(["purple elephant"], text) == expected


def test_words_match_whole():
    assert texts(["cat"], "concatenate cats Cat. cat_nap") == ["Cat", "cat"]


def test_letters_with_signs_between_them_are_read_as_a_word():
    assert texts(["elephant"], "an e-l.e p h a n t here") == ["e-l.e p h a n t"]


def test_leetspeak_is_read_where_asked_and_only_in_words_with_letters():
    assert texts(["elephant"], "3l3ph@nt") == []
    assert texts(["elephant", "ale"], "3l3ph@nt! 413", leetspeak=True) == ["3l3ph@nt"]


def test_scripts_without_spaces_match_within_a_run():
    assert texts(["紫色大象"], "我喜欢紫色大象吗") == ["紫色大象"]


def test_an_entry_stays_found_when_others_share_its_first_word():
    terms = [f"purple {n}" for n in range(2000)]
    found = TermList(terms).find("purple 1234 purple 7")
    assert [one.place for one in found] == [1234, 7]


@given(st.lists(st.sampled_from(["ab", "c", "dd", "e", "f1"]), max_size=12))
def test_agrees_with_looking_for_each_phrase_by_itself(words):
    terms = ["ab", "ab c", "c dd e", "dd", "f1 f1"]
    text = " ".join(words)
    found = {(one.start, one.end, one.place) for one in TermList(terms).find(text)}
    padded = f" {text} "
    brute = {
        (start, start + len(term), place)
        for place, term in enumerate(terms)
        for start in range(len(text))
        if padded[start : start + len(term) + 2] == f" {term} "
    }
    assert found == brute


def test_files_of_all_kinds_give_the_same_terms(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeff# ours\npurple elephant\n\nblue whale\n", "utf-8")
    (tmp_path / "a.csv").write_text("term,weight\npurple elephant,0.9\nblue whale,\n", "utf-8")
    (tmp_path / "a.yaml").write_text("terms:\n  - purple elephant\n  - term: blue whale\n", "utf-8")
    wanted = (Term(term="purple elephant"), Term(term="blue whale"))
    for name in ("a.txt", "a.csv", "a.yaml"):
        assert read_terms(tmp_path / name) == wanted
    allowed = read_terms(tmp_path / "a.txt", use="allow", rules=("personal.email",))
    assert {term.use for term in allowed} == {"allow"}


@pytest.mark.parametrize(
    ("name", "content", "line", "told"),
    [
        ("a.csv", "term,use\nx,deny\ny,maybe\n", 3, "not a term"),
        ("a.csv", "term,wieght\nx,1\n", 1, "unknown field"),
        ("a.csv", "term,weight\nx,heavy\n", 2, "not a number"),
        ("a.csv", "term,weight\nx,1,2\n", 2, "number of fields"),
        ("a.csv", "term,weight\nx,7\n", 2, "weight out of range"),
        ("a.txt", "x\n" + "y" * 201 + "\n", 2, "too long"),
        ("a.yaml", "terms:\n  - x\n  - term: y\n    use: maybe\n", 3, "not a term"),
        ("a.yaml", "- x\n- trem: y\n", 2, "unknown field"),
    ],
)
def test_errors_name_the_line(tmp_path, name, content, line, told):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(ParameterError, match=told) as raised:
        read_terms(tmp_path / name)
    assert f"line {line}" in str(raised.value)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x\n\xff\n")
    with pytest.raises(ParameterError, match="line 2"):
        read_terms(tmp_path / "a.txt")
    with pytest.raises(ParameterError, match="cannot read"):
        read_terms(tmp_path / "b.txt")
    with pytest.raises(ParameterError, match="unknown ending"):
        read_terms(tmp_path / "a.doc")
    with pytest.raises(ParameterError, match="unknown field"):
        read_terms(tmp_path / "a.txt", kinds="phrase")


@pytest.mark.parametrize(
    "pattern",
    [
        *("a+", "a*", "(ab){2}", "(a|b){1,3}", "(?=a)b", r"(a)\1", "^a", "a$", "a{,5}", "(a", "a)"),
        *("a?", "a{300}", "[ab", "a{0,40}b{0,40}c", "a{5,2}b", r"\Z", "(?i)a", "a**"),
    ],
)
def test_patterns_outside_of_the_safe_subset_are_refused(pattern):
    with pytest.raises(ParameterError):
        safe_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "width", "text"),
    [
        (r"project[ -]\d{2,4}", 12, "PROJECT-123"),
        (r"(?:red|blue) (whale)?s?x", 12, "blue whalex"),
        (r"[^\]a-z]{3}\.", 4, "123."),
        (r"\bcat\b.{0,9}dog", 15, "cat and dog"),
        (r"a\+b\\", 4, "a+b\\"),
    ],
)
def test_safe_patterns_tell_their_longest_match(pattern, width, text):
    made, longest = safe_pattern(pattern)
    assert longest == width
    assert made.fullmatch(text)


def test_patterns_are_found_at_every_place_beside_phrases():
    terms = [Term(term=r"a\da", kind="pattern"), "purple"]
    assert texts(terms, "a1a2a Purple") == ["a1a", "a2a", "Purple"]


def test_a_phrase_of_signs_alone_is_refused_with_its_place():
    with pytest.raises(ParameterError, match="term 2"):
        TermList(["x", "!!!"])


def test_the_digest_tells_lists_apart():
    one, same = TermList(["a", "b"]), TermList(["a", "b"])
    others = [TermList(["b", "a"]), TermList(["a", "b"], leetspeak=True)]
    assert one.digest == same.digest
    assert len({one.digest, *(other.digest for other in others)}) == 3


def test_many_terms_are_all_found():
    rng = random.Random(3)
    terms = ["".join(rng.choices("abcdefghij", k=9)) for _ in range(20_000)]
    house = TermList(terms)
    chosen = rng.sample(range(20_000), 50)
    text = ", ".join(terms[place].upper() for place in chosen)
    assert {terms[one.place] for one in house.find(text)} == {terms[p] for p in chosen}
