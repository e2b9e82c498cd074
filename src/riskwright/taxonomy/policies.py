"""`Policy`: what is done about which hazard, for whom; it decides from a stored score alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from riskwright.core import ParameterError, Record, atomic_write, content_hash
from riskwright.core.names import nearest, quoted
from riskwright.core.scores import Band, Decision, Score

from ._reading import place, read_lines
from .policy_checks import KEY, NAMED, first_fault
from .policy_plans import Plan, decided, plans_of
from .policy_records import Audience, Certified, Fallback, Rule
from .taxonomies import Taxonomy, load_taxonomy, taxonomy_named, taxonomy_names

__all__ = ["Policy", "load_policy", "policy_schema", "policy_template"]


class Policy(
    Record,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    dict=True,
):
    """What is done about which hazard, for whom, and where there is nothing to go by.

    Parameters
    ----------
    id, version : of the policy; decisions carry them.
    taxonomy : id of the taxonomy that the keys of `hazards` and of the scores belong to.
    mode : "enforce", or "shadow": everything passes, and decisions say what would have been done.
    regimes : names of the regimes, from the strictest to the loosest.
    regime : the one that holds where neither rule nor audience names another.
    hazards : hazard code, "any" for the overall severity, or "SCORER:NAME" for a value of a
        scorer's own, such as "rules:injection" -> `Rule`. Without "any" every hazard of the
        taxonomy has to be named.
    audiences : name -> `Audience`.
    thresholds : hazard -> regime -> `Band`, in [0, 1]; a number above 1 means never. Those of a
        stricter regime are never higher than those of a looser one.
    certificates : hazard -> regime -> `Certified`, for thresholds that were certified.
    budgets : regime -> error budgets, as text, for the certification of thresholds.
    harmful_from : regime -> the severity of a label from which an exchange counts as harmful when
        thresholds for "any" are certified; by default anything above 0. A stricter regime never
        asks for more.
    fallback : see `Fallback`.
    languages : those that the scores were calibrated for; empty: not checked.
    guidelines : file that the ids of the rules' `guidelines` refer to.

    Notes
    -----
    `decide` takes the severest action over all hazards. So it never gets milder as a value rises,
    nor as a regime gets stricter, as long as the looser regime has thresholds: a regime without
    them falls back to `fallback.not_certified`, and to the action of the next looser regime that
    has some if that is severer. About 3 us, plus 0.2 us per hazard.

    Examples
    --------
    >>> policy = load_policy({
    ...     "id": "shop", "version": "1", "taxonomy": "ailuminate", "mode": "enforce",
    ...     "regimes": ["strict", "loose"], "regime": "loose", "hazards": {"any": {}},
    ...     "thresholds": {"any": {"strict": {"low": 0.1, "high": 0.4},
    ...                            "loose": {"low": 0.3, "high": 0.8}}},
    ...     "fallback": {},
    ... })
    >>> decision = policy.decide(Score(severity=0.5))
    >>> decision.action, decision.reasons
    ('escalate', ('any 0.5 lies between 0.3 and 0.8 (loose): escalate',))
    >>> policy.decide(Score(outcome="unparsable")).action
    'escalate'
    """

    schema: Literal["riskwright.policy/1"] = "riskwright.policy/1"
    id: str
    version: str
    taxonomy: str
    mode: Literal["enforce", "shadow"]
    regimes: tuple[str, ...]
    regime: str
    hazards: dict[str, Rule]
    audiences: dict[str, Audience] = {}
    thresholds: dict[str, dict[str, Band]] = {}
    certificates: dict[str, dict[str, Certified]] = {}
    budgets: dict[str, tuple[str, ...]] = {}
    harmful_from: dict[str, float] = {}
    fallback: Fallback
    languages: tuple[str, ...] = ()
    guidelines: str = ""

    def decide(self, score: Score, *, audience: str | None = None) -> Decision:
        """What is done about this score.

        Parameters
        ----------
        score : in the policy's taxonomy.
        audience : name of one; None for `score.attributes["audience"]`, else the first whose
            `when` fits the attributes, else none.

        Raises
        ------
        ParameterError : an unknown audience; hazards of another taxonomy.
        """
        name = self.audience_of(score) if audience is None else audience
        plan = self._plans.get(name)
        if plan is None:
            raise ParameterError(
                f"no audience {quoted(name)}",
                where=f"policy {self.id}",
                hint=nearest(name, self.audiences),
            )
        if score.hazards and score.taxonomy != self.taxonomy and plan.uses_hazards:
            raise ParameterError(
                "a score of another taxonomy",
                where=f"policy {self.id}",
                expected=self.taxonomy,
                got=quoted(score.taxonomy),
                hint=f"Translate it: load_crosswalk({score.taxonomy!r}, {self.taxonomy!r})",
            )
        return decided(self, plan, score)

    def audience_of(self, score: Score) -> str:
        """The audience that the attributes of the score name or fit; empty where there is none.

        An attribute `audience` that is empty names nobody.
        """
        named = score.attributes.get("audience")
        if named:
            return named
        for name, audience in self.audiences.items():
            if audience.when and audience.when.items() <= score.attributes.items():
                return name
        return ""

    def may_override(self, decision: Decision, role: str) -> bool:
        """Whether the word of that role stands against a decision of this very policy."""
        return decision.policy_digest == self.digest and role in decision.overridable_by

    def with_thresholds(
        self,
        thresholds: Mapping[str, Mapping[str, Band]],
        *,
        certificates: Mapping[str, Mapping[str, Certified]] | None = None,
    ) -> Policy:
        """This policy with other thresholds for the hazards named, and their certificates if any.

        Earlier certificates of these hazards go. Raises `ParameterError` as `load_policy` does.
        """
        bands = self.thresholds | {code: dict(by) for code, by in thresholds.items()}
        kept = {code: by for code, by in self.certificates.items() if code not in thresholds}
        kept |= {code: dict(by) for code, by in (certificates or {}).items()}
        changed = msgspec.structs.replace(self, thresholds=bands, certificates=kept)
        _check(changed, None, f"policy {self.id}")
        return changed

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all of the policy's content, however it was written down."""
        return f"sha256:{content_hash(self.to_dict())}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what has its default."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return {"schema": self.schema, **content}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=100)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the policy, atomically: as JSON where the name ends so, else as YAML."""
        text = (
            json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
            if str(path).lower().endswith(".json")
            else self.to_yaml()
        )
        with atomic_write(path) as file:
            file.write(text.encode())

    def differences(self, other: Policy) -> tuple[str, ...]:
        """What `other` says otherwise, one line each: "hazards.spc.high: block, then escalate"."""
        ours, theirs = _flat(self.to_dict()), _flat(other.to_dict())
        keys = dict.fromkeys((*ours, *theirs))
        none = "not stated"
        return tuple(
            f"{key}: {ours.get(key, none)}, then {theirs.get(key, none)}"
            for key in keys
            if ours.get(key) != theirs.get(key)
        )

    @cached_property
    def _plans(self) -> dict[str, Plan]:
        _check(self, None, f"policy {self.id}")
        return plans_of(self)


def load_policy(
    source: Mapping[str, Any] | str | os.PathLike[str], *, taxonomy: Taxonomy | None = None
) -> Policy:
    """A policy from a YAML or JSON file of at most 1 MiB, or from plain values.

    Parameters
    ----------
    source : see `policy_template` for a file to start from, `policy_schema` for a JSON Schema.
    taxonomy : one's own, where the policy names one that neither comes with the package nor lies
        as ID.yaml beside the policy.

    Raises
    ------
    ParameterError : with the line: unknown keys, hazards, regimes and actions (with the nearest
        known one), no fallback, thresholds that are not nested, a middle action that is severer
        than the high one, hazards that are neither named nor left to "any".
    """
    if isinstance(source, Mapping) and "fallback" not in source:
        raise _no_fallback("policy")
    try:
        policy = read_lines(source, Policy, "policy")
    except ParameterError as error:
        if "'fallback' is missing" in error.problem:
            raise _no_fallback(error.where) from None
        raise
    where = "policy" if isinstance(source, Mapping) else Path(source)
    if taxonomy is None or taxonomy.id != policy.taxonomy:
        taxonomy = _taxonomy(policy, where)
    _check(policy, taxonomy, where)
    return policy


def policy_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of policies, for editors and other programs.

    It knows keys, actions and kinds of values. That names belong together and that thresholds are
    nested only `load_policy` checks.
    """
    schema = msgspec.json.schema(Policy)
    band = schema["$defs"]["Band"]
    for name in ("low", "high"):
        band["properties"][name]["minimum"] = 0
    band["additionalProperties"] = False
    body = schema["$defs"]["Policy"]["properties"]
    named = {"pattern": NAMED}
    body["regimes"] |= {"minItems": 1, "uniqueItems": True}
    body["hazards"]["minProperties"] = 1
    for part in (body["regimes"], body["languages"]):
        part["items"] |= named
    for name in ("id", "version", "taxonomy"):
        body[name] |= named
    for table in (body, schema["$defs"]["Audience"]["properties"]):
        table["hazards"]["propertyNames"] = {"pattern": KEY}
    body["audiences"]["propertyNames"] = named
    when = schema["$defs"]["Audience"]["properties"]["when"]
    when["propertyNames"] = {"not": {"const": "audience"}}
    schema["$defs"]["Certified"]["properties"]["digest"] |= named
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def policy_template(taxonomy: str | Taxonomy = "ailuminate") -> str:
    """A commented policy in YAML to start from: shadow mode, without thresholds.

    Until thresholds are certified or written by hand, everything would be escalated.
    """
    known = load_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy
    tops = [category for category in known.categories if not category.parent]
    listed = "\n".join(f"  # {_quoted(one.code)}: {{}}  # {one.name}" for one in tops)
    return _TEMPLATE.format(taxonomy=known.id, listed=listed)


