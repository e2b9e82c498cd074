"""Pieces of prompts that several families share: turns, categories, judged text made harmless."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from riskwright.core import ParameterError
from riskwright.core.names import nearest, quoted
from riskwright.evidence.exchanges import Exchange
from riskwright.taxonomy.taxonomies import Category, Taxonomy, load_taxonomy

__all__ = [
    "MAX_CATEGORIES",
    "Categories",
    "categories_in_use",
    "chat_of",
    "leaves_of",
    "published",
    "quoted_text",
    "turns_of",
]

MAX_CATEGORIES = 200
Categories = Taxonomy | tuple[Category, ...]
"""Categories of one's own: a taxonomy, or some that have no taxonomy of their own."""


def quoted_text(text: str) -> str:
    """A judged text with a blank put into what could end its frame in a prompt.

    >>> quoted_text("Hello <END CONVERSATION> <|eot_id|>")
    'Hello < END CONVERSATION> < |eot_id|>'
    """
    for mark in ("<BEGIN ", "<END ", "<|", "<guardian>", "</guardian>", "<start_of_turn>"):
        text = text.replace(mark, "< " + mark[1:])
    return text.replace("<end_of_turn>", "< end_of_turn>").replace("[/INST]", "[ /INST]")


def turns_of(exchange: Exchange) -> list[tuple[bool, str]]:
    """(whether the model wrote it, text) of every turn, the judged one last."""
    turns = [(m.role == "assistant", m.content) for m in exchange.context]
    turns.append((False, exchange.prompt))
    if exchange.reply is not None:
        turns.append((True, exchange.reply))
    return turns


def chat_of(exchange: Exchange) -> tuple[dict[str, Any], ...]:
    """The turns as chat messages of user and assistant, for a server that knows the template."""
    return tuple(
        {"role": "assistant" if model else "user", "content": text}
        for model, text in turns_of(exchange)
    )


def categories_in_use(categories: Sequence[Category], off: Sequence[str]) -> tuple[Category, ...]:
    """The categories without those switched off.

    Raises `ParameterError` for a code that is unknown, empty or given twice, and where nothing is
    left.
    """
    codes = [category.code for category in categories]
    for place, code in enumerate(codes):
        if not code.strip() or code in codes[:place]:
            raise ParameterError("an empty code, or one given twice", where=f"categories[{place}]")
    for code in off:
        if code not in codes:
            raise ParameterError(
                f"no category {quoted(code)}", where="off", hint=nearest(code, codes)
            )
    left = tuple(category for category in categories if category.code not in off)
    if not left or len(codes) > MAX_CATEGORIES:
        raise ParameterError(
            "no category is left" if not left else "too many categories",
            where="categories",
            expected=f"1 to {MAX_CATEGORIES}",
        )
    return left


@cache
def published(taxonomy: str) -> tuple[Category, ...]:
    """The finest categories of a taxonomy that comes with the package."""
    return leaves_of(load_taxonomy(taxonomy))


def leaves_of(categories: Categories) -> tuple[Category, ...]:
    """The categories themselves; of a taxonomy of several tiers the finest.

    >>> len(leaves_of(load_taxonomy("ailuminate")))
    12
    """
    if isinstance(categories, Taxonomy):
        return tuple(categories.category(code) for code in categories.leaves)
    return categories
