"""The text of an answer: what was thought aloud is set apart, verdicts are read strictly.

A mild verdict needs an answer that is nothing but that verdict; a grave one only has to come first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from riskwright.core.documents import unique_keys
from riskwright.core.scores import Score
from riskwright.language_models.replies import Completion, Token

from .adapters import Unreadable
from .tokens import first_word, share, spelled_tokens

__all__ = ["answer_of", "fields_of", "json_of", "probability", "verdict_of"]

MAX_ANSWER = 20_000
_SPECIAL = re.compile(r"<\|[^|<>]{0,40}\|>|</?s>|<eos>|<end_of_turn>")
_TRAILING = " \t\r.,;!*\"'`"
_LEADING = " \t\r\n*\"'`"


def answer_of(completion: Completion) -> tuple[str, tuple[Token, ...] | None]:
    """The text of an answer without thinking and special tokens, and the tokens that spell it.

    The tokens are None where the server gave none, or others than those of the text.

    >>> answer_of(Completion(text="<think>\\n</think>\\nyes"))
    ('yes', None)
    """
    if len(completion.text) > MAX_ANSWER:
        raise Unreadable(f"an answer of more than {MAX_ANSWER:,} characters")
    text = completion.text.lstrip("\ufeff")
    head, thought, tail = text.rpartition("</think>")
    if "<think>" in tail:
        raise Unreadable("the thinking was not brought to an end")
    if thought and not head.lstrip().startswith("<think>") and "<think>" in head:
        raise Unreadable("words before the thinking")
    text = _SPECIAL.sub("", tail if thought else text).strip()
    if not text:
        raise Unreadable("an empty answer")
    return text, spelled_tokens(completion, text)


def verdict_of(text: str, mild: str, grave: Collection[str]) -> tuple[str, str]:
    """The verdict on the first line, and the lines below it.

    The mild verdict must be the whole line and no grave one may follow anywhere; a grave one must
    be the first word, and the mild one must not stand alone on another line.

    >>> verdict_of("unsafe\\nS1", "safe", ["unsafe"])
    ('unsafe', 'S1')
    """
    line, _, rest = text.strip(_LEADING).partition("\n")
    line = line.rstrip(_TRAILING).casefold()
    known = {word.casefold(): word for word in (mild, *grave)}
    match = re.match(r"[^\W_]+", line)
    word = known.get(match[0], "") if match else ""
    if not word or (word == mild and line != mild.casefold()):
        raise Unreadable(f"the first line is not {' or '.join((mild, *grave))}")
    rest = rest.strip()
    words = set(re.findall(r"[^\W_]+", f"{line} {rest}".casefold()))
    if len(words & set(known)) > 1:
        raise Unreadable("two verdicts in one answer")
    return word, rest


def fields_of(text: str) -> dict[str, str]:
    """The values of an answer of "Name: value" lines, by name in lower case.

    Lines of another shape, empty names and names given twice with different values make it
    unreadable.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        key = " ".join(name.strip(_LEADING + "-").casefold().split())
        if not colon or not key:
            raise Unreadable("a line that is not a name and a value")
        plain_value = value.strip().strip(_TRAILING)
        if found.setdefault(key, plain_value).casefold() != plain_value.casefold():
            raise Unreadable("two verdicts in one answer")
    return found


def json_of(text: str) -> dict[str, Any]:
    """The one JSON object of an answer, in a code fence or not; nothing else beside it."""
    body = text.strip()
    if body.startswith("```"):
        lines = body.splitlines()
        if len(lines) < 2 or lines[-1].strip() != "```":
            raise Unreadable("a code fence that is not closed")
        body = "\n".join(lines[1:-1]).strip()
    try:
        value = json.loads(body, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        raise Unreadable("not a JSON object") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def probability(
    tokens: tuple[Token, ...] | None,
    grave: str,
    mild: str,
    *,
    written: str,
    after: str = "",
) -> tuple[float, tuple[float, float]] | None:
    """Share of the grave verdict at its place, with its bracket; None without log-probabilities.

    Probabilities that speak for the mild verdict where the grave one was written are unreadable:
    one of the two is not what the model said.
    """
    if tokens is None:
        return None
    mass = first_word(tokens, (grave, mild), after=after)
    found = share(mass, [grave])
    if found is None or mass.written != written:
        return None
    if written == grave and found[0] < 0.5:
        raise Unreadable("the verdict and its probabilities contradict each other")
    return found


def said(grave: bool, found: tuple[float, tuple[float, float]] | None) -> Score:
    """A score of the overall severity alone: a probability, or 0 and 1 where there is none."""
    if found is None:
        return Score(severity=1.0 if grave else 0.0, meaning="rank")
    return Score(severity=found[0], meaning="probability", bounds={"any": found[1]})
