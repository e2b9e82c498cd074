"""Orders in disguise: base64, hexadecimal and rot13 that decode to an injection."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Callable

from . import injection
from .folding import fold
from .rule import Hit

__all__ = ["REACH", "decoded", "find", "find_blocks", "find_rotated"]

REACH = 4096
"""The longest block that is decoded, in characters; of a longer one the beginning."""

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{20,4090}+={0,2}")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?(?:[0-9A-Fa-f]{2}[ :]?){14,1300}+")
_PAIRS = re.compile("[ :]?".join(["[0-9A-Fa-f]{2}"] * 8))
_AS_BASE64 = bytes(65 if bytes([c]).isalnum() or c in b"+/_-" else 32 for c in range(256))
_AS_HEX = bytes(65 if c in b"0123456789abcdefABCDEF" else 32 for c in range(256))
_ROTATE = str.maketrans(
    "abcdefghijklmnopqrstuvwxyz", codecs.encode("abcdefghijklmnopqrstuvwxyz", "rot13")
)
_ROTATED = tuple(word.translate(_ROTATE) for word in injection.RULES[0].triggers)
_SHARE = 0.9


def decoded(data: bytes) -> str:
    """The text that the bytes are in UTF-8 or UTF-16, empty where they are none."""
    for encoding in ("utf-8", "utf-16-le"):
        text = data.decode(encoding, "ignore")
        plain = sum(c.isprintable() or c in "\n\r\t" for c in text)
        whole = 2 * len(text) if encoding != "utf-8" else len(text.encode())
        if text and plain >= _SHARE * len(text) and whole >= _SHARE * len(data):
            return text
    return ""


def _base64(block: str) -> bytes:
    plain = block.rstrip("=").replace("-", "+").replace("_", "/")
    whole = plain[: len(plain) - (len(plain) % 4 == 1)]
    return binascii.a2b_base64(whole + "=" * (-len(whole) % 4))


def _hexadecimal(block: str) -> bytes:
    digits = block.removeprefix("0x").replace(" ", "").replace(":", "")
    return binascii.unhexlify(digits[: len(digits) // 2 * 2])


def _worst(text: str) -> float:
    return max((hit.weight for hit in injection.find(text)), default=0.0)


def find_rotated(text: str) -> list[Hit]:
    """Orders in rot13, of up to `injection.REACH` characters."""
    low = fold(text)
    if not any(word in low.text for word in _ROTATED):
        return []
    hits = injection.overrides(low.text.translate(_ROTATE))
    spans = ((*low.span(one.start, one.end), one.weight) for one in hits)
    return [
        Hit(start, end, "encoded.rot13", weight)
        for start, end, weight in spans
        if end - start <= injection.REACH
    ]


def find_blocks(text: str) -> list[Hit]:
    """Blocks of base64 or hexadecimal that decode to an injection."""
    hits = []
    data = text.encode("ascii", "replace")
    if b"A" * 20 in data.translate(_AS_BASE64):
        hits += _blocks(text, "encoded.base64", _BASE64, _base64)
    if b"A" * 16 in data.translate(_AS_HEX, b" :") and _PAIRS.search(text):
        hits += _blocks(text, "encoded.hexadecimal", _HEX, _hexadecimal)
    return hits


def find(text: str) -> list[Hit]:
    """Orders in disguise, each with the weight of the worst that it decodes to."""
    return find_rotated(text) + find_blocks(text)


def _blocks(
    text: str, name: str, pattern: re.Pattern[str], decode: Callable[[str], bytes]
) -> list[Hit]:
    hits = []
    for found in pattern.finditer(text):
        block = found[0].rstrip(" :")
        weight = _worst(decoded(decode(block)))
        if weight:
            hits.append(Hit(found.start(), found.start() + len(block), name, weight))
    return hits
