"""The room gives what it lists, whichever of its modules were loaded before."""

import subprocess
import sys

LOAD_ALL = """
import importlib, types
import riskwright.cards as cards
for module in sorted(set(cards._HOMES.values())):
    importlib.import_module(f"riskwright.cards.{module}")
print([name for name in cards.__all__ if isinstance(getattr(cards, name), types.ModuleType)])
"""


def test_modules_do_not_hide_functions_of_their_name():
    run = subprocess.run([sys.executable, "-c", LOAD_ALL], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
