"""`load_taxonomy`: a named list of categories, from this package or from a file of one's own."""

from __future__ import annotations

import os
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from riskwright.core import ParameterError, Record
from riskwright.core.names import nearest, quoted

from ._reading import place, read_lines

__all__ = ["Category", "Taxonomy", "load_taxonomy", "taxonomy_named", "taxonomy_names"]

_DATA = Path(__file__).parent / "data"


class Category(Record, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One category: a short stable `code`, a `name`, and what it covers in one sentence.

    `parent` is the code of the broader category that it is part of; `applies_to` says whether
    prompts or replies can be filed under it, or both.
    """

    code: str
    name: str
    description: str = ""
    parent: str = ""
    applies_to: tuple[Literal["prompt", "reply"], ...] = ("prompt", "reply")


class Taxonomy(Record, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Named categories that a card, a test item or a finding can be filed under.

    `id` is what cards call it, `source` where the list of categories comes from.
    """

    id: str
    name: str
    version: str
    categories: tuple[Category, ...]
    source: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all categories, of every tier."""
        return tuple(self._by_code)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The codes of the categories that have no finer ones."""
        return tuple(code for code in self._by_code if code not in self._children)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def category(self, code: str) -> Category:
        """The category of that code; `ParameterError` names the nearest where there is none."""
        found = self._by_code.get(code)
        if found is None:
            raise ParameterError(
                f"no category {quoted(code)}",
                where=f"taxonomy {self.id}",
                hint=nearest(str(code), self.codes),
            )
        return found

    def code_of(self, name: str) -> str:
        """The code of the category of that name or code, whatever the case; as models print it.

        Raises `ParameterError`, with the nearest name, where there is none.
        """
        code = self._by_name.get(name.strip().casefold())
        if code is None:
            raise ParameterError(
                f"no category named {quoted(name)}",
                where=f"taxonomy {self.id}",
                hint=nearest(name, (category.name for category in self.categories)),
            )
        return code

    def ancestors(self, code: str) -> tuple[str, ...]:
        """The broader categories of `code`, the nearest first."""
        found: list[str] = []
        while code := self.category(code).parent:
            found.append(code)
        return tuple(found)

    def children(self, code: str) -> tuple[str, ...]:
        """The finer categories right below `code`."""
        return self._children.get(code, ())

    @cached_property
    def _by_code(self) -> dict[str, Category]:
        return {category.code: category for category in self.categories}

    @cached_property
    def _by_name(self) -> dict[str, str]:
        names = {category.name.casefold(): category.code for category in reversed(self.categories)}
        return names | {code.casefold(): code for code in self._by_code}

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for category in self.categories:
            if category.parent:
                found[category.parent] = (*found.get(category.parent, ()), category.code)
        return found


def taxonomy_names() -> tuple[str, ...]:
    """Names of the taxonomies that come with the package."""
    return tuple(sorted(path.stem for path in _DATA.glob("*.yaml")))


def load_taxonomy(name: str | os.PathLike[str]) -> Taxonomy:
    """A taxonomy by name, or from a YAML or JSON file.

    Parameters
    ----------
    name : one of `taxonomy_names()`, or the path of a file with the keys `id`, `name`, `version`
        and `categories`, a list of `code`, `name`, `description` and, where there are several
        tiers, `parent`.

    Raises
    ------
    ParameterError : an unknown name (with the nearest one), a file that cannot be read or has
        other keys, a code given twice, a parent that is not listed, no categories.

    Examples
    --------
    >>> load_taxonomy("ailuminate").category("prv").name
    'Privacy'
    >>> load_taxonomy("qwen3guard").code_of("Suicide & Self-Harm")
    'self_harm'
    """
    if isinstance(name, str) and name in taxonomy_names():
        return _bundled(name)
    path = Path(name)
    if isinstance(name, str) and not path.suffix:
        raise ParameterError(
            f"no taxonomy {quoted(name)}",
            where="load_taxonomy",
            expected="a name or the path of a YAML file",
            hint=nearest(name, taxonomy_names()),
        )
    return _read(path)


def taxonomy_named(id: str, folder: Path | None) -> Taxonomy:
    """The taxonomy of that id: from the package, or from the file ID.yaml in `folder`."""
    if id in taxonomy_names():
        return _bundled(id)
    path = None if folder is None or Path(id).name != id else folder / f"{id}.yaml"
    if path is None or not path.is_file():
        raise ParameterError(
            f"no taxonomy {quoted(id)}",
            expected="one that comes with the package, or a file ID.yaml beside this one",
            hint=nearest(id, taxonomy_names()),
        )
    taxonomy = _read(path)
    if taxonomy.id != id:
        raise ParameterError(
            "a taxonomy of another name", where=str(path), expected=f"id: {id}", got=taxonomy.id
        )
    return taxonomy


@cache
def _bundled(name: str) -> Taxonomy:
    return _read(_DATA / f"{name}.yaml")


def _read(path: Path) -> Taxonomy:
    taxonomy = read_lines(path, Taxonomy, "taxonomy")
    _check(taxonomy, path)
    return taxonomy


def _check(taxonomy: Taxonomy, path: Path) -> None:
    if not taxonomy.categories:
        raise ParameterError("a taxonomy without categories", where=str(path))
    seen: set[str] = set()
    for index, category in enumerate(taxonomy.categories):
        code, keys = category.code, ("categories", index)
        if code in seen or not code.strip():
            raise ParameterError(
                f"the code {quoted(code)} is given twice" if code in seen else "an empty code",
                where=place(path, keys),
            )
        if code == "any" or ":" in code or code != code.strip():
            raise ParameterError(
                f"the code {quoted(code)} cannot be told from other keys of a policy",
                where=place(path, keys),
                expected="no code `any`, no colon, no blanks around it",
            )
        if category.parent and category.parent not in seen:
            raise ParameterError(
                f"no category {quoted(category.parent)} above {quoted(code)}",
                where=place(path, keys),
                expected="a parent that is listed before its finer categories",
                hint=nearest(category.parent, seen),
            )
        seen.add(code)
