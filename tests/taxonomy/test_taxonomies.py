"""Taxonomies: found by name, read from files, refused where a code is unknown or doubled."""

from __future__ import annotations

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
        assert category.description.endswith(".")
        assert len(category.description) > 20


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
        ("categories:\n- {code: 1, name: A}", "str"),
    ],
)
def test_files_that_are_no_taxonomy(tmp_path: Path, rest: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        load_taxonomy(own(tmp_path, f"id: mine\nname: Mine\nversion: '1'\n{rest}\n"))
    with pytest.raises(ParameterError, match="cannot read"):
        load_taxonomy(tmp_path / "none.yaml")