def _quoted(code: str) -> str:
    return code if code.isidentifier() else json.dumps(code)


def _no_fallback(where: str | None) -> ParameterError:
    return ParameterError(
        "the policy has no fallback",
        where=where,
        expected="the key fallback, which says what is done where values or thresholds are lacking",
        hint="Write `fallback: {}` to escalate all of them",
    )


def _taxonomy(policy: Policy, where: Path | str) -> Taxonomy:
    try:
        return taxonomy_named(policy.taxonomy, where.parent if isinstance(where, Path) else None)
    except ParameterError as error:
        if error.where is not None:
            raise
        raise ParameterError(
            error.problem,
            where=place(where, ("taxonomy",)),
            expected=error.expected,
            hint=error.hint,
        ) from None


def _check(policy: Policy, taxonomy: Taxonomy | None, where: Path | str) -> None:
    if taxonomy is None and policy.taxonomy in taxonomy_names():
        taxonomy = load_taxonomy(policy.taxonomy)
    fault = first_fault(policy, taxonomy)
    if fault is not None:
        raise ParameterError(
            fault.problem,
            where=place(where, fault.keys),
            expected=fault.expected,
            got=fault.got,
            hint=fault.hint,
        )


def _flat(values: Any, keys: tuple[str, ...] = ()) -> dict[str, str]:
    if isinstance(values, dict) and values:
        found: dict[str, str] = {}
        for key, value in values.items():
            found |= _flat(value, (*keys, str(key)))
        return found
    if isinstance(values, list | tuple):
        values = ", ".join(map(str, values)) or "none"
    return {".".join(keys): str(values)}


