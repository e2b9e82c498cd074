"""Files of labelled actions: JSON lines, read line by line and forgivingly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from riskwright.core import Record, RiskwrightError, UnreadableError
from riskwright.core.names import nearest, quoted

from .action_formats import FORMATS, parse_actions
from .action_tools import ToolCatalogue
from .actions import ORIGINS, AgentAction, Origin
from .exchange_files import LineProblem, json_lines

__all__ = ["ActionFile", "read_actions"]

_LEVELS = ("SAFE", "LOW", "HIGH")
_KEYS = ("action", "level", "format", "origin", "agent", "id")


class ActionFile(Record, frozen=True, kw_only=True):
    """What a file of actions holds.

    `lines` are the line numbers of the actions; `levels` go with them ("SAFE", "LOW", "HIGH", or
    None where a line has no label); `problems` are lines set aside.
    """

    source: str
    actions: tuple[AgentAction, ...]
    lines: tuple[int, ...]
    levels: tuple[str | None, ...]
    problems: tuple[LineProblem, ...]

    @property
    def labelled(self) -> tuple[list[AgentAction], list[str]]:
        """The actions that have a label, and their labels: what `ActionScorer.fit` takes."""
        kept = [(a, y) for a, y in zip(self.actions, self.levels, strict=True) if y is not None]
        return [action for action, _ in kept], [level for _, level in kept]


def read_actions(
    source: str | Path | BinaryIO, *, tools: ToolCatalogue | None = None
) -> ActionFile:
    """Actions and their labels, one per line of a file of JSON lines.

    Parameters
    ----------
    source : path, or a binary stream. A line holds `action`: a call, command or page action, or
        the fields of `AgentAction` with `"format": "riskwright"`; and where there are any `level`
        ("SAFE", "LOW", "HIGH" or 0, 1, 2), `format` (see `FORMATS`; shell commands need it),
        `origin`, `agent` and `id`.
    tools : what the operator knows of the tools.

    Raises
    ------
    UnreadableError : no such file. Lines that cannot be read are listed in `problems`; they never
        quote what the line says.

    Examples
    --------
    >>> import io
    >>> line = b'{"action": {"tool": "delete_file", "args": {"path": "a"}}, "level": "HIGH"}\\n'
    >>> file = read_actions(io.BytesIO(line + b"not an action"))
    >>> file.labelled[0][0].kind, file.labelled[1], str(file.problems[0])
    ('delete', ['HIGH'], 'line 2: not JSON (JSON is malformed: invalid character)')
    """
    if not isinstance(source, str | Path):
        return _gathered("standard input", source, tools)
    try:
        with Path(source).open("rb") as file:
            return _gathered(str(source), file, tools)
    except OSError as error:
        raise UnreadableError(
            "cannot be read", where=str(source), got=error.strerror or type(error).__name__
        ) from None


def _gathered(source: str, file: BinaryIO, tools: ToolCatalogue | None) -> ActionFile:
    found: list[tuple[int, AgentAction, str | None]] = []
    problems: list[LineProblem] = []
    for number, values in json_lines(file):
        try:
            if isinstance(values, str):
                raise UnreadableError(values)
            found.append((number, *_labelled(values, tools)))
        except RiskwrightError as error:
            problem = ": ".join(part for part in (error.where, error.problem) if part)
            problems.append(LineProblem(line=number, problem=problem))
    return ActionFile(
        source=source,
        lines=tuple(number for number, _, _ in found),
        actions=tuple(action for _, action, _ in found),
        levels=tuple(level for _, _, level in found),
        problems=tuple(problems),
    )


def _labelled(
    values: Mapping[str, Any], tools: ToolCatalogue | None
) -> tuple[AgentAction, str | None]:
    for key in values:
        if key not in _KEYS:
            raise UnreadableError(f"unknown key {quoted(key)}", hint=nearest(key, _KEYS))
    if "action" not in values:
        raise UnreadableError("no action")
    format, origin = values.get("format"), values.get("origin", "unknown")
    if (format is not None and format not in FORMATS) or origin not in ORIGINS:
        raise UnreadableError("no such format or origin")
    found = parse_actions(values["action"], format, tools=tools, origin=cast(Origin, origin))
    if len(found) != 1:
        raise UnreadableError(f"{len(found)} actions where one is needed")
    return _named(found[0], values), _level(values.get("level"))


def _named(action: AgentAction, values: Mapping[str, Any]) -> AgentAction:
    import msgspec

    told = {key: values[key] for key in ("agent", "id") if values.get(key) is not None}
    if not all(isinstance(one, str) and len(one) <= 256 for one in told.values()):
        raise UnreadableError("agent and id are texts of at most 256 characters")
    return msgspec.structs.replace(action, **told)


def _level(told: Any) -> str | None:
    if told is None or told in _LEVELS:
        return cast("str | None", told)
    if isinstance(told, int) and not isinstance(told, bool) and told in (0, 1, 2):
        return _LEVELS[told]
    raise UnreadableError("no such level", expected="SAFE, LOW, HIGH or 0, 1, 2")
