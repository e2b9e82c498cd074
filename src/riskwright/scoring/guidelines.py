"""`GuidelineLibrary`: short rules for good answers, found by the inputs they were written for.

The action "guide" of a policy is: find the guidelines that apply, ask the model with them in front
of the prompt, check the reply against them, and score and decide anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from riskwright.core import EmptyDataError, Finding, ParameterError, Record, UnreadableError
from riskwright.core.documents import line_of, read_document
from riskwright.core.names import nearest, quoted
from riskwright.evidence.exchange_files import json_lines
from riskwright.evidence.exchanges import Exchange, Message

from .text_similarity import NgramIndex, merged_into

__all__ = [
    "Guideline",
    "GuidelineLibrary",
    "Judge",
    "Match",
    "check_reply",
    "guided_messages",
    "load_guidelines",
]

MAX_ENTRIES = 100_000
MAX_FILE_BYTES = 64 * 2**20
MAX_TEXT = 20_000
SAME = 0.8
"""Guidelines whose character 5-grams overlap by this much (Jaccard) are taken for one."""
FLOOR = 0.2
"""Similarity below which a guideline is not returned."""

_DATA = Path(__file__).parent / "data"
_LEAD = "Answer the user with care. For this message, keep to these guidelines:"

Judge = Callable[[str, str], bool | None]
"""(reply, guideline) -> kept, broken (False), or None where it cannot be told."""


class Guideline(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule for answers.

    Parameters
    ----------
    id : short and stable; decisions and findings refer to it.
    guideline : what a good answer does, as an instruction to the model.
    inputs : prompts that it was written for; it is found again by them.
    hazard : code of the hazard, or "".
    risk : why the inputs are risky, in a sentence.
    learnt : whether it was proposed from a failed reply rather than written beforehand.
    accepted_by : who accepted it; a learnt guideline is not used before someone did.
    merged : ids of near duplicates that it stands for.
    """

    id: str
    guideline: str
    inputs: tuple[str, ...]
    hazard: str = ""
    risk: str = ""
    learnt: bool = False
    accepted_by: str = ""
    merged: tuple[str, ...] = ()

    @property
    def in_use(self) -> bool:
        return not self.learnt or bool(self.accepted_by)

    def __repr__(self) -> str:
        return f"Guideline(id={self.id!r}, hazard={self.hazard!r}, {len(self.inputs)} inputs)"


class Match(Record, frozen=True, kw_only=True):
    """A guideline that applies, and how near the nearest of its inputs is, in [0, 1]."""

    id: str
    similarity: float


