"""The command `riskwright`: a verb's libraries load only when it is called."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from rich.console import Console

from riskwright._version import __version__

__all__ = ["main"]

_VERBS = {
    "fit": (
        "Learn a certified score card from a table.",
        "riskwright fit patients.csv --target readmitted --out card/",
        "riskwright fit loans.parquet --target status --positive default",
        "riskwright fit people.csv --target y --ignore id --max-terms 7",
        "riskwright fit people.csv --target y --schema schema.yaml --constraints rules.yaml",
    ),
    "score": (
        "Score a table, or one person.",
        "riskwright score card/score.json new.parquet --out scored.parquet",
        "riskwright score card/score.json new.csv --keep id > scored.csv",
        """riskwright score card/score.json --row '{"age": 61, "sex": "female"}'""",
    ),
    "evaluate": (
        "Measure a score on rows that it was not learned from.",
        "riskwright evaluate scores.csv --score p --target y --groups sex --html page.html",
        "riskwright evaluate card/score.json test.csv --target y --groups sex race",
        "riskwright evaluate card/score.json test.csv --target y --json",
    ),
    "calibrate": (
        "Turn scores into probabilities that mean what they say.",
        "riskwright calibrate scores.csv --score p --target y --out calibrated.json",
        "riskwright calibrate card/score.json fresh.csv --target y --method isotonic --by sex",
    ),
    "decide": (
        "Choose a threshold certified to keep risk budgets.",
        """riskwright decide scores.csv --score p --target y --budget "miss rate <= 5%" """,
        """riskwright decide score.json new.csv --target y --budget "precision >= 80%" """,
        "riskwright decide score.json new.csv --target y --budgets budgets.yaml --html page.html",
    ),
    "audit": (
        "Audit a score: groups, slices, multiplicity, recourse, on one page, against a policy.",
        "riskwright audit card/score.json test.csv --target y --groups sex --out audit.html",
        "riskwright audit card/score.json test.csv --plan plan.yaml --policy policy.yaml",
        "riskwright audit scores.csv --score p --target y --groups sex race --threshold 0.3",
        "riskwright audit audit.json --policy stricter.yaml",
    ),
    "card": (
        "Print a card as text, page, picture, SQL, spreadsheet formula or Python function.",
        "riskwright card card/score.json --format html --out card.html",
        "riskwright card card/score.json --format sql --dialect spark --table patients",
        """riskwright card card/score.json --format excel --cells '{"age": "B2"}'""",
        "riskwright card sheet.json --format markdown",
    ),
    "guard": (
        "Score prompts, replies and streams by hazard; fit, certify, replay, report.",
        "riskwright guard score traffic.jsonl --out scored.jsonl",
        "riskwright guard fit labels.jsonl --out guard.json",
        "riskwright guard certify labels.jsonl --guard guard.json --policy policy.yaml",
    ),
}
_DOCUMENTS = {
    "new": (
        "Begin a card of a score, a data set, a use or a risk.",
        "documents:new",
        "riskwright card new sheet card/score.json --audit audit.json --out sheet.json",
        "riskwright card new data people.csv --target y --groups sex --out data.json",
        "riskwright card new deployment pipeline.json --fields use.yaml --out use.json",
    ),
    "check": (
        "List what a card lacks, states without evidence, or states of another score.",
        "documents:check",
        "riskwright card check sheet.json --model card/score.json --audit audit.json",
    ),
    "diff": (
        "Say what changed between two versions of a card.",
        "documents:difference",
        "riskwright card diff old.json new.json",
    ),
    "export": (
        "Write a card in the form that somebody else asks for.",
        "documents:exported",
        "riskwright card export sheet.json --to huggingface --out README.md",
        "riskwright card export data.json --to croissant",
    ),
    "assess": (
        "Mark risk cards as manifested, not manifested or untested.",
        "documents:assess",
        "riskwright card assess --cards risks/ --scores results.jsonl",
    ),
    "notice": (
        "Write the notice to one person, with reasons that can work.",
        "documents:notice",
        """riskwright card notice card/score.json --row '{"age": 61}' --fields desk.yaml""",
    ),
}
_GUARD = {
    "policy": (
        "Write a policy to start from.",
        "guard_certify:policy",
        "riskwright guard policy --out policy.yaml",
    ),
    "score": (
        "Score traffic by hazard; decide by a policy; log; choose what to label.",
        "guard_score:score",
        "riskwright guard score traffic.jsonl --out scored.parquet",
        "riskwright guard score traffic.jsonl --to-label 200 --label-out to_label.jsonl",
        "riskwright guard score traffic.csv --guard guard.json --policy ok.yaml --log log.jsonl",
    ),
    "fit": (
        "Adapt and calibrate a guard on local labels.",
        "guard_fit:fit",
        "riskwright guard fit labels.jsonl --out guard.json",
        "riskwright guard fit labels.csv --scorers scorers.yaml --out guard.json --use 0.4",
    ),
    "certify": (
        "Choose a policy's thresholds with a guarantee on missed harm and over-refusal.",
        "guard_certify:certify",
        "riskwright guard certify labels.jsonl --guard guard.json --policy policy.yaml",
    ),
    "stream": (
        "Release a stream of text only as far as it was judged.",
        "guard_stream:stream",
        "riskwright guard stream --monitor monitor.json < reply.txt",
        "riskwright guard stream --monitor monitor.json --sse --verdict verdict.json",
        "riskwright guard stream --policy by-hand.yaml --every 20 --hold-back 200",
    ),
    "certify-stream": (
        "Choose thresholds for streams with a guarantee on false stops and missed harm.",
        "guard_stream:certify_stream",
        """riskwright guard certify-stream replies.jsonl --budget "false alarm rate <= 5%" \\
      --out monitor.json""",
        """riskwright guard certify-stream replies.jsonl --guard guard.json --use 0.5 \\
      --budget "miss rate <= 10%" --budget "false alarm rate <= 5%" --out monitor.json""",
    ),
    "replay": (
        "Decide stored scores anew under another policy.",
        "guard_stored:replayed",
        "riskwright guard replay log.jsonl --policy stricter.yaml",
        "riskwright guard replay scored.jsonl --policy new.yaml --against old.yaml --json",
    ),
    "report": (
        "Report misses, over-refusal, strictness, tail and cost on one page.",
        "guard_stored:report",
        "riskwright guard report log.jsonl --labels labels.jsonl --out report.html",
        "riskwright guard report log.jsonl --labels labels.jsonl --groups language",
    ),
    "compare": (
        "Compare two guards on the same labels.",
        "guard_fit:compare",
        "riskwright guard compare old.json new.json --labels labels.jsonl",
    ),
    "verify-log": (
        "Find out whether a decision log was altered.",
        "guard_stored:verify_log",
        "riskwright guard verify-log log.jsonl",
    ),
}
_CODES = """
Results go to standard output, talk to standard error.
Exit codes:
  0    done{}
  2    wrong usage or data
  130  interrupted
