"""Personal data: addresses, numbers with check digits, and what must stand near them.

A number whose format alone proves little (nine digits with one check digit) counts only where a
context word stands near it. Formats and check digits are those that the issuers publish.
"""

from __future__ import annotations

import re

from .checksums import (
    base58_check,
    bech32,
    iso7064_mod11_10,
    iso7064_mod97_10,
    luhn,
    verhoeff,
    weighted,
)
from .rule import Hit, Rule, find_all, matches

__all__ = ["IBAN_LENGTHS", "REACH", "RULES", "find"]

REACH = 384
"""The longest match, in characters."""

_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 "
    "IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 "
    "MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 "
    "SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
)
IBAN_LENGTHS = {one[:2]: int(one[2:]) for one in _LENGTHS.split()}
"""Characters of an IBAN by country, of the SWIFT registry."""

_COUNTRY_CODES = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-69]\d|3[578]\d|42[013]|50\d|59\d|6[789]\d|80[08]|85\d|87[08]|88[0-368]|9[679]\d"
)
_ODD_VALUES = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22)
_ODD = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (*_ODD_VALUES, 25, 24, 23), strict=True))


def _digits(text: str) -> str:
    return "".join(c for c in text if "0" <= c <= "9")


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _phone(text: str) -> int:
    digits = _digits(text).removeprefix("00")
    return len(text) if 8 <= len(digits) <= 15 and _COUNTRY_CODES.match(digits) else 0


def _card(text: str) -> int:
    digits = _digits(text)
    varied = len(set(digits)) > 1
    return len(text) if varied and _issued(digits) and luhn(digits) else 0


