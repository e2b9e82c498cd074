"""Crosswalks are total, name what they drop, and keep what they are told of values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.core import ParameterError
from riskwright.core.scores import Score, Span
from riskwright.taxonomy.crosswalks import (
    PIVOT,
    Crosswalk,
    crosswalk_names,
    load_crosswalk,
    read_crosswalk,
)
from riskwright.taxonomy.taxonomies import Category, Taxonomy, load_taxonomy

NAMES = crosswalk_names()
PAIRS = [(a, b) for a in NAMES for b in NAMES]
INDIVISIBLE = ("harm_types", "harm_actors", "deployment_risks")


def test_every_taxonomy_of_hazards_can_be_told_in_every_other() -> None:
    from riskwright.taxonomy.taxonomies import taxonomy_names

    assert set(taxonomy_names()) - set(NAMES) == set(INDIVISIBLE)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_category_is_mapped_or_dropped_with_a_reason(source: str, target: str) -> None:
    walk = load_crosswalk(source, target)
    assert walk.source.codes == load_taxonomy(source).codes
    for code in walk.source.codes:
        assert (code in walk.map) != (code in walk.drops)
        if code in walk.map:
            assert walk.map[code]
            assert all(end in walk.target for end in walk.targets[code])
        else:
            assert len(walk.drops[code].split()) > 3
    named = {end for ends in walk.map.values() for end in ends}
    for code in walk.target.codes:
        line = {code, *walk.target.ancestors(code)}
        below = {end for end in named if code in walk.target.ancestors(end)}
        assert (code in walk.unreached) == (not (line | below) & named)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_exact_there_is_exact_back(source: str, target: str) -> None:
    there, back = load_crosswalk(source, target), load_crosswalk(target, source)
    for code, ends in there.map.items():
        for end, kind in ends.items():
            if kind == "exact" and code not in there.inherited:
                assert back.map[end][code] == "exact"


def test_numbers_of_llama_guard_shift_after_the_fourth() -> None:
    walk = load_crosswalk("llama_guard_2", "llama_guard_3")
    assert walk.map["S4"] == {"S4": "exact"}
    assert walk.map["S5"] == {"S6": "exact"}
    assert walk.map["S11"] == {"S12": "exact"}
    assert walk.unreached == ("S5", "S13", "S14")
    score = Score(taxonomy="llama_guard_2", hazards={"S9": 0.9})
    assert load_crosswalk("llama_guard_2").translate(score).score.hazards == {"hte": 0.9}
    with pytest.raises(ParameterError, match="score of another taxonomy.*'llama_guard_2'"):
        load_crosswalk("llama_guard_3").translate(score)


def test_the_published_hazards_of_llama_guard_3() -> None:
    wanted = "vcr ncr src cse dfm spc prv ipv iwp hte ssh sxc spc"
    walk = load_crosswalk("llama_guard_3")
    assert " ".join(next(iter(walk.map[f"S{i + 1}"])) for i in range(13)) == wanted
    assert list(walk.drops) == ["S14"]


def test_a_translated_score_takes_the_largest_value_and_keeps_the_raw_ones() -> None:
    score = Score(
        id="a",
        severity=0.7,
        taxonomy="openai_moderation",
        hazards={"self-harm": 0.2, "self-harm/intent": 0.6, "sexual/minors": 0.1},
        bounds={"any": (0.6, 0.8), "self-harm": (0.1, 0.3), "self-harm/intent": (0.5, 0.7)},
        values={"model": {"self-harm": 0.2}},
        evidence=(
            Span(part="prompt", start=0, end=4, by="x", hazard="self-harm"),
            Span(part="prompt", start=0, end=4, by="x", hazard="illicit/violent"),
        ),
    )
    told = load_crosswalk("openai_moderation").translate(score)
    assert told.score.taxonomy == PIVOT
    assert told.score.hazards == {"ssh": 0.6, "cse": 0.1}
    assert told.score.bounds == {"any": (0.6, 0.8), "ssh": (0.5, 0.7)}
    assert told.score.values == score.values
    assert told.score.severity == 0.7
    assert [span.hazard for span in told.score.evidence] == ["ssh", ""]
    assert told.dropped == {}
    assert told.loose == ()


def test_what_is_dropped_and_what_is_loose_is_said() -> None:
    score = Score(taxonomy="aegis2", hazards={"S12": 0.9, "S1": 0.5})
    told = load_crosswalk("aegis2").translate(score)
    assert told.dropped == {"S12": 0.9}
    assert told.score.hazards == {"vcr": 0.5}
    assert told.loose == ("vcr",)
    words = "\n".join(load_crosswalk("aegis2").losses())
    assert "S12 is dropped: coarse language" in words
    assert "S1 has no exact counterpart: vcr (related)" in words


def test_finer_categories_also_count_for_the_broader_ones() -> None:
    score = Score(taxonomy="air2024", hazards={"6.22.6": 0.8})
    same = load_crosswalk("air2024", "air2024").translate(score).score
    assert same.hazards == {"6.22.6": 0.8, "6.22": 0.8, "6": 0.8, "content": 0.8}
    assert load_crosswalk("air2024").translate(score).score.hazards == {"cse": 0.8}


def test_coarse_categories_are_not_told_in_fine_ones_they_know_nothing_of() -> None:
    assert load_crosswalk(PIVOT, "air2024").map["ssh"] == {"7": "exact"}
    assert load_crosswalk(PIVOT, "air2024").unreached == tuple(
        code
        for code in load_taxonomy("air2024").codes
        if code.startswith(("2.4", "2.5", "4.16", "8.24", "8.25", "8.27", "9.28", "9.30", "10.33"))
    )


def test_parts_of_one_category_are_not_taken_for_each_other() -> None:
    walk = load_crosswalk("yufeng_xguard", "ailuminate_prompts")
    assert walk.map["pp"] == {"prv": "exact"}
    assert set(walk.map["med"].values()) == {"related"}
    assert "spc_fin" not in load_crosswalk("llama_guard_3", "ailuminate_prompts").map["S13"]


@given(
    st.sampled_from(PAIRS),
    st.data(),
    st.floats(0, 1),
)
def test_translation_is_monotone_and_bounded_by_the_largest_value(
    pair: tuple[str, str], data: st.DataObject, high: float
) -> None:
    walk = load_crosswalk(*pair)
    codes = data.draw(st.lists(st.sampled_from(walk.source.codes), unique=True, max_size=6))
    hazards = {code: data.draw(st.floats(0, 1)) for code in codes}
    told = walk.translate(Score(taxonomy=pair[0], hazards=hazards))
    assert set(told.dropped) == set(codes) & set(walk.drops)
    assert set(told.score.hazards.values()) <= set(hazards.values())
    for code in codes:
        raised = {**hazards, code: max(hazards[code], high)}
        again = walk.translate(Score(taxonomy=pair[0], hazards=raised)).score.hazards
        assert all(again[end] >= value for end, value in told.score.hazards.items())


def test_corrections_of_ones_own() -> None:
    walk = load_crosswalk("aegis2")
    own = Crosswalk(
        source=walk.source,
        target=walk.target,
        map={"S12": {"hte": "related"}},
        drops={"S18": "we do not moderate politics"},
    )
    merged = walk.merge(own)
    assert merged.map["S12"] == {"hte": "related"}
    assert "S12" not in merged.drops
    assert "S18" not in merged.map
    assert set(merged.map) | set(merged.drops) == set(walk.source.codes)
    with pytest.raises(ParameterError, match="do not fit together"):
        walk.merge(load_crosswalk("aegis"))
    with pytest.raises(ParameterError, match="do not fit together"):
        walk.then(walk)


def test_unknown_names_and_codes_name_the_nearest() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'aegis' or 'aegis2'"):
        load_crosswalk("aegis3")
    with pytest.raises(ParameterError, match="no crosswalks of 'harm_types'"):
        load_crosswalk("harm_types")
    with pytest.raises(ParameterError, match="no category 'S99'"):
        load_crosswalk("aegis2").translate(Score(taxonomy="aegis2", hazards={"S99": 1.0}))


TIERS = """\
id: tiers
name: Tiers
version: "1"
categories:
  - {code: guide, name: Guide}
  - {code: unsafe, name: Unsafe}
  - {code: unsafe_cse, name: Unsafe for children, parent: unsafe}