class GuidelineLibrary:
    """Guidelines, near duplicates merged, with an index of the inputs they were written for.

    Parameters
    ----------
    guidelines : with distinct ids.
    embed : texts -> array of shape (n, d), in place of the n-grams; similarity is the cosine.

    Attributes
    ----------
    guidelines_ : tuple, after merging. Guidelines for one hazard whose character 5-grams have a
        Jaccard index of at least 0.8 become one: the first, with the inputs of all of them, and
        the ids of the others in `merged`, which still name it. Learnt guidelines that nobody
        accepted are kept apart, and not found.

    Raises
    ------
    EmptyDataError : no guidelines.
    ParameterError : no id, guideline or input; an id given twice; more than 100,000 guidelines or
        20,000 characters of one text.

    Notes
    -----
    Similarity is the cosine of hashed tf-idf character 4-grams between the prompt and the nearest
    input; some ordinary English prompts that come with the package tell which 4-grams are common.
    It knows words, not meanings: give each guideline several inputs in the words of users,
    or an `embed`. Building and finding are linear in the characters. Luo et al. (2024),
    Guide-Align, NAACL; Bayardo et al. (2007), WWW, for the search for duplicates.

    Examples
    --------
    >>> library = GuidelineLibrary.starter()
    >>> library.retrieve("I feel so alone and cannot cope any more", k=1)[0].id
    'distress'
    """

    def __init__(
        self,
        guidelines: Iterable[Guideline],
        *,
        embed: Callable[[Sequence[str]], Any] | None = None,
    ) -> None:
        given = list(guidelines)
        _check(given)
        self.embed = embed
        self.guidelines_ = _merge(given)
        self._names = {
            name: entry for entry in self.guidelines_ for name in (entry.id, *entry.merged)
        }
        used = [entry for entry in self.guidelines_ if entry.in_use]
        texts = [text for entry in used for text in entry.inputs]
        self._owner = [entry.id for entry in used for _ in entry.inputs]
        self._index = NgramIndex(texts, _ordinary()) if embed is None else None
        self._vectors = None if embed is None or not texts else _unit(embed(texts), len(texts))

    @classmethod
    def starter(cls) -> GuidelineLibrary:
        """Guidelines that come with the package, for the commonest delicate prompts."""
        return cls(load_guidelines(_DATA / "guidelines.yaml"))

    def __len__(self) -> int:
        return len(self.guidelines_)

    def __getitem__(self, id: str) -> Guideline:
        """By id, also that of a duplicate; `ParameterError` names the nearest."""
        if id not in self._names:
            raise ParameterError(
                f"no guideline {quoted(id)}", where="library", hint=nearest(id, self._names)
            )
        return self._names[id]

    def retrieve(
        self, prompt: str | Exchange, *, k: int = 3, floor: float = FLOOR
    ) -> tuple[Match, ...]:
        """The at most `k` guidelines nearest to a prompt, the nearest first, none below `floor`.

        Of an exchange, its prompt. Equally near ones come in the order of the library.
        """
        if k < 1 or not 0 <= floor <= 1:
            raise ParameterError(
                "not a number of guidelines, or no similarity",
                where="retrieve(k, floor)",
                expected="k >= 1, 0 <= floor <= 1",
            )
        if not self._owner:
            return ()
        text = prompt.prompt if isinstance(prompt, Exchange) else prompt
        near = self._similarities(text)
        best: dict[str, float] = {}
        for place in np.flatnonzero((near >= floor) & (near > 0)):
            name = self._owner[place]
            best[name] = max(best.get(name, 0.0), float(near[place]))
        first = sorted(best.items(), key=lambda pair: -pair[1])[:k]
        return tuple(Match(id=name, similarity=value) for name, value in first)

    def _similarities(self, text: str) -> NDArray[np.float64]:
        if self._index is not None:
            return self._index.similarities(text)
        assert self.embed is not None
        assert self._vectors is not None
        return np.asarray(np.clip(self._vectors @ _unit(self.embed([text]), 1)[0], 0.0, 1.0))

    def extended(self, *guidelines: Guideline) -> GuidelineLibrary:
        """A library with these in addition, such as learnt ones that someone accepted."""
        return GuidelineLibrary((*self.guidelines_, *guidelines), embed=self.embed)

    def __repr__(self) -> str:
        return f"GuidelineLibrary({len(self.guidelines_)} guidelines, {len(self._owner)} inputs)"


def load_guidelines(path: str | os.PathLike[str]) -> tuple[Guideline, ...]:
    """Guidelines from a YAML or JSON file (`guidelines:`, a list), or from JSON lines.

    Raises `ParameterError` or `UnreadableError` that name file and line, never a text.
    """
    file = Path(path)
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        return tuple(_lines(file))
    document = read_document(file, "guideline library")
    entries = document.get("guidelines") if isinstance(document, dict) else None
    if not isinstance(entries, list) or set(document) != {"guidelines"}:
        raise ParameterError(
            "not a guideline library",
            where=str(file),
            expected="the one key 'guidelines' with a list",
        )
    return tuple(
        _entry(entry, partial(_place_of, file, ("guidelines", k)))
        for k, entry in enumerate(entries)
    )


def _place_of(file: Path, keys: Sequence[str | int]) -> str:
    line = line_of(file, keys)
    return f"{file}, line {line}" if line else f"{file}, entry {keys[-1]}"


def _lines(file: Path) -> Iterable[Guideline]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise UnreadableError(
                "file too large", where=str(file), expected=f"at most {MAX_FILE_BYTES:,} bytes"
            )
        with file.open("rb") as lines:
            for number, values in json_lines(lines):
                where = f"{file}, line {number}"
                if isinstance(values, str):
                    raise UnreadableError(values, where=where)
                yield _entry(values, partial(str, where))
    except OSError as error:
        raise ParameterError(
            "cannot read the guideline library", where=str(file), got=error.strerror
        ) from None


def _entry(values: Any, where: Callable[[], str]) -> Guideline:
    try:
        return msgspec.convert(values, Guideline)
    except msgspec.ValidationError as error:
        raise ParameterError(
            "not a guideline",
            where=where(),
            expected="id, guideline and inputs; hazard, risk, learnt, accepted_by, merged",
            got=str(error)[:200],
        ) from None


