"""Policies: read with line numbers, decide purely, monotone in values and in strictness."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from riskwright.core import ParameterError
from riskwright.core.scores import ACTIONS, Action, Band, Score
from riskwright.taxonomy.policies import Policy, load_policy, policy_schema, policy_template
from riskwright.taxonomy.policy_records import Certified, Fallback, Rule
from riskwright.taxonomy.taxonomies import load_taxonomy

REGIMES = ("strict", "standard", "loose")
BASE = """\
schema: riskwright.policy/1
id: helper
version: "1"
taxonomy: ailuminate
mode: enforce
regimes: [strict, standard, loose]
regime: standard
hazards:
  any:
    may_override: [moderator, lead]
  spc: {middle: guide, high: guide, fail: open, guidelines: [advice], may_override: [lead]}
  ssh: {middle: guide, high: escalate, fail: open}
  cse: {high: stop, regime: strict, fail: open}
  prv: {middle: ask, high: redact, ask: consent, fail: open, ignore: true}
audiences:
  minors:
    when: {age: minor}
    regime: strict
    hazards:
      spc: {high: block}
  press: {regime: loose}
thresholds:
  any:
    strict: {low: 0.1, high: 0.4}
    standard: {low: 0.2, high: 0.7}
    loose: {low: 0.5, high: 0.9}
  spc:
    strict: {low: 0.2, high: 0.5}
    standard: {low: 0.3, high: 0.6}
  ssh:
    standard: {low: 0.3, high: 0.6}
  cse:
    strict: {low: 0.05, high: 0.2}
certificates:
  any:
    standard: {digest: "sha256:ab", statement: At most 5% are missed.}
budgets:
  standard: ["miss rate <= 5% with 95% confidence"]
