"""The version, in one place for Python; `pyproject.toml` holds the same and a test compares."""

__version__ = "0.1.0"