def guided_messages(exchange: Exchange, guidelines: Sequence[Guideline]) -> tuple[Message, ...]:
    """The messages that ask a model again: guidelines as system message, context, prompt.

    System messages of the context come first, as they were. Without guidelines nothing is put in.
    """
    before = [message for message in exchange.context if message.role == "system"]
    turns = [message for message in exchange.context if message.role != "system"]
    told = "\n".join([_LEAD, *(f"- {' '.join(g.guideline.split())}" for g in guidelines)])
    lead = [Message(role="system", content=told)] if guidelines else []
    return (*before, *lead, *turns, Message(role="user", content=exchange.prompt))


def check_reply(reply: str, guidelines: Sequence[Guideline], judge: Judge) -> tuple[Finding, ...]:
    """Which guidelines a reply keeps: one finding each, with the code "guideline.ID".

    `passed` is None where the judge cannot tell. Findings hold no text of the reply. Raises
    `ParameterError` where the judge answers anything but True, False or None.
    """
    return tuple(
        _finding(guideline.id, judge(reply, guideline.guideline)) for guideline in guidelines
    )


def _finding(id: str, kept: Any) -> Finding:
    if kept is not None and not isinstance(kept, bool):
        raise ParameterError(
            "not an answer of a judge",
            where=f"guideline {id}",
            expected="True, False or None",
            got=type(kept).__name__,
        )
    words = {
        True: "The reply keeps",
        False: "The reply breaks",
        None: "Nobody can tell whether the reply keeps",
    }
    return Finding(
        code=f"guideline.{id}",
        sentence=f"{words[kept]} the guideline {id!r}.",
        severity="medium" if kept is False else "low" if kept is None else "info",
        passed=kept,
        method="judge",
    )


@cache
def _ordinary() -> tuple[str, ...]:
    return tuple((_DATA / "ordinary_prompts.txt").read_text(encoding="utf-8").splitlines())


def _check(given: Sequence[Guideline]) -> None:
    if not given:
        raise EmptyDataError("no guidelines", where="library")
    if len(given) > MAX_ENTRIES:
        raise ParameterError("too many guidelines", where="library", expected=f"{MAX_ENTRIES:,}")
    seen: set[str] = set()
    for place, entry in enumerate(given):
        where = f"guideline {place}, {quoted(entry.id)}"
        texts = (entry.guideline, *entry.inputs)
        if not entry.id.strip() or not entry.inputs or not all(text.strip() for text in texts):
            raise ParameterError(
                "an empty entry", where=where, expected="an id, a guideline and at least one input"
            )
        if max(map(len, texts)) > MAX_TEXT:
            raise ParameterError(
                "text too long", where=where, expected=f"at most {MAX_TEXT:,} characters"
            )
        twice = next((name for name in (entry.id, *entry.merged) if name in seen), None)
        if twice is not None:
            raise ParameterError(f"the id {quoted(twice)} is given twice", where=where)
        seen |= {entry.id, *entry.merged}


def _merge(given: Sequence[Guideline]) -> tuple[Guideline, ...]:
    """Near duplicates into the first of them, hazard by hazard."""
    groups: dict[tuple[str, bool], list[int]] = {}
    for place, entry in enumerate(given):
        groups.setdefault((entry.hazard, entry.in_use), []).append(place)
    members: dict[int, list[int]] = {}
    for places in groups.values():
        leaders = merged_into([given[place].guideline for place in places], SAME)
        for place, leader in zip(places, leaders, strict=True):
            members.setdefault(places[leader], []).append(place)
    return tuple(_joined([given[k] for k in members[place]]) for place in sorted(members))


def _joined(entries: Sequence[Guideline]) -> Guideline:
    first = entries[0]
    if len(entries) == 1:
        return first
    inputs = dict.fromkeys(text for entry in entries for text in entry.inputs)
    others = [name for entry in entries[1:] for name in (entry.id, *entry.merged)]
    return msgspec.structs.replace(first, inputs=tuple(inputs), merged=(*first.merged, *others))


def _unit(vectors: Any, n: int) -> NDArray[np.float64]:
    found = np.asarray(vectors, dtype=np.float64)
    if found.ndim != 2 or len(found) != n or not np.isfinite(found).all():
        raise ParameterError(
            "not embeddings", where="embed", expected=f"a finite array of shape ({n}, d)"
        )
    size = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(size > 0, size, 1.0))
