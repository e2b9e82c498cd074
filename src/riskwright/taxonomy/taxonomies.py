"""`load_taxonomy`: a named list of categories, from this package or from a file of one's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError, Record
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted

__all__ = ["Category", "Taxonomy", "load_taxonomy", "taxonomy_names"]

_DATA = Path(__file__).parent / "data"


class Category(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One category: a short stable `code`, a `name`, and what it covers in one sentence."""

    code: str
    name: str
    description: str = ""


class Taxonomy(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
        return tuple(category.code for category in self.categories)

    def __contains__(self, code: object) -> bool:
        return code in self.codes

    def category(self, code: str) -> Category:
        """The category of that code; `ParameterError` names the nearest where there is none."""
        for category in self.categories:
            if category.code == code:
                return category
        raise ParameterError(
            f"no category {quoted(code)}",
            where=f"taxonomy {self.id}",
            hint=nearest(str(code), self.codes),
        )


def taxonomy_names() -> tuple[str, ...]:
    """Names of the taxonomies that come with the package."""
    return tuple(sorted(path.stem for path in _DATA.glob("*.yaml")))


def load_taxonomy(name: str | os.PathLike[str]) -> Taxonomy:
    """A taxonomy by name, or from a YAML or JSON file.

    Parameters
    ----------
    name : one of `taxonomy_names()`, or the path of a file with the keys `id`, `name`, `version`
        and `categories`, a list of `code`, `name` and `description`.

    Raises
    ------
    ParameterError : an unknown name (with the nearest one), a file that cannot be read or has
        other keys, a code given twice, no categories.

    Examples
    --------
    >>> load_taxonomy("ailuminate").category("prv").name
    'Privacy'
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


@cache
def _bundled(name: str) -> Taxonomy:
    return _read(_DATA / f"{name}.yaml")


def _read(path: Path) -> Taxonomy:
    document: Any = read_document(path, "taxonomy")
    try:
        taxonomy = msgspec.convert(document, Taxonomy)
    except msgspec.ValidationError as error:
        raise ParameterError(
            "not a taxonomy",
            where=str(path),
            expected="the keys id, name, version and categories",
            got=str(error),
        ) from None
    _check(taxonomy.codes, path)
    return taxonomy


def _check(codes: Sequence[str], path: Path) -> None:
    if not codes:
        raise ParameterError("a taxonomy without categories", where=str(path))
    for place, code in enumerate(codes):
        first = codes.index(code)
        if first != place or not code.strip():
            line = line_of(path, ("categories", place))
            raise ParameterError(
                f"the code {quoted(code)} is given twice" if first != place else "an empty code",
                where=f"{path}, line {line}" if line else str(path),
            )
