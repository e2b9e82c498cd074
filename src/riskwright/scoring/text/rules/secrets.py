"""Secrets: keys in the formats that vendors publish, and assignments of random-looking values.

Patterns follow the vendors' documentation; a checksum or a decodable part is checked where it is
public. Notes on the sources stand beside the rules.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections import Counter

from .checksums import crc32_base62
from .rule import Hit, Rule, find_all

__all__ = [
    "REACH",
    "RULES",
    "SHORT_REACH",
    "aws_account",
    "entropy",
    "find",
    "find_long",
    "find_short",
]

REACH = 4096
"""The longest match, in characters; a longer block is found up to there."""
SHORT_REACH = 640
"""The longest match of all rules but those for blocks."""
_LONG_NAMES = ("secrets.private_key", "secrets.json_web_token", "secrets.pypi_token")

_PLACEHOLDERS = (
    *("example", "changeme", "placeholder", "your", "xxxx", "****", "....", "<", ">"),
    *("${", "{{", "process.env", "os.environ", "getenv", "redacted", "dummy", "sample", "todo"),
)


def entropy(text: str) -> float:
    """Shannon entropy of the characters, in bits per character.

    Examples
    --------
    >>> entropy("abababab"), entropy("aaaa")
    (1.0, 0.0)
    """
    n = len(text)
    return sum(c / n * math.log2(n / c) for c in Counter(text).values())


def aws_account(key: str) -> int:
    """The account number inside an AWS access key id: bits 1 to 40 of its base-32 part.

    Examples
    --------
    >>> aws_account("AKIA" + "AAAAAAAA" * 2)
    0
    """
    import base64

    return (int.from_bytes(base64.b32decode(key[4:])[:6], "big") & 0x7FFFFFFFFF80) >> 7


def _aws(key: str) -> int:
    """Account numbers have twelve digits; ids issued before they were encoded have I or J."""
    old = key[4] in "IJ"
    return len(key) if entropy(key[4:]) > 2 and (old or aws_account(key) < 10**12) else 0


def _crc(token: str) -> int:
    """30 characters and their CRC-32 in base 62, as in the tokens of GitHub and npm."""
    body = token.partition("_")[2]
    return len(token) if crc32_base62(body[:-6]) == body[-6:] else 0


def _random(token: str) -> int:
    """Random enough to be a key: no placeholder, not one character over and over."""
    return len(token) if entropy(token[-24:]) > 2.5 and not _placeholder(token) else 0


def _placeholder(value: str) -> bool:
    low = value.lower()
    return any(word in low for word in _PLACEHOLDERS)


def _jwt(token: str) -> int:
    header = token.partition(".")[0].encode()
    try:
        told = json.loads(binascii.a2b_base64(_padded(header)))
    except (ValueError, RecursionError):
        return 0
    return len(token) if isinstance(told, dict) and "alg" in told else 0


def _padded(data: bytes) -> bytes:
    return data.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(data) % 4)


_SIGN = re.compile(
    r"['\"`]?[ \t]{0,4}(?::=|=>|=|:| is | ist | es )[ \t]{0,4}['\"`]?", re.IGNORECASE
)


def _value(text: str) -> str:
    """What stands after the sign of an assignment."""
    found = _SIGN.search(text)
    return text[found.end() :] if found else ""


def _assigned(text: str) -> int:
    """Letters and digits, at least 3 bits a character, no placeholder."""
    value = _value(text)
    kinds = any(c.isdigit() for c in value) + any(c.isalpha() for c in value)
    return len(text) if kinds == 2 and entropy(value) >= 3 and not _placeholder(value) else 0


def _password(text: str) -> int:
    """A letter, a digit or sign that prose does not hold, five characters, no path."""
    value = _value(text)
    core = value.rstrip(".!?:)")
    mixed = any(c.isalpha() for c in core) and any(c.isdigit() or c in "!@#$%^&*+=?~" for c in core)
    prose = value[0] in "/~.({[" or _placeholder(value)
    return len(text) if mixed and len(set(value)) > 4 and not prose else 0


def _url(text: str) -> int:
    password = text.rpartition("@")[0].rpartition(":")[2]
    return 0 if _placeholder(password) or password.startswith("$") else len(text)


_W = r"(?<![A-Za-z0-9_])"
_E = r"(?![A-Za-z0-9_])"


def _key(
    name: str, prefixes: str, body: str, *triggers: str, weight: float = 0.95, end: str = _E
) -> Rule:
    return Rule(
        f"secrets.{name}", f"{_W}{prefixes}{body}{end}", weight, check=_random, triggers=triggers
    )


_ASSIGNED = (
    r"(?:api|access|auth|client|private|secret|encryption|signing|account|refresh|bearer)"
    r"[ _.\-]?(?:key|token|secret)|secret|token"
)

RULES: tuple[Rule, ...] = (
    Rule(
        "secrets.aws_access_key",
        rf"{_W}(?:AKIA|ASIA)[A-Z2-7]{{16}}{_E}",
        0.95,
        check=_aws,
        triggers=("AKIA", "ASIA"),
    ),
    Rule(
        "secrets.github_token",
        rf"{_W}gh[pousr]_[A-Za-z0-9]{{36}}{_E}",
        0.99,
        check=_crc,
        triggers=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    ),
    _key(
        *("github_token_unchecked", "gh[pousr]_", "[A-Za-z0-9]{36}"),
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        weight=0.6,
    ),
    _key("github_fine_grained", "github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", "github_pat_"),
    Rule(
        "secrets.npm_token", rf"{_W}npm_[A-Za-z0-9]{{36}}{_E}", 0.99, check=_crc, triggers=("npm_",)
    ),
    _key("npm_token_unchecked", "npm_", "[A-Za-z0-9]{36}", "npm_", weight=0.6),
    _key("gitlab_token", "glpat-", r"[A-Za-z0-9_\-]{20,64}+", "glpat-", end=""),
    _key("slack_token", "xox[abeoprs]-", r"(?:[A-Za-z0-9]{1,64}+-?){2,8}+", "xox", end=""),
    _key(
        "slack_webhook",
        r"https://hooks\.slack\.com/services/",
        "T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{20,32}",
        "hooks.slack.com/services/",
    ),
    _key("stripe_key", "(?:sk|rk)_live_", "[A-Za-z0-9]{16,247}+", "sk_live_", "rk_live_"),
    _key(
        *("stripe_test_key", "(?:sk|rk)_test_", "[A-Za-z0-9]{16,247}+", "sk_test_", "rk_test_"),
        weight=0.4,
    ),
    _key("google_api_key", "AIza", r"[A-Za-z0-9_\-]{35}", "AIza", end=r"(?![A-Za-z0-9_\-])"),
    _key("google_oauth_secret", "GOCSPX-", r"[A-Za-z0-9_\-]{28}", "GOCSPX-"),
    _key("openai_key", "sk-", "[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}", "T3BlbkFJ"),
    _key(
        "openai_key",
        "sk-(?:proj|svcacct|admin)-",
        r"[A-Za-z0-9_\-]{40,250}+",
        *("sk-proj-", "sk-svcacct-", "sk-admin-"),
        end="",
    ),
    _key("anthropic_key", r"sk-ant-[a-z]{3,8}[0-9]{2}-", r"[A-Za-z0-9_\-]{80,120}+", "sk-ant-"),
    _key("hugging_face_token", "hf_", "[A-Za-z0-9]{34,40}", "hf_"),
    _key(
        *("pypi_token", "pypi-AgE", r"[A-Za-z0-9_\-]{50,1000}+", "pypi-AgE"),
        weight=0.99,
        end="",
    ),
    _key("sendgrid_key", r"SG\.", r"[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}", "SG."),
    _key("digitalocean_token", "do[opr]_v1_", "[a-f0-9]{64}", "_v1_"),
    _key("shopify_token", "shp(?:at|ca|pa|ss)_", "[a-fA-F0-9]{32}", "shpat_", "shpca_", "shp"),
    _key("telegram_token", "[0-9]{8,10}:AA", r"[A-Za-z0-9_\-]{33}", ":AA"),
    _key("age_key", "AGE-SECRET-KEY-1", "[0-9A-Z]{58}", "AGE-SECRET-KEY-1"),
    Rule(
        "secrets.private_key",
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:[A-Za-z0-9+/=:,.\\\s]|-(?!----)){0,3800}+-----END [A-Z0-9 ]{0,60}+-----"
        r"|(?:(?:\s|\\[rn]){0,4}+[A-Za-z0-9+/=]{40,80}+){0,45}+)",
        0.95,
        triggers=("PRIVATE KEY",),
    ),
    Rule(
        "secrets.json_web_token",
        r"(?<![A-Za-z0-9_.\-])eyJ[A-Za-z0-9_\-]{8,600}+\.[A-Za-z0-9_\-]{2,2500}+"
        r"\.[A-Za-z0-9_\-]{0,900}+",
        0.9,
        check=_jwt,
        triggers=("eyJ",),
    ),
    Rule(
        "secrets.url_password",
        rf"{_W}[a-z][a-z0-9+.\-]{{1,20}}+://[^\s:/@'\"<>]{{0,64}}+:[^\s/@'\"<>]{{3,128}}+@[\w.\-]"
        r"{1,255}+",
        0.9,
        check=_url,
        triggers=("://",),
    ),
    Rule(
        "secrets.connection_string",
        r"(?<![A-Za-z])(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,90}+={0,2}",
        0.95,
        check=lambda text: _random(text.rstrip("=")) and len(text),
        triggers=("AccountKey=", "SharedAccessKey="),
    ),
)

_WORDED: tuple[Rule, ...] = (
    Rule(
        "secrets.assigned",
        rf"(?<![A-Za-z])(?:{_ASSIGNED})(?:['\"`]?[ \t]{{0,4}}(?::=|=>|=|:)[ \t]{{0,4}}['\"`]?)"
        r"[A-Za-z0-9+/_\-.~=]{16,512}+",
        0.7,
        check=_assigned,
        triggers=("key", "token", "secret"),
        fixed=False,
    ),
    Rule(
        "secrets.password",
        r"(?<![A-Za-z])(?:password|passwd|passphrase|pwd|passwort|kennwort|contraseña|senha"
        r"|mot de passe)(?:['\"`]?[ \t]{0,4}(?::=|=>|=|:| is | ist | es )[ \t]{0,4}['\"`]?)"
        r"[^\s'\"`<>,;]{6,128}+",
        0.6,
        check=_password,
        triggers=("pass", "pwd", "kennwort", "contrase", "senha"),
        fixed=False,
    ),
)


_LONG = tuple(rule for rule in RULES if rule.name in _LONG_NAMES)
_SHORT = tuple(rule for rule in RULES if rule.name not in _LONG_NAMES)


def find_long(text: str) -> list[Hit]:
    """Keys and tokens of up to `REACH` characters."""
    return find_all(_LONG, text)


def find_short(text: str) -> list[Hit]:
    """All other secrets, of up to `SHORT_REACH` characters."""
    hits = find_all(_SHORT, text)
    low = text.casefold()
    if any(word in low for rule in _WORDED for word in rule.triggers):
        hits += [hit for rule in _WORDED for hit in _found(rule, text, low)]
    return hits


def find(text: str) -> list[Hit]:
    """Secrets in the text, also overlapping ones."""
    return find_short(text) + find_long(text)


def _found(rule: Rule, text: str, low: str) -> list[Hit]:
    wanted = any(word in low for word in rule.triggers)
    return find_all((rule._replace(triggers=()),), text) if wanted else []