"""
_ANY_ONE = "a budget, policy or card falls short, or something was left out"
_ASIDE = "lines were set aside"
_ONES = {
    "policy": "",
    "score": "lines were set aside, or a scorer failed on some exchanges",
    "fit": _ASIDE,
    "certify": "a budget is not certified, or lines were set aside",
    "stream": "the stream was stopped, or withheld for a person",
    "certify-stream": "a budget is not certified, or lines were set aside",
    "replay": "",
    "report": _ASIDE,
    "compare": _ASIDE,
    "verify-log": "the log is not as it was written",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 (wrong usage or data) or 130 (interrupted)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = _app(words)(words, exit_on_error=False, result_action="return_value")
    except CycloptsError as error:
        return _failed(words, 2, "RW1000", str(error))
    except KeyboardInterrupt:
        print("riskwright: interrupted", file=sys.stderr)
        return _failed(words, 130, "interrupted", "interrupted without a result")
    return code if isinstance(code, int) else 0


def _failed(words: Sequence[str], code: int, name: str, message: str) -> int:
    """The exit code, after the error as JSON where JSON was asked for."""
    if "--json" in words:
        from .running import show_error

        show_error(name, message)
    return code


def _app(words: Sequence[str]) -> App:
    """All verbs, loaded when called; the further words of `card` only where it is the verb."""
    app = App(
        name="riskwright",
        help="Risk scores that people can read, trust and act upon.",
        help_epilogue=_epilogue([examples[0] for _, *examples in _VERBS.values()]),
        help_format="plaintext",
        version=__version__,
        error_console=Console(stderr=True),
        error_formatter=lambda error: f"riskwright: {error} Try --help.",
        suppress_keyboard_interrupt=False,
    )
    for name, (summary, *examples) in _VERBS.items():
        if name == "guard" or (name == "card" and words[:1] == [name]):
            app.command(_sub_app(name, summary, *examples))
            continue
        app.command(
            f"riskwright.cli.{name}:{name}",
            name=name,
            help=summary,
            help_epilogue=_epilogue(examples),
        )
    return app


def _sub_app(name: str, summary: str, *examples: str) -> App:
    """A verb with further words: `card` also prints one by itself, `guard` does not."""
    app = App(name=name, help=summary, help_epilogue=_epilogue(examples))
    if name == "card":
        from .card import card

        app.default(card)
    words = _DOCUMENTS if name == "card" else _GUARD
    for word, (what, target, *shown) in words.items():
        app.command(
            f"riskwright.cli.{target}",
            name=word,
            help=what,
            help_epilogue=_epilogue(shown, _ONES.get(word, _ANY_ONE)),
        )
    return app


def _epilogue(examples: Sequence[str], one: str = _ANY_ONE) -> str:
    codes = _CODES.format(f"\n  1    {one}" if one else "")
    return "\n  ".join(("Examples:\n", *examples)) + "\n" + codes.rstrip()


if __name__ == "__main__":
    sys.exit(main())
