"""Scores and decisions in the forms that other software reads."""

from __future__ import annotations

import hashlib
from typing import Any

from riskwright.core.scores import Decision, Score
from riskwright.taxonomy import load_taxonomy
from riskwright.taxonomy.crosswalks import load_crosswalk

__all__ = ["llama_guard_text", "moderation_response", "moderation_result"]

_HARMLESS = ("allow", "guide", "ask")


def moderation_result(
    score: Score, decision: Decision, *, flag_from: float = 0.5
) -> dict[str, Any]:
    """One result of OpenAI's moderation endpoint, with keys of our own beside the required ones.

    `flagged` is whether the decision does anything but allow, guide or ask; a category is flagged
    where it is so and its value is at least `flag_from`, or leads to the hazard that decided.
    `category_scores` are the score's values in the thirteen categories (0 where a category is not
    judged; `unjudged` lists these). The key `riskwright` holds severity, action, policy,
    certificate and outcome. An exchange without a score is flagged unless the policy allows it.
    """
    target = load_taxonomy("openai_moderation")
    walk = load_crosswalk(score.taxonomy, target.id)
    told = walk.translate(score).score.hazards
    deciding = set(walk.targets.get(decision.hazard, ()))
    flagged = decision.meant not in _HARMLESS
    return {
        "flagged": flagged,
        "categories": {
            code: flagged and (told.get(code, 0.0) >= flag_from or code in deciding)
            for code in target.codes
        },
        "category_scores": {code: told.get(code, 0.0) for code in target.codes},
        "category_applied_input_types": {
            code: ["text"] if code in told else [] for code in target.codes
        },
        "riskwright": {
            "outcome": score.outcome,
            "severity": score.severity,
            "level": score.level,
            "meaning": score.meaning,
            "action": decision.action,
            "hazard": decision.hazard,
            "policy": decision.policy,
            "certificate": decision.certificate,
            "unjudged": [code for code in target.codes if code not in told],
        },
    }


def moderation_response(
    results: list[dict[str, Any]], *, model: str = "riskwright"
) -> dict[str, Any]:
    """The answer of the endpoint with these results; its id is a digest of them."""
    digest = hashlib.sha256(repr(results).encode()).hexdigest()
    return {"id": f"modr-{digest[:24]}", "model": model, "results": results}


def llama_guard_text(
    score: Score, decision: Decision, *, version: int = 3, flag_from: float = 0.5
) -> str:
    """What Llama Guard of that version would answer: "safe", or "unsafe" and its codes.

    Codes are those whose value is at least `flag_from`, or that the deciding hazard leads to.
    """
    target = load_taxonomy(f"llama_guard_{version}")
    if decision.meant in _HARMLESS:
        return "safe"
    walk = load_crosswalk(score.taxonomy, target.id)
    told = walk.translate(score).score.hazards
    deciding = set(walk.targets.get(decision.hazard, ()))
    codes = [c for c in target.codes if told.get(c, 0.0) >= flag_from or c in deciding]
    return "unsafe\n" + ",".join(codes) if codes else "unsafe"
