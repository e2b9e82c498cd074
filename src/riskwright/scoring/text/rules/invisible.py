"""Characters that people do not see and models read, and letters that look like others.

Joiners within emoji and in scripts that need them, flags, a byte order mark at the beginning,
variation selectors after emoji and ideographs, and direction marks beside letters written from
right to left are ordinary and not reported. Unicode Technical Standards 39 and 51; Boucher &
Anderson (2023), Trojan Source.
"""

from __future__ import annotations

import re
import unicodedata

from . import injection
from .rule import BEFORE, Hit

__all__ = ["REACH", "find", "hidden_bytes", "hidden_text"]

REACH = 4096
"""The longest match, in characters."""

_ZERO = "\u00ad\u034f\u115f\u1160\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0"
_ODD = re.compile(
    rf"[{_ZERO}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f\U000e0000-\U000e01ef]"
)
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_PILE = re.compile(f"(?<![{_MARKS}])[{_MARKS}]{{5,256}}+")
_HIDDEN = re.compile(f"[{_ZERO}]{{1,4096}}+")
_TAGS = re.compile("[\U000e0000-\U000e007f]{1,4096}+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{1,4096}+")
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FLAG = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u1800-\u18af\ufb50-\ufdff"
    "\ufe70-\ufefc\u1b00-\u1b7f\ua980-\ua9df\U00011000-\U000114ff]"
)
_BREAKING = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u4e00-\u9fff]")
_MIXED = re.compile(
    "(?<!\\w)(?=[^\\W\\d_]{3,64}+(?!\\w))"
    "(?:(?=[A-Za-z]*+[\u0370-\u052f])|(?=[\u0370-\u052f]++[A-Za-z]))[^\\W\\d_]{3,64}+"
)
_ALIKE = frozenset("аеорсухіјѕԁһӏԛԝАВЕКМНОРСТУХІЈЅԌҮ" + "οανικρυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")


def hidden_text(tags: str) -> str:
    """The ASCII text that Unicode tag characters carry.

    Examples
    --------
    >>> hidden_text("".join(chr(0xE0000 + ord(c)) for c in "hello"))
    'hello'
    """
    return "".join(chr(ord(c) - 0xE0000) for c in tags if 0xE0020 <= ord(c) < 0xE007F)


def hidden_bytes(selectors: str) -> bytes:
    """The bytes that variation selectors carry: number 1 to 256 as byte 0 to 255.

    Examples
    --------
    >>> hidden_bytes("\\ufe00\\U000e0100")
    b'\\x00\\x10'
    """
    codes = [ord(c) for c in selectors]
    return bytes(c - 0xFE00 if c < 0xFF00 else c - 0xE0100 + 16 for c in codes)


def find(text: str) -> list[Hit]:
    """Invisible and deceiving characters in the text."""
    if text.isascii():
        return []
    hits: list[Hit] = []
    if _ODD.search(text):
        hits = [*_zero_width(text), *_tags(text), *_selectors(text), *_directions(text)]
    hits += [Hit(*found.span(), "invisible.marks", 0.5) for found in _PILE.finditer(text)]
    return hits + _lookalikes(text)


def _zero_width(text: str) -> list[Hit]:
    hits = []
    for found in _HIDDEN.finditer(text):
        start, end = found.span()
        if end - start <= 2 and _ordinary(text, start, end):
            continue
        before, after = text[start - 1 : start], text[end : end + 1]
        inside = before.isalpha() and after.isalpha()
        weight = 0.8 if end - start >= 8 else 0.6 if inside or end - start > 2 else 0.3
        hits.append(Hit(start, end, "invisible.zero_width", weight))
    return hits


def _ordinary(text: str, start: int, end: int) -> bool:
    """Whether these one or two characters stand where their script or emoji needs them."""
    one, before, after = text[start], text[start - 1 : start], text[end : end + 1]
    if one == "\ufeff":
        return start == 0
    if one == "\u00ad":
        return before.isalpha() and after.isalpha()
    if one in "\u115f\u1160\u3164\uffa0":
        return "\u1100" <= (after or " ") <= "\u11ff" or "\u1100" <= (before or " ") <= "\u11ff"
    if one == "\u200d" and _emoji(before) and _emoji(after):
        return True
    if one in "\u200c\u200d" and _JOINING.match(before or after):
        return True
    if one == "\u200b" and (_BREAKING.match(before) or _BREAKING.match(after)):
        return True
    if one == "\u034f":
        return unicodedata.combining(after or " ") > 0
    return one == "\u180e" and "\u1800" <= (before or " ") <= "\u18af"


def _emoji(one: str) -> bool:
    if not one:
        return False
    code = ord(one)
    return code in (0xFE0F, 0x20E3) or 0x2190 <= code <= 0x2BFF or 0x1F000 <= code <= 0x1FAFF


def _tags(text: str) -> list[Hit]:
    hits = []
    for found in _TAGS.finditer(text):
        flag = text[found.start() - 1 : found.start()] == "\U0001f3f4"
        if flag and _FLAG.fullmatch(found[0]):
            continue
        worse = bool(injection.find(hidden_text(found[0])))
        hits.append(Hit(*found.span(), "invisible.tags", 0.97 if worse else 0.8))
    return hits


def _selectors(text: str) -> list[Hit]:
    hits = []
    for found in _SELECTORS.finditer(text):
        start, end = found.span()
        before = text[start - 1 : start]
        if end - start == 1:
            latin = before.isascii() and not (before and before in "0123456789#*")
            if latin or not before:
                hits.append(Hit(start, end, "invisible.selectors", 0.3))
            continue
        told = hidden_bytes(found[0]).decode("utf-8", "ignore")
        weight = 0.97 if injection.find(told) else 0.8 if end - start > 3 else 0.5
        hits.append(Hit(start, end, "invisible.selectors", weight))
    return hits


def _directions(text: str) -> list[Hit]:
    """Overrides always; embeddings and isolates with no right-to-left letter near them."""
    hits = []
    for found in _TURNS.finditer(text):
        place = found.start()
        if found[0] in "\u202d\u202e":
            hits.append(Hit(place, place + 1, "invisible.override", 0.8))
        elif not _RIGHT_TO_LEFT.search(text, max(0, place - BEFORE), place + 32):
            hits.append(Hit(place, place + 1, "invisible.direction", 0.5))
    return hits


def _lookalikes(text: str) -> list[Hit]:
    """Words of Latin letters in which all letters of another script look like Latin ones."""
    hits = []
    for found in _MIXED.finditer(text):
        other = [c for c in found[0] if "\u0370" <= c <= "\u052f"]
        latin = sum(c.isascii() for c in found[0])
        if latin and all(c in _ALIKE for c in other):
            hits.append(Hit(*found.span(), "invisible.lookalikes", 0.5))
    return hits
