"""`python -m riskwright.core.checker FILE`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from riskwright.core.exceptions import ArtifactError, RiskwrightError

from . import check_proof

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Print one line per finding; 0 verified, 1 refuted, 2 unreadable file, 3 undecided."""
    parser = argparse.ArgumentParser(
        prog="python -m riskwright.core.checker",
        description="Verify a riskwright proof of optimality.",
        epilog="exit status: 0 verified, 1 refuted, 2 unreadable file, 3 undecided",
    )
    parser.add_argument("proof", type=Path, help="the proof file (JSON)")
    parser.add_argument("--seconds", type=float, default=600.0, help="time allowed (default 600)")
    options = parser.parse_args(argv)
    try:
        try:
            proof = json.loads(options.proof.read_bytes())
        except OSError as error:
            raise ArtifactError("cannot read", got=error.strerror or str(error)) from None
        except (ValueError, RecursionError):
            raise ArtifactError("not a proof", expected="JSON written by riskwright") from None
        findings = check_proof(proof, seconds=options.seconds)
    except RiskwrightError as error:
        print(f"{options.proof}: {error}", file=sys.stderr)
        return 2
    words = {True: "verified", False: "REFUTED", None: "undecided"}
    for finding in findings:
        print(f"{words[finding.passed]:<10} {finding.code:<16} {finding.sentence}")
    verdicts = {finding.passed for finding in findings}
    return 1 if False in verdicts else 3 if None in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
