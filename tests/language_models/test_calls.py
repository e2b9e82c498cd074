"""Calls to a server that answers in every way that servers do."""

import asyncio
import gzip
import json
import socket
import threading
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import pytest

from riskwright.core import (
    BudgetSpentError,
    EndpointError,
    JournalLockedError,
    MissingExtraError,
    ParameterError,
    ReplyError,
    StatusError,
    UnreachableError,
    UsageError,
)
from riskwright.language_models import (
    BlockingClient,
    Client,
    Completion,
    CompletionRequest,
    Endpoint,
    Failure,
    ModerationRequest,
    complete,
    complete_many,
)
from riskwright.language_models.journal import Journal

SECRET = "phrase-that-nobody-may-see"

pytestmark = pytest.mark.usefixtures("quick_retries")


def only(server, fakes, *answers, **options):
    """The one answer of a server that gives these answers in turn."""
    server.replies(*answers)
    (answer,) = complete_many(server.endpoint(**options), [fakes.ask()])
    return answer


def test_answers_come_in_the_order_of_the_requests_over_few_connections(server, fakes):
    def answer(asked, number):
        text = asked.body["messages"][0]["content"]
        return fakes.Answer(fakes.chat(text.upper()), delay=0.002 * (number % 3))

    server.answer = answer
    requests = [fakes.ask(f"phrase {i}") for i in range(100)]
    found = complete_many(server.endpoint(concurrency=8), requests)
    assert [reply.text for reply in found] == [f"PHRASE {i}" for i in range(100)]
    assert server.connections <= 8
    assert server.most_in_flight <= 8
    assert all(reply.attempts == 1 and reply.latency_ms > 0 for reply in found)


def test_what_is_sent(server, fakes, monkeypatch):
    monkeypatch.setenv("GUARD_KEY", SECRET)
    endpoint = server.endpoint(api_key_env="GUARD_KEY", headers={"X-Team": "a"}, top_logprobs=5)
    complete(endpoint, fakes.ask("x", max_tokens=1, top_logprobs=20))
    complete(endpoint, CompletionRequest(prompt="x"))
    complete(endpoint, ModerationRequest(input="x"))
    chat, prompt, moderation = server.asked
    assert chat.path == "/v1/chat/completions"
    assert prompt.path == "/v1/completions"
    assert moderation.path == "/v1/moderations"
    assert chat.body["top_logprobs"] == 5
    assert chat.body["model"] == "guard"
    assert chat.headers["authorization"] == f"Bearer {SECRET}"
    assert chat.headers["x-team"] == "a"
    assert chat.headers["content-type"] == "application/json"


def test_no_requests_need_no_server():
    assert complete_many(Endpoint(url="http://127.0.0.1:9/v1"), []) == []


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_passing_errors_are_retried(server, fakes, status):
    found = only(server, fakes, fakes.Answer(status=status), fakes.Answer(fakes.chat("safe")))
    assert (found.text, found.attempts) == ("safe", 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 501 - 100])
def test_lasting_errors_are_not(server, fakes, status):
    error = {"error": {"message": SECRET, "code": "some_name"}}
    found = only(server, fakes, fakes.Answer(error, status=status))
    assert found == Failure(
        kind="http",
        status=status,
        message=f"the server answered {status} (some_name)",
        code="some_name",
        attempts=1,
    )
    assert len(server.asked) == 1


def test_an_account_without_money_is_not_asked_again(server, fakes):
    error = {"error": {"code": "insufficient_quota"}}
    assert only(server, fakes, fakes.Answer(error, status=429)).attempts == 1


def test_attempts_are_bounded(server, fakes):
    found = only(server, fakes, fakes.Answer(status=500), max_retries=2)
    assert (found.kind, found.status, found.attempts) == ("http", 500, 3)
    assert len(server.asked) == 3


def test_retry_after_is_heeded_up_to_the_longest_wait(server, fakes):
    slow = fakes.Answer(status=429, headers={"Retry-After": "3600"})
    found = only(server, fakes, slow, fakes.Answer(fakes.chat("safe")), longest_wait_s=0.01)
    assert found.text == "safe"
    found = only(server, fakes, slow, max_retries=0)
    assert (found.status, found.retry_after) == (429, 3600.0)


