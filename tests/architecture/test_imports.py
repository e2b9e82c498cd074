"""The package is light to import, and its version and public names are true."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import riskwright
from riskwright._version import __version__

ROOT = Path(__file__).parents[2]
HEAVY = (
    *("sklearn", "polars", "scipy", "matplotlib", "pandas", "pyarrow", "duckdb", "jinja2"),
    *("aiohttp", "tokenizers", "safetensors"),
)


def loaded_by(module: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); import {module}; "
    code += "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    return set(run.stdout.split())


def test_importing_riskwright_loads_no_heavy_library():
    loaded = loaded_by("riskwright")
    assert "riskwright" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", ["card", "score"])
def test_verbs_that_learn_nothing_load_no_learning_library(verb):
    assert loaded_by(f"riskwright.cli.{verb}").isdisjoint({"sklearn", "scipy", "pandas"})


@pytest.mark.parametrize("verb", ["guard_score", "guard_stream", "guard_stored"])
def test_guarding_loads_neither_tables_nor_statistics(verb):
    heavy = {"sklearn", "scipy", "polars", "aiohttp", "jinja2"}
    assert loaded_by(f"riskwright.cli.{verb}").isdisjoint(heavy)


def test_version_is_the_one_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert riskwright.__version__ == __version__ == project["version"]


def test_every_public_name_resolves_once():
    assert len(set(riskwright.__all__)) == len(riskwright.__all__)
    unresolved = [name for name in riskwright.__all__ if not hasattr(riskwright, name)]
    assert unresolved == []


def test_every_room_lists_names_that_resolve():
    rooms = ("core", "stats", "metrics", "taxonomy", "solvers", "evidence", "scoring")
    rooms += ("explanation", "audit", "plots", "cards", "guard", "language_models")
    rooms += ("scoring.guard_models", "scoring.text")
    for room in rooms:
        module = importlib.import_module(f"riskwright.{room}")
        names = getattr(module, "__all__", [])
        assert [name for name in names if not hasattr(module, name)] == []
        assert len(set(names)) == len(names)
