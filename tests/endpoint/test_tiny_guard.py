"""The Llama Guard adapter against a real server: `make guard-endpoint` trains, starts and tests it.

`RISKWRIGHT_GUARD_URL` names the server; categories are made-up, harmless topics.
"""

from __future__ import annotations

import asyncio
import importlib.util
import math
import os
import random
from pathlib import Path
from types import ModuleType

import pytest

from riskwright.evidence.exchanges import Exchange
from riskwright.language_models.bulk import complete_many
from riskwright.language_models.client import Client
from riskwright.language_models.endpoints import Endpoint
from riskwright.language_models.replies import Completion, Failure
from riskwright.language_models.streams import Delta
from riskwright.scoring.guard_models.endpoint_scorer import EndpointScorer
from riskwright.scoring.guard_models.marginals import marginal_at_any_place
from riskwright.scoring.guard_models.next_tokens import next_tokens_of
from riskwright.scoring.guard_models.sampled import Sampled
from riskwright.scoring.guard_models.tokens import listed

URL = os.environ.get("RISKWRIGHT_GUARD_URL", "")
pytestmark = [
    pytest.mark.endpoint,
    pytest.mark.skipif(not URL, reason="RISKWRIGHT_GUARD_URL is not set"),
]
ENDPOINT = Endpoint(url=URL or "http://localhost:1/v1", model="tiny", concurrency=1)


def _corpus() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "tiny_guard" / "corpus.py"
    spec = importlib.util.spec_from_file_location("tiny_guard_corpus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


corpus = _corpus()
GUARD = corpus.guard()


@pytest.fixture(scope="module")
def cases():
    """Exchanges that the model was not trained on, with their answers and scores."""
    rng = random.Random(2024)
    drawn = [corpus.example(rng) for _ in range(60)]
    scores = EndpointScorer(GUARD, ENDPOINT).score([exchange for exchange, _ in drawn])
    return [(answer, score) for (_, answer), score in zip(drawn, scores, strict=True)]


def test_every_answer_is_read_and_most_verdicts_are_right(cases):
    assert {score.outcome for _, score in cases} == {"scored"}
    assert {score.meaning for _, score in cases} == {"probability"}
    right = [answer.startswith("unsafe") == (score.severity >= 0.5) for answer, score in cases]
    print(f"verdicts right: {sum(right)} of {len(right)}")
    assert sum(right) >= 0.75 * len(right)


def test_values_lie_in_their_brackets(cases):
    for _, score in cases:
        for code, value in {**score.hazards, "any": score.severity}.items():
            low, high = score.bounds[code]
            assert 0 <= low <= value <= high <= 1


def test_the_severity_is_the_probability_of_the_first_word():
    exchange = Exchange(prompt="Tell me about the cello and the shelf.")
    (score,) = EndpointScorer(GUARD, ENDPOINT).score([exchange])
    (answer,) = complete_many(ENDPOINT, GUARD.requests(exchange))
    assert isinstance(answer, Completion)
    assert answer.tokens is not None
    first = next(token for token in answer.tokens if token.text.strip())
    mass = listed(first)
    p = mass.get("unsafe", 0.0)
    assert score.severity == pytest.approx(p / (p + mass["safe"]), abs=1e-6)
    print(f"P(unsafe) = {p:.4f}, severity {score.severity:.4f} in {score.bounds['any']}")
    assert p <= score.severity + 1e-9
    assert score.severity - p <= 1 - p - mass["safe"] + 1e-9  # what is neither verdict


def test_following_beginnings_narrows_the_brackets_around_the_frequencies():
    """Raw prompts are extended one token at a time; 200 samples agree with the marginals.

    llama.cpp's server gives no probability for an end that it chooses, so that the brackets of
    labels that stand late stay wide.
    """
    exchange = Exchange(prompt="Tell me about the locomotive and the tulip.")
    raw = type(GUARD)(generation="3", layout="raw", categories=corpus.CATEGORIES)
    (request,) = raw.requests(exchange)
    source = next_tokens_of(ENDPOINT, request)
    few = marginal_at_any_place(source, raw.labels(), budget=6)
    many = marginal_at_any_place(source, raw.labels(), budget=40)
    widths = [max(h - low for low, h in found.bounds.values()) for found in (few, many)]
    print(f"widest bracket: {widths[0]:.3f} after 6 calls, {widths[1]:.3f} after {many.calls}")
    assert widths[1] <= widths[0]
    n = 200
    sampled = EndpointScorer(Sampled(GUARD, n), ENDPOINT).score([exchange])[0]
    for code, (low, high) in many.bounds.items():
        slack = 4 * math.sqrt(0.25 / n)
        assert low - slack <= sampled.hazards.get(code, 0.0) <= high + slack


def test_one_answer_gives_brackets_that_hold_the_followed_marginals():
    exchange = Exchange(prompt="How long does a platform take with a rind?")
    (score,) = EndpointScorer(GUARD, ENDPOINT).score([exchange])
    raw = type(GUARD)(generation="3", layout="raw", categories=corpus.CATEGORIES)
    source = next_tokens_of(ENDPOINT, raw.requests(exchange)[0])
    found = marginal_at_any_place(source, raw.labels(), budget=40)
    for code, (low, high) in found.bounds.items():
        assert low <= score.bounds[code][1] + 0.01
        assert score.bounds[code][0] <= high + 0.01


def test_a_stream_gives_the_same_answer():
    exchange = Exchange(prompt="Tell me about the cello and the shelf.")
    (request,) = GUARD.requests(exchange)
    (whole,) = complete_many(ENDPOINT, [request])
    assert isinstance(whole, Completion)

    async def streamed() -> list[Delta | Failure]:
        async with Client(ENDPOINT) as client:
            return [item async for item in client.stream(request)]

    items = asyncio.run(streamed())
    assert not [item for item in items if isinstance(item, Failure)]
    assert "".join(item.text for item in items if isinstance(item, Delta)) == whole.text