"""
OWN = """\
source: tiers
target: ailuminate
map:
  unsafe: {vcr: narrower}
drops:
  guide: says how to answer, not what is harmful
"""


def own(folder: Path, text: str) -> Path:
    (folder / "tiers.yaml").write_text(TIERS)
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_a_crosswalk_of_ones_own(tmp_path: Path) -> None:
    walk = read_crosswalk(own(tmp_path, OWN))
    assert walk.map == {"unsafe": {"vcr": "narrower"}, "unsafe_cse": {"vcr": "related"}}
    assert walk.inherited == {"unsafe_cse"}
    onwards = walk.then(load_crosswalk(PIVOT, "llama_guard_3"))
    assert onwards.map["unsafe"] == {"S1": "narrower"}
    assert onwards.drops["guide"].startswith("says how")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN.replace("vcr", "vrc"), "line 4: no category 'vrc' in ailuminate.*mean 'vcr'"),
        (OWN.replace("unsafe:", "unsave:"), "line 4: no category 'unsave' in tiers.*'unsafe'"),
        (OWN.replace("narrower", "wider"), "line 4: wrong kind of value.*wider"),
        (OWN.replace("target: ailuminate", "target: none"), "line 2: no taxonomy 'none'"),
        (OWN.replace("  guide:", "  unsafe:"), "line 4: 'unsafe' is both mapped and dropped"),
        (OWN.replace("{vcr: narrower}", "{}"), "line 4: 'unsafe' leads nowhere"),
        (
            OWN.replace("drops:\n", "# ").replace("  guide", "# "),
            "1 categories of tiers are n.*gui",
        ),
        (OWN.replace("says how to answer, not what is harmful", "' '"), "line 6.*without a reas"),
        (OWN.replace("map:", "maps:"), "line 3: unknown key 'maps'.*mean 'map'"),
        ("", "wrong kind of value; expected keys and values"),
    ],
)
def test_files_that_are_no_crosswalk(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        read_crosswalk(own(tmp_path, text))


def test_a_taxonomy_beside_must_bear_its_name(tmp_path: Path) -> None:
    path = own(tmp_path, OWN)
    (tmp_path / "tiers.yaml").write_text(TIERS.replace("id: tiers", "id: steps"))
    with pytest.raises(ParameterError, match="taxonomy of another name; expected id: tiers"):
        read_crosswalk(path)


def test_a_way_up_and_down_is_taken_only_where_there_is_no_other() -> None:
    def taxonomy(id: str, *codes: str) -> Taxonomy:
        categories = tuple(Category(code=code, name=code) for code in codes)
        return Taxonomy(id=id, name=id, version="1", categories=categories)

    a, b, c = taxonomy("a", "x", "y"), taxonomy("b", "m", "n"), taxonomy("c", "p", "q")
    first = Crosswalk(
        source=a, target=b, map={"x": {"m": "broader"}, "y": {"m": "broader", "n": "exact"}}
    )
    second = Crosswalk(source=b, target=c, map={"m": {"p": "narrower"}, "n": {"q": "broader"}})
    both = first.then(second)
    assert both.map == {"x": {"p": "related"}, "y": {"q": "broader"}}
