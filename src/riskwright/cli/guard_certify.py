"""`riskwright guard certify` and `policy`: a policy begun, and its thresholds certified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from riskwright.core import ParameterError, UsageError, json_values
from riskwright.guard.guard import Guard
from riskwright.taxonomy._reading import place
from riskwright.taxonomy.policies import Policy, load_policy, policy_schema, policy_template

from .guard import Flag, Progress, Words, at_random, kept_for, read
from .running import Whole, check_outputs, say, show, show_json, verb, wrapped, write

__all__ = ["certify", "policy"]


@verb
def certify(
    labels: Path,
    /,
    *,
    guard: Path,
    policy: Path,
    out: Path | None = None,
    certificates: Path | None = None,
    attributes: Words = None,
    seed: Whole = 0,
    json: Flag = False,
) -> int:
    """Choose a policy's thresholds so that its budgets are certified to hold.

    Missed harm and over-refusal are bounded together, for every hazard and regime of the policy,
    on labels that the guard was not fitted on. What cannot be certified is an answer: the nearest
    level and the labels needed are printed. Without a bound on missed harm nothing passes there,
    without one on over-refusal nothing is blocked, and the exit code is 1.

    Parameters
    ----------
    labels
        JSON lines, CSV or Parquet with labels; those that fitted the guard are left out.
    guard
        The saved guard.
    policy
        Policy file with budgets.
    out
        The policy with its thresholds to write, .yaml or .json.
    certificates
        File for the full certificates, as JSON.
    attributes
        Keys or columns to keep; those of budgets "per language" are kept anyway.
    seed
        Of the labels left out where --to-label chose them.
    json
        Print the certification as JSON.
    """
    check_outputs(out, certificates, inputs=[labels, guard, policy])
    rules = load_policy(policy)
    grouped = _groups_of(rules, policy)
    model = Guard.load(guard)
    file = read(labels, kept_for(rules, [*(attributes or ()), *grouped]), labels=True)
    exchanges, told = at_random(*file.labelled, seed)
    shown = Progress()
    found = model.certify(rules, exchanges, told, progress=shown)
    shown.clear()
    if out is not None:
        found.policy.save(out)
    if certificates is not None:
        import json as plain

        write(certificates, plain.dumps(json_values(_bands(found)), indent=1) + "\n")
    if json:
        show_json({"bands": _bands(found), "expected": found.expected, "notes": found.notes})
    else:
        show("\n".join(_certified_lines(found)))
        if out is not None:
            say(f"Policy with thresholds: {out}")
    return int(not found.certified or bool(file.problems))


def _groups_of(rules: Policy, path: Path) -> list[str]:
    """The attributes that budgets hold per value of; raises with the line of a wrong budget."""
    from riskwright.decision import Budget

    names = []
    for regime, texts in rules.budgets.items():
        try:
            names += [budget.per for budget in map(Budget.parse, texts) if budget.per is not None]
        except ParameterError as error:
            raise ParameterError(
                error.problem,
                where=place(path, ("budgets", regime)),
                expected=error.expected,
                got=error.got,
                hint=error.hint,
            ) from None
    return names


def _bands(found: Any) -> list[dict[str, Any]]:
    return [
        {
            "hazard": band.hazard,
            "regime": band.regime,
            "low": band.band.low,
            "high": band.band.high,
            "certified": band.certified,
            "digest": band.digest,
            "certificates": [certificate.to_dict() for certificate in band.certificates],
        }
        for band in found.bands
    ]


def _certified_lines(found: Any) -> list[str]:
    lines = []
    for band in found.bands:
        mark = "certified" if band.certified else "NOT CERTIFIED"
        lines.append(f"{band.hazard}, {band.regime}: {mark}")
        lines += [wrapped(f"  {one.statement}", "  ") for one in band.certificates]
    for hazard, why in found.left_out.items():
        lines.append(wrapped(f"{hazard}: left out. {why}", "  "))
    for regime, figures in found.expected.items():
        lines.append(f"Expected in {regime}:")
        lines += [
            f"  {name}: {estimate}"
            for name, estimate in figures.items()
            if not name.startswith("share") or estimate.value > 0
        ]
    if not found.certified and found.labels_needed is not None:
        lines.append(
            f"About {found.labels_needed:,} labels of the kind that is scarce would be needed."
        )
    return [*lines, *(wrapped(note) for note in found.notes)]


@verb
def policy(*, taxonomy: str = "ailuminate", schema: Flag = False, out: Path | None = None) -> None:
    """Write a commented policy to start from, or the JSON Schema of policies.

    Parameters
    ----------
    taxonomy
        Of the hazards.
    schema
        The JSON Schema instead.
    out
        File to write; standard output if there is none.
    """
    if schema:
        import json as plain

        text = plain.dumps(policy_schema(), indent=1)
    else:
        text = policy_template(taxonomy)
    if out is None:
        show(text)
        return
    check_outputs(out, inputs=[])
    if out.exists():
        raise UsageError("there is a file already", where=str(out), hint="Name another file")
    write(out, text.rstrip("\n") + "\n")
    say(f"Policy to fill in: {out}")
