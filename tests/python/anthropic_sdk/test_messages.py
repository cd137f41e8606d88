"""Messages by the official SDK: whole and streamed, tools, thoughts, errors, counting, models."""

import anthropic
import pytest

TOOLS = [
    {
        "name": "get_weather",
        "description": "weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def ask(text, **more):
    return {"max_tokens": 1000, "messages": [{"role": "user", "content": text}], **more}


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_whole_reply(client, vendor):
    message = client.messages.create(model=vendor, **ask("你好,世界 🌏"))
    assert "你好,世界 🌏" in text_of(message)
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    assert message._request_id


@pytest.mark.parametrize("ending", ["", "@split:1", "@piece:1"])
def test_a_stream(client, vendor, ending):
    with client.messages.stream(model=vendor + ending, **ask("你好,世界 🌏")) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 3
    assert "".join(pieces) == text_of(message)
    assert "你好,世界 🌏" in text_of(message)
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0


def test_raw_events(client, vendor):
    kinds = [event.type for event in client.messages.create(model=vendor, stream=True, **ask("hi"))]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_there_and_back(client, vendor, streamed):
    def say(messages):
        fields = {**ask("", tools=TOOLS), "messages": messages}
        if not streamed:
            return client.messages.create(model=vendor, **fields)
        with client.messages.stream(model=vendor, **fields) as stream:
            return stream.get_final_message()

    messages = [{"role": "user", "content": "two weather reports"}]
    message = say(messages)
    calls = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use"
    assert [call.input["city"] for call in calls] == ["北京", "上海"]
    messages.append({"role": "assistant", "content": message.content})
    messages.append(
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21 celsius"} for call in calls],
        }
    )
    assert "21 celsius" in text_of(say(messages))


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts(client, vendor, streamed):
    fields = ask("reasoning please")
    if streamed:
        with client.messages.stream(model=vendor, **fields) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(model=vendor, **fields)
    thoughts = [block for block in message.content if block.type == "thinking"]
    assert len(thoughts) == 1 and thoughts[0].thinking
    # Only its own vendor proves what was thought; sent back, the others' is left out or passed on as it must be.
    assert bool(thoughts[0].signature) == (vendor == "anthropic")
    again = [*fields["messages"], {"role": "assistant", "content": message.content}, {"role": "user", "content": "go on"}]
    assert "go on" in text_of(client.messages.create(model=vendor, max_tokens=1000, messages=again))


def test_errors(client, connect, vendor):
    def fails(kind, status, model, by=client):
        with pytest.raises(kind) as caught:
            by.messages.create(model=model, **ask("hi"))
        assert caught.value.status_code == status
        assert caught.value.body["type"] == "error"
        return caught.value

    fails(anthropic.NotFoundError, 404, "no-such-model")
    fails(anthropic.AuthenticationError, 401, vendor, connect("ym-wrong"))
    fails(anthropic.PermissionDeniedError, 403, "anthropic", connect("ym-narrow"))
    fails(anthropic.InternalServerError, 500, f"{vendor}@status:500")
    fails(anthropic.InternalServerError, 500, f"{vendor}@html")
    limited = fails(anthropic.RateLimitError, 429, f"{vendor}@status:429@retryafter:3")
    assert limited.response.headers["retry-after"] == "3"
    assert limited.body["error"]["details"]["error_code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("ending", ["@errorevent:4@gap:20", "@cutevent:4@gap:20"])
def test_errors_in_mid_stream(client, vendor, ending):
    with pytest.raises(anthropic.APIStatusError) as caught:
        with client.messages.stream(model=vendor + ending, **ask("你好,世界 你好,世界")) as stream:
            for _ in stream.text_stream:
                pass
    assert caught.value.body["error"]["details"]["error_code"] == "upstream_error"


def test_counting(client, vendor):
    counted = client.messages.with_raw_response.count_tokens(
        model=vendor, system="be brief", tools=TOOLS, messages=[{"role": "user", "content": "hello " * 50}]
    )
    assert counted.parse().input_tokens > 50
    assert (counted.headers.get("x-yumen-estimated") == "true") == (vendor != "anthropic")


def test_models(client, connect):
    ids = [model.id for model in client.models.list(limit=3)]
    assert {"anthropic", "glm", "tongyi"} <= set(ids) and ids == sorted(ids)
    one = client.models.retrieve("glm")
    assert (one.id, one.type, one.lifecycle) == ("glm", "model", "active")
    assert [model.id for model in connect("ym-narrow").models.list()] == ["glm"]
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("none")


def test_version_and_features_reach_their_vendor(client, sim):
    mark = "mark-of-the-features"
    client.messages.create(model="anthropic", extra_headers={"anthropic-beta": "context-1m-2025-08-07"}, **ask(mark))
    headers = {name.lower(): value for name, value in dict(sim.one(mark)["headers"]).items()}
    assert headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert headers["anthropic-version"] == "2026-10-21"
