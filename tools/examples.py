"""Runs the examples of the documentation, as a reader would, and compares what they print.

On a page, top to bottom and in one folder:

- a `sh` block holds `riskwright` and `python` commands and `make` targets, which must exist; a
  command ends with 0, or as the comment `# exit code 1` behind it says; `< FILE` and `> FILE` may
  stand behind it;
- a `python` block runs, and later blocks see its names;
- a `yaml NAME` or `json NAME` block is the content of the file NAME;
- a `text`, `sql` or `json` block right below a block that ran is what it prints. There a line `...`
  stands for any lines, and neither times nor dates nor digests nor the width of blanks count.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit_picture import audit_picture

__all__ = [
    "AUDIT",
    "AUDIT_PICTURE",
    "GUARD",
    "PICTURE",
    "ROOT",
    "SCORES",
    "TUTORIAL",
    "Block",
    "Mismatch",
    "blocks",
    "draw_audit",
    "pages",
    "run_page",
    "same_picture",
    "with_outputs",
]

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial-table.md"
SCORES = ROOT / "docs" / "tutorial-scores.md"
AUDIT = ROOT / "docs" / "tutorial-audit.md"
GUARD = ROOT / "docs" / "tutorial-guard.md"
PICTURE = ROOT / "docs" / "images" / "breast-cancer.svg"
AUDIT_PICTURE = ROOT / "docs" / "images" / "audit.svg"
OUTPUTS = ("text", "sql", "json")
_FENCE = re.compile(r"```(\w*) ?([\w.]*)\n(.*?)^```$", re.S | re.M)
_EXIT_CODE = re.compile(r"# exit code (\d+)$")
_VARYING = (
    (re.compile(r"\d+\.\d+ s\b"), "0.00 s"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "2000-01-01"),
    (re.compile(r"\bsha256:[0-9a-f]{64}"), "sha256:0"),
    (re.compile(r"(latency \(ms\)): .*"), r"\1: 0"),
    (re.compile(r"(\d+\.\d{10})\d+"), r"\1"),  # the last digits may differ between machines
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: `line` is that of its fence, `start` and `stop` bound its text."""

    language: str
    argument: str
    text: str
    line: int
    start: int
    stop: int
    follows: bool  # nothing but blank lines since the block before


@dataclass(frozen=True)
class Mismatch:
    """An output block and what was printed instead."""

    block: Block
    got: str

    def __str__(self) -> str:
        return f"line {self.block.line}: documented\n{self.block.text}\nprinted\n{self.got}"


def pages() -> list[Path]:
    """The pages with examples: the tutorial first, since the how-to pages go on in its folder."""
    how_to = sorted((ROOT / "docs" / "how-to").glob("*.md"))
    return [TUTORIAL, SCORES, AUDIT, GUARD, ROOT / "README.md", *how_to]


def blocks(page: str) -> Iterator[Block]:
    """All fenced blocks of a page."""
    last = 0
    for match in _FENCE.finditer(page):
        yield Block(
            language=match[1],
            argument=match[2],
            text=match[3],
            line=page.count("\n", 0, match.start()) + 1,
            start=match.start(3),
            stop=match.end(3),
            follows=last > 0 and not page[last : match.start()].strip(),
        )
        last = match.end()


def run_page(page: str, folder: Path) -> list[Mismatch]:
    """Run the blocks of a page in `folder`; an example that fails raises what it raised."""
    names: dict[str, Any] = {"__name__": "example"}
    printed: str | None = None
    wrong = []
    with contextlib.chdir(folder), _importable(folder):
        for block in blocks(page):
            if block.language == "python":
                printed = _printed(
                    lambda b=block: exec(compile(b.text, f"line {b.line}", "exec"), names)
                )
            elif block.language == "sh":
                printed = _printed(lambda b=block: _run_commands(b.text))
            elif block.language in ("yaml", "json") and block.argument:
                Path(block.argument).write_text(block.text, encoding="utf-8")
                printed = None
            elif block.language in OUTPUTS and block.follows and printed is not None:
                if not _same(block.text, printed):
                    wrong.append(Mismatch(block, printed))
                printed = None
            else:
                printed = None
    return wrong