_TEMPLATE = """\
schema: riskwright.policy/1
id: my-guard
version: "1"
taxonomy: {taxonomy}
mode: shadow              # enforce: act; shadow: let everything pass and say what would be done

regimes: [strict, standard, loose]   # from the strictest to the loosest
regime: standard                     # the one that holds unless a rule or an audience says another

# Actions, from the mildest: allow, guide, ask, redact, escalate, block, stop.
hazards:
  any:                    # the overall severity
    middle: escalate      # from the threshold `low` on
    high: block           # from the threshold `high` on
    # may_override: [moderator]
  # rules:injection: {{}}   # what a scorer says beside hazards: instructions hidden in the text
  # rules:secrets: {{middle: redact, high: redact}}
{listed}

audiences: {{}}
  # minors:
  #   when: {{age: minor}}  # attributes of the exchange
  #   regime: strict

# Thresholds come from labels of your own: hazard -> regime -> low and high. A number above 1 means
# never. A threshold that fitted other traffic says nothing about yours.
thresholds: {{}}
  # any:
  #   strict: {{low: 0.1, high: 0.5}}
  #   standard: {{low: 0.2, high: 0.7}}
  #   loose: {{low: 0.4, high: 0.9}}

budgets: {{}}               # for the certification of thresholds
  # standard: ["miss rate <= 5% with 95% confidence", "false alarm rate <= 10%"]
# harmful_from: {{strict: 1, standard: 2, loose: 3}}  # where labels are severities

fallback:                 # where there is nothing to go by
  unparsable: escalate
  refused: escalate
  failed: escalate
  not_scored: escalate
  not_judged: escalate
  not_certified: escalate
  out_of_distribution: escalate
  uncovered_language: escalate

languages: []             # those that the scores were calibrated for; empty: not checked
"""
