"""Records are frozen, keyword-only, and survive JSON whole, not-a-number included."""

import json
import math

import msgspec
import pytest

from riskwright.core import Certificate, Estimate, Finding, json_values

ESTIMATE = Estimate(value=0.81, low=0.79, high=0.83, level=0.95, n=1000, method="DeLong", name="a")
FINDING = Finding(
    code="RA100",
    sentence="The error differs between the groups.",
    severity="high",
    passed=False,
    estimate=ESTIMATE,
    method="bootstrap",
    digests={"model": "sha256:0", "data": "sha256:1"},
)
CERTIFICATE = Certificate(
    score_class="free",
    loss_name="logistic",
    objective=0.3,
    loss=0.29,
    penalty_per_term=0.002,
    lower_bound=0.3,
    gap=0.0,
    status="optimal",
    statement="Proved best.",
    method="enumeration",
    supports_examined=10,
    supports_total=10,
    seconds=0.5,
    margin=1e-9,
    bounds={"slope": 10.0},
    constraints=("at most 5 terms",),
    n_rows=100,
    n_patterns=20,
    n_candidates=12,
    data_digest="sha256:2",
)


def through_json(record):
    text = json.dumps(json_values(record), allow_nan=False)
    return msgspec.convert(json.loads(text), type(record), strict=False)


@pytest.mark.parametrize("record", [ESTIMATE, FINDING, CERTIFICATE])
def test_json_round_trip_gives_an_equal_record(record):
    assert through_json(record) == record
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


def test_nan_and_infinity_survive_valid_json():
    nan = math.nan
    record = Estimate(value=nan, low=-math.inf, high=math.inf, level=0.9, n=0, method="none")
    copy = through_json(record)
    assert math.isnan(copy.value)
    assert (copy.low, copy.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("record", [ESTIMATE, FINDING, CERTIFICATE])
def test_records_are_frozen_and_keyword_only(record):
    with pytest.raises(AttributeError):
        record.method = "other"
    with pytest.raises(TypeError, match="positional"):
        type(record)("x")


def test_an_unknown_status_is_refused_on_reading():
    body = json_values(CERTIFICATE) | {"status": "certainly"}
    with pytest.raises(msgspec.ValidationError, match="status"):
        msgspec.convert(body, Certificate)


def test_estimate_prints_its_interval_and_level():
    assert str(ESTIMATE) == "0.810 (95% CI 0.790 to 0.830)"
    assert "97.5% CI" in str(msgspec.structs.replace(ESTIMATE, level=0.975))
    assert f"{ESTIMATE:.1%}" == "81.0% (79.0% to 83.0%)"
    bare = msgspec.structs.replace(ESTIMATE, low=math.nan, high=math.nan, method="none: one row")
    assert str(bare) == "0.810 (no interval: one row)"
    assert f"{bare:.1f}" == "0.8"


def test_certificate_prints_its_statement():
    assert str(CERTIFICATE) == "Proved best."
