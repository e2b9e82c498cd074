"""Taxonomies: found by name, read from files, refused where a code is unknown or doubled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from riskwright.core import ParameterError
from riskwright.taxonomy import load_taxonomy, taxonomy_names

CODES = "vcr ncr src cse iwp ssh ipv prv dfm hte sxc spc"


def test_the_twelve_hazards() -> None:
    hazards = load_taxonomy("ailuminate")
    assert sorted(hazards.codes) == sorted(CODES.split())
    assert hazards.category("ssh").name == "Suicide and self-harm"
    assert "ssh" in hazards
    assert "zzz" not in hazards


@pytest.mark.parametrize("name", taxonomy_names())
def test_every_taxonomy_describes_each_category_in_one_sentence(name: str) -> None:
    taxonomy = load_taxonomy(name)
    assert taxonomy.id == name
    for category in taxonomy.categories:
        if name == "air2024" and len(taxonomy.ancestors(category.code)) == 3:
            continue
        assert category.description.endswith(".")
        assert len(category.description) > 20


PUBLISHED = {
    "llama_guard_1": 6,
    "llama_guard_2": 11,
    "llama_guard_3": 14,
    "llama_guard_4": 14,
    "openai_moderation": 13,
    "aegis": 13 + 1,
    "aegis2": 12 + 9 + 2,
    "ailuminate": 12,
    "ailuminate_prompts": 15,
    "yufeng_xguard": 28,
    "shieldgemma": 4,
    "qwen3guard": 9,
    "granite_guardian": 12,
    "air2024": 312,
}


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_as_many_finest_categories_as_published_and_a_stated_source(name: str, count: int) -> None:
    taxonomy = load_taxonomy(name)
    assert len(taxonomy.leaves) == count
    assert "our own" in taxonomy.source


def test_air_2024_has_four_tiers() -> None:
    air = load_taxonomy("air2024")
    tiers = Counter(len(air.ancestors(code)) for code in air.codes)
    assert tiers == {0: 4, 1: 16, 2: 43, 3: 312}
    assert air.ancestors("6.22.6") == ("6.22", "6", "content")
    assert air.children("system") == ("1", "2")


def test_numbers_of_llama_guard_2_and_3_mean_other_things_from_s5_on() -> None:
    second, third = load_taxonomy("llama_guard_2"), load_taxonomy("llama_guard_3")
    assert second.category("S5").name == "Specialized Advice"
    assert third.category("S5").name == "Defamation"
    assert third.category("S14").name == "Code Interpreter Abuse"


def test_codes_are_found_by_the_names_that_models_print() -> None:
    assert load_taxonomy("qwen3guard").code_of(" PII ") == "pii"
    assert load_taxonomy("aegis2").code_of("hate/identity hate") == "S8"
    assert load_taxonomy("yufeng_xguard").code_of("Risks Involving Minors") == "minors"
    assert load_taxonomy("qwen3guard").category("jailbreak").applies_to == ("prompt",)
    with pytest.raises(ParameterError, match="Did you mean 'Jailbreak'"):
        load_taxonomy("qwen3guard").code_of("jailbraek")


def test_unknown_names_and_codes_name_the_nearest() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'ailuminate'"):
        load_taxonomy("ailluminate")
    with pytest.raises(ParameterError, match="no category 'physicl'.*Did you mean 'physical'"):
        load_taxonomy("harm_types").category("physicl")


def own(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_a_taxonomy_of_ones_own(tmp_path: Path) -> None:
    text = "id: mine\nname: Mine\nversion: '1'\ncategories:\n  - {code: a, name: A}\n"
    assert load_taxonomy(own(tmp_path, text)).category("a").name == "A"
    assert load_taxonomy(str(own(tmp_path, text))).codes == ("a",)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("categories: []", "without categories"),
        ("categories:\n- {code: a, name: A}\n- {code: a, name: B}", "line 6: the code 'a' is"),
        ("categories:\n- {code: a}", "name"),
        ("colour: red\ncategories:\n- {code: a, name: A}", "colour"),
        ("categories:\n- {code: 1, name: A}", "line 5: wrong kind.*str"),
        ("categories:\n- {code: any, name: A}", "line 5: the code 'any' cannot be told"),
        ("categories:\n- {code: 'a:b', name: A}", "line 5: the code 'a:b' cannot be told"),
        ("categories:\n- {code: ' a', name: A}", "line 5: the code ' a' cannot be told"),
        ("categories:\n- {code: a, name: A, parent: b}", "line 5: no category 'b' above 'a'"),
        ("categories:\n- {code: a, name: A, applies_to: [replies]}", "line 5.*mean 'reply'"),
    ],
)
def test_files_that_are_no_taxonomy(tmp_path: Path, rest: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        load_taxonomy(own(tmp_path, f"id: mine\nname: Mine\nversion: '1'\n{rest}\n"))
    with pytest.raises(ParameterError, match="cannot read"):
        load_taxonomy(tmp_path / "none.yaml")
