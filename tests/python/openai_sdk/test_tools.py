"""Tool calls: whole and streamed, one and several, and the round trip with their results."""

import json

import openai
import pytest
from chat import calls_of, create, finishes_of, says, text_of
from support import TOOLS

@pytest.fixture(autouse=True)
def only_where_tools_are(request):
    """Who has none says so by the field's name."""
    upstream = request.getfixturevalue("upstream")
    if not upstream.tools:
        with pytest.raises(openai.BadRequestError) as refused:
            create(request.getfixturevalue("client"), ONE, tools=TOOLS)
        assert refused.value.param == "tools"
        pytest.skip("no tools")


ONE = says("weather please")
TWO = says("weather of two cities")
OTHER = {
    "type": "function",
    "function": {"name": "now", "description": "the time", "parameters": {"type": "object", "properties": {}}},
}


def cities(calls):
    return [json.loads(call)["city"] for call in calls]


def parallel(upstream):
    return {"parallel_tool_calls": True} if upstream.parallel_field and upstream.parallel else {}


def test_one_call(client):
    choice = create(client, ONE, tools=TOOLS).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert cities([call.function.arguments]) == ["北京"] and call.id


@pytest.mark.each_vendor
def test_one_call_streamed(client):
    chunks = list(create(client, ONE, tools=TOOLS, stream=True))
    (call,) = calls_of(chunks)
    assert call["name"] == "get_weather" and cities([call["arguments"]]) == ["北京"] and call["id"]
    assert finishes_of(chunks) == ["tool_calls"]
    assert text_of(chunks) == ""


@pytest.mark.each_vendor
def test_parallel_calls(client, upstream):
    if not upstream.parallel:
        pytest.skip("one call per answer in that protocol")
    choice = create(client, TWO, tools=TOOLS, **parallel(upstream)).choices[0]
    assert cities([call.function.arguments for call in choice.message.tool_calls]) == ["北京", "上海"]
    assert len({call.id for call in choice.message.tool_calls}) == 2
    streamed = calls_of(create(client, TWO, tools=TOOLS, stream=True, **parallel(upstream)))
    assert cities([call["arguments"] for call in streamed]) == ["北京", "上海"]
    assert [call["name"] for call in streamed] == ["get_weather"] * 2
    assert len({call["id"] for call in streamed}) == 2


def test_parallel_calls_are_the_default(client, upstream):
    """OpenAI's default is true, and so it must be where the vendor's is not."""
    if not upstream.parallel or upstream.forwarded:
        pytest.skip("forwarded as asked, or one call per answer")
    assert len(create(client, TWO, tools=TOOLS).choices[0].message.tool_calls) == 2


def test_stream_helper(client, upstream):
    if not upstream.object_in_chunks:
        pytest.skip("the helper passes over chunks without `object`")
    with client.chat.completions.stream(model="m", messages=ONE, tools=TOOLS) as stream:
        final = stream.get_final_completion().choices[0]
    assert [call.function.name for call in final.message.tool_calls] == ["get_weather"]
    assert cities([call.function.arguments for call in final.message.tool_calls]) == ["北京"]


@pytest.mark.each_vendor
def test_round_trip(client, upstream):
    question = TWO if upstream.parallel else ONE
    message = create(client, question, tools=TOOLS, **parallel(upstream)).choices[0].message
    answered = [
        *question,
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump() for call in message.tool_calls]},
        *({"role": "tool", "tool_call_id": call.id, "content": f"晴 {at}"} for at, call in enumerate(message.tool_calls)),
    ]
    last = f"晴 {len(message.tool_calls) - 1}"
    whole = create(client, answered, tools=TOOLS).choices[0]
    assert whole.finish_reason == "stop"
    assert last in whole.message.content
    assert not upstream.results or "工具返回" in whole.message.content
    assert text_of(create(client, answered, tools=TOOLS, stream=True)) == whole.message.content


def test_a_chosen_tool(client, upstream):
    if not upstream.required_tool and upstream.name not in ("wenxin-v1", "tongyi", "tongyi-compatible"):
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, says("hello"), model="refuses", tools=TOOLS, tool_choice="required")
        assert refused.value.param == "tool_choice"
        return
    chosen = {"type": "function", "function": {"name": "now"}}
    choice = create(client, says("hello"), tools=[*TOOLS, OTHER], tool_choice=chosen).choices[0]
    assert [call.function.name for call in choice.message.tool_calls] == ["now"]


def test_no_tool(client):
    choice = create(client, ONE, tools=TOOLS, tool_choice="none").choices[0]
    assert choice.finish_reason == "stop" and not choice.message.tool_calls