def _issued(digits: str) -> bool:
    """Whether an issuer has this range of numbers, in this length."""
    n, first = len(digits), int(digits[:6])
    two, three, four = first // 10000, first // 1000, first // 100
    return (
        (first // 100000 == 4 and n in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720 or two == 81) and n == 16)
        or (two in (34, 37) and n == 15)
        or ((four == 6011 or 644 <= three <= 649 or two in (60, 62, 65)) and 16 <= n <= 19)
        or ((300 <= three <= 305 or two in (36, 38, 39)) and 14 <= n <= 19)
        or ((3528 <= four <= 3589 or 2200 <= four <= 2204) and 16 <= n <= 19)
        or ((two in (50, 56, 57, 58, 67) or four in (6304, 6390)) and 13 <= n <= 19)
    )


def _iban(text: str) -> int:
    """Longer matches may have run into the next words: the country says where to stop."""
    wanted = IBAN_LENGTHS.get(text[:2], 0)
    places = [place for place, one in enumerate(text) if one != " "]
    if not wanted or len(places) < wanted:
        return 0
    end = places[wanted - 1] + 1
    if text[end : end + 1].isalnum():
        return 0
    plain = text[:end].replace(" ", "")
    return end if iso7064_mod97_10(plain[4:] + plain[:4]) else 0


def _ssn(text: str) -> int:
    area, group, serial = (digits := _digits(text))[:3], digits[3:5], digits[5:]
    void = area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000"
    return 0 if void or digits in ("078051120", "219099999", "123456789") else len(text)


def _nhs(text: str) -> int:
    digits = _digits(text)
    check = 11 - weighted(digits[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return len(text) if check % 11 == int(digits[9]) and len(set(digits)) > 1 else 0


def _nino(text: str) -> int:
    return 0 if text[:2] in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") else len(text)


def _steuer_id(text: str) -> int:
    """One of the first ten digits twice or three times, all others at most once."""
    digits = _digits(text)
    counts = sorted(map(digits[:10].count, set(digits[:10])))
    repeated = counts[-1] in (2, 3) and (len(counts) == 1 or counts[-2] == 1)
    return len(text) if repeated and iso7064_mod11_10(digits) else 0


def _nir(text: str) -> int:
    plain = "".join(text.split())
    body = plain[:13].replace("2A", "19").replace("2B", "18")
    return len(text) if body.isdigit() and 97 - int(body) % 97 == int(plain[13:]) else 0


def _dni(text: str) -> int:
    plain = text.replace("-", "").replace(" ", "").replace(".", "").upper()
    number = int(plain[:-1].translate({88: "0", 89: "1", 90: "2"}))
    return len(text) if plain[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] else 0


def _codice_fiscale(text: str) -> int:
    text = text.upper()
    total = 0
    for place, one in enumerate(text[:15]):
        letter = chr(65 + int(one)) if one.isdigit() else one
        total += ord(letter) - 65 if place % 2 else _ODD[letter]
    return len(text) if chr(65 + total % 26) == text[15] and _has_digit(text) else 0


def _cpf(text: str) -> int:
    digits = _digits(text)
    found = all(
        weighted(digits[:n], tuple(range(n + 1, 1, -1))) * 10 % 11 % 10 == int(digits[n])
        for n in (9, 10)
    )
    return len(text) if found and len(set(digits)) > 1 else 0


def _cnpj(text: str) -> int:
    digits = _digits(text)
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    found = all(
        (0 if (rest := weighted(digits[:n], weights[13 - n :]) % 11) < 2 else 11 - rest)
        == int(digits[n])
        for n in (12, 13)
    )
    return len(text) if found and len(set(digits)) > 1 else 0


def _aadhaar(text: str) -> int:
    digits = _digits(text)
    return len(text) if verhoeff(digits) and digits != digits[::-1] else 0


def _sin(text: str) -> int:
    return len(text) if luhn(_digits(text)) else 0


def _tfn(text: str) -> int:
    digits = _digits(text)
    return len(text) if weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 else 0


def _abn(text: str) -> int:
    digits = _digits(text)
    total = weighted(digits, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) - 10
    return len(text) if total % 89 == 0 else 0


def _bsn(text: str) -> int:
    digits = _digits(text)
    total = weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1))
    return len(text) if total % 11 == 0 and len(set(digits)) > 1 else 0


def _pesel(text: str) -> int:
    digits = _digits(text)
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    total = weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return len(text) if 1 <= month <= 12 and 1 <= day <= 31 and total % 10 == 0 else 0


def _personnummer(text: str) -> int:
    digits = _digits(text)[-10:]
    month, day = int(digits[2:4]), int(digits[4:6]) % 60
    return len(text) if 1 <= month <= 12 and 1 <= day <= 31 and luhn(digits) else 0


def _ip(text: str) -> int:
    first = text.partition(".")[0]
    return 0 if first in ("0", "127", "255") else len(text)


def _ipv6(text: str) -> int:
    import ipaddress

    text = text if text.endswith("::") else text.rstrip(":")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return 0
    usual = address.is_loopback or address.is_unspecified or not _has_digit(text)
    return 0 if usual else len(text)


def _mac(text: str) -> int:
    return len(text) if len(set(text.lower())) > 3 and _has_digit(text) else 0


_S = r"(?<![\w])(?<![0-9][.\-/])"
_E = r"(?![\w]|[.\-/][0-9])"


def _number(
    name: str,
    shape: str,
    digits: int,
    weight: float,
    near: float | None = None,
    context: str = "",
    check: object = None,
) -> Rule:
    return Rule(
        f"personal.{name}",
        f"{_S}{shape}{_E}",
        weight,
        near=near,
        context=context,
        check=check,  # type: ignore[arg-type]
        digits=digits,
    )


_PHONE = (
    r"(?:tele)?phone|tel|fon|telefon|telefono|telefone|mobile?|cell|handy|whatsapp|call|sms|fax"
)
_CARD = r"credit|debit|card|visa|mastercard|amex|karte|carte|tarjeta|cart[aã]o|cvv|cvc"

_DIGITS: tuple[Rule, ...] = (
    Rule(
        "personal.phone",
        r"(?<![\w+])\+[1-9](?:[ .\-/()]{0,2}+[0-9]){6,14}+(?![0-9])",
        0.8,
        0.9,
        _PHONE,
        _phone,
        digits=8,
    ),
    _number("phone", r"00[1-9](?:[ .\-/()]{0,2}+[0-9]){7,14}+", 9, 0, 0.8, _PHONE, _phone),
    _number(
        "phone",
        r"\(?[2-9][0-9]{2}\)?[ .\-][2-9][0-9]{2}[ .\-][0-9]{4}",
        10,
        0.5,
        0.85,
        _PHONE,
    ),
    _number("phone", r"\(?0[1-9][0-9]{0,4}\)?(?:[ .\-/]{0,2}+[0-9]){5,9}+", 8, 0, 0.7, _PHONE),
    _number(
        "card",
        r"(?:[0-9]{13,19}+|[0-9]{4}([ \-])[0-9]{4}\1[0-9]{4}\1[0-9]{1,4}(?:\1[0-9]{1,3})?"
        r"|[0-9]{4}([ \-])[0-9]{6}\2[0-9]{4,5})",
        13,
        0.85,
        0.97,
        _CARD,
        _card,
    ),
    _number(
        "us_ssn",
        r"[0-9]{3}([\- ])[0-9]{2}\1[0-9]{4}",
        9,
        0.6,
        0.95,
        r"ssn|social security|soc sec",
        _ssn,
    ),
    _number("us_ssn", r"[0-9]{9}", 9, 0, 0.8, r"ssn|social security|soc sec", _ssn),
    _number(
        "uk_nhs",
        r"[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}",
        10,
        0,
        0.9,
        r"nhs|national health|patient|hospital number",
        _nhs,
    ),
    _number(
        "de_tax_id",
        r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        11,
        0,
        0.9,
        r"steuer\w{0,20}|idnr|tin|tax id\w{0,12}|tax number",
        _steuer_id,
    ),
    _number(
        "fr_nir",
        r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?"
        r"[0-9]{2}",
        9,
        0.85,
        0.97,
        r"nir|s[ée]curit[ée] sociale|insee",
        _nir,
    ),
    _number(
        "es_dni",
        r"(?:[0-9]{8}|[0-9]{2}\.[0-9]{3}\.[0-9]{3})[ \-]?[A-Za-z]",
        7,
        0.8,
        0.95,
        r"dni|nif|nie|documento nacional",
        _dni,
    ),
    _number("es_nie", r"[XYZxyz][ \-]?[0-9]{7}[ \-]?[A-Za-z]", 7, 0.85, 0.95, "nie|nif", _dni),
    _number("br_cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", 11, 0.9, 0.97, "cpf", _cpf),
    _number("br_cpf", r"[0-9]{11}", 11, 0, 0.9, "cpf", _cpf),
    _number(
        "br_cnpj",
        r"[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}/[0-9]{4}-[0-9]{2}",
        14,
        0.6,
        0.8,
        "cnpj",
        _cnpj,
    ),
    _number(
        "in_aadhaar",
        r"[2-9][0-9]{3}([ \-])[0-9]{4}\1[0-9]{4}(?![ \-][0-9])",
        12,
        0.5,
        0.95,
        r"aadhaar|aadhar|uidai|uid",
        _aadhaar,
    ),
    _number("in_aadhaar", r"[2-9][0-9]{11}", 12, 0, 0.9, "aadhaar|aadhar|uidai|uid", _aadhaar),
    _number(
        "ca_sin",
        r"[1-79][0-9]{2}[ \-]?[0-9]{3}[ \-]?[0-9]{3}",
        9,
        0,
        0.9,
        r"sin|social insurance|assurance sociale|nas",
        _sin,
    ),
    _number(
        "au_tfn", r"[0-9]{3} ?[0-9]{3} ?[0-9]{3}", 9, 0, 0.9, r"tfn|tax file(?: number)?", _tfn
    ),
    _number(
        "au_abn",
        r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        11,
        0,
        0.6,
        r"abn|australian business",
        _abn,
    ),
    _number(
        "nl_bsn",
        r"[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}|[0-9]{4}[ .][0-9]{2}[ .][0-9]{3}",
        9,
        0,
        0.9,
        r"bsn|burgerservicenummer|sofi\w{0,10}",
        _bsn,
    ),
    _number("pl_pesel", r"[0-9]{11}", 11, 0, 0.95, "pesel", _pesel),
    _number(
        "se_personnummer",
        r"(?:19|20)?[0-9]{6}[\-+][0-9]{4}",
        10,
        0.6,
        0.95,
        r"personnummer|personnr|samordningsnummer|swedish id",
        _personnummer,
    ),
)

_MIXED: tuple[Rule, ...] = (
    Rule(
        "personal.iban",
        r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,36}+",
        0.97,
        check=_iban,
    ),
    Rule(
        "personal.uk_nino",
        r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?!\w)",
        0.7,
        0.95,
        r"national insurance|nino|ni number|ni no",
        _nino,
    ),
    Rule(
        "personal.it_codice_fiscale",
        r"(?<!\w)[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z](?!\w)",
        0.95,
        check=_codice_fiscale,
        fixed=False,
    ),
    Rule(
        "personal.ip_address",
        r"(?<![\w.\-])(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}"
        r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?![\w\-]|\.[0-9])",
        0.4,
        0.6,
        r"ip|ip address|host|server|client",
        _ip,
        triggers=(".",),
    ),
    Rule(
        "personal.ip_address",
        r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}+:)[0-9A-Fa-f:]{6,40}+(?:%\w{1,16}+)?(?!\w|\.[0-9])",
        0.4,
        0.6,
        r"ipv6|ip|ip address|host|server|client",
        _ipv6,
        triggers=(":",),
    ),
    Rule(
        "personal.mac_address",
        r"(?<![\w:\-])[0-9A-Fa-f]{2}([:\-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:\-])",
        0.5,
        0.7,
        "mac|ethernet|bluetooth|hwaddr",
        _mac,
        triggers=(":", "-"),
    ),
    Rule(
        "personal.crypto_address",
        r"(?<![A-Za-z0-9])[13][1-9A-HJ-NP-Za-km-z]{25,34}+(?![A-Za-z0-9])",
        0.9,
        check=lambda text: len(text) if not text.isdigit() and base58_check(text) else 0,
    ),
    Rule(
        "personal.crypto_address",
        r"(?<![A-Za-z0-9])(?:bc|tb)1[02-9ac-hj-np-z]{8,87}+(?![A-Za-z0-9])",
        0.95,
        check=lambda text: len(text) if bech32(text) else 0,
        triggers=("bc1", "tb1"),
    ),
    Rule(
        "personal.crypto_address",
        r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])",
        0.5,
        0.8,
        "eth|ethereum|wallet|address|usdt|usdc|erc20",
        _mac,
        triggers=("0x",),
    ),
)

