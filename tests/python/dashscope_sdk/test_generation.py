"""Generation by the official DashScope SDK, which only gets another base URL: whole and streamed, tools, parts, errors."""

import dashscope
import pytest
from dashscope import Generation, MultiModalConversation
from support import TOOLS

TEXT = "你好,世界 🌏"


def ask(model, text=TEXT, **more):
    more.setdefault("result_format", "message")
    return Generation.call(model=model, messages=[{"role": "user", "content": text}], **more)


def ok(reply):
    assert reply.status_code == 200, reply
    return reply.output


def message_of(reply):
    return ok(reply).choices[0].message


def test_a_whole_reply(vendor):
    reply = ask(vendor)
    assert TEXT in message_of(reply).content
    assert reply.output.choices[0].finish_reason == "stop"
    assert reply.usage.input_tokens > 0 and reply.usage.output_tokens > 0
    assert reply.request_id


def test_a_bare_text(vendor):
    assert TEXT in ok(Generation.call(model=vendor, prompt=TEXT, result_format="text")).text


@pytest.mark.parametrize("incremental", [True, False])
@pytest.mark.parametrize("ending", ["", "@split:1", "@piece:1"])
def test_a_stream(vendor, ending, incremental):
    events = list(ask(vendor + ending, stream=True, incremental_output=incremental))
    assert len(events) > 3
    texts = [message_of(event).content for event in events]
    assert TEXT in ("".join(texts) if incremental else texts[-1])
    assert [event.output.choices[0].finish_reason for event in events][-2:] == ["null", "stop"]
    assert events[-1].usage.input_tokens > 0 and events[-1].usage.output_tokens > 0


def test_a_stream_of_bare_text(vendor):
    events = list(Generation.call(model=vendor, prompt=TEXT, stream=True, result_format="text"))
    assert TEXT in events[-1].output.text
    assert events[-1].output.finish_reason == "stop"


@pytest.mark.parametrize("streamed", [None, True, False])
def test_tools_there_and_back(vendor, streamed):
    """Whole; as increments; and with each event saying all again."""
    messages = [{"role": "user", "content": "two weather reports"}]
    fields = {"model": vendor, "tools": TOOLS, "result_format": "message", "parallel_tool_calls": True}
    calls = {}
    if streamed is None:
        for call in message_of(Generation.call(messages=messages, **fields)).tool_calls:
            calls[call["index"]] = call
    else:
        for event in Generation.call(messages=messages, stream=True, incremental_output=streamed, **fields):
            for piece in message_of(event).get("tool_calls") or []:
                if streamed and piece["index"] in calls:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
                else:
                    calls[piece["index"]] = piece
    assert [call["function"]["arguments"] for call in calls.values()] == ['{"city":"北京"}', '{"city":"上海"}']
    messages.append({"role": "assistant", "content": "", "tool_calls": list(calls.values())})
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "21 celsius"} for call in calls.values()]
    assert "21 celsius" in message_of(Generation.call(messages=messages, **fields)).content


def test_thoughts(vendor):
    events = list(ask(vendor, "reasoning please", stream=True, incremental_output=True))
    assert "".join(message_of(event).get("reasoning_content") or "" for event in events)


def test_a_model_that_sees():
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [{"image": pixel}, {"text": TEXT}]
    for model in ("sees", "openai-compatible"):
        reply = MultiModalConversation.call(model=model, messages=[{"role": "user", "content": content}])
        assert TEXT in message_of(reply).content[0]["text"]
        events = MultiModalConversation.call(
            model=model, messages=[{"role": "user", "content": content}], stream=True, incremental_output=True
        )
        texts = [part["text"] for event in events for part in message_of(event).content]
        assert TEXT in "".join(texts)


FAILED = (500, 502)


def fails(reply, status, code):
    assert reply.status_code in (status if isinstance(status, tuple) else (status,)), reply
    assert reply.code == code, reply
    assert reply.message


def test_errors(vendor, monkeypatch):
    fails(ask("no-such-model"), 404, "ModelNotFound")
    fails(ask(f"{vendor}@status:500"), FAILED, "InternalError")
    fails(ask(f"{vendor}@html"), FAILED, "InternalError")
    fails(ask(f"{vendor}@status:429@retryafter:3"), 429, "Throttling.RateQuota")
    (event,) = ask("no-such-model", stream=True)
    fails(event, 404, "ModelNotFound")
    monkeypatch.setattr(dashscope, "api_key", "ym-wrong")
    fails(ask(vendor), 401, "InvalidApiKey")
    monkeypatch.setattr(dashscope, "api_key", "ym-narrow")
    fails(ask("tongyi"), 403, "AccessDenied")


@pytest.mark.parametrize("ending", ["@errorevent:4@gap:20", "@cutevent:4@gap:20"])
def test_errors_in_mid_stream(vendor, ending):
    *before, last = ask(vendor + ending, "你好,世界 你好,世界", stream=True, incremental_output=True)
    assert before and all(event.status_code == 200 for event in before)
    fails(last, FAILED, "InternalError")


def test_bad_requests():
    fails(Generation.call(model="tongyi", prompt="a", history=[{"user": "x", "bot": "y"}]), 400, "InvalidParameter")
    fails(ask("tongyi", max_tokens=0), 400, "InvalidParameter")


def test_models(monkeypatch):
    names = [model["model"] for model in ok(dashscope.Models.list(page_size=500))["models"]]
    assert {"anthropic", "glm", "tongyi"} <= set(names)
    assert ok(dashscope.Models.get("glm"))["model"] == "glm"
    assert dashscope.Models.get("none").status_code == 404
