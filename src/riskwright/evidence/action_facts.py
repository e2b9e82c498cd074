"""What arguments tell of an action: money, recipients, addresses, sensitive data, how many."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from riskwright.core import UnreadableError

from .action_shell import ShellFacts, joined_facts, read_command
from .action_tools import ToolCatalogue, ToolEntry
from .action_words import gravest, kind_of_name, word_set, words_of
from .actions import (
    AgentAction,
    Audience,
    Kind,
    Money,
    Origin,
    Reversibility,
    Target,
    leaves,
    plain_json,
)

__all__ = ["action_of", "domain_of", "is_secret_place", "labels_of_data"]

_RECIPIENT_KEYS = word_set(
    "to cc bcc recipient recipients email emails address addressee addressees payee iban channel "
    "phone user_email beneficiary account_to to_account destination_account"
)
_AMOUNT_KEYS = word_set("amount price total cost sum payment value fee")
_COUNT_KEYS = word_set("count number quantity n")
_RESOURCE_KEYS = word_set(
    "path file file_path filename filepath resource uri table database bucket key selector element "
    "target name id"
)
_CODE_KEYS = word_set("command cmd script shell bash")
_WORD_KEYS = word_set("args argv arguments parameters params")
_SQL_KEYS = word_set("sql query statement")
_RIGHTS = word_set(
    "role roles permission permissions privilege privileges scopes acl is_admin admin"
)
_EVERYTHING = frozenset({"*", "all", "everything", "everyone"})
_SECRET_WORDS = word_set(
    "password passwd passphrase secret token apikey credential credentials otp cvv pin"
)
_SECRET_PAIRS = (("api", "key"), ("private", "key"), ("access", "key"), ("one", "time"))
_PERSONAL_WORDS = word_set("ssn passport birthdate dob diagnosis medical salary")
_FINANCIAL_WORDS = word_set("iban cvv card creditcard routing")
_SECRET_VALUE = re.compile(
    r"[?&](?:api_?key|(?:access_)?token|secret|password|passwd)=[^&\s]"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|\bsk-[A-Za-z0-9_-]{20}|\bxox[abprs]-[A-Za-z0-9-]{10}|\beyJ[A-Za-z0-9_-]{10,200}\.eyJ"
)
_SECRET_PLACE = re.compile(
    r"(?:^|[/\\~])(?:\.ssh|\.aws|\.gnupg|\.netrc|\.pgpass|\.env|\.kube|\.git-credentials)(?:$|[/\\.])"
    r"|\bid_(?:rsa|ed25519|ecdsa)\b|/etc/(?:shadow|sudoers|passwd)|\.(?:pem|pfx|p12|kdbx)$"
    r"|(?:^|[/_\\.-])(?:credentials?|secrets?|passwords?|payroll)(?:$|[/_\\.-])",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_PRICE = re.compile(r"([$€£¥])\s{0,3}([0-9][0-9,]{0,15}(?:\.[0-9]{1,4})?)")
_CURRENCY = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_NUMBER = re.compile(r"[0-9]{1,15}(?:,[0-9]{3}){0,5}(?:\.[0-9]{1,6})?")
_SQL_KIND: dict[str, Kind] = {
    "select": "search",
    "show": "read",
    "explain": "read",
    "insert": "write",
    "update": "write",
    "merge": "write",
    "create": "write",
    "alter": "write",
    "delete": "delete",
    "drop": "delete",
    "truncate": "delete",
    "grant": "grant",
    "revoke": "grant",
}
HTTP_KINDS: dict[str, Kind] = {
    "GET": "read",
    "HEAD": "read",
    "OPTIONS": "read",
    "POST": "write",
    "PUT": "write",
    "PATCH": "write",
    "DELETE": "delete",
}
_ONE_THING = word_set("coordinate coordinates position size locator command cmd bbox region")
_UNDONE: dict[Kind, Reversibility] = {
    "read": "reversible",
    "search": "reversible",
    "navigate": "reversible",
    "type": "reversible",
    "login": "reversible",
    "write": "costly",
    "send": "irreversible",
    "delete": "irreversible",
    "publish": "costly",
    "pay": "costly",
    "agree": "costly",
    "grant": "costly",
}
_TO_OTHERS: frozenset[Kind] = frozenset({"send", "pay", "agree", "unknown"})


def action_of(
    tool: str,
    arguments: Any,
    *,
    source: Any,
    where: str,
    id: str = "",
    kind: Kind | None = None,
    url: str = "",
    element: str = "",
    origin: Origin = "unknown",
    tools: ToolCatalogue | None = None,
    shell: ShellFacts | None = None,
    signs: Iterable[str] = (),
) -> AgentAction:
    """An action from the name of a tool and its arguments; what an operator states stands."""
    catalogue = tools or ToolCatalogue()
    entry = catalogue.tools.get(tool, ToolEntry())
    values = _arguments(arguments, where)
    shell = shell or _shell_of(values)
    told = [*signs, *(shell.signs if shell else ()), *entry.signs]
    what = entry.kind or kind or _kind(tool, values, shell)
    money = _money(what, values, entry, element)
    places = [*(shell.paths if shell else ()), *_texts(values, _RESOURCE_KEYS)]
    recipients = _recipients(values, entry, what)
    data = labels_of_data(values, [*places, url])
    if not _readable(values, shell):
        told.append("unreadable command")
    return AgentAction(
        tool=_printable(tool, where),
        id=id,
        kind=what,
        arguments=values,
        target=Target(
            resource=_resource(values, entry, places),
            domain=domain_of(url) or _first_domain(values, shell),
            recipients=recipients,
        ),
        reversibility=entry.reversibility or _reversibility(what, shell, values),
        money=money,
        audience=entry.audience or _audience(what, values, recipients, catalogue),
        data_exposed=tuple(dict.fromkeys((*entry.data, *data, *(["sensitive"] * entry.sensitive)))),
        count=_count(values, recipients, shell),
        signs=tuple(dict.fromkeys(told)),
        origin=origin,
        source_digest=_digest(source),
    )


def _printable(tool: str, where: str) -> str:
    if not isinstance(tool, str) or not tool or len(tool) > 256 or not tool.isprintable():
        raise UnreadableError(
            "not a name of a tool", where=where, expected="1 to 256 printable characters"
        )
    return tool


def _arguments(arguments: Any, where: str) -> dict[str, Any]:
    values = plain_json(arguments, f"{where} arguments")
    if values is None:
        return {}
    return values if isinstance(values, dict) else {"input": values}


def _digest(source: Any) -> str:
    try:
        text = json.dumps(source, sort_keys=True, separators=(",", ":"), default=repr)
    except (RecursionError, TypeError, ValueError):
        raise UnreadableError("not plain JSON, or nested too deeply", where="source") from None
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _shell_of(values: Mapping[str, Any]) -> ShellFacts | None:
    """All commands among the arguments together; None where there are none, or one is unreadable.

    Words under keys such as `args` belong to each of them.
    """
    more = [word for key in values if key.lower() in _WORD_KEYS for word in _words(values[key])]
    found: list[ShellFacts] = []
    for key, value in values.items():
        if key.lower() not in _CODE_KEYS and key.lower() != "commands":
            continue
        listed = key.lower() == "commands" and isinstance(value, list)
        for command in value if listed else [value]:
            try:
                found.append(read_command(_with_words(command, more)))
            except UnreadableError:
                return None
    return joined_facts(found) if found else None


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [str(word) for word in value] if isinstance(value, list) else []


def _with_words(command: Any, more: list[str]) -> str | list[str]:
    if isinstance(command, str):
        return " ".join([command, *map(shlex.quote, more)])
    if isinstance(command, list):
        return [*command, *more]
    raise UnreadableError("not a command", expected="text, or a list of words")


def _readable(values: Mapping[str, Any], shell: ShellFacts | None) -> bool:
    return shell is not None or not any(k.lower() in _CODE_KEYS | {"commands"} for k in values)


def _kind(tool: str, values: Mapping[str, Any], shell: ShellFacts | None) -> Kind:
    named = kind_of_name(tool)
    if named in ("write", "unknown") and _hands_out_rights(values):
        return "grant"
    if shell is not None:
        return shell.kind if named in ("execute", "unknown") else gravest([named, shell.kind])
    method = str(values.get("method", "")).upper()
    if method in HTTP_KINDS and named in ("read", "search", "navigate", "unknown"):
        return gravest([HTTP_KINDS[method], *([] if named == "unknown" else [named])])
    for key, value in values.items():
        first = words_of(value[:200])[:1] if isinstance(value, str) else []
        if key.lower() in _SQL_KEYS and first and first[0] in _SQL_KIND:
            statements = [words_of(part[:200])[:1] for part in value.split(";")]
            kinds = [_SQL_KIND.get(words[0], "execute") for words in statements if words]
            return gravest([*kinds, *([] if named == "unknown" else [named])])
        if key.lower() in _CODE_KEYS | {"code"}:
            return gravest(["execute", *([] if named == "unknown" else [named])])
    return named


def _hands_out_rights(values: Mapping[str, Any]) -> bool:
    """Whether an argument sets a role or right, such as role: admin."""
    return any(
        set(words_of(path.rpartition(".")[2])) & _RIGHTS and value not in ("", None, False)
        for path, value in leaves(dict(values))
    )


def _reversibility(
    kind: Kind, shell: ShellFacts | None, values: Mapping[str, Any]
) -> Reversibility:
    if shell is not None:
        if shell.for_good:
            return "irreversible"
        return "costly" if kind == "delete" else _UNDONE.get(kind, "unknown")
    if kind == "delete" and any(
        isinstance(v, str) and v.lower() == "trash" for _, v in leaves(dict(values))
    ):
        return "costly"
    return _UNDONE.get(kind, "unknown")


def _texts(values: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    wanted = set(keys)
    return [v for k, v in values.items() if k.lower() in wanted and isinstance(v, str)]


def _resource(values: Mapping[str, Any], entry: ToolEntry, places: list[str]) -> str:
    if entry.resource:
        return str(values.get(entry.resource, ""))
    return places[0] if places else ""


def _recipients(values: Mapping[str, Any], entry: ToolEntry, kind: Kind) -> tuple[str, ...]:
    keys = {entry.recipient} if entry.recipient else _RECIPIENT_KEYS
    found: list[str] = []
    for path, value in leaves(dict(values)):
        key = path.partition("[")[0].rpartition(".")[2].lower()
        if (key in keys or path.partition("[")[0] in keys) and isinstance(value, str) and value:
            found += [part.strip() for part in re.split("[,;]", value) if part.strip()]
    if kind in ("read", "search", "navigate") and not entry.recipient:
        return ()
    return tuple(dict.fromkeys(found))


def _audience(
    kind: Kind, values: Mapping[str, Any], recipients: tuple[str, ...], tools: ToolCatalogue
) -> Audience:
    public = values.get("public") is True or any(
        str(values.get(key, "")).lower() in ("public", "everyone", "world", "anyone")
        for key in ("visibility", "audience", "access", "sharing")
    )
    if kind == "publish" or public:
        return "public"
    if recipients:
        return "known people" if all(map(tools.knows, recipients)) else "unknown"
    return "unknown" if kind in _TO_OTHERS or kind == "grant" else "self"


def _money(kind: Kind, values: Mapping[str, Any], entry: ToolEntry, element: str) -> Money | None:
    currency = entry.currency or _currency(values)
    if entry.amount:
        return Money(amount=_number(values.get(entry.amount)), currency=currency)
    shown = _PRICE.search(element)
    if shown and kind in ("pay", "click", "agree"):
        return Money(amount=_number(shown[2]), currency=_CURRENCY[shown[1]])
    for path, value in leaves(dict(values)):
        words = words_of(path.rpartition(".")[2])
        if (kind == "pay" or currency) and set(words) & _AMOUNT_KEYS:
            amount = _number(value)
            if amount is not None and set(words) & {"cents", "minor"}:
                amount /= 100
            return Money(amount=amount, currency=currency)
    return Money(currency=currency) if kind == "pay" else None


def _currency(values: Mapping[str, Any]) -> str:
    for path, value in leaves(dict(values)):
        if "currency" in words_of(path.rpartition(".")[2]) and isinstance(value, str):
            return value.upper() if value.isalpha() and len(value) <= 5 else ""
    return ""


def _number(value: Any) -> float | None:
    """A number >= 0; None where it cannot be told for sure."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) and value >= 0 else None
    if isinstance(value, str):
        plain = value.strip().lstrip("$€£¥ ")
        return float(plain.replace(",", "")) if _NUMBER.fullmatch(plain) else None
    return None


