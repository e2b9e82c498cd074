"""`load_risk_cards`: risk cards from a folder of YAML files, one card a file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from riskwright.core import ParameterError
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted
from riskwright.taxonomy import load_taxonomy, taxonomy_names

from .risk_card import RiskCard

__all__ = ["load_risk_cards"]

_STARTER = Path(__file__).parent / "risk_cards"
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_STEP = re.compile(r"\.([A-Za-z_]+)|\[(\d+)\]")


def load_risk_cards(folder: str | os.PathLike[str] | None = None) -> tuple[RiskCard, ...]:
    """Every card of a folder (files `*.yaml`, `*.yml`), in the order of the file names.

    Parameters
    ----------
    folder : where the files are; those that come with the package where it is not given.

    Returns
    -------
    tuple of RiskCard
        A file holds the fields of `RiskCard` as YAML: `id`, `title`, `hazard`, `description`;
        `places` as a list of {taxonomy, code}; `harms` as a list of {actor, kind}; `conditions`;
        `samples` as a list of {prompt, output} or `samples_withheld`; `severity`, `likelihood`;
        `protocol` with procedure, failure and fewest_items; `references`. Fields may be left out
        that `check` then reports.

    Raises
    ------
    ParameterError : names file and line where a field is unknown or of the wrong kind, a code is
        in no taxonomy (with the nearest), an id is not plain or given twice, or the folder holds
        no card.

    Examples
    --------
    >>> cards = load_risk_cards()
    >>> [card.id for card in cards if "dose" in card.id]
    ['unsafe-dose-advice']
    """
    place = _STARTER if folder is None else Path(folder)
    if not place.is_dir():
        raise ParameterError("no such folder", where=str(place), expected="a folder of YAML files")
    paths = sorted(path for path in place.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    if not paths:
        raise ParameterError("no risk cards", where=str(place), expected="files *.yaml")
    cards: dict[str, RiskCard] = {}
    files: dict[str, str] = {}
    for path in paths:
        card = _card(path)
        if card.id in cards:
            raise ParameterError(
                f"the id {quoted(card.id)} is given twice",
                where=_at(path, ("id",)),
                hint=f"It is also in {files[card.id]}",
            )
        cards[card.id], files[card.id] = card, path.name
    return tuple(cards.values())


def _card(path: Path) -> RiskCard:
    document: Any = read_document(path, "risk card")
    if not isinstance(document, dict):
        raise ParameterError(
            "not a risk card", where=str(path), expected="keys such as id, title and hazard"
        )
    known = RiskCard.__struct_fields__
    for key in document:
        if key not in known:
            raise ParameterError(
                f"unknown key {quoted(key)}",
                where=_at(path, (str(key),)),
                hint=nearest(str(key), known),
            )
    try:
        card = msgspec.convert(document, RiskCard)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        keys = [name or int(number) for name, number in _STEP.findall(where)]
        raise ParameterError(
            "not a risk card",
            where=_at(path, keys),
            expected="the fields of RiskCard",
            got=problem + (f" at {where.strip('`.')}" if where else ""),
        ) from None
    _check(card, path)
    return card


def _check(card: RiskCard, path: Path) -> None:
    if not _ID.fullmatch(card.id):
        raise ParameterError(
            f"the id {quoted(card.id)} is not plain",
            where=_at(path, ("id",)),
            expected="lower-case letters and digits, parted by hyphens",
        )
    if card.protocol is not None and card.protocol.fewest_items < 1:
        raise ParameterError(
            "not a number of items",
            where=_at(path, ("protocol", "fewest_items")),
            expected="at least 1",
        )
    for i, one in enumerate(card.places):
        if one.taxonomy not in taxonomy_names():
            raise ParameterError(
                f"no taxonomy {quoted(one.taxonomy)}",
                where=_at(path, ("places", i, "taxonomy")),
                hint=nearest(one.taxonomy, taxonomy_names()),
            )
        _known(one.taxonomy, one.code, path, ("places", i, "code"))
    for i, harm in enumerate(card.harms):
        _known("harm_actors", harm.actor, path, ("harms", i, "actor"))
        _known("harm_types", harm.kind, path, ("harms", i, "kind"))


def _known(taxonomy: str, code: str, path: Path, keys: tuple[str | int, ...]) -> None:
    codes = load_taxonomy(taxonomy).codes
    if code not in codes:
        raise ParameterError(
            f"no category {quoted(code)} in the taxonomy {taxonomy}",
            where=_at(path, keys),
            hint=nearest(code, codes),
        )


def _at(path: Path, keys: Any) -> str:
    line = line_of(path, keys) if path.suffix.lower() != ".json" else None
    return f"{path}, line {line}" if line else str(path)
