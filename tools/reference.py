"""Writes what the documentation takes from the code: `make docs`.

- `docs/reference.md` from docstrings, signatures and the help of the command line;
- the tables of `docs/architecture.md`, between `<!-- NAME: begin -->` and `<!-- NAME: end -->`;
- the outputs of all examples, and the picture on the front page (`tools/examples.py`).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["architecture", "reference"]

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
MODULES = (
    ("riskwright", "What `import riskwright as rw` gives."),
    ("riskwright.audit", "What a score does to people."),
    ("riskwright.guard", "Guards of prompts, replies, streams and actions of agents."),
    ("riskwright.explanation", "What could change a decision, and what a black box uses."),
    ("riskwright.metrics", "Measures of predictions against outcomes."),
    ("riskwright.stats", "Bounds, bands, tail measures, sequences and follow-up."),
    ("riskwright.plots", "Displays: the numbers of a curve, drawn on demand."),
    ("riskwright.scoring", "Scorers: cards, joined guards, actions, harm trees, guidelines."),
    ("riskwright.scoring.deployment", "A learned card put to work."),
    ("riskwright.scoring.text", "Scorers of text that run offline."),
    ("riskwright.scoring.guard_models", "Guard models behind an endpoint."),
    ("riskwright.language_models", "Calls to OpenAI-compatible endpoints."),
    ("riskwright.evidence", "Tables, exchanges, labels and actions, read and checked."),
    ("riskwright.cards", "Cards, documents and pages."),
    ("riskwright.taxonomy", "Hazards and harms, crosswalks among them, and policies."),
)
INTRODUCTION = """\
# Reference

Made from the docstrings and the help of the command line by `make docs`.