def domain_of(url: str) -> str:
    """The host of an address, in lower case; empty where there is none.

    Examples
    --------
    >>> domain_of("https://user@Shop.example.org:8443/pay?x=1"), domain_of("not an address")
    ('shop.example.org', '')
    """
    try:
        return (urlsplit(url.strip()).hostname or "") if "://" in url[:40] else ""
    except ValueError:
        return ""


def _first_domain(values: Mapping[str, Any], shell: ShellFacts | None) -> str:
    texts = [*(shell.urls if shell else ()), *(v for _, v in leaves(dict(values)))]
    domains = (domain_of(text) for text in texts if isinstance(text, str))
    return next((domain for domain in domains if domain), "")


def is_secret_place(text: str) -> bool:
    """Whether a path looks like one where keys and passwords are kept."""
    return _SECRET_PLACE.search(text) is not None


def labels_of_data(values: Mapping[str, Any], places: Iterable[str]) -> tuple[str, ...]:
    """Labels of the sensitive data that arguments seem to hold or to reach.

    Examples
    --------
    >>> labels_of_data({"api_key": "x"}, ["/home/u/.ssh/id_rsa"]), labels_of_data({"q": "tea"}, [])
    (('credentials',), ())
    """
    found: set[str] = set()
    for path, value in leaves(dict(values)):
        words = words_of(path)
        pairs = set(itertools.pairwise(words))
        if set(words) & _SECRET_WORDS or pairs & set(_SECRET_PAIRS):
            found.add("credentials")
        if set(words) & _PERSONAL_WORDS:
            found.add("personal")
        if set(words) & _FINANCIAL_WORDS:
            found.add("financial")
        if isinstance(value, str):
            if _SECRET_VALUE.search(value) or is_secret_place(value):
                found.add("credentials")
            if len(set(_EMAIL.findall(value))) >= 5:
                found.add("personal")
    if any(is_secret_place(place) for place in places):
        found.add("credentials")
    return tuple(sorted(found))


def _count(
    values: Mapping[str, Any], recipients: tuple[str, ...], shell: ShellFacts | None
) -> int | None:
    if shell is not None and shell.unbounded:
        return None
    most = max(1, len(recipients))
    for key, value in values.items():
        if isinstance(value, list) and key.lower() not in _ONE_THING:
            most = max(most, len(value))
        if isinstance(value, str) and value.strip().lower() in _EVERYTHING:
            return None
        if value is True and key.lower() in ("all", "recursive", "everyone"):
            return None
        if key.lower() in _COUNT_KEYS and isinstance(value, int) and not isinstance(value, bool):
            most = max(most, value)
    return most