def with_outputs(page: str, wrong: list[Mismatch]) -> str:
    """The page with outputs replaced by what was printed, except where they are abridged."""
    for mismatch in reversed(wrong):
        block = mismatch.block
        if "..." not in block.text.splitlines():
            page = page[: block.start] + mismatch.got.rstrip() + "\n" + page[block.stop :]
    return page


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Modules that lie in the folder can be imported, for as long as this lasts."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
                del sys.modules[name]


def _printed(action: Any) -> str:
    """What `action` writes to standard output and standard error, as on a terminal."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        action()
    return raw.getvalue().decode()


def _run_commands(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            stated = _EXIT_CODE.search(line)
            _run_command(words, int(stated[1]) if stated else 0)


def _run_command(words: list[str], wanted: int = 0) -> None:
    if words[0] == "make":
        _check_targets(words[1:])
        return
    if ">" in words:
        words, target = words[: words.index(">")], words[words.index(">") + 1]
        with open(target, "wb") as file:
            stream = io.TextIOWrapper(file, encoding="utf-8", write_through=True)
            with contextlib.redirect_stdout(stream):
                _run_command(words, wanted)
        return
    if "<" in words:
        words, source = words[: words.index("<")], words[words.index("<") + 1]
        with _stdin(Path(source)):
            _run_command(words, wanted)
        return
    if words[0] == "riskwright":
        from riskwright.cli.__main__ import main

        code = main(words[1:])
    elif words[:3] == ["python", "-m", "riskwright.core.checker"]:
        from riskwright.core.checker.__main__ import main as check

        code = check(words[3:])
    else:
        raise AssertionError(f"not a command that the examples may use: {shlex.join(words)}")
    assert code == wanted, f"{shlex.join(words)} ended with {code}"


@contextlib.contextmanager
def _stdin(source: Path) -> Iterator[None]:
    kept = sys.stdin
    with source.open(encoding="utf-8") as sys.stdin:
        try:
            yield
        finally:
            sys.stdin = kept


def _check_targets(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in words:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.M), f"no make target {target}"


def _same(documented: str, printed: str) -> bool:
    want, got = _plain(documented), _plain(printed)
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in want)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


def _plain(text: str) -> list[str]:
    for varying, constant in _VARYING:
        text = varying.sub(constant, text)
    return [line.strip() for line in text.strip().splitlines()]


def same_picture(one: Path, other: Path) -> bool:
    """The same picture, but perhaps for its date?"""
    texts = [path.read_text(encoding="utf-8") for path in (one, other)]
    return _plain(texts[0]) == _plain(texts[1])


def draw_audit(folder: Path) -> Path:
    """The picture of the audit that its tutorial leaves in the folder."""
    import riskwright

    made = folder / "audit.svg"
    made.write_text(audit_picture(riskwright.load(folder / "audit.json")), encoding="utf-8")
    return made


def _keep_picture(made: Path, kept: Path) -> None:
    if not kept.exists() or not same_picture(made, kept):
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(made, kept)


def main() -> int:
    """Run every page and write the outputs anew; 1 where an abridged one must be put right."""
    import tempfile

    left = 0
    with tempfile.TemporaryDirectory() as place:
        for page in pages():
            folder = Path(place) / page.relative_to(ROOT).with_suffix("")
            if page.parent.name == "how-to":
                shutil.copytree(Path(place) / "docs" / TUTORIAL.stem, folder)
            folder.mkdir(parents=True, exist_ok=True)
            text = page.read_text(encoding="utf-8")
            wrong = run_page(text, folder)
            page.write_text(with_outputs(text, wrong), encoding="utf-8")
            if page == ROOT / "README.md":
                _keep_picture(folder / "card" / "card.svg", PICTURE)
            if page == AUDIT:
                _keep_picture(draw_audit(folder), AUDIT_PICTURE)
            for mismatch in wrong:
                if "..." in mismatch.block.text.splitlines():
                    left += 1
                    print(f"{page.relative_to(ROOT)}: {mismatch}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
