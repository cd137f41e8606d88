"""dashscope against the native tongyi surface."""

import dashscope
import pytest
from support import TOOLS

USER = [{"role": "user", "content": "你好 hello"}]
ECHO = "[模拟 通义 simulated] 你说:你好 hello"


@pytest.fixture(autouse=True)
def point_at_sim(sim_url, monkeypatch):
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{sim_url}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", "sk-test")


def call(messages=USER, model="qwen-plus", **more):
    more.setdefault("result_format", "message")
    return dashscope.Generation.call(model=model, messages=messages, **more)


def test_whole():
    reply = call()
    assert reply.status_code == 200, reply
    assert reply.output.choices[0].message.content == ECHO
    assert reply.output.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens


def test_text_format():
    assert call(result_format="text").output.text == ECHO


@pytest.mark.parametrize("incremental", [True, False])
def test_stream(incremental):
    events = list(call(stream=True, incremental_output=incremental))
    assert len(events) > 5 and all(event.status_code == 200 for event in events)
    texts = [event.output.choices[0].message.content for event in events]
    assert ("".join(texts) if incremental else texts[-1]) == ECHO
    assert [event.output.choices[0].finish_reason for event in events][-2:] == ["null", "stop"]


def test_tools_whole_and_streamed():
    messages = [{"role": "user", "content": "天气 of two cities"}]
    whole = call(messages, tools=TOOLS, parallel_tool_calls=True).output.choices[0].message
    assert [c["function"]["arguments"] for c in whole.tool_calls] == ['{"city":"北京"}', '{"city":"上海"}']
    arguments = ""
    for event in call(messages, tools=TOOLS, stream=True, incremental_output=True):
        for piece in event.output.choices[0].message.get("tool_calls") or []:
            arguments += piece["function"]["arguments"]
    assert arguments == '{"city":"北京"}'


def test_thinking():
    events = list(call(stream=True, incremental_output=True, enable_thinking=True))
    thought = "".join(event.output.choices[0].message.get("reasoning_content") or "" for event in events)
    assert thought.startswith("先想想")
    assert events[-1].usage["output_tokens_details"]["reasoning_tokens"] > 0


def test_refusals():
    reply = call(tools=TOOLS, tool_choice="required")
    assert (reply.status_code, reply.code) == (400, "InvalidParameter")
    reply = call(api_key="sk-invalid")
    assert (reply.status_code, reply.code) == (401, "InvalidApiKey")
    reply = call(model="qwen-plus@code:DataInspectionFailed")
    assert (reply.status_code, reply.code) == (400, "DataInspectionFailed")


def test_error_in_the_stream():
    model = "qwen-plus@errorevent:3@code:DataInspectionFailed"
    events = list(call(model=model, stream=True, incremental_output=True))
    assert [event.status_code for event in events] == [200, 200, 200, 400]
    assert events[-1].code == "DataInspectionFailed"


def test_multimodal():
    messages = [{"role": "user", "content": [{"image": "https://img.test/1.png"}, {"text": "看"}]}]
    reply = dashscope.MultiModalConversation.call(model="qwen-vl-max", messages=messages)
    assert reply.output.choices[0].message.content[0]["text"].endswith("你说:[image]看")
