"""riskwright: risk scores that people can read, trust and act upon."""

from ._version import __version__

__all__ = ["__version__"]