"""
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.M)
_ENTRIES = ("Parameters", "Attributes", "Returns", "Yields", "Raises")
_WIDTH = 88


def reference() -> str:
    """The reference page."""
    parts = [INTRODUCTION, *_contents()]
    for module, summary in MODULES:
        parts.append(f"## {module}\n\n{summary}\n\n")
        parts += [_name(module, name) for name in _public(module)]
    parts.append(_commands())
    return "".join(parts).rstrip() + "\n"


def architecture(page: str) -> str:
    """The page with its tables made anew."""
    for name, table in (("rooms", _rooms()), ("kernels", _kernels())):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        page = before + begin + table + end + rest.partition(end)[2]
    return page


def _public(module: str) -> list[str]:
    room = importlib.import_module(module)
    others = (*getattr(room, "_ROOMS", ()), "__version__")
    return sorted((name for name in room.__all__ if name not in others), key=str.casefold)


def _contents() -> Iterator[str]:
    for module, summary in MODULES:
        names = ", ".join(f"[`{name}`](#{_anchor(module, name)})" for name in _public(module))
        yield f"- **{module}**: {summary} {names}\n"
    verbs = "fit | score | evaluate | calibrate | decide | audit | card | guard"
    yield f"- **[Command line](#command-line)**: `riskwright {verbs}`\n\n"


def _anchor(module: str, name: str) -> str:
    """As GitHub makes it from the heading."""
    return re.sub(r"[^\w-]", "", f"{module}.{name}".lower())


def _name(module: str, name: str) -> str:
    target = inspect.unwrap(getattr(importlib.import_module(module), name))
    text = f"### {module}.{name}\n\n"
    if not inspect.isclass(target) and not inspect.isfunction(target):
        return f"{text}```python\n{name} = {_short(repr(target))}\n```\n\n"
    text += _code(name, target)
    if inspect.isclass(target):
        for method, function in _methods(target):
            text += f"#### {name}.{method}\n\n{_code(method, function)}"
    return text


def _code(name: str, target: Any) -> str:
    return (
        f"```python\n{_signature(name, target)}\n```\n\n{_markdown(inspect.getdoc(target) or '')}"
    )


def _methods(target: type) -> Iterator[tuple[str, Any]]:
    """Public methods with a docstring that the class or a base of ours defines."""
    ours = [base for base in target.__mro__ if base.__module__.startswith("riskwright.")]
    members: dict[str, Any] = {}
    for base in ours:
        members = {**members, **{k: v for k, v in vars(base).items() if k not in members}}
    for name, member in members.items():
        function = getattr(target, name) if isinstance(member, classmethod) else member
        plain = inspect.isfunction(function) or inspect.ismethod(function)
        if plain and not name.startswith("_") and inspect.getdoc(function):
            yield name, function


def _signature(name: str, target: Any) -> str:
    if inspect.isclass(target) and issubclass(target, dict):
        fields = ", ".join(f"{key}: {_annotation(t)}" for key, t in target.__annotations__.items())
        return f"{name}({fields})"
    signature = inspect.signature(target)
    parts, starred = [], False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        parts.append(_parameter(parameter))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            parts = [*(part for part in parts if part != "/"), "/"]
    returns = signature.return_annotation
    none = returns is signature.empty or inspect.isclass(target)
    tail = "" if none else f" -> {_annotation(returns)}"
    line = f"{name}({', '.join(parts)}){tail}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){tail}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = stars + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        default = repr(parameter.default)
        text += f" = {'{}' if default == '<factory>' else _short(default)}"
    return text


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _short(text)


def _short(text: str) -> str:
    """Without the modules that names come from, nor addresses of functions."""
    text = re.sub(r"<function (\w+) at 0x\w+>", r"\1", text)
    return re.sub(r"\b(?:typing|riskwright(?:\.\w+)*)\.(?=\w)", "", text)


def _markdown(text: str) -> str:
    """A numpydoc docstring as Markdown."""
    pieces = _SECTION.split(text)
    out = _paragraphs(pieces[0])
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if title == "Examples":
            out += f"```pycon\n{body.strip()}\n```\n\n"
        elif title in _ENTRIES:
            out += f"**{title}**\n\n{_entries(body)}\n"
        else:
            out += f"**{title}**\n\n{_paragraphs(body)}"
    return out


def _paragraphs(text: str) -> str:
    text = text.strip().replace("``", "`")
    text = re.sub(r"(?:^[\w, ]+ : .*$\n?)+", lambda m: _entries(m[0]), text, flags=re.M)
    text = re.sub(r"((?:^>>> .*\n?(?:^(?!$).*\n?)*)+)", r"```pycon\n\1\n```\n", text, flags=re.M)
    text = re.sub(r"\n\n```\n", "\n```\n", text)
    return text + "\n\n" if text else ""


def _entries(body: str) -> str:
    """`name : type` lines with indented text below them, or text alone, as a list."""
    lines: list[str] = []
    for line in body.strip().splitlines():
        if line.startswith(" "):
            lines.append(f"  {line.strip()}")
        elif line.strip():
            head, colon, tail = line.strip().replace("``", "`").partition(" : ")
            lines.append(f"- `{head}`: {tail}" if colon else f"- {head}")
    return "\n".join(lines) + "\n"


def _commands() -> str:
    from riskwright.cli.__main__ import _app

    page = _app(["card"]).generate_docs(output_format="markdown")
    page = page[page.index("## riskwright fit") :]
    page = re.sub(r"^##+ riskwright (\w+)", r"### riskwright \1", page, flags=re.M)
    page = re.sub(r"^\*\*(.+)\*\*:$", r"\1:", page, flags=re.M).replace("```console", "```text")
    codes = (
        "Exit codes: 0 done, 1 a budget cannot be certified, a policy is not kept or a card has "
        "gaps, 2 wrong usage or data, 130 interrupted without a result."
    )
    talk = f"Results go to standard output, talk to standard error. {codes}"
    return f"## Command line\n\n{talk}\n\n{page}"


def _rooms() -> str:
    """Storeys from the top, each with its files and the first sentence of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    lines = []
    for layer in (name for storey in layers for name in storey.split(" | ")):
        folder = ROOT / "src" / "riskwright" / layer
        alone = folder.with_suffix(".py")
        room = _first_sentence(alone if alone.is_file() else folder / "__init__.py")
        if room:
            lines.append(f"- **{layer}**: {room}")
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder).as_posix().removesuffix("/__init__.py")
            if not name.startswith("_"):
                lines.append(f"  - `{name}` {_first_sentence(path)}")
    return "\n".join(lines) + "\n"


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _kernels() -> str:
    lines = []
    for path in sorted((ROOT / "native").rglob("*.[hc]pp")):
        comment = re.match(r"(?://(?: .*)?\n)+", path.read_text(encoding="utf-8"))
        text = comment[0].replace("//\n", "\n") if comment else ""
        text = " ".join(re.sub(r"^// ?", "", text, flags=re.M).partition("\n\n")[0].split())
        if text:
            lines.append(f"- `{path.relative_to(ROOT / 'native').as_posix()}` {text}")
    return "\n".join(lines) + "\n"


def main() -> int:
    import examples

    REFERENCE.write_text(reference(), encoding="utf-8")
    ARCHITECTURE.write_text(
        architecture(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8"
    )
    return examples.main()


if __name__ == "__main__":
    sys.exit(main())
