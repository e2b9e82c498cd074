"""When a run makes no more calls: what the server does to one, it does to all."""

from __future__ import annotations

import pytest

from riskwright.evidence.exchanges import Exchange
from riskwright.guard.guard import Guard
from riskwright.language_models import Failure, complete_many
from riskwright.scoring.guard_models.endpoint_scorer import EndpointScorer
from riskwright.scoring.guard_models.llama_guard import LlamaGuard


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_server_that_refuses_every_call_is_not_asked_a_thousand_times(
    server, fakes, quick_retries, status
):
    server.replies(fakes.Answer(status=status))
    found = complete_many(
        server.endpoint(concurrency=8, max_retries=1, longest_wait_s=0.01),
        [fakes.ask(str(k)) for k in range(1000)],
    )
    assert {(reply.kind, reply.status) for reply in found} == {("http", status)}
    made = [reply for reply in found if reply.attempts]
    assert 32 <= len(made) < 32 + 8
    assert len(server.asked) == sum(reply.attempts for reply in found)
    assert found[-1].message == "32 calls in a row have failed; not called"


def test_faults_of_single_requests_never_stop_a_run(server, fakes):
    def answer(asked, number):
        bad = asked.body["messages"][0]["content"] != "299"
        return fakes.Answer(status=400) if bad else fakes.Answer(fakes.chat("safe"))

    server.answer = answer
    found = complete_many(server.endpoint(), [fakes.ask(str(k)) for k in range(300)])
    assert [isinstance(reply, Failure) for reply in found] == [True] * 299 + [False]


def test_an_outage_within_a_minute_of_a_success_is_ridden_out(
    server, fakes, quick_retries, monkeypatch
):
    ill = range(20, 120)

    def answer(asked, number):
        return fakes.Answer(fakes.chat("safe")) if number not in ill else fakes.Answer(status=500)

    server.answer = answer
    endpoint = server.endpoint(concurrency=4, max_retries=0)
    work = [fakes.ask(str(k)) for k in range(200)]
    found = complete_many(endpoint, work)
    assert sum(isinstance(reply, Failure) for reply in found) == len(ill)

    import riskwright.language_models.runs as runs

    monkeypatch.setattr(runs, "_PATIENCE_S", 0.0)
    server.asked.clear()
    found = complete_many(endpoint, work)
    assert not isinstance(found[0], Failure)
    assert found[-1].message == "32 calls in a row have failed; not called"
    assert len(server.asked) < 20 + 32 + 8


def test_a_server_that_never_answers_is_waited_for_twice(server, fakes, quick_retries):
    server.replies(fakes.Answer(delay=60.0))
    found = complete_many(
        server.endpoint(concurrency=4, timeout_s=0.1), [fakes.ask(str(k)) for k in range(100)]
    )
    assert {reply.kind for reply in found} == {"timeout"}
    assert [reply.attempts for reply in found[:4]] == [2, 2, 2, 2]
    assert found[-1].message == "nothing has answered at this address; not called"
    assert len(server.asked) <= 8


@pytest.mark.parametrize("fault", ["nobody there", "ill"])
def test_a_guard_keeps_every_exchange_of_a_dead_endpoint(server, fakes, quick_retries, fault):
    told = []
    server.replies(fakes.Answer(status=503))
    endpoint = server.endpoint(max_retries=1, longest_wait_s=0.01)
    if fault == "nobody there":
        server.close()
    scorer = EndpointScorer(LlamaGuard(), endpoint, progress=told.append)
    exchanges = [Exchange(prompt=f"zzqx {k}", id=str(k)) for k in range(1000)]
    scores = Guard([scorer]).score_all(exchanges)
    assert [score.id for score in scores] == [exchange.id for exchange in exchanges]
    assert {(score.outcome, score.severity) for score in scores} == {("failed", None)}
    assert told[-1]["done"] == told[-1]["failed"] == 1000
    assert not any("zzqx" in score.reason for score in scores)
    if fault == "nobody there":
        server.close = lambda: None


def test_failures_between_successes_are_not_in_a_row(server, fakes, monkeypatch):
    import riskwright.language_models.runs as runs

    monkeypatch.setattr(runs, "_PATIENCE_S", 0.0)
    ill, well = fakes.Answer(status=500), fakes.Answer(fakes.chat("safe"))
    server.answer = lambda asked, number: ill if number % 4 else well
    found = complete_many(
        server.endpoint(concurrency=1, max_retries=0), [fakes.ask(str(k)) for k in range(120)]
    )
    assert len(server.asked) == 120
    assert sum(isinstance(reply, Failure) for reply in found) == 90
