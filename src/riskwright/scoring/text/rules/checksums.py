"""Check digits of published number formats. Every function takes digits alone (`str`)."""

from __future__ import annotations

import binascii

__all__ = [
    "BASE62",
    "base58_check",
    "bech32",
    "crc32_base62",
    "iso7064_mod11_10",
    "iso7064_mod97_10",
    "luhn",
    "verhoeff",
    "weighted",
]

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: every second digit from the right doubled, the sum of digits is 0 mod 10.

    Examples
    --------
    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    plain = sum(map(int, digits[::-2]))
    return (plain + sum(_DOUBLED[int(d)] for d in digits[-2::-2])) % 10 == 0


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """The sum of digits times weights, over the shorter of the two."""
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def iso7064_mod97_10(text: str) -> bool:
    """ISO 7064 MOD 97-10 with A = 10 ... Z = 35, as IBAN uses it after moving four characters."""
    return int("".join(str(int(one, 36)) for one in text)) % 97 == 1


def iso7064_mod11_10(digits: str) -> bool:
    """ISO 7064 MOD 11,10: the hybrid system of the German tax number.

    Examples
    --------
    >>> iso7064_mod11_10("86095742719")
    True
    """
    product = 10
    for digit in digits[:-1]:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return (int(digits[-1]) + product) % 10 == 1


def _dihedral(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of order ten."""
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b) % 5 + 5
    return (a - b) % 5 + 5 if b < 5 else (a - b) % 5


def verhoeff(digits: str) -> bool:
    """Verhoeff (1969): products in the dihedral group of order ten over permuted digits.

    Examples
    --------
    >>> verhoeff("2363"), verhoeff("2364")
    (True, False)
    """
    step = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = step[value]
        total = _dihedral(total, value)
    return total == 0


def crc32_base62(text: str, width: int = 6) -> str:
    """CRC-32 of the text in base 62, padded with zeros: the checksum inside GitHub's tokens."""
    value = binascii.crc32(text.encode())
    found = ""
    while value:
        value, rest = divmod(value, 62)
        found = BASE62[rest] + found
    return found.rjust(width, "0")


def base58_check(text: str) -> bool:
    """Base58Check: 25 bytes whose last four begin the doubled SHA-256 of the others."""
    import hashlib

    value = 0
    for one in text:
        place = _BASE58.find(one)
        if place < 0:
            return False
        value = 58 * value + place
    if value >> 200:
        return False
    data = value.to_bytes(25, "big")
    if len(data.lstrip(b"\0")) + len(text) - len(text.lstrip("1")) != 25:
        return False
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def bech32(text: str) -> bool:
    """Bech32 (BIP 173) or Bech32m (BIP 350), in one case throughout.

    Examples
    --------
    >>> bech32("A12UEL5L"), bech32("A1LQFN3A"), bech32("A12UEL5M")
    (True, True, False)
    """
    if text.lower() != text and text.upper() != text:
        return False
    prefix, found, data = text.lower().rpartition("1")
    values = [_BECH32.find(one) for one in data]
    if not found or not prefix or len(data) < 6 or -1 in values:
        return False
    codes = [ord(one) for one in prefix]
    state = 1
    for value in [*(c >> 5 for c in codes), 0, *(c & 31 for c in codes), *values]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            state ^= generator if top >> bit & 1 else 0
    return state in (1, 0x2BC830A3)
