"""Checks a proof of optimality from its file alone: `python -m riskwright.core.checker FILE`.

Nothing is shared with the search that wrote the proof. Every set of items that the constraints
allow is excluded by a lower bound on its objective, found by other means than the search's.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from riskwright.core.exceptions import ArtifactError, SchemaTooNewError
from riskwright.core.records import Finding

from .logistic import LogisticClaim, LogisticProblem
from .problem import Claim, Problem, need
from .zero_one import ZeroOneClaim, ZeroOneProblem

__all__ = ["check_proof"]

_KINDS: dict[str, tuple[type[Problem], type[Claim]]] = {
    "logistic": (LogisticProblem, LogisticClaim),
    "zero_one": (ZeroOneProblem, ZeroOneClaim),
}


def check_proof(proof: dict[str, Any], *, seconds: float = 600.0) -> tuple[Finding, ...]:
    """Verify that a score card is the best of its class, or as near to the best as its proof says.

    Parameters
    ----------
    proof : dict
        A proof file (`"format": "riskwright-proof"`) as plain JSON values.
    seconds : float
        After this time a lower bound that is not yet verified is reported as undecided.

    Returns
    -------
    tuple of Finding
        `proof.feasible`, `proof.objective`, `proof.status` and `proof.bound`, in this order.
        `passed` is None where a bound was neither verified nor refuted.

    Raises
    ------
    ArtifactError
        Where the file is no proof or its parts do not fit together.

    Notes
    -----
    Verified means: no card of the stated class has an objective below `lower_bound` - 1e-9, for
    0-1 loss less the stated margin.

    Log loss: for 0/1 items and at most 7 terms, time grows with the number of patterns times the
    number of sets of up to `max_terms` items. Other problems are checked row by row where there are
    at most 200,000 such sets. Beyond that, and when time runs out, what is verified is the
    relaxation over all items: real coefficients in the box of their points, any number of terms.

    0-1 loss: patterns times sets, and for the sets that the best rule on their distinct rows does
    not exclude, up to all vectors of points.
    """
    problem, claim = _read(proof)
    with np.errstate(over="ignore", invalid="ignore"):
        return problem.check(claim, time.monotonic() + seconds)


def _read(proof: Any) -> tuple[Problem, Claim]:
    if not isinstance(proof, dict) or proof.get("format") != "riskwright-proof":
        raise ArtifactError("not a proof", expected='JSON with "format": "riskwright-proof"')
    version = proof.get("version")
    if isinstance(version, int) and version > 1:
        raise SchemaTooNewError("proof of a newer version", expected="1", got=str(version))
    try:
        need(version == 1, f"version {version!r} instead of 1")
        kind = proof["problem"].get("loss", "logistic")
        need(kind in _KINDS, f"loss {kind!r}, which is none of {', '.join(_KINDS)}")
        read_problem, read_claim = _KINDS[kind]
        problem = read_problem(proof["problem"], proof["patterns"])
        return problem, read_claim(proof["claim"], len(problem.low))
    except KeyError as error:
        raise ArtifactError("incomplete proof", got=f"no {error}") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ArtifactError("proof cannot be understood", got=str(error)) from None
