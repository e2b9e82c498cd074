"""What every verb does: results on stdout, talk on stderr, errors as one message and a code."""

from __future__ import annotations

import functools
import json
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec

from cyclopts import Parameter, Token

from riskwright.core import (
    ArtifactError,
    RiskwrightError,
    ScoreCard,
    UsageError,
    atomic_write,
    json_values,
    read_artifact,
)
from riskwright.core.documents import unique_keys
from riskwright.core.score_card import decode

__all__ = [
    "SCORES",
    "Whole",
    "check_outputs",
    "parsed_json",
    "read_card",
    "say",
    "show",
    "show_error",
    "show_exactly",
    "show_json",
    "verb",
    "wrapped",
    "write",
    "write_frame",
]

Parameters = ParamSpec("Parameters")
SCORES = ("risk_score", "scoring_system", "pipeline")
_WIDTH = 88


def _whole(_: Any, tokens: Sequence[Token]) -> int:
    return int(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]  # 3.5 is refused rather than cut off


def verb(command: Callable[Parameters, int | None]) -> Callable[Parameters, int]:
    """The command with its exit code: 2 for what the user must put right, which is printed."""

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> int:
        try:
            code = command(*args, **kwargs)
            sys.stdout.flush()
        except RiskwrightError as error:
            say(f"riskwright: {error}")
            if kwargs.get("json"):
                show_error(error.code, str(error))
            return 2
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                where = error.filename or "standard output"
                say(f"riskwright: {where}: cannot read or write; got {error.strerror}.")
                return 2
            return 0
        return code or 0

    return run


def say(text: str) -> None:
    """Talk: progress, notes and errors."""
    print(text, file=sys.stderr, flush=True)


def show(text: str) -> None:
    """A result, ending in one line end."""
    print(text.rstrip("\n"))


def wrapped(text: str, indent: str = "") -> str:
    """Text in lines of a comfortable width."""
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def show_exactly(text: str) -> None:
    """What a program will read: UTF-8, whatever the locale, unless it goes to a terminal."""
    if sys.stdout.isatty():
        show(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.rstrip("\n").encode() + b"\n")


def show_json(value: Any) -> None:
    show_exactly(json.dumps(json_values(value), indent=1, ensure_ascii=False))


def show_error(code: str, message: str) -> None:
    """What stands in the place of a result that was asked for as JSON."""
    show_json({"error": {"code": code, "message": message}})


def parsed_json(text: str, option: str) -> dict[str, Any]:
    """The object that an option holds."""
    try:
        value = json.loads(text, object_pairs_hook=unique_keys)
    except ValueError as error:
        raise UsageError("not JSON that can be used", where=option, got=str(error)) from None
    if not isinstance(value, dict):
        raise UsageError("not a JSON object", where=option, expected='such as {"age": 61}')
    return value


def read_card(path: Path) -> ScoreCard:
    """The card of a saved score or pipeline."""
    document = read_artifact(path)
    kind, body = document["kind"], document["body"]
    if kind not in SCORES or not isinstance(body, dict) or body.get("card") is None:
        raise ArtifactError(
            "holds no score card",
            where=str(path),
            expected="a saved score, or a pipeline with one",
            got=f"a saved {kind.replace('_', ' ')}",
        )
    try:
        return decode(body["card"])
    except ValueError as error:
        raise ArtifactError("the card cannot be read", where=str(path), got=str(error)) from None


def check_outputs(*outputs: Path | None, inputs: Sequence[Path | None]) -> None:
    """Refuse, before any work, outputs that could not be written or would replace an input."""
    seen = {path.resolve() for path in inputs if path is not None}
    for path in outputs:
        if path is None:
            continue
        if path.is_dir() or not path.resolve().parent.is_dir():
            raise UsageError(
                "a folder, not a file" if path.is_dir() else "its folder does not exist",
                where=str(path),
                expected="a file to write, in a folder that exists",
            )
        if not os.access(path.resolve().parent, os.W_OK):
            raise UsageError(
                "its folder cannot be written", where=str(path), expected="a folder of your own"
            )
        if path.resolve() in seen:
            raise UsageError(
                "the output would replace another file of this command",
                where=str(path),
                hint="Name another output file",
            )
        seen.add(path.resolve())


def write_frame(frame: Any, path: Path) -> None:
    """A polars frame as .csv or .parquet, whole or not at all."""
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError("unknown kind of file", where=str(path), expected=".csv or .parquet")
    with atomic_write(path) as file:
        if path.suffix == ".parquet":
            frame.write_parquet(file)
        else:
            frame.write_csv(file)


def write(path: Path, content: str | bytes) -> None:
    """The whole content, or nothing."""
    with atomic_write(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
