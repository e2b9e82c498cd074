"""`Constitution`: rules in plain words, each split into objective questions, to be reviewed."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import yaml

from riskwright.core import ParameterError, Record, atomic_write
from riskwright.core.documents import line_of, read_record
from riskwright.core.names import quoted
from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion
from riskwright.language_models.requests import ChatRequest
from riskwright.taxonomy.taxonomies import load_taxonomy, taxonomy_names

from .adapters import Unreadable
from .answers import answer_of
from .endpoint_scorer import Complete, answers_of

__all__ = ["Constitution", "Rule", "load_constitution", "save_constitution", "split_rules"]

MAX_RULES = 500
MAX_PRECONDITIONS = 12


class Rule(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule: broken where every one of its preconditions holds.

    `hazard` is a code of the constitution's taxonomy. `preconditions` are objective questions of
    yes or no about the judged text; without any, the rule itself is the question.
    """

    id: str
    text: str
    hazard: str = ""
    preconditions: tuple[str, ...] = ()


class Constitution(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules, and a neutral text by which the judge's leaning to yes or no is measured.

    `reviewed` is false where a model has split the rules and no person has read the result yet.
    """

    rules: tuple[Rule, ...]
    id: str = "constitution"
    taxonomy: str = "ailuminate"
    neutral: str = "The train to the lake leaves at nine and takes about an hour."
    reviewed: bool = True


def load_constitution(path: str | os.PathLike[str]) -> Constitution:
    """A constitution from a YAML or JSON file.

    Raises `ParameterError` with the line: unknown keys, a rule without words, an id given twice, a
    hazard that the taxonomy does not have, too many rules or preconditions.
    """
    place = Path(path)
    constitution = read_record(place, Constitution, "constitution")
    for number, problem in _problems(constitution):
        line = line_of(place, ("rules", number)) if number >= 0 else None
        raise ParameterError(problem, where=f"{place}, line {line}" if line else str(place))
    return constitution


def _problems(constitution: Constitution) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    if not 1 <= len(constitution.rules) <= MAX_RULES:
        found.append((-1, f"{len(constitution.rules)} rules, where 1 to {MAX_RULES} are allowed"))
    known = (
        load_taxonomy(constitution.taxonomy).codes
        if constitution.taxonomy in taxonomy_names()
        else None
    )
    ids: set[str] = set()
    for number, rule in enumerate(constitution.rules):
        if not rule.id.strip() or rule.id in ids:
            found.append((number, "a rule without an id, or an id given twice"))
        if not rule.text.strip() or not all(p.strip() for p in rule.preconditions):
            found.append((number, "a rule or precondition without words"))
        if len(rule.preconditions) > MAX_PRECONDITIONS:
            found.append((number, f"more than {MAX_PRECONDITIONS} preconditions"))
        if rule.hazard and known is not None and rule.hazard not in known:
            found.append((number, f"no hazard {quoted(rule.hazard)} in {constitution.taxonomy}"))
        ids.add(rule.id)
    return found


def save_constitution(constitution: Constitution, path: str | os.PathLike[str]) -> None:
    """Write it as YAML, to be read and put right by a person."""
    body = yaml.safe_dump(
        msgspec.to_builtins(constitution), sort_keys=False, allow_unicode=True, width=98
    )
    with atomic_write(path) as file:
        file.write(body.encode())


def split_rules(
    constitution: Constitution,
    endpoint: Endpoint,
    path: str | os.PathLike[str],
    *,
    complete: Complete | None = None,
) -> Constitution:
    """Split every rule without preconditions by asking a model once; the file is to be reviewed.

    Parameters
    ----------
    constitution : rules that have preconditions are kept as they are.
    endpoint : of a general model that follows instructions.
    path : the file that is written, with `reviewed: false`. Where it exists it is read instead and
        no call is made, so that a rule is split once.

    Raises
    ------
    ParameterError : an answer without questions; the file is not written then.
    """
    if Path(path).exists():
        return load_constitution(path)
    todo = [rule for rule in constitution.rules if not rule.preconditions]
    answers = answers_of(endpoint, [_split_request(rule) for rule in todo], complete=complete)
    split = {rule.id: _questions(rule, a) for rule, a in zip(todo, answers, strict=True)}
    done = msgspec.structs.replace(
        constitution,
        reviewed=not todo and constitution.reviewed,
        rules=tuple(
            msgspec.structs.replace(rule, preconditions=split.get(rule.id, rule.preconditions))
            for rule in constitution.rules
        ),
    )
    save_constitution(done, path)
    return done


def _split_request(rule: Rule) -> ChatRequest:
    return ChatRequest(
        messages=(
            {
                "role": "user",
                "content": "Below is a rule for texts. Write the questions that must all be "
                "answered with yes for a text to break the rule. Each asks about one fact that "
                "can be seen in the text, without judgement or weighing. Write one question per "
                f"line, at most {MAX_PRECONDITIONS}, and nothing else.\n\nRule: {rule.text}",
            },
        ),
        max_tokens=600,
    )


def _questions(rule: Rule, answer: object) -> tuple[str, ...]:
    where = f"rule {quoted(rule.id)}"
    if not isinstance(answer, Completion):
        raise ParameterError("the model gave no answer", where=where)
    try:
        text, _ = answer_of(answer)
    except Unreadable as problem:
        raise ParameterError("the rule could not be split", where=where, got=str(problem)) from None
    lines = [line.strip().lstrip("-*•0123456789.) ").strip() for line in text.splitlines()]
    found = tuple(dict.fromkeys(line for line in lines if line))
    if not 1 <= len(found) <= MAX_PRECONDITIONS or not all(q.endswith("?") for q in found):
        raise ParameterError(
            "the rule could not be split",
            where=where,
            expected=f"1 to {MAX_PRECONDITIONS} questions",
            hint="Write the preconditions by hand",
        )
    return found