_EMAIL = Rule(
    "personal.email",
    r"(?<!\w)\w[\w.+\-%]{0,63}+(?<!\.)@"
    r"(?:[^\W_][\w\-]{0,62}+\.){1,4}[^\W\d_]{2,24}+(?![\w\-])",
    0.95,
    triggers=("@",),
)
RULES: tuple[Rule, ...] = (_EMAIL, *_MIXED, *_DIGITS)

_ZONE = re.compile(r"[0-9](?:[ .\-+/()]{0,3}+[0-9A-B]){6,}+")
_LETTERS = re.compile(r"[A-Za-z:.][0-9]|[0-9](?:[A-Za-z:.\-]| [A-D](?![^\W_]))")


def find(text: str) -> list[Hit]:
    """Personal data in the text, also overlapping finds."""
    hits = find_all((_EMAIL,), text) if "@" in text else []
    if _LETTERS.search(text):
        hits += find_all(_MIXED, text)
    for zone in _ZONE.finditer(text):
        hits += _numbers(text, *zone.span())
    return hits


def _numbers(text: str, start: int, end: int) -> list[Hit]:
    """Numbers among digits that stand close together, with a sign or letter at either side."""
    n = sum(map(str.isdigit, text[start:end]))
    rules = (rule for rule in _DIGITS if rule.digits <= n)
    return [hit for rule in rules for hit in matches(rule, text, max(0, start - 2), end + 4)]
