"""Probability of a word at one place of an answer, summed over the ways in which it is spelled."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

from riskwright.core import Record
from riskwright.language_models.replies import Completion, Token

__all__ = ["WordMass", "first_word", "is_end", "listed", "plain", "share", "spelled_tokens"]

_MARKS = str.maketrans({"▁": " ", "Ġ": " ", "Ċ": "\n"})
_SPECIAL = re.compile(r"<\|[^|<>]{0,40}\|>|</?s>|<eos>|<end_of_turn>|<pad>")
_INVISIBLE = re.compile(rf"\s+|{_SPECIAL.pattern}")
_BLANK = " \t\r\n\"'`*:_"
_WORD = re.compile(r"[^\W_]*")
_SHORT = 64
MOST_MASS = 1.01
"""Listed probabilities of one place may sum to this much (servers round); more is refused."""


class WordMass(Record, frozen=True, kw_only=True):
    """How the probability of the first word of an answer is shared out.

    `mass` is label -> probability; `other` belongs to words that are none of the labels; `unknown`
    could be any of them: tokens that were not listed, and branches that were not followed. All
    sum to 1 up to rounding. `written` is the label that the answer holds, or "".
    """

    mass: dict[str, float]
    other: float
    unknown: float
    written: str = ""


def plain(text: str) -> str:
    """A token as text: the marks by which vocabularies write blanks become blanks.

    >>> plain("▁yes"), plain("Ċ"), plain("<0x0A>")
    (' yes', '\\n', '\\n')
    """
    return _kept_plain(text) if len(text) <= _SHORT else text.translate(_MARKS)


def is_end(text: str) -> bool:
    """Whether a token ends the answer."""
    return len(text) <= _SHORT and _kept_end(text)


@lru_cache(maxsize=2**14)
def _kept_plain(text: str) -> str:
    return "\n" if text == "<0x0A>" else text.translate(_MARKS)


@lru_cache(maxsize=2**14)
def _kept_end(text: str) -> bool:
    return not text or _SPECIAL.fullmatch(text) is not None


def listed(token: Token) -> dict[str, float]:
    """Spelling -> probability of the tokens listed at one place, with the one that was written.

    Tokens of one spelling are added. Probabilities that sum to a little more than 1 are scaled.
    Empty where they are no probabilities.
    """
    found: dict[str, float] = {}
    pairs = list(token.top)
    if token.text not in (text for text, _ in pairs):
        pairs.append((token.text, token.logprob))
    for text, logprob in pairs:
        if math.isnan(logprob) or logprob > math.log(MOST_MASS):
            return {}
        key = plain(text)
        found[key] = found.get(key, 0.0) + math.exp(logprob)
    total = math.fsum(found.values())
    if total > MOST_MASS:
        return {}
    return {text: p / max(total, 1.0) for text, p in found.items()}


def spelled_tokens(completion: Completion, text: str) -> tuple[Token, ...] | None:
    """The tokens that spell `text`, the end of the answer; None where they cannot be trusted.

    Blanks and special tokens are not compared. Tokens that spell something else, as those of a
    server that lists the tokens of another text, are not used.
    """
    tokens = completion.tokens
    if not tokens or not all(listed(token) for token in tokens):
        return None
    wanted = _INVISIBLE.sub("", text)
    pieces = [_INVISIBLE.sub("", plain(token.text)) for token in tokens]
    extra = sum(map(len, pieces)) - len(wanted)
    if extra < 0 or not "".join(pieces).endswith(wanted):
        return None
    start = 0
    while extra > 0 and start < len(pieces):
        extra -= len(pieces[start])
        start += 1
    return tokens[start:] if extra == 0 else None


def first_word(
    tokens: Sequence[Token],
    labels: Collection[str],
    *,
    after: str = "",
    whole: bool = False,
    spellings: int | None = None,
) -> WordMass:
    """Probabilities that the first word is each of `labels`, from one answer.

    Parameters
    ----------
    tokens : of the answer, with the alternatives at each place.
    labels : words of letters and digits; case does not matter.
    after : the word is the first one after the first place where this text stands; then the
        probabilities are those given what the answer says up to there.
    whole : whether each label is one token, so that a label that begins another one (se, sec) is
        complete by itself; else such a token is unknown unless the answer goes on from it.
    spellings : how many tokens of the vocabulary can stand for a label at most, if that is known;
        then no more than that times the smallest listed probability is unknown at a place.

    Notes
    -----
    Blanks before the word are followed along the answer, so that a leading newline does not hide
    the verdict. A branch that was not followed is unknown, never nought: with mass u unlisted or
    not followed, the probability of a word lies between its mass and its mass plus u. Cost: one
    step per token up to the word.

    Examples
    --------
    >>> top = (("safe", -0.5108256), (" unsafe", -1.2))
    >>> token = Token(text="safe", logprob=-0.5108256, top=top)
    >>> mass = first_word([token], ["safe", "unsafe"])
    >>> round(mass.mass["unsafe"], 3), round(mass.unknown, 3), mass.written
    (0.301, 0.099, 'safe')
    """
    known = {label.casefold(): label for label in labels}
    start, needed = _place(tokens, after.casefold())
    mass = dict.fromkeys(labels, 0.0)
    other = unknown = 0.0
    path, seen, written = (1.0, "", "") if start is not None else (0.0, "", "")
    if start is None:
        return WordMass(mass=mass, other=0.0, unknown=1.0)
    for token in tokens[start:]:
        here = listed(token)
        unseen = max(0.0, 1.0 - math.fsum(here.values()))
        if spellings is not None and here:
            smallest = min(here.values())
            bounded = min(unseen, spellings * smallest)
            other += path * (unseen - bounded)
            unseen = bounded
        unknown += path * unseen
        own, going_on = plain(token.text), False
        for text, p in here.items():
            kind = _kind(seen + (" " if is_end(text) else text), needed, known, whole)
            if kind == "?" and not is_end(text):
                going_on |= text == own
                unknown += 0.0 if text == own else path * p
            elif kind in mass:
                mass[kind] += path * p
                written = kind if text == own else written
            else:
                other += path * p
        if not going_on:
            return WordMass(mass=mass, other=other, unknown=unknown, written=written)
        path *= here[own]
        seen += own
    end = _kind(seen + " ", needed, known, whole)
    if end in mass:
        mass[end] += path
        return WordMass(mass=mass, other=other, unknown=unknown, written=end)
    return WordMass(mass=mass, other=other, unknown=unknown + path)


def _place(tokens: Sequence[Token], after: str) -> tuple[int | None, str]:
    """Where the word begins: the token, and what of `after` that token still has to spell."""
    if not after:
        return 0, ""
    text = ""
    for number, token in enumerate(tokens):
        before, text = text, text + plain(token.text).casefold()
        found = text.find(after)
        if found >= 0:
            end = found + len(after)
            if end == len(text):
                return number + 1, ""
            return number, text[len(before) : end]
    return None, ""


def _kind(text: str, needed: str, known: dict[str, str], whole: bool) -> str:
    """The label that a beginning spells, "?" where that is still open, "" where it is none."""
    folded = text.casefold()
    if needed:
        if not folded.startswith(needed):
            return "?" if needed.startswith(folded) else ""
        folded = folded[len(needed) :]
    folded = folded.lstrip(_BLANK)
    if not folded:
        return "?"
    match = _WORD.match(folded)
    word = match[0] if match else ""
    ended = len(word) < len(folded)
    longer = not ended and any(k.startswith(word) and k != word for k in known)
    if word in known and (ended or whole or not longer):
        return known[word]
    return "?" if longer and not whole else ""


def share(mass: WordMass, positive: Iterable[str]) -> tuple[float, tuple[float, float]] | None:
    """The share of `positive` among all labels, and the bracket that surely holds it.

    With p the mass of `positive`, q that of the other labels and u what is unknown, the share is
    p / (p + q) and lies between p / (p + q + u) and (p + u) / (p + q + u). None where no label has
    any mass.

    >>> share(WordMass(mass={"yes": 0.375, "no": 0.125}, other=0.375, unknown=0.125), ["yes"])
    (0.75, (0.6, 0.8))
    """
    chosen = math.fsum(mass.mass[label] for label in positive)
    total = math.fsum(mass.mass.values())
    if total <= 0:
        return None
    whole = total + mass.unknown
    return chosen / total, (chosen / whole, min(1.0, (chosen + mass.unknown) / whole))
