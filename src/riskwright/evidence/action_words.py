"""Words that tell what an action does: in names of tools, on buttons, in addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import cast

from .actions import KINDS, Kind

__all__ = ["gravest", "kind_of_element", "kind_of_name", "word_set", "words_of"]


def word_set(text: str) -> frozenset[str]:
    """The words of a text, without order."""
    return frozenset(text.split())


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_VERBS: dict[str, str] = {
    "read": "get list read fetch view show describe look lookup open load download count check "
    "inspect summarize summarise summary retrieve cat head tail ls status ping preview wait "
    "screenshot snapshot scroll hover back forward",
    "search": "search find query filter browse google lookup",
    "navigate": "navigate goto visit go",
    "type": "type fill input select choose press",
    "click": "click tap",
    "login": "login signin authenticate logout signout",
    "write": "write create update set save edit insert put patch add append modify move rename "
    "copy upload store mkdir touch change replace schedule mark submit sync import merge",
    "send": "send email mail message forward reply notify sms text invite export transmit call",
    "delete": "delete remove drop destroy erase purge wipe truncate clear cancel unsubscribe "
    "uninstall terminate kill reset revert discard close deactivate archive rm",
    "execute": "execute exec run eval invoke bash shell spawn install deploy restart start launch",
    "publish": "publish post tweet share comment broadcast release announce",
    "pay": "pay buy purchase checkout transfer wire donate subscribe refund withdraw deposit bet "
    "trade sell bid tip order book reserve",
    "agree": "agree accept sign register apply consent signup enroll enrol confirm",
    "grant": "grant authorize authorise permit promote chmod chown elevate assign",
}
_NOUNS: dict[str, str] = {
    "send": "email mail message sms notification",
    "publish": "post tweet comment review",
    "pay": "payment payments transfer purchase order refund subscription donation wire transaction",
    "agree": "contract agreement account registration application",
    "grant": "permission permissions role roles access admin acl policy privilege privileges",
    "execute": "shell bash command script code terminal",
}
_KIND_OF_VERB: dict[str, Kind] = {
    word: cast(Kind, kind) for kind, text in _VERBS.items() for word in text.split()
}
_KIND_OF_NOUN: dict[str, Kind] = {
    word: cast(Kind, kind) for kind, text in _NOUNS.items() for word in text.split()
}
_HARMLESS: frozenset[Kind] = frozenset({"read", "search", "navigate"})
_ALSO_NOUNS = word_set(
    "text mail email message call comment post order book share wire tip bid list check count view "
    "mark set store import export transfer refund purchase trade sign register deposit invite sms "
    "download load filter query patch merge press input release"
)
_JOINS = word_set("and then or")
_ON_A_PAGE = word_set(
    "get list open load go back forward view show look type select choose press tap click add set "
    "close clear start call text check count rate status order book"
)
_PHRASES: tuple[tuple[str, Kind], ...] = (
    ("log in", "login"),
    ("sign in", "login"),
    ("log out", "login"),
    ("sign out", "login"),
    ("sign up", "agree"),
    ("create account", "agree"),
    ("create an account", "agree"),
    ("join now", "agree"),
    ("place order", "pay"),
    ("place your order", "pay"),
    ("order now", "pay"),
    ("book now", "pay"),
    ("check out", "pay"),
    ("go to", "navigate"),
)


def gravest(kinds: Iterable[Kind]) -> Kind:
    """The gravest of some kinds, in the order of `KINDS`; "unknown" where there are none."""
    return max(kinds, key=KINDS.index, default="unknown")


def words_of(text: str) -> list[str]:
    """Lower-case words of a name in camelCase, snake_case or plain text."""
    return [word.lower() for word in _WORD.findall(text)]


def kind_of_name(name: str) -> Kind:
    """What a tool of that name seems to do.

    The gravest verb decides; what a changing verb is about can make it graver. Words that are nouns
    as well count as verbs only in front or after "and". Neither verb nor noun known: "unknown", as
    is a name with letters beyond ASCII that none of these stands behind (NFKC), which may only look
    like a word.

    Examples
    --------
    >>> [kind_of_name(n) for n in ("getUser", "create_payment", "get_and_delete", "frobnicate")]
    ['read', 'pay', 'delete', 'unknown']
    """
    name = unicodedata.normalize("NFKC", name)
    words = words_of(name)
    disguised: tuple[Kind, ...] = () if name.isascii() else ("unknown",)
    first = [place == 0 or words[place - 1] in _JOINS for place in range(len(words))]
    verbs = [
        _KIND_OF_VERB[word]
        for word, leads in zip(words, first, strict=True)
        if word in _KIND_OF_VERB and (leads or word not in _ALSO_NOUNS)
    ]
    if verbs and set(verbs) <= _HARMLESS:
        return gravest([*verbs, *disguised])
    return gravest(
        [*verbs, *disguised, *(_KIND_OF_NOUN[word] for word in words if word in _KIND_OF_NOUN)]
    )


def kind_of_element(text: str) -> Kind:
    """What pressing an element with this text seems to do; "unknown" where no word tells.

    Examples
    --------
    >>> [kind_of_element(t) for t in ("Place order", "Delete my photo", "Next")]
    ['pay', 'delete', 'unknown']
    """
    line = f" {' '.join(words_of(text))} "
    found = []
    for phrase, kind in _PHRASES:
        if f" {phrase} " in line:
            found.append(kind)
            line = line.replace(f" {phrase} ", " ")
    words = line.split()
    found += [_KIND_OF_VERB[w] for w in words if w in _KIND_OF_VERB and w not in _ON_A_PAGE]
    return gravest(found)
