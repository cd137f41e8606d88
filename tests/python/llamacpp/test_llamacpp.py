"""A real llama.cpp server as the company's own runtime, asked through the gateway."""

import json
import re
import urllib.request

import openai
import pytest
from support import eventually

USER = [{"role": "user", "content": "你好 gate 🙂"}]

# What differs from one call to the next even when the same question is asked of the same server.
CHANGING = re.compile(rb'"(?:id|created)":(?:"[^"]*"|\d+)|"timings":\{[^}]*\}')


def alike(raw):
    """The bytes of a reply without what no two replies share. Everything else must be the same, to the byte."""
    return CHANGING.sub(b"*", raw)


def create(client, **more):
    """Of a fixed seed and without the cache, the same question always has the same answer."""
    more["extra_body"] = {"cache_prompt": False, **more.get("extra_body", {})}
    return client.chat.completions.create(**{"model": "noise", "messages": USER, "max_tokens": 24, "seed": 7, **more})


def test_whole(client):
    reply = create(client)
    assert reply.object == "chat.completion"
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 24
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 24


def test_stream(client):
    chunks = list(create(client, stream=True))
    assert len(chunks) > 10
    assert len({chunk.id for chunk in chunks}) == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["length"]
    assert all(chunk.usage is None for chunk in chunks), "usage came unasked"


def test_stream_helper(client):
    """The helper takes a cut-off answer for an error, which carries all that was said."""
    with client.chat.completions.stream(model="noise", messages=USER, max_tokens=24, seed=7) as stream:
        with pytest.raises(openai.LengthFinishReasonError) as cut:
            stream.get_final_completion()
    assert cut.value.completion.choices[0].message.content


def test_usage_when_asked(client):
    chunks = list(create(client, stream=True, stream_options={"include_usage": True}))
    counted = [chunk for chunk in chunks if chunk.usage]
    assert len(counted) == 1 and counted[0].choices == []
    assert counted[0].usage.completion_tokens == 24


def test_timings_pass(client):
    assert create(client).timings["predicted_n"] == 24
    chunks = list(create(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].timings["predicted_n"] == 24


def test_tells_who_answered(client):
    reply = client.chat.completions.with_raw_response.create(model="noise", messages=USER, max_tokens=4)
    assert reply.headers["x-yumen-provider"] == "local"
    assert reply.headers["x-yumen-model"] == "noise.gguf"
    assert reply.headers["x-yumen-grade"] == "restricted"
    assert reply.headers["x-yumen-verdict"] == "allow"


def test_whole_reply_is_the_servers_own_bytes(ask_both):
    ours, theirs = ask_both(messages=USER, max_tokens=60)
    assert ours.status_code == theirs.status_code == 200
    assert alike(ours.content) == alike(theirs.content)


@pytest.mark.parametrize("more", [{"stream_options": {"include_usage": True}}, {"logprobs": True, "top_logprobs": 20}])
def test_stream_is_the_servers_own_bytes(ask_both, more):
    """Random text is mostly bytes that are no UTF-8: half characters, replacement marks, control characters."""
    if "stream_options" not in more:
        more = {**more, "stream_options": {"include_usage": True}}
    ours, theirs = ask_both(messages=USER, max_tokens=120, stream=True, **more)
    assert "�".encode() in theirs.content, "the guest is too well-behaved to prove anything"
    assert alike(ours.content) == alike(theirs.content)


def test_hidden_usage_is_all_that_differs(ask_both):
    """Nobody asked for usage; the gateway asks for its own books and takes the usage out again."""
    ours, theirs = ask_both(messages=USER, max_tokens=40, stream=True)

    def said(raw):
        events = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: {")]
        deltas = [json.loads(event)["choices"] for event in events]
        return [choice["delta"] for choices in deltas for choice in choices]

    assert b'"usage"' not in ours.content
    assert said(ours.content) == said(theirs.content)
    assert ours.content.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("seed", range(1, 9))
def test_any_noise_survives(client, seed):
    whole = create(client, seed=seed, max_tokens=64)
    chunks = create(client, seed=seed, max_tokens=64, stream=True)
    pieces = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    content = whole.choices[0].message.content
    # llama.cpp keeps half a character at the very end of a stream to itself; in a whole reply it says �.
    assert content.startswith(pieces) and not content[len(pieces) :].strip("�")


def test_too_long_a_prompt(client):
    with pytest.raises(openai.BadRequestError) as failed:
        create(client, messages=[{"role": "user", "content": "x" * 4000}])
    assert failed.value.code == "context_length_exceeded"
    assert {"message", "type", "code", "param"} <= set(failed.value.body)
    assert "n_ctx" not in str(failed.value.body), "the server's own words leaked"


def test_what_the_server_refuses(client):
    """Well-formed for the gateway, wrong for llama.cpp."""
    with pytest.raises(openai.BadRequestError) as failed:
        create(client, extra_body={"grammar": "no grammar at all ::="})
    assert failed.value.code in ("upstream_error", "invalid_request")
    assert failed.value.response.headers["x-request-id"]


def test_a_client_that_leaves_frees_the_slot(client, llama):
    def processing():
        with urllib.request.urlopen(f"{llama}/metrics", timeout=10) as reply:
            return re.search(rb"^llamacpp:requests_processing (\S+)", reply.read(), re.M)[1] != b"0"

    # As many tokens as the context holds, made slow by asking for twenty alternatives of each.
    stream = create(client, stream=True, max_tokens=480, logprobs=True, top_logprobs=20)
    for _ in range(3):
        next(stream)
    stream.close()
    eventually(lambda: not processing(), "an idle server after the client left")
    assert create(client).choices[0].finish_reason == "length"


def test_many_at_once(client):
    """More streams than the server has slots: the rest wait their turn there."""
    streams = [create(client, stream=True, max_tokens=16) for _ in range(8)]
    for stream in streams:
        assert [c.choices[0].finish_reason for c in stream if c.choices and c.choices[0].finish_reason] == ["length"]