def test_a_busy_server_is_asked_by_fewer_at_a_time(server, fakes):
    """The server takes four at a time; in the end hardly any call is refused."""

    def answer(asked, number):
        if server.in_flight >= 4:
            return fakes.Answer(status=429)
        return fakes.Answer(fakes.chat("safe"), delay=0.002)

    server.answer = answer
    endpoint = server.endpoint(concurrency=64, max_retries=50, longest_wait_s=0.02)
    found = complete_many(endpoint, [fakes.ask(str(i)) for i in range(400)])
    assert all(isinstance(reply, Completion) for reply in found)
    refused = len(server.asked) - 400
    assert refused < 400


TRUNCATED = b'{"choices": [{"message": {"content": "sa'


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"body": TRUNCATED}, "truncated"),
        ({"body": b""}, "truncated"),
        ({"body": b"{", "length": 100, "close": True}, "truncated"),
        ({"pieces": [TRUNCATED], "length": None, "close": True}, "truncated"),
        ({"raw": b""}, "unreachable"),
        ({"raw": b"HTTP/1.1 200 OK\r\nContent-"}, "unreachable"),
        ({"raw": b"SSH-2.0-nothing\r\n\r\n"}, "malformed"),
        ({"raw": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"}, "malformed"),
        (
            {"body": f"<html>{SECRET}".encode(), "headers": {"Content-Type": "text/html"}},
            "malformed",
        ),
        ({"body": {"choices": []}}, "malformed"),
        ({"body": b"not gzip", "headers": {"Content-Encoding": "gzip"}}, "truncated"),
        ({"body": {"error": {"code": "x", "message": SECRET}}}, "http"),
        ({"body": b"x", "headers": {"Content-Encoding": "br"}}, "malformed"),
        ({"raw": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n{}"}, "malformed"),
        ({"raw": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz"}, "malformed"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "http"),
        ({"status": 307, "headers": {"Location": "http://[nowhere"}}, "http"),
        ({"status": 307}, "http"),
    ],
)
def test_broken_answers_are_failures(server, fakes, answer, kind):
    found = only(server, fakes, fakes.Answer(**answer), max_retries=1)
    assert found.kind == kind
    assert SECRET not in repr(found)
    again = kind in ("truncated", "unreachable")
    assert found.attempts == (2 if again else 1)


def test_a_reply_that_breaks_off_once_is_asked_for_again(server, fakes):
    found = only(server, fakes, fakes.Answer(TRUNCATED), fakes.Answer(fakes.chat("safe")))
    assert (found.text, found.attempts) == ("safe", 2)


def test_replies_in_every_transfer_form(server, fakes):
    body = json.dumps(fakes.chat("größer")).encode()
    split = [body[i : i + 1] for i in range(len(body))]
    zipped = {"Content-Encoding": "gzip"}
    for form in (
        {"pieces": split, "length": None},
        {"pieces": [body[:9], body[9:]], "length": None, "pause": 0.01},
        {"body": body, "length": -1},
        {"body": body, "close": True},
        {"body": body, "headers": {"Connection": "close"}, "close": True},
        {"body": gzip.compress(body), "headers": zipped},
        {"body": body, "headers": {"Content-Type": "text/plain"}},
        {"body": body.replace(b"safe", b"\xff"), "headers": {"Content-Type": "x"}},
        {"body": body, "status": 201},
    ):
        assert only(server, fakes, fakes.Answer(**form)).text == "größer", form


def test_connections_that_the_server_closes_are_made_anew(server, fakes):
    server.replies(fakes.Answer(fakes.chat("safe"), close=True))
    found = complete_many(server.endpoint(concurrency=2), [fakes.ask()] * 20)
    assert [reply.text for reply in found] == ["safe"] * 20


@pytest.mark.parametrize(
    "form",
    [
        {"body": b" " * 5000},
        {"pieces": [b" " * 1000] * 5, "length": None},
        {"body": gzip.compress(b" " * 10**6), "headers": {"Content-Encoding": "gzip"}},
    ],
)
def test_replies_have_a_largest_size(server, fakes, form):
    found = only(server, fakes, fakes.Answer(**form), max_bytes=4000)
    assert found.message == "the reply is larger than 4,000 bytes"
    assert found.attempts == 1


def test_slow_answers_time_out(server, fakes):
    body = json.dumps(fakes.chat("safe")).encode()
    late = fakes.Answer(body, delay=5.0)
    found = only(server, fakes, late, timeout_s=0.05, max_retries=1)
    assert (found.kind, found.attempts) == ("timeout", 2)
    assert only(server, fakes, late, idle_timeout_s=0.05, max_retries=0).kind == "timeout"
    stuck = fakes.Answer(pieces=[body[:5], body[5:]], length=None, pause=5.0)
    assert only(server, fakes, stuck, idle_timeout_s=0.05, max_retries=0).kind == "timeout"


def test_redirects_stay_on_the_server(server, fakes, monkeypatch):
    monkeypatch.setenv("GUARD_KEY", SECRET)
    other = socket.create_server(("127.0.0.1", 0))
    try:
        there = f"http://127.0.0.1:{other.getsockname()[1]}/v1"
        away = fakes.Answer(status=307, headers={"Location": there})
        found = only(server, fakes, away, api_key_env="GUARD_KEY")
        assert (found.kind, found.status) == ("http", 307)
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    finally:
        other.close()
    here = fakes.Answer(status=307, headers={"Location": "/v2/chat"})
    assert only(server, fakes, here, here) == Failure(
        kind="http", status=307, message="too many redirects", attempts=1
    )
    server.asked.clear()
    assert only(server, fakes, here, fakes.Answer(fakes.chat("safe"))).text == "safe"
    assert server.asked[1].path == "/v2/chat"


def test_proxies_of_the_environment_are_heeded_on_demand(server, fakes, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine guard.invalid login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("GUARD_KEY", SECRET)
    monkeypatch.setenv("http_proxy", f"http://me:pass%20word@127.0.0.1:{server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    away = {"url": "http://guard.invalid/v1", "api_key_env": "GUARD_KEY", "plain_key": True}
    assert complete(server.endpoint(**away, trust_env=True), fakes.ask()).text == "safe"
    asked = server.asked[0]
    assert asked.path == "http://guard.invalid/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert b64decode(asked.headers["proxy-authorization"].split()[1]) == b"me:pass word"
    monkeypatch.setenv("no_proxy", "guard.invalid")
    (alone,) = complete_many(server.endpoint(**away, trust_env=True, max_retries=0), [fakes.ask()])
    assert alone.kind == "unreachable"


def test_a_proxy_never_sees_the_key(server, fakes, monkeypatch):
    monkeypatch.setenv("GUARD_KEY", SECRET)
    monkeypatch.setenv("https_proxy", f"http://me:word@127.0.0.1:{server.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.replies(fakes.Answer(status=403))
    away = {"url": "https://guard.invalid/v1", "api_key_env": "GUARD_KEY", "trust_env": True}
    (found,) = complete_many(server.endpoint(**away, max_retries=0), [fakes.ask()])
    assert (found.kind, found.status) == ("unreachable", 403)
    (asked,) = server.asked
    assert asked.path == "guard.invalid:443"
    assert SECRET not in str(asked.headers)
    assert b64decode(asked.headers["proxy-authorization"].split()[1]) == b"me:word"


def test_nobody_there_is_found_out_once(fakes):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}/v1", max_retries=2, concurrency=4)
    found = complete_many(endpoint, [fakes.ask()] * 50)
    assert {failure.kind for failure in found} == {"unreachable"}
    assert sum(failure.attempts for failure in found) <= 4 * 3
    assert found[-1].message == "nothing has answered at this address; not called"


def test_a_call_that_fails_stops_no_other(server, fakes):
    def answer(asked, number):
        bad = asked.body["messages"][0]["content"] == "3"
        return fakes.Answer(status=400) if bad else fakes.Answer(fakes.chat("safe"))

    server.answer = answer
    found = complete_many(server.endpoint(), [fakes.ask(str(i)) for i in range(6)])
    assert [isinstance(reply, Failure) for reply in found] == [False] * 3 + [True] + [False] * 2


def test_a_text_that_utf8_cannot_write_is_a_failure_of_its_own(server, fakes):
    lone, number = fakes.ask("\ud800"), fakes.ask("x", extra={"y": object()})
    found = complete_many(server.endpoint(), [lone, number, fakes.ask("x")])
    assert [getattr(reply, "kind", "") for reply in found] == ["request", "request", ""]


def test_large_requests_are_sent(server, fakes):
    text = "ab " * 700_000
    complete(server.endpoint(), fakes.ask(text))
    assert server.asked[0].body["messages"][0]["content"] == text


def test_budgets_stop_new_calls_and_keep_what_is_finished(server, fakes):
    found = complete_many(server.endpoint(max_calls=5), [fakes.ask()] * 20)
    assert [getattr(reply, "kind", "") for reply in found] == [""] * 5 + ["budget"] * 15
    assert len(server.asked) == 5
    server.asked.clear()
    found = complete_many(server.endpoint(max_tokens=20), [fakes.ask()] * 20)
    assert len(server.asked) == 3  # seven tokens each
    prices = {"prompt_price": 100.0, "completion_price": 250.0}
    found = complete_many(server.endpoint(max_cost=0.0035, **prices), [fakes.ask()] * 20)
    assert [reply.cost for reply in found[:4]] == [0.001] * 4
    assert found[4].kind == "budget"


def test_replies_without_counts_are_priced_by_their_bytes(server, fakes):
    server.replies(fakes.Answer(fakes.chat("ä", usage=None)))
    reply = complete(server.endpoint(completion_price=1e6), fakes.ask())
    assert (reply.completion_tokens, reply.cost) == (None, 2.0)


def test_single_calls_raise(server, fakes):
    endpoint = server.endpoint(max_retries=0)
    for answer, error in (
        (fakes.Answer(status=404), StatusError),
        (fakes.Answer(TRUNCATED), ReplyError),
        (fakes.Answer(b"<html>"), ReplyError),
        (fakes.Answer(raw=b""), UnreachableError),
    ):
        server.replies(answer)
        with pytest.raises(error) as caught:
            complete(endpoint, fakes.ask(SECRET))
        assert SECRET not in str(caught.value)
        assert caught.value.where == server.url
    with pytest.raises(BudgetSpentError):
        complete(server.endpoint(max_calls=0), fakes.ask())
    with pytest.raises(EndpointError):
        complete(endpoint, fakes.ask("\ud800"))


def test_a_key_that_is_missing_is_told_before_any_call(server, fakes, monkeypatch, tmp_path):
    monkeypatch.delenv("GUARD_KEY", raising=False)
    journal = str(tmp_path / "calls.jsonl")
    with pytest.raises(ParameterError, match="no key"):
        complete(server.endpoint(api_key_env="GUARD_KEY", journal=journal), fakes.ask())
    Journal(journal).close()  # not locked any more


def test_without_aiohttp_the_way_to_install_it_is_told(fakes, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "riskwright.language_models.transport", raising=False)
    monkeypatch.delattr("riskwright.language_models.transport", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtraError, match=r"riskwright\[llm\]"):
        complete(Endpoint(url="http://127.0.0.1:9/v1"), fakes.ask())


def test_a_second_run_repeats_no_finished_call(server, fakes, tmp_path):
    journal = tmp_path / "calls.jsonl"

    def answer(asked, number):
        bad = number < 10 and asked.body["messages"][0]["content"] == "3"
        return fakes.Answer(status=400) if bad else fakes.Answer(fakes.chat("safe"))

    server.answer = answer
    endpoint = server.endpoint(journal=str(journal))
    requests = [fakes.ask(str(i)) for i in range(10)]
    first = complete_many(endpoint, requests)
    assert len(server.asked) == 10
    second = complete_many(endpoint, requests)
    assert len(server.asked) == 11  # the one that had failed
    assert [reply.cached for reply in second] == [i != 3 for i in range(10)]
    assert [reply.text for reply in second] == ["safe"] * 10
    assert second[0].latency_ms == first[0].latency_ms
    complete_many(server.endpoint(journal=str(journal), model="other"), requests)
    assert len(server.asked) == 21


def test_journals_hold_no_request_and_no_key(server, fakes, tmp_path, monkeypatch):
    monkeypatch.setenv("GUARD_KEY", "key-that-nobody-may-see")
    journal = tmp_path / "calls.jsonl"
    complete(server.endpoint(journal=str(journal), api_key_env="GUARD_KEY"), fakes.ask(SECRET))
    kept = journal.read_text()
    assert SECRET not in kept
    assert "key-that" not in kept
    assert '"safe"' in kept


def test_equal_requests_are_samples_of_their_own_in_every_run(server, fakes, tmp_path):
    server.answer = lambda asked, number: fakes.Answer(fakes.chat(str(number)))
    endpoint = server.endpoint(journal=str(tmp_path / "calls.jsonl"))
    first = [reply.text for reply in complete_many(endpoint, [fakes.ask()] * 5)]
    assert len(set(first)) == 5
    more = [reply.text for reply in complete_many(endpoint, [fakes.ask()] * 7)]
    assert more[:5] == first
    assert len(server.asked) == 7
    assert complete(endpoint, fakes.ask()).text == first[0]


def test_a_journal_in_use_is_told(server, fakes, tmp_path):
    path = tmp_path / "calls.jsonl"
    with Journal(path), pytest.raises(JournalLockedError):
        complete(server.endpoint(journal=str(path)), fakes.ask())


def test_progress_is_told_in_the_calling_thread(server, fakes):
    told = []

    def progress(status):
        told.append(status | {"thread": threading.current_thread()})

    server.replies(fakes.Answer(fakes.chat("safe"), delay=0.15))
    complete_many(server.endpoint(), [fakes.ask()] * 3, progress=progress)
    assert told[0]["done"] == 0
    assert (told[-1]["done"], told[-1]["total"], told[-1]["failed"]) == (3, 3, 0)
    assert {status["thread"] for status in told} == {threading.current_thread()}


def test_what_progress_raises_ends_the_run(server, fakes):
    def progress(status):
        raise RuntimeError("enough")

    server.replies(fakes.Answer(fakes.chat("safe"), delay=30.0))
    with pytest.raises(RuntimeError, match="enough"):
        complete_many(server.endpoint(timeout_s=60.0), [fakes.ask()], progress=progress)


def test_ordinary_calls_work_where_a_loop_runs(server, fakes):
    async def notebook():
        return complete(server.endpoint(), fakes.ask())

    assert asyncio.run(notebook()).text == "safe"


def test_clients_share_connections_and_tell_progress(server, fakes):
    told = []

    async def work():
        async with Client(server.endpoint(concurrency=4)) as client:
            one = await client.complete(fakes.ask())
            many = await client.complete_many([fakes.ask()] * 8, progress=told.append)
            server.replies(fakes.Answer(status=404))
            with pytest.raises(StatusError):
                await client.complete(fakes.ask())
        return [one, *many]

    assert [reply.text for reply in asyncio.run(work())] == ["safe"] * 9
    assert server.connections <= 4
    assert told[-1]["done"] == 8


def test_a_blocking_client_serves_many_threads_over_few_connections(server, fakes):
    server.answer = lambda asked, number: fakes.Answer(
        fakes.chat(asked.body["messages"][0]["content"])
    )
    with (
        BlockingClient(server.endpoint(concurrency=3)) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        found = list(pool.map(lambda i: client.complete(fakes.ask(str(i))).text, range(60)))
    assert found == [str(i) for i in range(60)]
    assert server.connections <= 3
    assert threading.active_count() < 20


def test_a_client_that_is_not_open_says_so(fakes):
    async def work():
        await Client(Endpoint(url="http://127.0.0.1:9/v1")).complete(fakes.ask())

    with pytest.raises(UsageError, match="not open"):
        asyncio.run(work())


def test_a_cancelled_batch_keeps_what_was_finished_in_the_journal(server, fakes, tmp_path):
    journal = tmp_path / "calls.jsonl"

    def answer(asked, number):
        return fakes.Answer(fakes.chat("safe"), delay=0.0 if number < 3 else 30.0)

    server.answer = answer

    async def work():
        async with Client(server.endpoint(journal=str(journal), concurrency=4)) as client:
            requests = [fakes.ask(str(i)) for i in range(8)]
            await asyncio.wait_for(client.complete_many(requests), 0.3)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    with Journal(journal) as kept:
        assert len(kept) == 3
