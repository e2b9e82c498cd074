"""The demonstration runs, and the sums by hand equal the model's risks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import riskwright as rw

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_the_demo_shows_the_same_risk_by_hand_and_by_model(tmp_path: Path):
    run = subprocess.run(
        [sys.executable, "-W", "error", str(DEMO)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert "Proved best" in run.stdout
    assert "./demo/card.html" in run.stdout
    assert "Breast mass score" in (tmp_path / "demo" / "card.html").read_text(encoding="utf-8")
    page = (tmp_path / "demo" / "audit.html").read_text(encoding="utf-8")
    verdict = re.search(r"</span>(.+?)</p>", page)[1]
    assert verdict in run.stdout
    assert "189" in page
    decided = re.findall(r"^  (\w+) +severity", run.stdout, re.M)
    assert decided == ["allow", "redact", "escalate"]
    assert rw.load(tmp_path / "demo" / "data.json").rows.value == 569
    by_hand = re.findall(r"risk by hand .* = ([\d.]+)$", run.stdout, re.M)
    by_model = re.findall(r"risk by model +([\d.]+)$", run.stdout, re.M)
    assert len(by_hand) == 3
    assert by_hand == by_model
