"""The programs that write the documentation, as modules."""

import importlib
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def _tool(name):
    sys.path.insert(0, str(TOOLS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(TOOLS))


@pytest.fixture(scope="session")
def examples():
    return _tool("examples")


@pytest.fixture(scope="session")
def reference():
    return _tool("reference")
