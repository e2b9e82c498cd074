"""Bodies as real servers write them, and what is left of bodies that are broken."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwright.language_models import Completion, Failure
from riskwright.language_models.parsing import error_code, parsed, parsed_chunk

SECRET = "phrase-that-nobody-may-see"


def reply(**choice):
    first = {"index": 0, "message": {"role": "assistant", "content": "safe"}} | choice
    return json.dumps({"id": "x", "model": "m", "choices": [first]}).encode()


LLAMA_CPP = {
    "id": "chatcmpl-9f2",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "tinyguard.gguf",
    "choices": [
        {
            "index": 0,
            "message": {"content": "\n\nunsafe\nS10", "role": "assistant"},
            "logprobs": {
                "content": [
                    {
                        "token": "\n\n",
                        "logprob": -0.01,
                        "bytes": [10, 10],
                        "top_logprobs": [
                            {"token": "\n\n", "logprob": -0.01, "bytes": [10, 10]},
                            {"token": "safe", "logprob": -5.0, "bytes": [115, 97, 102, 101]},
                        ],
                    },
                    {
                        "token": "unsafe",
                        "logprob": -0.25,
                        "bytes": [117, 110, 115, 97, 102, 101],
                        "top_logprobs": [
                            {"token": "safe", "logprob": -1.5, "bytes": None},
                            {"token": "unsafe", "logprob": -0.25, "bytes": None},
                        ],
                    },
                    {"token": "\n", "logprob": 0.0, "bytes": [10], "top_logprobs": []},
                    {"token": "S", "logprob": -0.1, "bytes": [83], "top_logprobs": []},
                    {"token": "10", "logprob": -0.2, "bytes": [49, 48], "top_logprobs": []},
                ],
                "refusal": None,
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 200, "completion_tokens": 5, "total_tokens": 205},
}

TRANSFORMERS_SERVE = {
    "id": "req_0",
    "choices": [
        {
            "finish_reason": "stop",
            "index": 0,
            "message": {"content": "unsafe\nS2", "role": "assistant", "tool_calls": None},
        }
    ],
    "created": 1790000000,
    "model": "guard@main",
    "object": "chat.completion",
    "service_tier": None,
    "system_fingerprint": "",
    "usage": {"completion_tokens": 4, "prompt_tokens": 199, "total_tokens": 203},
}

VLLM = {
    "id": "chatcmpl-1a",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "guard",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "safe",
                "refusal": None,
                "annotations": None,
                "audio": None,
                "function_call": None,
                "tool_calls": [],
                "reasoning": None,
            },
            "logprobs": {
                "content": [
                    {
                        "token": "safe",
                        "logprob": -0.05,
                        "bytes": [115, 97, 102, 101],
                        "top_logprobs": [
                            {"token": "safe", "logprob": -0.05, "bytes": [115, 97, 102, 101]},
                            {"token": "unsafe", "logprob": -3.0, "bytes": [117]},
                            {"token": "�", "logprob": -9999.0, "bytes": [226, 130]},
                        ],
                    }
                ]
            },
            "finish_reason": "stop",
            "stop_reason": None,
            "token_ids": None,
        }
    ],
    "service_tier": None,
    "system_fingerprint": None,
    "usage": {
        "prompt_tokens": 190,
        "total_tokens": 191,
        "completion_tokens": 1,
        "prompt_tokens_details": None,
    },
    "prompt_logprobs": None,
    "kv_transfer_params": None,
}


def test_llama_cpp_with_newlines_first_and_split_tokens():
    found = parsed(json.dumps(LLAMA_CPP).encode())
    assert (found.text, found.finish_reason) == ("\n\nunsafe\nS10", "stop")
    assert [t.text for t in found.tokens] == ["\n\n", "unsafe", "\n", "S", "10"]
    assert found.tokens[1].top == (("unsafe", -0.25), ("safe", -1.5))
    assert found.tokens[0].bytes == b"\n\n"
    assert (found.prompt_tokens, found.completion_tokens) == (200, 5)


def test_transformers_serve_has_no_logprobs():
    found = parsed(json.dumps(TRANSFORMERS_SERVE).encode())
    assert (found.text, found.tokens, found.model) == ("unsafe\nS2", None, "guard@main")
    assert (found.prompt_tokens, found.completion_tokens) == (199, 4)


def test_vllm_with_fields_of_its_own():
    found = parsed(json.dumps(VLLM).encode())
    assert found.text == "safe"
    assert found.tokens[0].top[:2] == (("safe", -0.05), ("unsafe", -3.0))
    assert found.refusal is None


def test_completions_in_the_older_form_with_an_echo():
    body = {
        "object": "text_completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "text": "a b",
                "logprobs": {
                    "tokens": ["a", " b"],
                    "token_logprobs": [None, -0.5],
                    "top_logprobs": [None, {" c": -1.0, " b": -0.5}],
                    "text_offset": [0, 1],
                },
                "finish_reason": "length",
            }
        ],
    }
    found = parsed(json.dumps(body).encode())
    assert (found.text, found.finish_reason) == ("a b", "length")
    assert math.isnan(found.tokens[0].logprob)
    assert found.tokens[0].top == ()
    assert found.tokens[1].logprob == -0.5
    assert found.tokens[1].top == ((" b", -0.5), (" c", -1.0))
    assert (found.prompt_tokens, found.completion_tokens) == (None, None)


def test_moderation_of_openai_with_a_null_category():
    body = {
        "id": "modr-1",
        "model": "omni-moderation-latest",
        "results": [
            {
                "flagged": True,
                "categories": {"hate": True, "illicit": None},
                "category_scores": {"hate": 0.75, "illicit": None},
                "category_applied_input_types": {"hate": ["text"]},
            },
            {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.0}},
        ],
    }
    first, second = parsed(json.dumps(body).encode()).moderation
    assert (first.flagged, first.categories) == (True, {"hate": True, "illicit": None})
    assert first.scores == {"hate": 0.75}
    assert second.scores == {"hate": 0.0}


def test_moderation_within_a_chat_completion():
    result = {"type": "moderation_result", "flagged": True, "category_scores": {"hate": 0.5}}
    sides = {
        "input": {"type": "moderation_results", "results": [result]},
        "output": {"type": "error", "code": "x", "message": SECRET},
    }
    body = json.loads(reply()) | {"moderation": sides}
    found = parsed(json.dumps(body).encode())
    assert [m.scores for m in found.moderation] == [{"hate": 0.5}]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None}, ""),
        ({}, ""),
        ({"content": [{"type": "text", "text": "un"}, {"type": "text", "text": "safe"}]}, "unsafe"),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, ""),
        ({"content": " safe"}, " safe"),
    ],
)
def test_content_in_its_many_forms(message, text):
    assert parsed(reply(message=message)).text == text


def test_refusal_is_kept_apart():
    found = parsed(reply(message={"content": None, "refusal": "No."}))
    assert (found.text, found.refusal) == ("", "No.")


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}])
def test_logprobs_that_are_absent_are_none_and_not_empty(logprobs):
    assert parsed(reply(logprobs=logprobs)).tokens is None


def test_alternatives_without_a_number_are_left_out():
    top = [{"token": "a", "logprob": None}, {"token": "b", "logprob": -2.0}]
    tokens = [{"token": "b", "logprob": None, "bytes": [300], "top_logprobs": top}]
    (token,) = parsed(reply(logprobs={"content": tokens})).tokens
    assert math.isnan(token.logprob)
    assert token.top == (("b", -2.0),)
    assert token.bytes is None


def test_samples_come_in_their_order():
    choices = [
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "a"}, "finish_reason": None},
    ]
    found = parsed(json.dumps({"choices": choices}).encode())
    assert found.texts == ("a", "b")
    assert (found.finish_reason, found.further[0].finish_reason) == ("", "length")


def test_invalid_utf8_is_replaced():
    assert parsed(reply().replace(b"safe", b"s\xffafe")).text == "s�afe"


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (reply()[:-7], "truncated", "the reply breaks off"),
        (b"", "truncated", "the reply is empty"),
        (b"  \n", "truncated", "the reply is empty"),
        (f"<html>{SECRET}</html>".encode(), "malformed", "the reply is not JSON but text/html"),
        (b'{"choices": []}', "malformed", "the reply has no choices"),
        (b'{"choices": null}', "malformed", "the reply has no choices"),
        (b"{}", "malformed", "the reply has no choices"),
        (b'{"choices": [{"index": 0}]}', "malformed", "a choice has neither message nor text"),
        (b'{"choices": "%b"}' % SECRET.encode(), "malformed", "at $.choices"),
        (b"[1]", "malformed", "not of the known form"),
        (b"null", "malformed", "not of the known form"),
        (b"[" * 10**5, "malformed", ""),
        (b'{"x":' * 10**5, "malformed", "nested too deeply"),
        (b'{"choices": NaN}', "malformed", "not JSON"),
    ],
)
def test_bodies_that_are_no_reply(body, kind, message):
    found = parsed(body, "text/html; charset=utf-8")
    assert isinstance(found, Failure)
    assert found.kind == kind
    assert message in found.message
    assert SECRET not in found.message


def test_errors_in_a_reply_of_status_200_keep_their_name_and_lose_their_words():
    body = {"error": {"message": SECRET, "type": "invalid_request_error", "code": None}}
    found = parsed(json.dumps(body).encode())
    assert (found.kind, found.code) == ("http", "invalid_request_error")
    assert SECRET not in repr(found)
    body = {"object": "error", "message": SECRET, "code": 503}
    assert parsed(json.dumps(body).encode()).status == 503


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "context_length_exceeded", "type": "x"}}, "context_length_exceeded"),
        ({"error": {"code": None, "type": "server_error"}}, "server_error"),
        ({"error": {"code": f"a sentence with {SECRET}"}}, ""),
        ({"error": SECRET}, ""),
        ({"detail": [{"loc": ["body"], "input": SECRET}]}, ""),
        ({"code": 400, "type": "BadRequestError"}, "400"),
        ([SECRET], ""),
        (None, ""),
    ],
)
def test_names_of_errors_are_names(body, code):
    assert error_code(json.dumps(body).encode()) == code


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_a_failure(data):
    for body in (data, b'{"choices": [' + data, reply().replace(b'"safe"', data)):
        assert isinstance(parsed(body), Completion | Failure)
        parsed_chunk(body)
        error_code(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "message",
                        "content",
                        "logprobs",
                        "usage",
                        "error",
                        "delta",
                        "index",
                        "text",
                        "results",
                        "token",
                        "top_logprobs",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_reply_or_a_failure(value):
    body = json.dumps(value).encode()
    assert isinstance(parsed(body), Completion | Failure)
    parsed_chunk(body)