fallback: {failed: block, may_override: [lead]}
"""


def policy(**changes: Any) -> Policy:
    return load_policy({**yaml.safe_load(BASE), **changes})


def scored(severity: float | None = 0.0, **hazards: float) -> Score:
    return Score(severity=severity, hazards=hazards)


def acts(score: Score, **named: str) -> Action:
    return policy().decide(score, **named).action


@pytest.mark.parametrize(
    ("severity", "action"),
    [(0.0, "allow"), (0.1999, "allow"), (0.2, "escalate"), (0.7, "block"), (1.0, "block")],
)
def test_two_thresholds_part_three_actions(severity: float, action: Action) -> None:
    assert acts(scored(severity)) == action


def test_the_severest_action_wins_and_every_reason_is_told() -> None:
    decision = policy().decide(scored(0.3, cse=0.3, spc=0.9))
    assert decision.action == "stop"
    assert decision.hazard == "cse"
    assert decision.regime == "strict"
    assert decision.reasons == (
        "any 0.3 lies between 0.2 and 0.7 (standard): escalate",
        "spc 0.9 is at least 0.6 (standard): guide",
        "cse 0.3 is at least 0.2 (strict): stop",
    )
    assert decision.guidance == ()


def test_four_tiers_safe_guided_escalated_and_blocked() -> None:
    assert acts(scored(0.1, spc=0.1, ssh=0.1)) == "allow"
    assert acts(scored(0.1, spc=0.9)) == "guide"
    assert acts(scored(0.1, ssh=0.9)) == "escalate"
    assert acts(scored(0.9)) == "block"
    decision = policy().decide(scored(0.1, spc=0.9, ssh=0.4))
    assert (decision.action, decision.guidance) == ("guide", ("advice",))


def test_an_allowed_exchange_says_so_and_what_the_thresholds_rest_on() -> None:
    decision = policy(hazards={"any": {}}, thresholds=BANDS, certificates=HELD).decide(scored(0.1))
    assert decision.reasons == ("nothing reaches a threshold (standard)",)
    assert decision.certificate == "sha256:ab"
    assert decision.policy == "helper 1"
    assert policy().decide(scored(0.1)).certificate == ""


BANDS = {"any": {"standard": {"low": 0.2, "high": 0.7}}}
HELD = {"any": {"standard": {"digest": "sha256:ab", "statement": "s"}}}


def test_the_certificate_is_that_of_the_hazard_that_decided() -> None:
    assert policy().decide(scored(0.9)).certificate == "sha256:ab"
    assert policy().decide(scored(0.0, ssh=0.9)).certificate == ""
    assert policy().decide(scored(0.3, ssh=0.9)).certificate == ""


def test_audiences_are_named_stated_or_fit_and_get_the_stricter_regime() -> None:
    assert acts(scored(0.3, spc=0.5), audience="minors") == "block"
    assert acts(structs.replace(scored(0.3), attributes={"audience": "press"})) == "allow"
    minor = structs.replace(scored(0.15), attributes={"age": "minor"})
    assert acts(minor) == "escalate"
    assert acts(minor, audience="") == "allow"
    assert acts(scored(0.0, cse=0.06), audience="press") == "escalate"
    for given_name in ("adults", "minor"):
        with pytest.raises(ParameterError, match="no audience.*minors"):
            policy().decide(scored(), audience=given_name)
    with pytest.raises(ParameterError, match="no audience 'x'"):
        policy().decide(structs.replace(scored(), attributes={"audience": "x"}))


@pytest.mark.parametrize("outcome", ["unparsable", "refused", "failed", "not scored"])
def test_without_a_score_nothing_passes_unless_the_fallback_says_so(outcome: Any) -> None:
    score = Score(outcome=outcome)
    assert acts(score) == ("block" if outcome == "failed" else "escalate")
    key = outcome.replace(" ", "_")
    assert policy(fallback={key: "allow"}).decide(score).action == "allow"
    others = {name: "allow" for name in Fallback.__struct_fields__[:-1] if name != key}
    assert policy(fallback=others).decide(score).action == "escalate"
    decision = policy(fallback={key: "stop"}, mode="shadow").decide(score)
    assert (decision.action, decision.would) == ("allow", "stop")


def test_a_hazard_that_was_not_judged_fails_open_or_closed() -> None:
    closed = {"any": {}, "spc": {"fail": "closed"}}
    thresholds = {"any": yaml.safe_load(BASE)["thresholds"]["any"], "spc": BANDS["any"]}
    changed = policy(hazards=closed, thresholds=thresholds, audiences={})
    decision = changed.decide(scored(0.0))
    assert (decision.action, decision.reasons) == ("escalate", ("spc was not judged: escalate",))
    assert changed.decide(scored(0.0, spc=0.1)).action == "allow"
    assert acts(scored(None, spc=0.1)) == "escalate"


def test_values_that_are_not_numbers_count_as_failures() -> None:
    decision = policy().decide(scored(0.1, spc=math.nan))
    assert (decision.action, decision.reasons) == (
        "block",
        ("spc is not a number from 0 to 1: block",),
    )
    assert acts(scored(math.nan)) == "block"


def test_without_thresholds_nothing_passes() -> None:
    decision = policy().decide(scored(0.0, ssh=0.0), audience="press")
    assert decision.action == "escalate"
    assert decision.reasons == ("ssh has no thresholds in the regime loose: escalate",)
    strict = policy().decide(scored(0.0, ssh=0.9), audience="minors")
    assert strict.reasons == ("ssh has no thresholds in the regime strict: escalate",)
    harsh = policy(
        hazards={"any": {}, "ssh": {"high": "stop"}},
        thresholds={"any": BANDS["any"], "ssh": BANDS["any"]},
        audiences={"strict": {"regime": "strict"}},
    )
    assert harsh.decide(scored(0.0, ssh=0.9), audience="strict").action == "stop"


def test_strangeness_and_languages_without_calibration_fall_back() -> None:
    covered = policy(languages=["en", "pt-BR"])
    for language, action in [
        ("en", "allow"),
        ("EN-gb", "allow"),
        ("en_US", "allow"),
        ("pt-br", "allow"),
        ("pt", "escalate"),
        ("fr", "escalate"),
        ("", "escalate"),
    ]:
        score = structs.replace(scored(0.0), attributes={"language": language})
        assert covered.decide(score).action == action
    assert covered.decide(scored(0.0)).reasons == ("the language is not stated: escalate",)
    strange = structs.replace(scored(0.0), out_of_distribution=True)
    assert acts(strange) == "escalate"
    assert acts(structs.replace(strange, out_of_distribution=False)) == "allow"


def test_shadow_mode_lets_pass_and_says_what_would_be_done() -> None:
    for severity, would in [(0.9, "block"), (0.1, "allow")]:
        decision = policy(mode="shadow").decide(scored(severity))
        assert (decision.action, decision.would) == ("allow", would)


def test_ignored_hazards_are_left_out_of_account() -> None:
    assert acts(scored(0.0, prv=1.0)) == "allow"
    heard = {"all": {"hazards": {"prv": {"ignore": False}}}}
    thresholds = {**yaml.safe_load(BASE)["thresholds"], "prv": BANDS["any"]}
    heeding = policy(audiences=heard, thresholds=thresholds)
    decision = heeding.decide(scored(0.0, prv=0.4), audience="all")
    assert (decision.action, decision.ask) == ("ask", "consent")
    decision = heeding.decide(scored(0.0, prv=1.0), audience="all")
    assert (decision.action, decision.ask) == ("redact", "")


def test_a_role_overrides_only_where_every_reason_to_act_allows_it() -> None:
    rules = policy()
    assert rules.decide(scored(0.9)).overridable_by == ("moderator", "lead")
    assert rules.decide(scored(0.9, spc=0.9)).overridable_by == ("lead",)
    assert rules.decide(scored(0.9, cse=0.9)).overridable_by == ()
    assert rules.decide(Score(outcome="failed")).overridable_by == ("lead",)
    decision = rules.decide(scored(0.9))
    assert rules.may_override(decision, "lead")
    assert not rules.may_override(decision, "guest")
    assert not policy(version="2").may_override(decision, "lead")


def test_a_score_of_another_taxonomy_is_refused() -> None:
    other = Score(severity=0.1, taxonomy="aegis2", hazards={"S1": 0.2})
    with pytest.raises(ParameterError, match="expected ailuminate.*load_crosswalk"):
        policy().decide(other)
    severity_alone = policy(hazards={"any": {}}, thresholds=BANDS, certificates={}, audiences={})
    assert severity_alone.decide(other).action == "allow"


def test_reasons_never_hold_text_of_the_exchange() -> None:
    score = Score(outcome="failed", reason="marker-7", attributes={"language": "marker-8"})
    told = str(policy(languages=["en"]).decide(score))
    assert "marker" not in told


# Properties

ACTION = st.sampled_from(ACTIONS)
UNIT = st.floats(0, 1)


@st.composite
def policies(draw: st.DrawFn, *, full: bool = True) -> Policy:
    codes = draw(st.lists(st.sampled_from(["vcr", "spc", "cse"]), unique=True))
    rules, thresholds = {}, {}
    for code in ["any", *codes]:
        pair = sorted((draw(ACTION), draw(ACTION)), key=ACTIONS.index)
        fail = draw(st.sampled_from(["open", "closed"]))
        rules[code] = Rule(middle=pair[0], high=pair[1], ask="x", fail=fail)
        lows = sorted(draw(st.lists(UNIT, min_size=3, max_size=3)))
        highs = sorted(draw(st.lists(UNIT, min_size=3, max_size=3)))
        bands = {
            name: Band(low=low, high=max(low, high))
            for name, low, high in zip(REGIMES, lows, highs, strict=True)
        }
        if not full:
            first = draw(st.integers(0, 2))
            bands = dict(list(bands.items())[first:])
        thresholds[code] = bands
    actions = {name: draw(ACTION) for name in Fallback.__struct_fields__[:-1]}
    return Policy(
        id="p",
        version="1",
        taxonomy="ailuminate",
        mode="enforce",
        regimes=REGIMES,
        regime="standard",
        hazards=rules,
        thresholds=thresholds,
        fallback=Fallback(**actions),
    )


SCORES = st.builds(
    scored,
    UNIT,
    vcr=UNIT,
    spc=UNIT,
    cse=UNIT,
)


def rank(action: Action) -> int:
    return ACTIONS.index(action)


@given(policies(), SCORES, st.sampled_from(["any", "vcr", "spc", "cse"]), UNIT)
def test_a_higher_value_never_gives_a_milder_action(
    rules: Policy, score: Score, code: str, value: float
) -> None:
    if code == "any":
        raised = structs.replace(score, severity=max(value, score.severity or 0.0))
    else:
        hazards = {**score.hazards, code: max(value, score.hazards[code])}
        raised = structs.replace(score, hazards=hazards)
    assert rank(rules.decide(raised).action) >= rank(rules.decide(score).action)


@given(policies(full=False), SCORES)
def test_a_stricter_regime_never_gives_a_milder_action(rules: Policy, score: Score) -> None:
    ranks = [rank(structs.replace(rules, regime=regime).decide(score).action) for regime in REGIMES]
    assert all(strict >= loose for strict, loose in pairwise(ranks))


@given(policies(), SCORES)
def test_deciding_is_the_maximum_over_hazards_and_deterministic(
    rules: Policy, score: Score
) -> None:
    wanted = 0
    for code, rule in rules.hazards.items():
        value = score.severity if code == "any" else score.hazards[code]
        assert value is not None
        band = rules.thresholds[code]["standard"]
        action = rule.high if value >= band.high else rule.middle if value >= band.low else "allow"
        wanted = max(wanted, rank(action or "allow"))
    assert rank(rules.decide(score).action) == wanted
    again = load_policy(yaml.safe_load(rules.to_yaml()))
    assert again.decide(score) == rules.decide(score)


# Reading and writing


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["policy.yaml", "policy.json"])
def test_what_is_saved_is_read_back_with_the_same_digest(tmp_path: Path, name: str) -> None:
    rules = load_policy(written(tmp_path, BASE))
    rules.save(tmp_path / name)
    again = load_policy(tmp_path / name)
    assert again == rules
    assert again.digest == rules.digest
    assert rules.digest.startswith("sha256:")
    assert policy(version="2").digest != rules.digest


def test_other_thresholds_void_earlier_certificates() -> None:
    rules = policy()
    digest = rules.digest
    bands = {"any": {"standard": Band(low=0.3, high=0.8)}}
    changed = rules.with_thresholds(bands)
    assert changed.certificates == {}
    assert changed.thresholds["spc"] == rules.thresholds["spc"]
    assert changed.digest != digest
    assert changed.decide(scored(0.25)).action == "allow"
    held = {"any": {"standard": Certified(digest="sha256:cd", statement="s")}}
    certified = rules.with_thresholds(bands, certificates=held)
    assert certified.decide(scored(0.9)).certificate == "sha256:cd"
    with pytest.raises(ParameterError, match=r"policy helper\.thresholds\.vcr.*no rule"):
        rules.with_thresholds({"vcr": bands["any"]})


def test_differences_in_plain_words() -> None:
    changed = policy(version="2", languages=["en", "fr"])
    assert policy().differences(changed) == (
        "version: 1, then 2",
        "languages: not stated, then en, fr",
    )
    assert policy().differences(policy()) == ()


def edited(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (edited("  spc: {middle", "  spk: {middle"), "line 11: no hazard 'spk'.*mean 'spc'"),
        (edited("fallback:", "# fallback:"), "no fallback.*fallback: {}"),
        (edited("high: stop", "high: stopp"), "line 13: wrong kind.*mean 'stop'"),
        (
            edited("regime: standard", "regime: standart"),
            "line 7: no regime 'standart'.*'standard'",
        ),
        (edited("regime: loose}", "regime: lose}"), "line 21: no regime 'lose'.*mean 'loose'"),
        (edited("mode: enforce", "mode: off"), "line 5: wrong kind of value.*'enforce', 'shadow'"),
        (edited("taxonomy: ailuminate", "taxonomy: ailluminate"), "line 4: no taxonomy.*'ailumin"),
        (edited("policy/1", "policy/2"), "line 1: wrong kind of value"),
        (edited("version:", "versoin:"), "line 3: unknown key 'versoin'.*mean 'version'"),
        (edited("  ssh: {middle", "  ssh: {midle"), "line 12: unknown key 'midle'.*'middle'"),
        (
            edited("standard: {low: 0.2, high: 0.7}", "standard: {low: 0.05, high: 0.7}"),
            "line 24: the regime 'strict' is stricter than 'standard', but not.*low <= 0.05",
        ),
        (edited("low: 0.1, high: 0.4", "low: 0.5, high: 0.4"), "line 24: not a pair of thresholds"),
        (edited("low: 0.1, high: 0.4", "low: 0.1, high: .inf"), "line 24: not a pair.*never"),
        (edited("low: 0.1, high: 0.4", "low: .nan, high: 0.4"), "line 24: not a pair"),
        (edited("low: 0.1, high: 0.4", "low: 0.1"), "line 24: the key 'high' is missing"),
        (
            edited("high: escalate, fail", "high: allow, fail"),
            "line 12: the middle action of 'ssh'",
        ),
        (
            edited("spc: {high: block}", "spc: {middle: stop}"),
            "line 20: the middle action of 'spc'",
        ),
        (
            edited("ask: consent, fail: open, ignore: true", "ignore: false"),
            "line 14: 'prv' does not s",
        ),
        (edited("  cse:\n    strict", "  hte:\n    strict"), "thresholds for 'hte', which has no"),
        (edited("sha256:ab", " "), "line 36: a certificate for 'any' in 'standard'"),
        (
            edited("[strict, standard, loose]", "[strict, strict, loose]"),
            "line 6: not a list of reg",
        ),
        (edited("id: helper", "id: ' '"), "line 2: the policy's id is empty"),
        ("- a\n", "wrong kind of value; expected keys and values"),
    ],
)
def test_files_that_are_no_policy(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        load_policy(written(tmp_path, text))


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(ACTIONS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@given(st.data())
def test_junk_anywhere_in_a_policy_is_refused_by_name_or_read(data: st.DataObject) -> None:
    document = yaml.safe_load(BASE)
    part = document
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = data.draw(JUNK)
    try:
        rules = load_policy(document)
    except ParameterError as error:
        where = error.where
    else:
        where = rules.decide(scored(0.95)).policy
    assert where


def test_plain_values_name_the_keys() -> None:
    with pytest.raises(ParameterError, match=r"policy\.hazards\.any\.high: wrong kind"):
        policy(hazards={"any": {"high": 3}})
    with pytest.raises(ParameterError, match="no fallback"):
        load_policy({"id": "a"})
    with pytest.raises(ParameterError, match="the policy has no rules"):
        policy(hazards={}, audiences={}, thresholds={}, certificates={})


def test_a_policy_made_by_hand_is_checked_before_it_decides() -> None:
    rules = structs.replace(policy(), regime="none")
    with pytest.raises(ParameterError, match=r"policy helper\.regime: no regime 'none'"):
        rules.decide(scored(0.1))


def test_without_any_every_hazard_has_to_be_named_for_every_audience() -> None:
    named = {code: {} for code in load_taxonomy("ailuminate").codes}
    bare: dict[str, Any] = {"thresholds": {}, "certificates": {}}
    assert policy(hazards=named, audiences={}, **bare).decide(scored()).action == "escalate"
    with pytest.raises(ParameterError, match="11 hazards have no rule; got ncr, src, cse"):
        policy(hazards={"vcr": {}}, audiences={}, **bare)
    ignoring = {"press": {"hazards": {"any": {"ignore": True}}}}
    with pytest.raises(ParameterError, match="hazards have no rule for 'press'"):
        policy(hazards={"any": {}}, audiences=ignoring, **bare)


def test_a_taxonomy_of_ones_own_lies_beside_the_policy(tmp_path: Path) -> None:
    (tmp_path / "tiers.yaml").write_text(
        "id: tiers\nname: T\nversion: '1'\ncategories:\n- {code: calm, name: Calm}\n"
    )
    text = (
        "id: a\nversion: '1'\ntaxonomy: tiers\nmode: enforce\nregimes: [one]\nregime: one\n"
        "hazards: {calm: {}}\nthresholds: {calm: {one: {low: 0.5, high: 2}}}\nfallback: {}\n"
    )
    rules = load_policy(written(tmp_path, text))
    score = Score(taxonomy="tiers", severity=0.0, hazards={"calm": 1.0})
    assert rules.decide(score).action == "escalate"
    loaded = load_taxonomy(tmp_path / "tiers.yaml")
    assert load_policy(rules.to_dict(), taxonomy=loaded) == rules
    with pytest.raises(ParameterError, match=r"policy\.taxonomy: no taxonomy 'tiers'"):
        load_policy(rules.to_dict())


@pytest.mark.parametrize("name", ["ailuminate", "openai_moderation", "air2024"])
def test_the_template_escalates_until_there_are_thresholds(tmp_path: Path, name: str) -> None:
    rules = load_policy(written(tmp_path, policy_template(name)))
    decision = rules.decide(scored(0.0))
    assert (decision.action, decision.would) == ("allow", "escalate")
    uncommented = re.sub("^  # ", "  ", policy_template(name), flags=re.M)
    uncommented = re.sub("^(audiences|thresholds|budgets): {}.*", r"\1:", uncommented, flags=re.M)
    rows = uncommented.replace(": {}  # ", ": {fail: open, ignore: true}  # ")
    full = load_policy(written(tmp_path, rows))
    assert full.decide(scored(0.8)).would == "block"
    assert full.audience_of(Score(attributes={"age": "minor"})) == "minors"


# The JSON Schema, by the few keywords that it uses


def conforms(value: Any, schema: dict[str, Any], defs: dict[str, Any]) -> bool:
    if "$ref" in schema:
        return conforms(value, defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return any(conforms(value, one, defs) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    if schema.get("type") in ("number", "integer"):
        return type(value) in (int, float) and value >= schema.get("minimum", -math.inf)
    if "not" in schema:
        return not conforms(value, schema["not"], defs)
    if "const" in schema:
        return bool(value == schema["const"])
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if "type" not in schema:
        return True
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, dict):
        known, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
        return (
            set(schema.get("required", ())) <= set(value)
            and len(value) >= schema.get("minProperties", 0)
            and all(conforms(key, schema.get("propertyNames", {}), defs) for key in value)
            and all(
                conforms(item, known[key], defs)
                if key in known
                else extra is True or (extra is not False and conforms(item, extra, defs))
                for key, item in value.items()
            )
        )
    if isinstance(value, list):
        enough = len(value) >= schema.get("minItems", 0)
        enough &= not schema.get("uniqueItems") or len(set(value)) == len(value)
        return enough and all(conforms(one, schema["items"], defs) for one in value)
    return not isinstance(value, str) or len(value) >= schema.get("minLength", 0)


def test_the_json_schema_accepts_what_is_read_and_refuses_what_is_not() -> None:
    schema = json.loads(json.dumps(policy_schema()))
    defs = schema["$defs"]
    good = [yaml.safe_load(BASE), yaml.safe_load(policy_template()), policy().to_dict()]
    for document in good:
        assert conforms(json.loads(json.dumps(document)), schema, defs)
    for change in (
        {"mode": "off"},
        {"regimes": []},
        {"hazards": {}},
        {"hazards": {"any": {"high": "explode"}}},
        {"thresholds": {"any": {"strict": {"low": -1, "high": 1}}}},
        {"colour": "red"},
        {"id": " "},
        {"regimes": ["strict", "standard", "loose", "loose"]},
        {"languages": [""]},
        {"hazards": {"any": {}, "rules:": {}}},
        {"audiences": {"a": {"hazards": {"a:b:c": {}}}}},
        {"audiences": {"a": {"when": {"audience": "b"}}}},
    ):
        assert not conforms({**good[0], **change}, schema, defs)
    without = {key: value for key, value in good[0].items() if key != "fallback"}
    assert not conforms(without, schema, defs)


# Values of a scorer's own


SIGNALS = {"any": {}, "rules:injection": {"fail": "open"}}
BOTH = {"any": BANDS["any"], "rules:injection": BANDS["any"]}


def test_a_scorers_own_value_has_rules_like_a_hazard() -> None:
    rules = policy(hazards=SIGNALS, thresholds=BOTH, certificates={}, audiences={})
    hidden = Score(severity=0.0, taxonomy="aegis2", values={"rules": {"injection": 0.9}})
    assert (rules.decide(hidden).action, rules.decide(hidden).hazard) == (
        "block",
        "rules:injection",
    )
    assert rules.decide(Score(severity=0.0)).action == "allow"
    closed = policy(
        hazards={"any": {}, "rules:injection": {}},
        thresholds=BOTH,
        certificates={},
        audiences={},
    )
    assert closed.decide(Score(severity=0.0)).reasons == (
        "rules:injection was not judged: escalate",
    )


@pytest.mark.parametrize("key", [":", "rules:", ":x", "a:b:c", "rules: injection", " any", "any:"])
def test_a_key_that_can_name_no_value_is_refused(tmp_path: Path, key: str) -> None:
    text = BASE.replace("  any:\n    may", f"  {json.dumps(key)}: {{}}\n  any:\n    may", 1)
    with pytest.raises(ParameterError, match=r"line 9: .*neither a hazard nor a value"):
        load_policy(written(tmp_path, text))
    with pytest.raises(ParameterError, match="audiences.press.*neither a hazard"):
        policy(audiences={"press": {"hazards": {key: {}}}})


@pytest.mark.parametrize("value", [-0.001, -math.inf, math.nan])
def test_values_below_zero_do_not_pass(value: float) -> None:
    assert acts(scored(value)) == "block"
    assert acts(scored(0.0, spc=value)) == "block"


def test_an_empty_audience_is_none_stated() -> None:
    score = structs.replace(scored(0.15), attributes={"audience": "", "age": "minor"})
    assert acts(score) == "escalate"


def test_several_certificates_have_one_digest_and_one_missing_has_none() -> None:
    held = {"any": HELD["any"], "rules:injection": {"standard": {"digest": "cd", "statement": ""}}}
    rules = policy(hazards=SIGNALS, thresholds=BOTH, certificates=held, audiences={})
    passed = rules.decide(Score(severity=0.0, values={"rules": {"injection": 0.1}}))
    assert passed.action == "allow"
    assert re.fullmatch("sha256:[0-9a-f]{64}", passed.certificate)
    both = rules.decide(Score(severity=0.9, values={"rules": {"injection": 0.9}}))
    assert both.certificate == passed.certificate
    one = rules.decide(Score(severity=0.9, values={"rules": {"injection": 0.1}}))
    assert one.certificate == "sha256:ab"
    half = policy(hazards=SIGNALS, thresholds=BOTH, certificates=HELD, audiences={})
    assert half.decide(Score(severity=0.0)).certificate == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"harmful_from": {"loose": math.inf}}, "not a severity"),
        ({"harmful_from": {"loose": math.nan}}, "not a severity"),
        ({"harmful_from": {"strict": 2, "standard": 1, "loose": 3}}, "takes less for harm"),
        ({"harmful_from": {"strict": 2}}, "takes less for harm.*anything above 0"),
        ({"languages": ["en", ""]}, r"languages\.1: a language without a name"),
        ({"regimes": ["strict", "standard", "loose", " "]}, "not a list of regimes"),
        ({"audiences": {"a": {"when": {"audience": "b"}}}}, "names an audience itself"),
    ],
)
def test_what_could_never_hold_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        policy(**changes)


def test_severities_of_labels_may_count_as_harm_per_regime() -> None:
    assert policy(harmful_from={"standard": 1, "loose": 2}).harmful_from["loose"] == 2
