"""Requests and endpoints: what is sent, what is refused, what is never shown."""

import msgspec
import pytest

from riskwright.core import ParameterError
from riskwright.language_models import (
    ChatRequest,
    Completion,
    CompletionRequest,
    Endpoint,
    Failure,
    ModerationRequest,
    Sample,
    Token,
)
from riskwright.language_models.requests import encoded

SECRET = "phrase-that-nobody-may-see"
USER = {"role": "user", "content": SECRET}


def test_body_of_a_chat_has_only_what_was_asked_for():
    assert ChatRequest(messages=(USER,)).body("guard") == {
        "model": "guard",
        "temperature": 0.0,
        "messages": [USER],
    }
    full = ChatRequest(
        messages=(USER,),
        model="other",
        max_tokens=3,
        temperature=None,
        top_logprobs=20,
        n=2,
        seed=7,
        stop=("x",),
        extra={"top_k": 1},
    )
    assert full.body("guard", 5) == {
        "model": "other",
        "max_tokens": 3,
        "seed": 7,
        "n": 2,
        "stop": ("x",),
        "logprobs": True,
        "top_logprobs": 5,
        "messages": [USER],
        "top_k": 1,
    }


def test_prefill_is_a_last_message_that_vllm_continues():
    body = ChatRequest(messages=(USER,), prefill="unsafe\nS").body()
    assert body["messages"][-1] == {"role": "assistant", "content": "unsafe\nS"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_no_logprobs_are_asked_of_a_server_that_has_none():
    body = ChatRequest(messages=(USER,), top_logprobs=20).body("guard", 0)
    assert "logprobs" not in body
    assert "top_logprobs" not in body


def test_bodies_of_prompts_and_moderations():
    prompt = CompletionRequest(prompt="a b", echo=True, max_tokens=0, top_logprobs=1)
    assert prompt.body("guard") == {
        "model": "guard",
        "max_tokens": 0,
        "temperature": 0.0,
        "prompt": "a b",
        "echo": True,
        "logprobs": 1,
    }
    assert ModerationRequest(input=("a", "b")).body() == {"input": ("a", "b")}


def test_equal_bodies_are_equal_bytes_whatever_the_order_of_their_fields():
    assert encoded({"b": 1, "a": {"d": 1, "c": 2}}) == encoded({"a": {"c": 2, "d": 1}, "b": 1})


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": ()},
        {"messages": ("text",)},
        {"messages": ({"content": "x"},)},
        {"max_tokens": -1},
        {"n": 0},
        {"top_logprobs": 21},
        {"temperature": float("nan")},
        {"temperature": -0.1},
        {"extra": {"temperature": 1}},
        {"extra": {"stream": True}},
    ],
)
def test_requests_that_make_no_sense_are_refused(fields):
    with pytest.raises(ParameterError):
        ChatRequest(**{"messages": (USER,), **fields})


def test_no_text_is_shown():
    token = Token(text=SECRET, logprob=-0.5, top=((SECRET, -0.5),), bytes=SECRET.encode())
    sample = Sample(text=SECRET, tokens=(token,))
    shown = [
        ChatRequest(messages=(USER,), prefill=SECRET),
        CompletionRequest(prompt=SECRET),
        ModerationRequest(input=SECRET),
        Completion(text=SECRET, tokens=(token,), refusal=SECRET, further=(sample,)),
        token,
        sample,
    ]
    for record in shown:
        assert SECRET not in repr(record)
        assert SECRET not in str(list(record.__rich_repr__()))
    assert repr(token) == "Token(logprob=-0.5, alternatives=1)"


def test_replies_survive_json_with_bytes_and_unknown_logprobs():
    token = Token(text="�", top=(("a", -1.0),), bytes=b"\xe2\x82")
    reply = Completion(text="x", tokens=(token,), further=(Sample(text="y"),))
    back = msgspec.json.decode(msgspec.json.encode(reply), type=Completion)
    assert back.tokens[0].logprob != back.tokens[0].logprob
    assert back.tokens[0].bytes == b"\xe2\x82"
    assert back.texts == ("x", "y")


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://host/v1"},
        {"url": "file:///etc/passwd"},
        {"url": "host:8000/v1"},
        {"url": "http://"},
        {"url": "http://host:port/v1"},
        {"url": f"https://user:{SECRET}@host/v1"},
        {"url": "https://host/v1/chat/completions"},
        {"url": "https://host/v1\r\nX: y"},
        {"url": "https://host/v1#part"},
        {"headers": {"Authorization": SECRET}},
        {"headers": {"X-Api-Key": SECRET}},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X Y": "a"}},
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"max_retries": -1},
        {"requests_per_second": 0},
        {"top_logprobs": 21},
        {"max_cost": 1.0},
    ],
)
def test_endpoints_that_cannot_be_are_refused_without_a_secret(fields):
    with pytest.raises(ParameterError) as caught:
        Endpoint(**{"url": "https://host/v1", **fields})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("query", ["key=zzqx", "api-key=zzqx", "a=1&access_token=zzqx", "sig=zzqx"])
def test_a_secret_in_the_query_of_an_address_is_refused_unseen(query):
    with pytest.raises(ParameterError, match="a secret in the address") as error:
        Endpoint(url=f"https://host/v1?{query}")
    assert "zzqx" not in str(error.value)


def test_call_addresses_keep_their_query():
    assert Endpoint(url="https://h/v1/").call_url("completions") == "https://h/v1/completions"
    azure = Endpoint(url="https://h/openai/deployments/d?api-version=1")
    assert azure.call_url("x") == "https://h/openai/deployments/d/x?api-version=1"
    assert "api-version" not in repr(azure)


def test_key_comes_from_the_environment_alone(monkeypatch):
    endpoint = Endpoint(url="https://host/v1", api_key_env="GUARD_KEY")
    monkeypatch.delenv("GUARD_KEY", raising=False)
    with pytest.raises(ParameterError, match="no key in the environment"):
        endpoint.secret_headers()
    monkeypatch.setenv("GUARD_KEY", f"{SECRET}\n")
    assert endpoint.secret_headers() == {"Authorization": f"Bearer {SECRET}"}
    assert SECRET not in repr(endpoint)
    assert SECRET.encode() not in msgspec.json.encode(endpoint)
    monkeypatch.setenv("GUARD_KEY", f"{SECRET}\nX: y")
    with pytest.raises(ParameterError, match="not a key") as caught:
        endpoint.secret_headers()
    assert SECRET not in str(caught.value)


def test_key_has_another_header_where_the_server_wants_one(monkeypatch):
    monkeypatch.setenv("GUARD_KEY", SECRET)
    endpoint = Endpoint(url="https://host/v1", api_key_env="GUARD_KEY", key_header="api-key")
    assert endpoint.secret_headers() == {"api-key": SECRET}


def test_key_leaves_the_machine_only_through_tls(monkeypatch):
    monkeypatch.setenv("GUARD_KEY", SECRET)
    for here in ("localhost", "127.0.0.1", "[::1]"):
        assert Endpoint(url=f"http://{here}:8000/v1", api_key_env="GUARD_KEY").secret_headers()
    away = {"url": "http://host/v1", "api_key_env": "GUARD_KEY"}
    with pytest.raises(ParameterError, match="without TLS"):
        Endpoint(**away).secret_headers()
    assert Endpoint(**away, plain_key=True).secret_headers()


def test_failures_are_records():
    failure = Failure(kind="http", status=400, message="the server answered 400", code="x")
    assert msgspec.json.decode(msgspec.json.encode(failure), type=Failure) == failure
